//! What is shown of a tuning: `tune.csv`, the plot, and a table.

use std::collections::HashSet;
use std::path::Path;

use lrx_analysis::plot::tuning_plot;
use lrx_records::TuneRecord;
use lrx_spec::{Tuning, Variant};

use super::search::{Edge, Entry, best_of};
use super::subject::{Subject, Whole, word};
use super::{KEY, TuneArgs};
use crate::commands::plan::table::{Column, Line, Room, columns, seeds, table};
use crate::results::{TUNE_FILE, write_csv_text, write_text};
use crate::terminal::say;
use crate::tuned::{CHOSEN, pair, read};

/// The rows of an experiment's `tune.csv` that are about other configurations and keys than these rows: they stay.
///
/// # Errors
/// When there is one that cannot be read: nothing is written over what nobody understands.
pub(super) fn read_others(folder: &Path, own: &[TuneRecord]) -> Result<Vec<TuneRecord>, String> {
    let path = folder.join(TUNE_FILE);
    let rows = read(&path).map_err(|error| format!("{error}; move {} away to tune anew", path.display()))?;
    let about: HashSet<(&str, &str)> = own.iter().map(|row| (&*row.key, &*row.configuration)).collect();
    let is_own = |row: &TuneRecord| about.contains(&(&*row.key, &*row.configuration));
    Ok(rows.unwrap_or_default().into_iter().filter(|row| !is_own(row)).collect())
}

/// Writes what is known so far into `tune.csv`.
///
/// # Errors
/// When that cannot be read or written.
pub(super) fn write(
    args: &TuneArgs,
    with: Option<&str>,
    tuning: &Tuning<'_>,
    subjects: &[&Subject<'_, '_>],
) -> Result<(), String> {
    let mut own: Vec<TuneRecord> = subjects.iter().flat_map(|subject| subject.records(&args.key)).collect();
    own.extend(with.into_iter().flat_map(|with| of_variants(with, &args.key, subjects)));
    if own.is_empty() {
        return Ok(());
    }
    let folder = args.common.out.join(&tuning.name);
    let mut rows = read_others(&folder, &own)?;
    rows.extend(own);
    write_csv_text(&folder.join(TUNE_FILE), &rows)
}

/// The rows of the key beside, for each configuration all of whose variants are known.
fn of_variants(with: &str, key: &str, subjects: &[&Subject<'_, '_>]) -> Vec<TuneRecord> {
    let mut configurations: Vec<&str> = Vec::new();
    for variant in subjects.iter().filter_map(|subject| subject.untuned.variant.as_ref()) {
        if !configurations.contains(&&*variant.configuration) {
            configurations.push(&variant.configuration);
        }
    }
    let of = |configuration: &str| -> Option<Vec<TuneRecord>> {
        let all = subjects.iter().filter_map(|subject| Some((subject, subject.untuned.variant.as_ref()?)));
        let own: Vec<_> = all.filter(|(_, variant)| variant.configuration == configuration).collect();
        let whole: Vec<_> = own.iter().map(|(subject, _)| subject.whole()).collect::<Option<_>>()?;
        let rung = own.first()?.0.rungs.count - 1;
        let values = own.iter().zip(&whole).map(|((_, variant), whole)| (variant.value, whole.losses.clone()));
        let entries = best_of(values, rung);
        let record = |((entry, (subject, variant)), whole): ((&Entry, &(&&Subject<'_, '_>, &Variant)), &Whole)| {
            let interval = entry.difference.zip(entry.half_width);
            TuneRecord {
                configuration: variant.configuration.clone(),
                label: variant.label.clone(),
                key: pair(with, Some(key)),
                value: variant.value,
                rung: rung as u64 + 1,
                step: whole.steps,
                steps: whole.steps,
                seeds: subject.rungs.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
                loss: entry.mean(),
                loss_sd: entry.sd(),
                difference: entry.difference,
                difference_low: interval.map(|(estimate, half_width)| estimate - half_width),
                difference_high: interval.map(|(estimate, half_width)| estimate + half_width),
                verdict: word(entry.verdict).to_owned(),
                // These are all that there is to choose from: nothing lies beyond an end.
                edge: String::new(),
                cost: whole.cost,
                grid: "given".to_owned(),
                eval_data: whole.eval_data.clone(),
                run_ids: whole.run_ids.join(" "),
            }
        };
        Some(entries.iter().zip(&own).zip(&whole).map(record).collect())
    };
    configurations.into_iter().filter_map(of).flatten().collect()
}

/// Draws the plot of a tuning that has ended, and prints its table.
///
/// # Errors
/// When the plot cannot be written.
pub(super) fn written(
    args: &TuneArgs,
    with: Option<&str>,
    tuning: &Tuning<'_>,
    subjects: &[&Subject<'_, '_>],
) -> Result<(), String> {
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
    let of_variants = with.map(|with| of_variants(with, &args.key, subjects)).unwrap_or_default();
    let chosen: Vec<&TuneRecord> = of_variants.iter().filter(|row| row.verdict == CHOSEN).collect();
    for row in &chosen {
        let others =
            of_variants.iter().filter(|other| other.configuration == row.configuration && other.value != row.value);
        let other = |other: &TuneRecord| match other.difference {
            Some(difference) => format!("{}: +{difference:.4}", other.value),
            None => format!("{}: diverged", other.value),
        };
        let others = others.map(other).collect::<Vec<_>>().join(", ");
        let loss = row.loss.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
        say!("{}: {} {}{loss}; {others}", row.label, with.unwrap_or_default(), row.value);
    }
    let drawn = if plot.is_some() { format!(", {name}") } else { String::new() };
    say!("{}: {TUNE_FILE}{drawn}", out.join(&tuning.name).display());
    // Keys of [model] make another model, which nobody should find in the place of a word.
    if let Some(key) = args.key.strip_prefix("train.").filter(|_| rows.iter().any(|row| row.verdict == CHOSEN)) {
        match with.and_then(|with| with.strip_prefix("train.")).filter(|_| !chosen.is_empty()) {
            Some(other) => {
                say!("{key} = \"tuned\" and {other} = \"tuned\" in [train] of the config take what was chosen")
            }
            None => say!("{key} = \"tuned\" in [train] of the config takes what was chosen"),
        }
        if let Some(other) = with.filter(|with| !with.starts_with("train.")) {
            say!("{other} makes another model: write the value that was chosen into the config");
        }
    }
    Ok(())
}

fn line(subject: &Subject<'_, '_>, rows: &[TuneRecord]) -> Line {
    let own: Vec<&TuneRecord> = rows.iter().filter(|row| row.configuration == subject.untuned.configuration).collect();
    let cost: u64 = own.iter().map(|row| row.cost).sum();
    let values = subject.search.values();
    let ends = [values.first(), values.last()].map(|end| end.map_or(String::new(), f64::to_string));
    let grid = format!("{}: {} … {}", values.len(), ends[0], ends[1]);
    let part = format!("{:.0} %", 100.0 * cost as f64 / subject.cost_of_all().max(1) as f64);
    let cells = match own.iter().find(|row| row.verdict == CHOSEN) {
        None => ["none".into(), String::new(), String::new(), String::new(), grid, part],
        Some(row) => [
            row.value.to_string(),
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
        format!("{}: +{difference:.4}{width}", row.value)
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
        chosen.value,
    ))
}
