//! Which value of a key was chosen for each configuration, and among which.

use std::collections::HashMap;

use lrx_records::{Cell, TuneRecord};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Plot;
use super::canvas::{self, Axis, DRAWS, Frame, INK, Key, MUTED, Shape};
use super::groups::{Group, close, open};
use super::names::{MOST, shortened};
use super::styles::Styles;
use crate::Experiment;

/// Pixels that a configuration takes: its name, and its values below.
const ROW: u32 = 34;
/// More configurations are not looked at.
const MOST_ROWS: usize = 80;

/// What was tuned of one configuration.
struct Row<'a> {
    label: &'a str,
    tried: Vec<f64>,
    chosen: f64,
    edge: &'a str,
}

/// One plot for each key that was tuned.
pub(super) fn plots(experiment: &Experiment, styles: &Styles) -> Vec<Plot> {
    let mut keys: Vec<&str> = Vec::new();
    for row in &experiment.tuning {
        if !keys.contains(&row.key.as_str()) {
            keys.push(&row.key);
        }
    }
    keys.iter().filter_map(|key| plot(experiment, styles, key)).collect()
}

fn plot(experiment: &Experiment, styles: &Styles, key: &str) -> Option<Plot> {
    let mut rows = rows(&experiment.tuning, key);
    let left_out = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    if rows.len() < 2 {
        return None;
    }
    let name = key.rsplit('.').next().unwrap_or(key).replace('_', " ");
    let values: Vec<f64> = rows.iter().flat_map(|row| row.tried.iter().copied()).collect();
    let x = Axis::of_sizes(name.clone(), values.clone(), 0.06)?.with_ticks_at(values);
    let inks: HashMap<&str, RGBColor> =
        experiment.configurations.iter().map(|one| (one.label(), styles.of(one).key().color)).collect();
    let names = shortened(&rows.iter().map(|row| row.label.to_owned()).collect::<Vec<_>>(), MOST);
    let keys = [
        Key { name: "chosen", color: INK, shape: Shape::Disc },
        Key { name: "chosen at an end of what was tried", color: INK, shape: Shape::Ring },
        Key { name: "tried", color: MUTED, shape: Shape::Dot },
    ];
    let draw = |frame: Frame| {
        let height = ROW * rows.len() as u32 + 90;
        canvas::draw_rows(frame, &x, (height, rows.len()), &keys, |root, chart| {
            let left = chart.plotting_area().get_pixel_range().0.start;
            for ((i, row), name) in rows.iter().enumerate().zip(&names) {
                let at = |value: f64| chart.backend_coord(&(value, rows.len() as f64 - 1.0 - i as f64));
                let color = inks.get(row.label).copied().unwrap_or(INK);
                let tried = row.tried.iter().map(|value| value.write()).collect::<Vec<_>>().join(", ");
                let edge = if row.edge.is_empty() { String::new() } else { format!(", the {}", row.edge) };
                let told = format!("{}\nchosen: {}{edge}\ntried: {tried}", row.label, row.chosen.write());
                open(root, &Group::Point("0", &told));
                let text = canvas::text_style(INK, 0.96, HPos::Left);
                let y = at(row.chosen).1;
                root.draw(&Text::new(name.as_str(), (left + 6, y - 11), text)).expect(DRAWS);
                for value in &row.tried {
                    let (x, y) = at(*value);
                    root.draw(&Circle::new((x, y + 4), 3, MUTED.mix(0.55).filled())).expect(DRAWS);
                }
                let (x, y) = at(row.chosen);
                canvas::marker(root, &Key { name, color, shape: Shape::Disc }, (x, y + 4), 1.0);
                if !row.edge.is_empty() {
                    canvas::marker(root, &Key { name, color, shape: Shape::Ring }, (x, y + 4), 1.0);
                }
                close(root);
            }
        })
    };
    let mut caption = format!("The {name} that `lrx tune` chose for each configuration, among those that it tried.");
    if left_out > 0 {
        caption += &format!(" The first {MOST_ROWS}; tune.csv has {left_out} more.");
    }
    let file = key.rsplit('.').next().unwrap_or(key).replace('_', "-");
    let title = format!("Tuned {name} of each configuration");
    let plot = Plot::new(format!("tuned-{file}"), (title, caption), &keys, draw);
    Some(Plot { only_explains: true, ..plot })
}

/// What was chosen, in the order of the file; those that have come to no value are left out.
fn rows<'a>(tuning: &'a [TuneRecord], key: &str) -> Vec<Row<'a>> {
    let mut tried: HashMap<&str, Vec<f64>> = HashMap::new();
    for row in tuning.iter().filter(|row| row.key == key && row.value.is_finite()) {
        let own = tried.entry(&row.configuration).or_default();
        if !own.contains(&row.value) {
            own.push(row.value);
        }
    }
    let chosen = tuning.iter().filter(|row| row.key == key && row.verdict == "chosen" && row.value.is_finite());
    chosen
        .map(|row| Row {
            label: &row.label,
            tried: tried.remove(row.configuration.as_str()).unwrap_or_else(|| vec![row.value]),
            chosen: row.value,
            edge: &row.edge,
        })
        .collect()
}
