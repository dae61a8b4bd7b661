//! What stands under the tables: how to read them.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::Method;
use crate::format::{p_value, plural, thousands};
use crate::prose::list;
use crate::scaling::{ALPHA, Curve};
use crate::tables::{methods, shared, superscript, untrained};
use crate::tuning::Chosen;
use crate::{Configuration, ErrorModel, Frontier, Size, Summary, Way, Withheld};

/// What stands under the losses: their unit, how the intervals were found, what the letters mean.
pub(crate) fn loss_notes(summary: &Summary) -> Vec<String> {
    let mut notes = vec!["Losses are mean nats per target token.".to_owned()];
    match methods(summary).as_slice() {
        [] => {}
        [Method::NoSpread] => notes[0] += &format!(" No intervals: {}.", explain(Method::NoSpread)),
        [method] => notes[0] += &format!(" Intervals, each at 95 % by itself: {}.", explain(*method)),
        methods => {
            let explained = methods.iter().enumerate().map(|(i, &one)| format!("{} {}", superscript(i), explain(one)));
            notes.push(format!("Intervals, each at 95 % by itself: {}.", explained.collect::<Vec<_>>().join("; ")));
        }
    }
    if !methods(summary).is_empty() {
        notes.extend(scatter(&summary.errors));
    }
    if let Some(stories) =
        summary.errors.stories.filter(|_| methods(summary).iter().any(|one| *one != Method::NoSpread))
    {
        let stories = thousands(stories as u64);
        notes.push(format!("Intervals and p are over the seeds and the {stories} held-out stories, crossed."));
    }
    let without = summary.rows.iter().filter(|row| row.configuration.held_out.is_none()).count();
    if summary.errors.stories.is_none() && (1..summary.rows.len()).contains(&without) {
        notes.push(format!(
            "Intervals are over the seeds alone: of {} it is not known what each held-out story cost every run (stories.csv in \
             its folder).",
            plural(without, "configuration")
        ));
    }
    if summary.rows.iter().filter(|row| row.p.is_some()).count() > 1 {
        notes.push("Verdicts hold for all rows together: p is adjusted for their number (Holm), at 5 %.".to_owned());
    }
    notes.splice(0..0, summary.left_out());
    let otherwise = || summary.rows.iter().filter(|row| !row.otherwise.is_empty());
    if otherwise().next().is_some() {
        let mut note =
            "What was trained otherwise than what it is compared with differs from it by its training, too.".to_owned();
        if otherwise().any(|row| row.withheld == Some(Withheld::Length)) {
            note += " Between runs of other lengths there is no verdict.";
        }
        notes.push(note);
    }
    notes.extend(within(summary));
    notes.extend(several_arithmetics(summary));
    notes.extend(tuning(summary));
    notes.extend(repeated(summary));
    if summary.rows.iter().any(|row| !row.ties.is_empty()) {
        notes.push(
            "Two configurations that share a letter under ties cannot be told apart (all pairs together: Holm, 5 %)."
                .into(),
        );
    } else if methods(summary).iter().any(|method| *method != Method::NoSpread) && summary.rows.len() > 2 {
        notes.push(
            "Ties are left out: a pair has no interval, other lengths or one side tuned, or they would take too many letters."
                .into(),
        );
    }
    notes
}

/// That runs of one precision were computed with instructions that round differently, if they were.
fn several_arithmetics(summary: &Summary) -> Option<String> {
    let mut by_precision: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for run in summary.rows.iter().flat_map(|row| &row.configuration.runs) {
        if !run.arithmetic.is_empty() {
            by_precision.entry(&run.precision).or_default().insert(&run.arithmetic);
        }
    }
    let several: Vec<&str> = by_precision.into_values().filter(|names| names.len() > 1).flatten().collect();
    (!several.is_empty()).then(|| {
        format!(
            "Computed by instructions of several kinds ({}; the column arithmetic of runs.csv), which round differently: the last \
             digits of a loss are of one kind.",
            several.join("; ")
        )
    })
}

/// What verdicts about the margin mean.
fn within(summary: &Summary) -> Option<String> {
    let margin = summary.margin?;
    summary.rows.iter().any(|row| row.within.is_some()).then(|| {
        format!(
            "What cannot be told apart is also held against the margin of {margin} nats, by two one-sided tests: equivalent where \
             both show that the difference is smaller, no worse where the one shows that it is not that much higher (Holm, \
             each at 5 %)."
        )
    })
}

/// How values were chosen, and where that forbids a verdict.
fn tuning(summary: &Summary) -> Option<String> {
    let mut tuned: Vec<String> = Vec::new();
    for chosen in summary.rows.iter().flat_map(|row| Chosen::all(row.configuration.first())) {
        if !tuned.contains(&chosen.name()) {
            tuned.push(chosen.name());
        }
    }
    if tuned.is_empty() {
        return None;
    }
    let mut note = format!(
        "Tuned: `lrx tune` chose the {} of each such row among the values named there, on held-out stories and with seeds \
         that are not those of this table.",
        list(&tuned, "and")
    );
    let twins = summary.frontier.iter().flat_map(|frontier| &frontier.twins).filter_map(|twin| twin.withheld);
    let all: Vec<Withheld> = summary.rows.iter().filter_map(|row| row.withheld).chain(twins).collect();
    if all.contains(&Withheld::OneSideTuned) {
        note += " No verdict where one side was tuned and the other was not.";
    }
    if all.contains(&Withheld::Edge) {
        note += " No verdict where what was chosen lies at an end of what was tried: beyond it may be better.";
    }
    Some(note)
}

/// More names are not read in a sentence.
const MOST_NAMED: usize = 24;

/// Which runs say nothing about chance.
fn repeated(summary: &Summary) -> Option<String> {
    let repeating = summary.rows.iter().map(|row| row.configuration).filter(|one| one.repeats > 0);
    let all = repeating.clone().count();
    let mut counted: Vec<String> = repeating
        .take(MOST_NAMED)
        .map(|Configuration { name, runs, repeats, .. }| format!("{name} ({} of {})", runs.len(), runs.len() + repeats))
        .collect();
    if all > counted.len() {
        counted.push(format!("{} more", thousands((all - counted.len()) as u64)));
    }
    (!counted.is_empty()).then(|| {
        let what = "Runs that are the same, or have the same numbers to the last digit whatever their seed";
        format!("{what}, count once: {}.", list(&counted, "and"))
    })
}

fn explain(method: Method) -> String {
    match method {
        Method::Pooled => "Student's t with the spread of the seeds pooled over all configurations",
        Method::Blocks => "Student's t with seeds as blocks, since runs of one seed lie alike",
        Method::Welch => "Welch's t, each side with a spread of its own, since spreads differ",
        Method::NoSpread => "no seeds were repeated, or all gave the same loss",
    }
    .to_owned()
}

/// How losses scatter over seeds, and how that was tested.
fn scatter(errors: &ErrorModel) -> Option<String> {
    let spread = errors.pooled?;
    let mut parts = vec![format!("sd {:.4} on {:.0} degrees of freedom", spread.sd, spread.freedom)];
    if let Some(p) = errors.equality {
        parts.push(format!("equal in all configurations? Bartlett's p = {}", p_value(p)));
    }
    if let Some(blocks) = errors.blocks {
        let paired = if errors.method() == Method::Blocks {
            format!("; beside what they share sd {:.4} on {:.0}", blocks.spread.sd, blocks.spread.freedom)
        } else {
            ", so they are not paired".to_owned()
        };
        parts.push(format!("alike in runs of one seed? F test's p = {}{paired}", p_value(blocks.p)));
    }
    Some(format!("Spread of the seeds: {}.", parts.join("; ")))
}

/// What stands under [`cost_table`].
pub(crate) fn cost_notes(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    if summary.shown().any(|row| shared(row).is_some()) {
        notes.push(
            "Machine shared: the part of its processor time that others had meanwhile, where that is over 5 %: the speeds and \
             times of these configurations are not those of the machine alone, nor are plots over time."
                .to_owned(),
        );
    }
    if summary.shown().any(|row| untrained(row).is_some()) {
        notes.push(
            "Untrained: parameters among the total that no training story reaches, such as positions behind the end of the \
             longest; they get no gradient, and do not count where models of as many parameters are compared."
                .to_owned(),
        );
    }
    notes
}

/// How to read [`claims_table`].
pub(crate) const CLAIMS_NOTE: &str = "Claims that were written down before the runs, as claims.csv says, come first; of what was \
    claimed or changed after runs began, the answer is exploratory. So is all that follows: nobody has claimed it. Differences \
    are of the first configuration's loss less the second's; p is adjusted for all claims together (Holm), an answer is given at \
    5 %.";

/// How to read [`twins_table`].
pub(crate) const TWINS_NOTE: &str = "The dense model has as many parameters outside the embeddings (body) or in all: a \
    smaller hidden size makes the embeddings smaller, too; or as many forward FLOPs a token, without or with attention's own \
    products. It lies between two that were trained. Its loss is read off the curve through all dense sizes, where four or more \
    were trained and the curve fits them; else off a straight line between the two, in the logarithm of the size, and what that \
    gets wrong is not in the intervals. Intervals are those of the table above, each by itself, with the error of the curve or \
    line. Verdicts hold for all rows together (Holm, 5 %).";

/// How the loss of dense models falls with their size: a sentence for each curve.
pub(crate) fn curve_notes(frontier: &Frontier) -> Vec<String> {
    let told = |(way, size, curve): &(Way, Size, Curve)| {
        let law = &curve.law;
        let [low, high] = curve.floor;
        let fits = if curve.fits() { "it fits" } else { "it does not fit, and is not used" };
        let begin = format!("Dense models made smaller by {way}, {} sizes, C the {}:", curve.sizes.len(), size.name());
        if law.above <= 0.0 {
            let p = p_value(curve.p);
            return format!(
                "{begin} no fall with the size can be seen; one loss for all, {:.3}, {fits} (p = {p}).",
                law.floor
            );
        }
        // At an end of where it was looked for, nothing is known of it.
        let exponent = match curve.exponent {
            [flattest, steepest] if flattest > 1.01 * ALPHA[0] && steepest < 0.99 * ALPHA[1] => {
                format!("the exponent {flattest:.2} … {steepest:.2}")
            }
            _ => "the exponent is not told by these losses".to_owned(),
        };
        format!(
            "{begin} L = {:.3} + {:.3}·(C/{})^−{:.2}; the first number {low:.3} … {high:.3}, {exponent} (95 %, bootstrap over seeds); \
             {fits} (p = {}).",
            law.floor,
            law.above,
            thousands(law.unit.round() as u64),
            law.exponent,
            p_value(curve.p),
        )
    };
    frontier.curves.iter().map(told).collect()
}
