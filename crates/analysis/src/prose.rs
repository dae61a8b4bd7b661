//! What a summary says, in sentences.

use crate::format::{plural, signed};
use crate::stats::{CONFIDENCE, with_spread_of};
use crate::{Configuration, Frontier, Summary, SummaryRow, Verdict, Way};

/// Begins a name in a sentence (Unicode's first strong isolate).
pub(crate) const NAME_BEGIN: char = '\u{2068}';
/// Ends a name in a sentence (Unicode's pop directional isolate).
pub(crate) const NAME_END: char = '\u{2069}';

/// More groups than these are not read in a sentence.
const MOST_GROUPS: usize = 4;

/// What was compared, what can be told apart and what cannot, and what is missing: plain sentences, without markup but
/// for [`NAME_BEGIN`] and [`NAME_END`] around names, within which no line should break.
pub(crate) fn findings(summary: &Summary) -> Vec<String> {
    if summary.rows.is_empty() {
        let unfinished = plural(summary.unfinished.len(), "run");
        return vec![format!("{} has no finished run yet ({unfinished} begun).", summary.experiment)];
    }
    let runs = summary.rows.iter().map(|row| row.configuration.runs.len()).sum();
    let compared = plural(summary.rows.len(), "configuration");
    let mut sentences =
        vec![format!("{} compares {compared} in {}.", summary.experiment, plural(runs, "finished run"))];
    match summary.baseline {
        Some(baseline) => sentences.extend(beside_baseline(summary, baseline)),
        None => sentences.push("It has no baseline: no configuration is dense in attention and MLP.".to_owned()),
    }
    sentences.extend(tied_groups(summary));
    sentences.extend(summary.frontier.as_ref().into_iter().flat_map(beside_dense));
    sentences.extend(missing(summary));
    sentences
}

fn beside_baseline(summary: &Summary, baseline: &Configuration) -> Vec<String> {
    let row = summary.rows.iter().find(|row| row.verdict == Some(Verdict::Baseline));
    let spread = row.and_then(|row| row.loss_sd).map_or(String::new(), |sd| format!(" ± {sd:.3}"));
    let runs = match baseline.runs.len() {
        1 => "one run, so its spread is not known".to_owned(),
        runs => format!("mean ± standard deviation over {runs} runs"),
    };
    let loss = baseline.mean_loss();
    let mut sentences =
        vec![format!("The baseline, {}, reaches an evaluation loss of {loss:.3}{spread} ({runs}).", name(baseline))];
    for (verdict, what) in [
        (Verdict::Better, "better than the baseline"),
        (Verdict::Worse, "worse than the baseline"),
        (Verdict::NotDistinguishable, "not distinguishable from the baseline"),
    ] {
        let rows: Vec<_> = summary.rows.iter().filter(|row| row.verdict == Some(verdict)).collect();
        sentences.extend(differing(&rows, what, summary.rows.len() - 1));
    }
    sentences
}

/// `9 are worse than the baseline, by +0.129 (LgSA-LgMLP-4L) to +0.691 (MedSA-MedMLP-4L).`
fn differing(rows: &[&SummaryRow], what: &str, others: usize) -> Option<String> {
    let by = |row: &SummaryRow| signed(row.comparison.map_or(0.0, |comparison| comparison.difference), 3);
    let name = |row: &SummaryRow| name(row.configuration);
    Some(match rows {
        [] => return None,
        [one] => format!("{} is {what} ({}).", name(one), by(one)),
        [first, .., last] => {
            let number = if rows.len() == others { "All others".to_owned() } else { format!("{} others", rows.len()) };
            format!("{number} are {what}, by {} ({}) to {} ({}).", by(first), name(first), by(last), name(last))
        }
    })
}

/// The largest groups of configurations, the baseline apart, within which no two can be told apart.
fn tied_groups(summary: &Summary) -> Option<String> {
    let others: Vec<_> = summary.rows.iter().filter(|row| row.verdict != Some(Verdict::Baseline)).collect();
    let mut letters: Vec<_> = others.iter().flat_map(|row| row.ties.chars()).collect();
    letters.sort_unstable();
    letters.dedup();
    let members = |letter| {
        let names = others.iter().filter(|row| row.ties.contains(letter)).map(|row| name(row.configuration));
        names.collect::<Vec<_>>()
    };
    let groups: Vec<_> =
        letters.into_iter().map(members).filter(|names| names.len() > 1).map(|one| list(&one)).collect();
    match groups.as_slice() {
        [] if others.len() > 1 && others.iter().all(|row| !row.ties.is_empty()) => {
            Some("All of them can be told apart from each other.".to_owned())
        }
        [] => None,
        groups if groups.len() > MOST_GROUPS => {
            Some("Many of them cannot be told apart from each other: the table shows which, under ties.".to_owned())
        }
        groups => Some(format!("These cannot be told apart from each other: {}.", groups.join("; "))),
    }
}

/// `Beside dense models of as many body parameters, made smaller by hidden size: a (−0.026) is better; b (+0.171) is worse.`
fn beside_dense(frontier: &Frontier) -> Vec<String> {
    let sentence = |way: Way| {
        let of = |verdict: Option<Verdict>, are: [&str; 2]| {
            let twins: Vec<_> =
                frontier.twins.iter().filter(|twin| twin.way == way && twin.verdict() == verdict).collect();
            let names: Vec<String> = twins
                .iter()
                .map(|twin| format!("{} ({})", name(twin.configuration), signed(twin.difference, 3)))
                .collect();
            (!names.is_empty()).then(|| format!("{} {}", list(&names), are[usize::from(names.len() > 1)]))
        };
        let parts: Vec<String> = [
            of(Some(Verdict::Better), ["is better", "are better"]),
            of(Some(Verdict::Worse), ["is worse", "are worse"]),
            of(Some(Verdict::NotDistinguishable), ["cannot be told apart", "cannot be told apart"]),
            of(None, ["differs by as much, of unknown spread", "differ by as much, of unknown spread"]),
        ]
        .into_iter()
        .flatten()
        .collect();
        let dense = format!("Beside dense models of as many body parameters, made smaller by {way}");
        (!parts.is_empty()).then(|| format!("{dense}: {}.", parts.join("; ")))
    };
    [Way::Hidden, Way::Width].into_iter().filter_map(sentence).collect()
}

fn missing(summary: &Summary) -> Vec<String> {
    let mut sentences = Vec::new();
    let single = summary.rows.iter().filter(|row| row.configuration.runs.len() == 1).count();
    let others_single = single > usize::from(summary.baseline.is_some_and(|baseline| baseline.runs.len() == 1));
    let new_run = summary.baseline.and_then(|baseline| {
        with_spread_of(&baseline.losses(), &[baseline.mean_loss()], &baseline.losses(), CONFIDENCE)
    });
    match new_run {
        Some(interval) if others_single => {
            let they = match single {
                1 => "1 configuration has a single run: its".to_owned(),
                _ => format!("{single} configurations have a single run each: their"),
            };
            sentences.push(format!(
                "{they} spread is taken to be the baseline's, so a difference from it counts from {:.3} on.",
                interval.half_width
            ));
        }
        None if summary.rows.iter().all(|row| row.loss_sd.is_none()) => {
            sentences.push("No configuration has several seeds, so nothing can be told apart from chance.".to_owned());
        }
        _ => {}
    }
    if !summary.unfinished.is_empty() {
        let are = if summary.unfinished.len() == 1 { "is" } else { "are" };
        sentences.push(format!("{} {are} not counted.", plural(summary.unfinished.len(), "unfinished or failed run")));
    }
    sentences
}

fn name(configuration: &Configuration) -> String {
    format!("{NAME_BEGIN}{}{NAME_END}", configuration.name)
}

/// `a, b and c`.
fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
