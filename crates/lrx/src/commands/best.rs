//! The runs of the lowest loss, by the ids that other commands take.

use std::path::{Path, PathBuf};

use console::measure_text_width;
use lrx_records::{RunRecord, Status, read_runs};

use super::list::{BestOf, best};
use crate::listed::Listed;
use crate::progress::thousands;
use crate::runs::Condition;
use crate::terminal::{say, visible};

/// So many are named.
const MOST: usize = 24;

/// Prints of each configuration in some experiments' folders the finished run of the lowest loss, best first: those that have
/// folders, as their tables have them. Runs that do not count stand beside each folder.
pub(super) fn say_best(folders: &[(PathBuf, Vec<String>)]) {
    let counted = |(folder, left_out): &(PathBuf, Vec<String>)| {
        let mut runs = finished(folder);
        runs.retain(|run| !left_out.contains(&run.record.run_id));
        runs
    };
    let runs: Vec<Listed> = folders.iter().flat_map(counted).collect();
    let mut runs = best(runs, BestOf::Configuration);
    runs.retain(|run| run.folder.as_ref().is_some_and(|folder| folder.is_dir()));
    runs.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    if runs.is_empty() {
        return;
    }
    let several = runs.iter().any(|run| run.experiment != runs[0].experiment);
    let name = |run: &Listed| {
        let RunRecord { label, seed, .. } = &run.record;
        let seed = seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
        let experiment = if several { format!("{}: ", visible(&run.experiment)) } else { String::new() };
        format!("{experiment}{}{seed}", visible(label))
    };
    let names: Vec<String> = runs.iter().take(MOST).map(name).collect();
    let width = names.iter().map(|name| measure_text_width(name)).max().unwrap_or(0);
    say!("\nof each configuration the run of the lowest loss, as `lrx show`, `lrx generate` and `lrx eval` take it:");
    for (run, name) in runs.iter().zip(&names) {
        say!("  {name}{}  {:.3}  {}", " ".repeat(width - measure_text_width(name)), loss(run), run.record.run_id);
    }
    if runs.len() > MOST {
        say!("  and {} more: lrx list --best", thousands((runs.len() - MOST) as f64));
    }
}

fn loss(run: &Listed) -> f64 {
    run.record.eval_loss.unwrap_or(f64::INFINITY)
}

/// The finished runs of a table; what is wrong with it is told by the report.
fn finished(folder: &Path) -> Vec<Listed> {
    let experiment = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let rows = read_runs(&folder.join("runs.csv")).unwrap_or_default();
    let rows = rows.into_iter().filter(|row| row.status == Status::Finished && !row.run_id.is_empty());
    rows.map(|record| Listed {
        experiment: experiment.clone(),
        folder: Some(folder.join(&record.run_id)),
        record,
        condition: Condition::Finished,
    })
    .collect()
}
