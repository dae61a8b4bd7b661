//! The columns that terminal and HTML page share.

use std::collections::{BTreeMap, BTreeSet};

use lrx_records::RunRecord;

use crate::compare::Method;
use crate::format::{percent_change, plural, signed, thousands, three_digits};
use crate::prose::list;
use crate::scaling::{ALPHA, Curve};
use crate::settings::{SETTINGS, Setting};
use crate::table::{Align, Column, Table};
use crate::tuning::Chosen;
use crate::{Answer, Configuration, ErrorModel, Frontier, Size, Summary, SummaryRow, Twin, Verdict, Way, Withheld};

/// Losses: mean ± sd, the difference from the baseline with its interval, the verdict.
pub(crate) fn loss_table(summary: &Summary) -> Table {
    let decimals = loss_decimals(summary);
    let methods = methods(summary);
    let interval = |row: &SummaryRow| {
        let comparison = row.comparison?;
        let (interval, method) = (comparison.interval()?, comparison.method);
        let (low, high) = (signed(interval.low(), decimals), signed(interval.high(), decimals));
        // One method for all needs no marks.
        let mark = methods.iter().position(|&one| one == method).filter(|_| methods.len() > 1);
        Some(format!("{low} … {high}{}", mark.map_or(String::new(), |index| format!(" {}", superscript(index)))))
    };
    let verdict = |row: &SummaryRow| row.verdict.map(|verdict: Verdict| verdict.words(summary.margin));
    let withheld = |row: &SummaryRow| row.withheld.map(|why| why.to_string());
    let is_between_texts = summary.part.is_some_and(|part| part.is_by_vocabulary);
    let bits = |row: &SummaryRow| {
        let bits = row.configuration.mean_of(|run| run.bits_per_byte).filter(|_| is_between_texts)?;
        Some(format!("{bits:.3}"))
    };
    let against =
        |row: &SummaryRow| row.against.filter(|_| summary.has_several_baselines()).map(|one| one.name.clone());
    Table::new([
        Column::new("configuration", Align::Left, each(summary, |row| Some(name(row)))),
        Column::new("runs", Align::Right, each(summary, |row| Some(row.configuration.runs.len().to_string()))),
        Column::new("eval loss\nmean ± sd", Align::Right, each(summary, |row| Some(loss(row, decimals)))),
        Column::new("bits\n/byte", Align::Right, each(summary, bits)),
        Column::new(
            "from the\nbaseline",
            Align::Right,
            each(summary, |row| Some(signed(row.comparison?.difference, decimals))),
        ),
        Column::new("95 % interval", Align::Right, each(summary, interval)),
        Column::new("p,\nHolm", Align::Right, each(summary, |row| Some(p_value(row.p?)))),
        Column::new("verdict", Align::Left, each(summary, verdict)),
        Column::new("no verdict:", Align::Left, each(summary, withheld)),
        Column::new("compared with", Align::Left, each(summary, against)),
        Column::new("trained otherwise in", Align::Left, each(summary, |row| Some(row.otherwise.join(", ")))),
        tuned_column(summary),
        Column::new("ties", Align::Left, each(summary, |row| Some(row.ties.clone()))),
    ])
}

/// Among which values each row's was chosen, where any was.
fn tuned_column(summary: &Summary) -> Column {
    let chosen = |row: &SummaryRow| -> Vec<(String, String)> {
        Chosen::all(row.configuration.first()).iter().map(|one| (one.name(), one.words())).collect()
    };
    let mut names: Vec<String> = summary.rows.iter().flat_map(chosen).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let cell = |row: &SummaryRow| match &chosen(row)[..] {
        [(_, among)] if names.len() == 1 => Some(among.clone()),
        [] if names.is_empty() => None,
        [] => Some("not tuned".to_owned()),
        several => Some(several.iter().map(|(name, among)| format!("{name}: {among}")).collect::<Vec<_>>().join("; ")),
    };
    let header = if let [name] = &names[..] { format!("{name}\ntuned") } else { "tuned".to_owned() };
    Column::new(&header, Align::Left, each(summary, cell))
}

/// Sizes and speeds: parameters with their change from the baseline, FLOPs, throughput, time.
pub(crate) fn cost_table(summary: &Summary) -> Table {
    let change = |value: fn(&RunRecord) -> Option<u64>| {
        move |row: &SummaryRow| percent_change(value(row.against?.first())?, value(row.configuration.first())?)
    };
    let count =
        |value: fn(&RunRecord) -> Option<u64>| move |row: &SummaryRow| value(row.configuration.first()).map(thousands);
    let unit = summary.time_unit();
    let time = |seconds: Option<f64>| Some(three_digits(seconds? / unit.seconds));
    let sizes = [
        Column::new("parameters,\ntotal", Align::Right, each(summary, count(|run| run.params))),
        Column::new("change", Align::Right, each(summary, change(|run| run.params))),
        Column::new("parameters,\nbody", Align::Right, each(summary, count(|run| run.params_body))),
        Column::new("change", Align::Right, each(summary, change(|run| run.params_body))),
        Column::new(
            "MFLOP\n/token",
            Align::Right,
            each(summary, |row| Some(three_digits(row.flops_per_token? as f64 / 1e6))),
        ),
        Column::new("tokens/s", Align::Right, each(summary, |row| Some(three_digits(row.tokens_per_second?)))),
        Column::new(&format!("time,\n{}", unit.name), Align::Right, each(summary, |row| time(row.wall_seconds))),
        Column::new("machine\nshared", Align::Right, each(summary, |row| shared(row).map(percent))),
        Column::new("untrained,\ntotal", Align::Right, each(summary, |row| untrained(row).map(thousands))),
    ];
    let names = Column::new("configuration", Align::Left, each(summary, |row| Some(name(row))));
    Table::new(std::iter::once(names).chain(settings(summary)).chain(sizes))
}

/// More of the machine's processor time than this that goes to others makes a time one of a shared machine.
const SHARED: f64 = 0.05;

/// The part of the machine that others had while a configuration's runs were trained, on average, where a time should not be read
/// without it.
fn shared(row: &SummaryRow) -> Option<f64> {
    row.configuration.mean_of(|run| run.others_share).filter(|share| *share > SHARED)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Parameters that training does not reach, where there are such.
fn untrained(row: &SummaryRow) -> Option<u64> {
    row.configuration.first().params_untrained.filter(|count| *count > 0)
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

/// The settings in which the configurations differ, but for those that their names tell.
fn settings(summary: &Summary) -> Vec<Column> {
    let column = |setting: &Setting| {
        let cells: Vec<String> = summary.rows.iter().map(|row| (setting.value)(row.configuration.first())).collect();
        let differs = cells.iter().any(|cell| *cell != cells[0]);
        // What is as in the baseline need not be told.
        let usual = summary.baseline.map(|baseline| (setting.value)(baseline.first()));
        let told = |(row, cell): (&SummaryRow, &String)| {
            // Labels name the file that training starts from without its hash.
            let word =
                if setting.name == "started from" { cell.rsplit_once(' ').map_or("", |(name, _)| name) } else { cell };
            cell.is_empty() || usual.as_ref() == Some(cell) || row.configuration.name.contains(word)
        };
        let all_told = summary.rows.iter().zip(&cells).all(told);
        let shown = summary.rows.iter().zip(&cells).filter(|(row, _)| row.is_shown).map(|(_, cell)| cell.clone());
        (differs && !all_told).then(|| Column::new(setting.name, Align::Right, shown))
    };
    SETTINGS.iter().filter_map(column).collect()
}

/// What was claimed, and what came of it.
pub(crate) fn claims_table(summary: &Summary) -> Table {
    let each = |cell: &dyn Fn(&Answer) -> Option<String>| -> Vec<String> {
        summary.claims.iter().map(|answer| cell(answer).unwrap_or_default()).collect()
    };
    let interval = |answer: &Answer| {
        let interval = answer.contrast?.interval;
        Some(format!("{} … {}", signed(interval.low(), 3), signed(interval.high(), 3)))
    };
    let day = |answer: &Answer| Some(answer.claim.written.split('T').next()?.to_owned());
    Table::new([
        Column::new("claim", Align::Left, each(&|answer| Some(answer.claim.name.clone()))),
        Column::new("which says", Align::Left, each(&|answer| Some(answer.sentence()))),
        Column::new("answer", Align::Left, each(&|answer| Some(answer.outcome.to_string()))),
        Column::new("difference", Align::Right, each(&|answer| Some(signed(answer.contrast?.interval.estimate, 3)))),
        Column::new("95 % interval", Align::Right, each(&interval)),
        Column::new("p,\nHolm", Align::Right, each(&|answer| Some(p_value(answer.p?)))),
        Column::new("why, or beside it", Align::Left, each(&|answer| Some(answer.why.clone()))),
        Column::new("written", Align::Left, each(&day)),
        Column::new("made", Align::Left, each(&|answer| Some(answer.claim.state.clone()))),
    ])
}

/// How to read [`claims_table`].
pub(crate) const CLAIMS_NOTE: &str = "Claims that were written down before the runs, as claims.csv says, come first; of what was \
    claimed or changed after runs began, the answer is exploratory. So is all that follows: nobody has claimed it. Differences \
    are of the first configuration's loss less the second's; p is adjusted for all claims together (Holm), an answer is given at \
    5 %.";

/// The runs that are not in the statistics, and how far they came.
pub(crate) fn unfinished_table(summary: &Summary) -> Table {
    let each = |cell: fn(&RunRecord) -> Option<String>| {
        summary.shown_unfinished().iter().map(move |run| cell(run).unwrap_or_default())
    };
    let unit = summary.time_unit();
    let time = |run: &RunRecord| Some(three_digits(run.wall_seconds? / unit.seconds));
    let times = summary.shown_unfinished().iter().map(|run| time(run).unwrap_or_default());
    let loss = |run: &RunRecord| run.eval_loss.map(|loss| format!("{loss:.3}"));
    Table::new([
        Column::new("configuration", Align::Left, each(|run| Some(run.label.clone()))),
        Column::new("seed", Align::Right, each(|run| Some(run.seed?.to_string()))),
        Column::new("status", Align::Left, each(|run| Some(run.status.to_string()))),
        Column::new("steps", Align::Right, each(|run| Some(thousands(run.steps?)))),
        Column::new("train loss", Align::Right, each(|run| Some(format!("{:.3}", run.train_loss?)))),
        Column::new("eval loss", Align::Right, each(loss)),
        Column::new(&format!("time,\n{}", unit.name), Align::Right, times),
        Column::new("run", Align::Left, each(|run| Some(run.run_id.clone()))),
    ])
}

/// Substituted configurations beside the dense models of as many parameters.
pub(crate) fn twins_table(summary: &Summary, frontier: &Frontier) -> Table {
    let decimals = 3;
    let shown: Vec<&Twin> = frontier.twins.iter().filter(|twin| summary.shows(twin.configuration)).collect();
    let each = |cell: &dyn Fn(&Twin) -> Option<String>| -> Vec<String> {
        shown.iter().map(|twin| cell(twin).unwrap_or_default()).collect()
    };
    let interval = |twin: &Twin| {
        let interval = twin.interval?;
        Some(format!("{} … {}", signed(interval.low(), decimals), signed(interval.high(), decimals)))
    };
    let dense_loss = |twin: &Twin| {
        let spread = twin.loss_interval.map(|interval| format!(" ± {:.decimals$}", interval.half_width));
        Some(format!("{:.decimals$}{}", twin.loss, spread.unwrap_or_default()))
    };
    let equal = |size: Size| match size {
        Size::Body => "body parameters",
        Size::Total => "parameters in all",
        Size::Flops => "FLOPs",
        Size::AllFlops => "FLOPs with attention",
    };
    let read_off = |twin: &Twin| {
        let [smaller, larger] = twin.between.map(|one| one.short_name(Some(frontier.baseline)));
        Some(if twin.by_curve { "the curve".to_owned() } else { format!("{smaller} … {larger}") })
    };
    Table::new([
        Column::new("configuration", Align::Left, each(&|twin| Some(twin.configuration.name.clone()))),
        Column::new(
            "parameters,\nbody",
            Align::Right,
            each(&|twin| twin.configuration.first().params_body.map(thousands)),
        ),
        Column::new("eval\nloss", Align::Right, each(&|twin| Some(format!("{:.3}", twin.configuration.mean_loss())))),
        Column::new("dense,\nsmaller by", Align::Left, each(&|twin| Some(twin.way.to_string()))),
        Column::new("as many", Align::Left, each(&|twin| Some(equal(twin.size).to_owned()))),
        Column::new("its loss\n± 95 %", Align::Right, each(&dense_loss)),
        Column::new("difference", Align::Right, each(&|twin| Some(signed(twin.difference, decimals)))),
        Column::new("95 % interval", Align::Right, each(&interval)),
        Column::new("p,\nHolm", Align::Right, each(&|twin| Some(p_value(twin.p()?)))),
        Column::new("verdict", Align::Left, each(&|twin| Some(twin.verdict()?.words(summary.margin)))),
        Column::new("no verdict:", Align::Left, each(&|twin| Some(twin.withheld?.to_string()))),
        Column::new("read off", Align::Left, each(&read_off)),
    ])
}

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

/// What stands under the losses: their unit, how the intervals were found, what the letters mean.
pub(crate) fn notes(summary: &Summary) -> Vec<String> {
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

/// `0.031`, `< 0.001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// The methods that occur, each once, in the order of the rows.
fn methods(summary: &Summary) -> Vec<Method> {
    let mut methods = Vec::new();
    for method in summary.rows.iter().filter_map(|row| Some(row.comparison?.method)) {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

fn superscript(index: usize) -> &'static str {
    ["¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸"].get(index).copied().unwrap_or("⁹")
}

fn each<'a>(
    summary: &'a Summary,
    cell: impl Fn(&SummaryRow) -> Option<String> + 'a,
) -> impl Iterator<Item = String> + 'a {
    summary.shown().map(move |row| cell(row).unwrap_or_default())
}

fn name(row: &SummaryRow) -> String {
    row.configuration.name.clone()
}

/// `3.248 ± 0.038`; a single run has the same width, so that the means stand below each other.
fn loss(row: &SummaryRow, decimals: usize) -> String {
    let mean = format!("{:.decimals$}", row.loss_mean);
    match row.loss_sd {
        Some(sd) => format!("{mean} ± {sd:.decimals$}"),
        None => mean + &" ".repeat(3 + 2 + decimals),
    }
}

/// Three decimals, or four where a spread would not show in three.
fn loss_decimals(summary: &Summary) -> usize {
    let smallest = summary.rows.iter().filter_map(|row| row.loss_sd).filter(|&sd| sd > 0.0).fold(1.0, f64::min);
    if smallest < 0.005 { 4 } else { 3 }
}
