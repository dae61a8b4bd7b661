//! What is shown of a tuning: `tune.csv`, the plot, and a table.

use std::path::Path;

use lrx_analysis::plot::tuning_plot;
use lrx_records::{Cell, TuneRecord};
use lrx_spec::Tuning;

use super::search::Edge;
use super::subject::Subject;
use super::{KEY, TuneArgs};
use crate::commands::plan::table::{Column, Line, Room, columns, seeds, table};
use crate::results::{TUNE_FILE, write_csv_text, write_text};
use crate::terminal::say;
use crate::tuned::{CHOSEN, read};

/// The rows of an experiment's `tune.csv` that are not about these configurations and this key: they stay.
///
/// # Errors
/// When there is one that cannot be read: nothing is written over what nobody understands.
pub(super) fn read_others(folder: &Path, key: &str, configurations: &[&str]) -> Result<Vec<TuneRecord>, String> {
    let path = folder.join(TUNE_FILE);
    let rows = read(&path).map_err(|error| format!("{error}; move {} away to tune anew", path.display()))?;
    let is_own = |row: &TuneRecord| row.key == key && configurations.contains(&row.configuration.as_str());
    Ok(rows.unwrap_or_default().into_iter().filter(|row| !is_own(row)).collect())
}

/// Writes what is known so far into `tune.csv`.
///
/// # Errors
/// When that cannot be read or written.
pub(super) fn write(args: &TuneArgs, tuning: &Tuning<'_>, subjects: &[&Subject<'_, '_>]) -> Result<(), String> {
    let own: Vec<TuneRecord> = subjects.iter().flat_map(|subject| subject.records(&args.key)).collect();
    if own.is_empty() {
        return Ok(());
    }
    let folder = args.common.out.join(&tuning.name);
    let ids: Vec<&str> = subjects.iter().map(|subject| subject.untuned.configuration.as_str()).collect();
    let mut rows = read_others(&folder, &args.key, &ids)?;
    rows.extend(own);
    write_csv_text(&folder.join(TUNE_FILE), &rows)
}

/// Draws the plot of a tuning that has ended, and prints its table.
///
/// # Errors
/// When the plot cannot be written.
pub(super) fn written(args: &TuneArgs, tuning: &Tuning<'_>, subjects: &[&Subject<'_, '_>]) -> Result<(), String> {
    let out = &args.common.out;
    let rows: Vec<TuneRecord> = subjects.iter().flat_map(|subject| subject.records(&args.key)).collect();
    let name = format!("{}-tune-{}.svg", tuning.name, args.key.rsplit('.').next().unwrap_or(&args.key));
    let plot = tuning_plot(&rows);
    if let Some(plot) = &plot {
        write_text(&out.join(&tuning.name).join(&name), &plot.standalone_svg())?;
    }
    let (tried, seeds) = (subjects.len(), seeds(&subjects.first().map_or(Vec::new(), |one| one.rungs.seeds.clone())));
    let s = if tried == 1 { "" } else { "s" };
    say!("{}: {} of {tried} configuration{s}, seeds {seeds}\n", tuning.name, args.key);
    let lines: Vec<Line> = subjects.iter().map(|subject| line(subject, &rows)).collect();
    let headings = [
        Column("chosen", Room::Always),
        Column("loss", Room::IfAny(2)),
        Column("at step", Room::IfAny(3)),
        Column("next best", Room::IfAny(4)),
        Column("values", Room::IfAny(1)),
        Column("cost", Room::IfAny(5)),
    ];
    say!("{}", table(columns(), &headings, &lines).0);
    say!(
        "loss: nats per target token, on the stories for tuning; cost: of what whole runs of all these values would take"
    );
    subjects.iter().filter_map(|subject| remark(subject, &args.key)).for_each(|remark| say!("{remark}"));
    let drawn = if plot.is_some() { format!(", {name}") } else { String::new() };
    say!("{}: {TUNE_FILE}{drawn}", out.join(&tuning.name).display());
    // Keys of [model] make another model, which nobody should find in the place of a word.
    if let Some(key) = args.key.strip_prefix("train.").filter(|_| rows.iter().any(|row| row.verdict == CHOSEN)) {
        say!("{key} = \"tuned\" in [train] of the config takes what was chosen");
    }
    Ok(())
}

fn line(subject: &Subject<'_, '_>, rows: &[TuneRecord]) -> Line {
    let own: Vec<&TuneRecord> = rows.iter().filter(|row| row.configuration == subject.untuned.configuration).collect();
    let cost: u64 = own.iter().map(|row| row.cost).sum();
    let values = subject.search.values();
    let ends = [values.first(), values.last()].map(|end| end.map_or(String::new(), Cell::write));
    let grid = format!("{}: {} … {}", values.len(), ends[0], ends[1]);
    let part = format!("{:.0} %", 100.0 * cost as f64 / subject.cost_of_all().max(1) as f64);
    let cells = match own.iter().find(|row| row.verdict == CHOSEN) {
        None => ["none".into(), String::new(), String::new(), String::new(), grid, part],
        Some(row) => [
            row.value.write(),
            row.loss.map_or(String::new(), |loss| format!("{loss:.4}")),
            format!("{} of {}", row.step, row.steps),
            next_best(row, &own),
            grid,
            part,
        ],
    };
    Line { label: subject.untuned.label.clone(), cells: cells.to_vec() }
}

/// The second best value of the rung at which was chosen: `0.002: +0.013 ± 0.020`.
fn next_best(chosen: &TuneRecord, own: &[&TuneRecord]) -> String {
    let others = own.iter().filter(|row| row.rung == chosen.rung && row.value != chosen.value);
    let second = others.filter_map(|row| Some((row.difference?, *row))).min_by(|(a, _), (b, _)| a.total_cmp(b));
    second.map_or(String::new(), |(difference, row)| {
        let width = row.difference_high.map(|high| format!(" ± {:.4}", high - difference)).unwrap_or_default();
        format!("{}: +{difference:.4}{width}", row.value.write())
    })
}

/// What should be known of a choice.
fn remark(subject: &Subject<'_, '_>, key: &str) -> Option<String> {
    let label = &subject.untuned.label;
    let Some(chosen) = subject.search.chosen() else {
        return Some(format!("{label}: every value diverged; try others with --values"));
    };
    let end = match subject.search.edge()? {
        Edge::Lowest => "lowest",
        Edge::Highest => "highest",
    };
    let with_key = if key == KEY { String::new() } else { format!(" --key {key}") };
    Some(format!(
        "{label}: {} is the {end} that was tried, and what lies beyond may be better: lrx tune{with_key} --values tries more",
        chosen.value.write(),
    ))
}
