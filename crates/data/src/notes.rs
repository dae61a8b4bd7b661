//! What the owner of stories should know of them: how much is not used, and why.

use crate::config::LongKind;
use crate::source::DIVIDE;
use crate::stories::{Cut, Stories};

/// What is cut off a part of the stories, or was split or packed, in a context of `context` tokens: a sentence each.
pub(crate) fn of_part(long: LongKind, part: &Stories, name: &str, context: usize) -> Vec<String> {
    let cut = part.cut(context);
    let cut = (cut.stories_cut > 0).then(|| cut_note(cut, name, context));
    cut.into_iter().chain(arranged_note(long, part, name, context)).collect()
}

/// What is said of stories and rows that were left out: a sentence each.
pub(crate) fn left_out(skipped: usize, empty_rows: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if skipped > 0 {
        let (stories, are) = plural(skipped as u64, "story", "stories");
        notes.push(format!("{stories} of fewer than two tokens {are} left out: there is nothing to predict"));
    }
    if empty_rows > 0 {
        let (rows, are) = plural(empty_rows, "row", "rows");
        notes.push(format!("{rows} without a story (null, or empty) {are} passed over"));
    }
    notes
}

/// What is said of stories that were split or packed; nothing where that changed none.
fn arranged_note(long: LongKind, part: &Stories, name: &str, context: usize) -> Option<String> {
    let stories = plural(part.texts() as u64, "story", "stories").0;
    match (long, part.longer_than(context) as u64) {
        (LongKind::Cut, _) | (LongKind::Split, 0) => None,
        (LongKind::Split, longer) => {
            let (sequences, are) = plural((part.len() - part.texts()) as u64, "further sequence", "further sequences");
            let is = if longer == 1 { "is" } else { "are" };
            let longer = thousands(longer);
            Some(format!(
                "{longer} of {stories} {name} {is} longer than the context of {context}: {sequences} {are} made of the rest"
            ))
        }
        (LongKind::Pack, _) => {
            let blocks = plural(part.len() as u64, "block", "blocks").0;
            Some(format!(
                "{stories} {name} {} packed into {blocks} of {context} tokens",
                if part.texts() == 1 { "is" } else { "are" }
            ))
        }
    }
}

fn cut_note(cut: Cut, name: &str, context: usize) -> String {
    let percent = 100.0 * cut.share();
    let percent = if percent < 1.0 { "less than 1".to_owned() } else { format!("{percent:.0}") };
    let (tokens, are) = plural(cut.tokens_cut, "target", "targets");
    // That much is lost where a file is not divided into stories at all.
    let hint = if cut.share() > 0.5 { format!("; {DIVIDE}, or long = \"split\" keeps all") } else { String::new() };
    format!(
        "{} of {} {name} {} longer than the context of {context}: {tokens} of {} {are} cut off ({percent} %){hint}",
        thousands(cut.stories_cut),
        plural(cut.stories, "story", "stories").0,
        if cut.stories_cut == 1 { "is" } else { "are" },
        thousands(cut.targets),
    )
}

/// `1 story` and `is`, `1,234 stories` and `are`.
fn plural(count: u64, one: &str, many: &str) -> (String, &'static str) {
    let (name, are) = if count == 1 { (one, "is") } else { (many, "are") };
    (format!("{} {name}", thousands(count)), are)
}

/// `1,234`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
