//! The columns that terminal and HTML page share.

use lrx_records::RunRecord;

use crate::compare::Method;
use crate::format::{p_value, percent_change, signed, thousands, three_digits};
use crate::settings::{SETTINGS, Setting};
use crate::table::{Align, Column, Table};
use crate::tuning::Chosen;
use crate::{Answer, Frontier, Size, Summary, SummaryRow, Twin, Verdict};

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
pub(crate) fn shared(row: &SummaryRow) -> Option<f64> {
    row.configuration.mean_of(|run| run.others_share).filter(|share| *share > SHARED)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Parameters that training does not reach, where there are such.
pub(crate) fn untrained(row: &SummaryRow) -> Option<u64> {
    row.configuration.first().params_untrained.filter(|count| *count > 0)
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

/// The methods that occur, each once, in the order of the rows.
pub(crate) fn methods(summary: &Summary) -> Vec<Method> {
    let mut methods = Vec::new();
    for method in summary.rows.iter().filter_map(|row| Some(row.comparison?.method)) {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

pub(crate) fn superscript(index: usize) -> &'static str {
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
