//! What happens in the stories, read from text.
//!
//! ```text
//! # A line that is passed over, as empty ones are.
//! beat thanks              a beat that any plot may have
//! - "Thank you!"           a template of the beat; none after the dash: nothing may be told
//! plot stuck
//! slot thing: kite / ball  what a slot of this plot alone may stand for
//! paragraph
//! * It got stuck {spot}.   the first template of a beat
//! - It was gone.           another one of the same
//! @thanks                  a beat from above
//! ```
//! Slots of every plot: `hero`, `hero_intro` ("a shy fox named Tim"), `they`, `them`, `their`; the same of the `friend` with
//! `f.` before the pronouns, and of one of the hero's family, the `adult` ("mom"), with `a.`; `place` ("the park"), `at` and
//! `to` it; `colour`, `hobby` ("sing songs") and `day` ("sunny day"). Only the past is told, so that no verb depends on who
//! does it.

use std::sync::LazyLock;

/// All that may happen, each as likely.
pub(super) static PLOTS: LazyLock<Vec<Plot>> = LazyLock::new(|| {
    let files = [
        include_str!("shared.txt"),
        include_str!("things.txt"),
        include_str!("friends.txt"),
        include_str!("growing.txt"),
    ];
    parse(files).expect("plots that a test has read")
});

/// What happens in a story.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plot {
    /// Slots of this plot alone, and what they may stand for.
    pub(super) slots: Vec<(&'static str, Vec<&'static str>)>,
    pub(super) paragraphs: Vec<Vec<Beat>>,
}

/// Templates that tell the same event.
type Beat = Vec<&'static str>;

/// The plots of some files, in which a beat stands before its use; or the line that is none of them.
fn parse<const N: usize>(files: [&'static str; N]) -> Result<Vec<Plot>, String> {
    let mut shared: Vec<(&str, Beat)> = Vec::new();
    let mut plots: Vec<Plot> = Vec::new();
    for line in files.into_iter().flat_map(str::lines) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let done = match word {
            "" | "#" => Some(()),
            "beat" => {
                shared.push((rest, Beat::new()));
                Some(())
            }
            "plot" => {
                plots.push(Plot::default());
                Some(())
            }
            "slot" => plots.last_mut().zip(rest.split_once(": ")).map(|(plot, (slot, words))| {
                plot.slots.push((slot, words.split(" / ").collect()));
            }),
            "paragraph" => plots.last_mut().map(|plot| plot.paragraphs.push(Vec::new())),
            "*" => beats(&mut plots).map(|beats| beats.push(vec![rest])),
            // Before the first plot, the templates of beats for all.
            "-" if plots.is_empty() => shared.last_mut().map(|(_, beat)| beat.push(rest)),
            "-" => beats(&mut plots).and_then(|beats| beats.last_mut()).map(|beat| beat.push(rest)),
            _ => {
                let beat = word.strip_prefix('@').and_then(|name| shared.iter().find(|(shared, _)| *shared == name));
                beat.zip(beats(&mut plots)).map(|((_, beat), beats)| beats.push(beat.clone()))
            }
        };
        done.ok_or_else(|| line.to_owned())?;
    }
    Ok(plots)
}

/// The beats of the paragraph that is being read.
fn beats(plots: &mut [Plot]) -> Option<&mut Vec<Beat>> {
    plots.last_mut()?.paragraphs.last_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_read() {
        let shared = "# Shared.\n\nbeat end\n- The end.\n-\n";
        let own = "plot one\nslot thing: kite / red ball\nparagraph\n* A {thing}.\n- No [a|b].\n*\n@end\nparagraph\n@end\n\nplot two\n";
        let end = || vec!["The end.", ""];
        let one = Plot {
            slots: vec![("thing", vec!["kite", "red ball"])],
            paragraphs: vec![vec![vec!["A {thing}.", "No [a|b]."], vec![""], end()], vec![end()]],
        };
        assert_eq!(parse([shared, own]), Ok(vec![one, Plot::default()]));
        for line in ["- before any", "* before any", "@end", "slot a: b", "plot one\nslot a", "paragraph", "plat one"] {
            assert_eq!(parse([line]).unwrap_err(), line.lines().last().unwrap());
        }
        assert_eq!(PLOTS.len(), 10);
    }
}
