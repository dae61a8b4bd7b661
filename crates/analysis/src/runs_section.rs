//! The end of the page: the runs by their ids, which other commands take, and what they had to say.

use std::path::Path;

use lrx_records::{RunRecord, SampleRow, read_rows};

use crate::format::thousands;
use crate::html::{escape, folded_up, push_table};
use crate::table::{Align, Column, Table};
use crate::{Configuration, Experiment};

/// So many configurations of an experiment have a row, those of the lowest loss.
const MOST: usize = 64;
/// A run's sample texts, in its folder.
const SAMPLES_FILE: &str = "samples.csv";

/// The page with the runs at its end, `folded` up by experiment where there are many.
pub(crate) fn with_runs(mut page: String, experiments: &[Experiment], folded: bool) -> String {
    let fold = |experiment: &Experiment| match section(experiment) {
        section if folded && !section.is_empty() => folded_up(&format!("Runs of {}", experiment.title()), &section),
        section => section,
    };
    let section: String = experiments.iter().map(fold).collect();
    if let Some(end) = page.rfind("</main>")
        && !section.is_empty()
    {
        page.insert_str(end, &format!("<h2 id=\"runs\">Runs</h2>\n{section}"));
    }
    page
}

/// One experiment's; nothing where its runs have no ids.
fn section(experiment: &Experiment) -> String {
    let mut best: Vec<(&Configuration, &RunRecord)> =
        experiment.configurations.iter().filter_map(|one| Some((one, best_run(one)?))).collect();
    best.sort_by(|a, b| a.0.mean_loss().total_cmp(&b.0.mean_loss()));
    if best.is_empty() {
        return String::new();
    }
    let rest = best.len().saturating_sub(MOST);
    best.truncate(MOST);
    let cells = |of: fn(&Configuration, &RunRecord) -> String| best.iter().map(move |(one, run)| of(one, run));
    let table = Table::new([
        Column::new("configuration", Align::Left, cells(|one, _| one.name.clone())),
        Column::new("seed", Align::Right, cells(|_, run| run.seed.map_or(String::new(), |seed| seed.to_string()))),
        Column::new(
            "loss",
            Align::Right,
            cells(|_, run| run.eval_loss.map_or(String::new(), |loss| format!("{loss:.3}"))),
        ),
        Column::new("run", Align::Left, cells(|_, run| run.run_id.clone())),
    ]);
    let mut rows = String::new();
    push_table(&mut rows, "runs", &table);
    let samples: String = best.iter().map(|(one, run)| samples(one, &experiment.dir.join(&run.run_id))).collect();
    let more = match rest {
        0 => String::new(),
        rest => format!(" {} more are in runs.csv.", thousands(rest as u64)),
    };
    format!(
        "<p class=\"lead\">{}: of each configuration the run of the lowest loss, by the id that <code>lrx show</code>, \
         <code>lrx generate</code> and <code>lrx eval</code> take.{more}</p>\n{rows}{samples}",
        escape(&experiment.title())
    )
}

/// The run of the lowest loss, if it has an id.
fn best_run(configuration: &Configuration) -> Option<&RunRecord> {
    let named = configuration.runs.iter().filter(|run| !run.run_id.is_empty());
    named.min_by(|a, b| a.eval_loss.unwrap_or(f64::INFINITY).total_cmp(&b.eval_loss.unwrap_or(f64::INFINITY)))
}

/// The last sample texts of the run in a folder, to be unfolded; nothing where it has none.
fn samples(configuration: &Configuration, folder: &Path) -> String {
    let path = folder.join(SAMPLES_FILE);
    // What is wrong with such a file is told by `lrx run` and `lrx show`.
    let rows: Vec<SampleRow> = if path.is_file() { read_rows(&path).unwrap_or_default() } else { Vec::new() };
    let Some(last) = rows.iter().map(|row| row.step).max() else { return String::new() };
    let text = |row: &SampleRow| format!("<blockquote>{}</blockquote>\n", escape(&row.text).replace('␊', "<br>\n"));
    let texts: String = rows.iter().filter(|row| row.step == last).map(text).collect();
    folded_up(&format!("{}: sample texts after {} steps", configuration.name, thousands(last)), &texts)
}
