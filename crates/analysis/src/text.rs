//! The tables of a summary for a terminal.

use crate::format::plural;
use crate::notes::{CLAIMS_NOTE, TWINS_NOTE, cost_notes, curve_notes, loss_notes};
use crate::prose::apart;
use crate::tables::{claims_table, cost_table, loss_table, twins_table, unfinished_table};
use crate::{Configuration, Summary};

/// The tables of one experiment as text: losses and verdicts, sizes and speeds, then the runs that do not count.
///
/// Rows come by rising evaluation loss. Losses are mean nats per target token; a difference is from the baseline, with
/// its 95 % interval.
pub fn text_table(summary: &Summary) -> String {
    let mut blocks = vec![headline(summary)];
    if !summary.claims.is_empty() {
        blocks.push(format!("What was claimed:\n{}{CLAIMS_NOTE}\n", claims_table(summary).to_text()));
    }
    if !summary.rows.is_empty() {
        let (losses, sizes) = (loss_table(summary), cost_table(summary));
        let notes: String = loss_notes(summary).iter().map(|note| format!("{note}\n")).collect();
        blocks.push(losses.to_text() + &notes);
        if sizes.columns.len() > 1 {
            let notes: String = cost_notes(summary).iter().map(|note| format!("{note}\n")).collect();
            blocks.push(sizes.to_text() + &notes);
        }
    }
    if let Some(frontier) = summary.frontier.as_ref().filter(|frontier| !frontier.twins.is_empty()) {
        let table = twins_table(summary, frontier).to_text();
        let curves: String = curve_notes(frontier).iter().map(|note| format!("{note}\n")).collect();
        blocks.push(format!("Beside dense models of the same size:\n{table}{TWINS_NOTE}\n{curves}"));
    }
    if !summary.unfinished.is_empty() {
        let table = unfinished_table(summary);
        blocks.push(format!("Not counted above:\n{}", table.to_text()));
    }
    blocks.join("\n")
}

/// What the tables are about, in one line.
fn headline(summary: &Summary) -> String {
    let runs = summary.rows.iter().map(|row| row.configuration.runs.len()).sum();
    let baseline = match summary.baseline {
        Some(_) if summary.has_several_baselines() => {
            "each compared with the dense one that shares its settings".to_owned()
        }
        Some(Configuration { name, runs, .. }) => format!("baseline {name}, {}", plural(runs.len(), "run")),
        None if summary.rows.is_empty() => return format!("{}: no finished runs yet\n", summary.title),
        None => "no baseline: none is dense throughout".to_owned(),
    };
    let configurations = plural(summary.rows.len(), "configuration");
    let line = format!("{}: {configurations}, {}; {baseline}\n", summary.title, plural(runs, "finished run"));
    line + &apart(summary).map_or(String::new(), |why| format!("{why}\n"))
}
