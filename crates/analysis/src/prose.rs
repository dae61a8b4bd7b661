//! What a summary says, in sentences.

use lrx_records::RunRecord;

use crate::format::{plural, signed, thousands};
use crate::frontier::TWINS;
use crate::{Configuration, Frontier, Size, Summary, SummaryRow, Verdict, Way};

/// Begins a name in a sentence (Unicode's first strong isolate).
pub(crate) const NAME_BEGIN: char = '\u{2068}';
/// Ends a name in a sentence (Unicode's pop directional isolate).
pub(crate) const NAME_END: char = '\u{2069}';

/// More groups than these are not read in a sentence.
const MOST_GROUPS: usize = 4;
/// Nor more names in all of them.
const MOST_NAMES: usize = 14;

/// What was compared, what can be told apart and what cannot; how low rank stands beside smaller dense models; what is
/// missing: a paragraph each, of plain sentences, without markup but for [`NAME_BEGIN`] and [`NAME_END`] around names,
/// within which no line should break.
pub(crate) fn findings(summary: &Summary) -> Vec<String> {
    if summary.rows.is_empty() {
        let unfinished = plural(summary.unfinished.len(), "run");
        return vec![format!("{} has no finished run yet ({unfinished} begun).", summary.title)];
    }
    let runs = summary.rows.iter().map(|row| row.configuration.runs.len()).sum();
    let compared = plural(summary.rows.len(), "configuration");
    let mut sentences =
        vec![format!("{} compares {compared} in {}{}.", summary.title, plural(runs, "finished run"), data(summary))];
    sentences.extend(apart(summary));
    match summary.baseline {
        Some(baseline) => sentences.extend(beside_baseline(summary, baseline)),
        None => sentences.push("It has no baseline: no configuration is dense in attention and MLP.".to_owned()),
    }
    sentences.extend(tied_groups(summary));
    let frontier = summary.frontier.as_ref().map(beside_dense).unwrap_or_default();
    let paragraphs = [sentences, frontier, missing(summary)];
    paragraphs.into_iter().filter(|one| !one.is_empty()).map(|sentences| sentences.join(" ")).collect()
}

/// Why the other parts of the experiment are not in the table.
pub(crate) fn apart(summary: &Summary) -> Option<String> {
    let reason = summary.part?.reason;
    let others = format!("the other parts of {}", summary.experiment);
    Some(format!("Its losses are not compared with those of {others}: {reason}."))
}

/// `, each trained on 1,900 stories (372,013 tokens)`, where that is known and the same in all runs.
fn data(summary: &Summary) -> String {
    let of_all = |value: fn(&RunRecord) -> Option<u64>| {
        let mut values = summary.rows.iter().flat_map(|row| &row.configuration.runs).map(value);
        let first = values.next().flatten()?;
        values.all(|other| other == Some(first)).then(|| thousands(first))
    };
    let Some(stories) = of_all(|run| run.stories) else { return String::new() };
    let tokens = of_all(|run| run.tokens).map_or(String::new(), |tokens| format!(" ({tokens} tokens)"));
    format!(", each trained on {stories} stories{tokens}")
}

fn beside_baseline(summary: &Summary, baseline: &Configuration) -> Vec<String> {
    let row = summary.rows.iter().find(|row| std::ptr::eq(row.configuration, baseline));
    let spread = row.and_then(|row| row.loss_sd).map_or(String::new(), |sd| format!(" ± {sd:.3}"));
    let runs = match baseline.runs.len() {
        1 => "one run, so its spread is not known".to_owned(),
        runs => format!("mean ± standard deviation over {runs} runs"),
    };
    let loss = baseline.mean_loss();
    let several = summary.has_several_baselines();
    let mut sentences = vec![if several {
        "Each configuration is compared with the dense one that shares its other settings.".to_owned()
    } else {
        format!("The baseline, {}, reaches an evaluation loss of {loss:.3}{spread} ({runs}).", name(baseline))
    }];
    let [better, worse, same] = if several {
        [
            "better than the dense one beside it",
            "worse than the dense one beside it",
            "not distinguishable from the dense one beside it",
        ]
    } else {
        ["better than the baseline", "worse than the baseline", "not distinguishable from the baseline"]
    };
    let margin = summary.margin.unwrap_or_default();
    let than = if several { "the dense one beside it" } else { "the baseline" };
    let (equivalent, no_worse) =
        (format!("equivalent to {than} within {margin}"), format!("no worse than {than} by {margin} or more"));
    let verdicts = [
        (Verdict::Better, better),
        (Verdict::Worse, worse),
        (Verdict::Equivalent, &equivalent),
        (Verdict::NoWorse, &no_worse),
        (Verdict::NotDistinguishable, same),
    ];
    for (verdict, what) in verdicts {
        let alike = |row: &&SummaryRow| row.verdict == Some(verdict) && row.otherwise.is_empty();
        let rows: Vec<_> = summary.rows.iter().filter(alike).collect();
        sentences.extend(differing(&rows, what, summary.rows.len() - 1));
    }
    let otherwise: Vec<_> = summary.rows.iter().filter(|row| !row.otherwise.is_empty()).collect();
    if !otherwise.is_empty() {
        let mut named: Vec<String> = Vec::new();
        for name in otherwise.iter().flat_map(|row| &row.otherwise).map(|name| (*name).to_owned()) {
            if !named.contains(&name) {
                named.push(name);
            }
        }
        let were = if otherwise.len() == 1 { "was" } else { "were" };
        let what = list(&named, "and");
        sentences.push(format!(
            "{} {were} trained otherwise than what they are compared with ({what}): no difference of theirs is one of models alone.",
            plural(otherwise.len(), "configuration")
        ));
    }
    sentences
}

/// `9 others are worse than the baseline, by +0.129 (LgSA-LgMLP-4L) to +0.691 (MedSA-MedMLP-4L).`
fn differing<'a>(rows: &[&SummaryRow<'a>], what: &str, others: usize) -> Option<String> {
    let number =
        if rows.len() == others { "All others".to_owned() } else { format!("{} others", thousands(rows.len() as u64)) };
    let by =
        |row: &&SummaryRow<'a>| (row.configuration, row.comparison.map_or(0.0, |comparison| comparison.difference));
    ranging(rows.iter().map(by), &number, what).map(|clause| clause + ".")
}

/// `9 are better, by −0.365 (a) to −0.035 (b)`, or `a is better (−0.365)`; `None` of nothing.
fn ranging<'a>(
    differences: impl Iterator<Item = (&'a Configuration, f64)>,
    number: &str,
    what: &str,
) -> Option<String> {
    let mut differences: Vec<_> = differences.collect();
    differences.sort_by(|a, b| a.1.total_cmp(&b.1));
    let by = |(_, difference): &(_, f64)| signed(*difference, 3);
    let name = |(one, _): &(&Configuration, _)| name(one);
    Some(match differences.as_slice() {
        [] => return None,
        [one] => format!("{} is {what} ({})", name(one), by(one)),
        [first, .., last] => {
            format!("{number} are {what}, by {} ({}) to {} ({})", by(first), name(first), by(last), name(last))
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
    let groups: Vec<Vec<String>> = letters.into_iter().map(members).filter(|names| names.len() > 1).collect();
    let names = groups.iter().map(Vec::len).sum::<usize>();
    let groups: Vec<String> = groups.iter().map(|one| list(one, "and")).collect();
    match groups.as_slice() {
        [] if others.len() > 1 && others.iter().all(|row| !row.ties.is_empty()) => {
            let tied = summary.rows.iter().any(|row| row.verdict == Some(Verdict::NotDistinguishable));
            let all = if tied { "Leaving the baseline aside, they" } else { "They" };
            Some(format!("{all} can all be told apart from each other."))
        }
        [] => None,
        groups if groups.len() > MOST_GROUPS || names > MOST_NAMES => {
            Some("Many of them cannot be told apart from each other: the table shows which, under ties.".to_owned())
        }
        groups => Some(format!("These cannot be told apart from each other: {}.", groups.join("; "))),
    }
}

/// `Beside dense models of as many body parameters, made smaller by hidden size: a is better (−0.026); 2 are worse, by …`
fn beside_dense(frontier: &Frontier) -> Vec<String> {
    let sentence = |(way, size): (Way, Size)| {
        let clause = |(verdict, what): (Option<Verdict>, &str)| {
            let twins =
                frontier.twins.iter().filter(|twin| (twin.way, twin.size, twin.verdict()) == (way, size, verdict));
            let differences: Vec<_> = twins.map(|twin| (twin.configuration, twin.difference)).collect();
            ranging(differences.iter().copied(), &differences.len().to_string(), what)
        };
        let clauses: Vec<String> = [
            (Some(Verdict::Better), "better"),
            (Some(Verdict::Worse), "worse"),
            (Some(Verdict::Equivalent), "equivalent within the margin"),
            (Some(Verdict::NoWorse), "no worse than by the margin"),
            (Some(Verdict::NotDistinguishable), "not distinguishable"),
            (None, "different, without a verdict"),
        ]
        .into_iter()
        .filter_map(clause)
        .collect();
        let dense = format!("Beside dense models of as many {}, made smaller by {way}", size.name());
        (!clauses.is_empty()).then(|| format!("{dense}: {}.", clauses.join("; ")))
    };
    // What attention's own products add stands in the table.
    TWINS.into_iter().filter(|(_, size)| *size != Size::AllFlops).filter_map(sentence).collect()
}

fn missing(summary: &Summary) -> Vec<String> {
    let mut sentences = Vec::new();
    let single = summary.rows.iter().filter(|row| row.configuration.runs.len() == 1).count();
    let others_single = single > usize::from(summary.baseline.is_some_and(|baseline| baseline.runs.len() == 1));
    match summary.errors.pooled {
        Some(_) if others_single => {
            let they = match single {
                1 => "1 configuration has a single run: its".to_owned(),
                _ => format!("{single} configurations have a single run each: their"),
            };
            sentences.push(format!("{they} spread is taken to be that of the others."));
        }
        None if summary.rows.iter().all(|row| row.loss_sd.is_none()) => {
            sentences.push("No configuration has several seeds, so nothing can be told apart from chance.".to_owned());
        }
        _ => {}
    }
    let substituted = summary.rows.iter().any(|row| !row.configuration.is_dense());
    if substituted && summary.frontier.as_ref().is_none_or(|frontier| frontier.twins.is_empty()) {
        sentences.push("No substituted configuration lies between two dense ones in size, so none is held against a dense one of its size.".to_owned());
    }
    if !summary.absent.is_empty() {
        let absent: Vec<String> = summary.absent.iter().map(|what| (*what).to_owned()).collect();
        sentences.push(format!("Its files do not hold {}.", list(&absent, "or")));
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
pub(crate) fn list(names: &[String], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}
