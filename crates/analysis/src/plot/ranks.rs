//! Small multiples: how much of its rank each matrix uses, one panel a slot.

use std::collections::HashMap;

use plotters::prelude::*;

use lrx_records::{Moment, RankRow};

use super::Plot;
use super::canvas::{self, DRAWS, Frame, Panels};
use super::groups::{Group, close, open};
use super::styles::{Look, Styles};
use super::told;
use crate::ranks::{Shares, shares};
use crate::{Experiment, Summary};

/// The panels, in the order of the forward pass.
const SLOTS: [&str; 6] = ["q", "k", "v", "out", "c_fc", "c_proj"];

/// A way of measuring an effective rank.
struct Measure {
    name: &'static str,
    title: &'static str,
    meaning: &'static str,
    rank: fn(&RankRow) -> f64,
}

const MEASURES: [Measure; 2] = [
    Measure {
        name: "ranks-by-entropy",
        title: "Effective rank of the matrices as a share of the highest possible: entropy",
        meaning: "the exponential of the entropy of the singular values (as shares of their sum)",
        rank: |row| row.entropy_rank,
    },
    Measure {
        name: "ranks-stable",
        title: "Effective rank of the matrices as a share of the highest possible: stable rank",
        meaning: "the sum of the squared singular values by the largest squared",
        rank: |row| row.stable_rank,
    },
];

/// One plot for each measure, where ranks are known.
pub(super) fn plots(experiment: &Experiment, summary: &Summary, styles: &Styles) -> Vec<Plot> {
    MEASURES.iter().filter_map(|measure| plot(experiment, summary, styles, measure)).collect()
}

fn plot(experiment: &Experiment, summary: &Summary, styles: &Styles, measure: &Measure) -> Option<Plot> {
    let mut by_run: HashMap<&str, Vec<&RankRow>> = HashMap::new();
    experiment.ranks.iter().for_each(|row| by_run.entry(&row.run_id).or_default().push(row));
    let all: Vec<(&Look, Shares, String)> = experiment
        .configurations
        .iter()
        .filter(|one| summary.shows(one))
        .map(|one| (styles.of(one), shares(one, &by_run, measure.rank), told::of_configuration(one)))
        .filter(|(_, shares, _)| !shares.is_empty())
        .collect();
    let points = || all.iter().flat_map(|(_, shares, _)| shares.values().flatten());
    let last = points().map(|(layer, _)| *layer).max()?;
    let (lowest, highest) =
        points().fold((1.0_f64, 0.0_f64), |(low, high), point| (low.min(point.1), high.max(point.1)));
    let keys: Vec<_> = all.iter().map(|(look, ..)| look.line_key()).collect();
    // All that is high up is shown from the middle on.
    let y = (if lowest > 0.5 { 0.5 } else { 0.0 }, (highest * 1.05).min(1.0));
    let panels = Panels { titles: &SLOTS, columns: 3, x: last as f64, y, keys: &keys };
    let draw = |frame: Frame| {
        let y_title = if frame.is_wide() { "share of the highest possible rank" } else { "share of highest" };
        canvas::draw_panels(frame, &panels, "layer", y_title, |slot, root, chart| {
            for (number, ((_, shares, told), key)) in all.iter().zip(&keys).enumerate() {
                open(root, &Group::Point(&number.to_string(), told));
                for (moment, opacity, width) in [(Moment::Initial, 0.35, 1), (Moment::Final, 0.9, 2)] {
                    let Some(line) = shares.get(&(SLOTS[slot].to_owned(), moment)) else { continue };
                    let line: Vec<(f64, f64)> = line.iter().map(|(layer, share)| (*layer as f64, *share)).collect();
                    let style = key.color.mix(opacity).stroke_width(width);
                    chart.draw_series(LineSeries::new(line.iter().copied(), style)).expect(DRAWS);
                    if moment == Moment::Final {
                        line.iter().for_each(|at| canvas::marker(root, key, chart.backend_coord(at), 1.0));
                    }
                }
                close(root);
            }
        })
    };
    let mut plot = Plot::new(measure.name, (measure.title.to_owned(), String::new()), &keys, draw);
    let mut caption = format!(
        "Effective rank: {}. Strong lines with markers are trained matrices, faint ones the same before training; each is \
         a configuration, the mean over its seeds. A low-rank matrix can have no rank above that of its factors, so its share \
         is that of the rank in use.",
        measure.meaning
    );
    if !summary.is_whole() {
        caption += " Only what the tables show.";
    }
    plot.caption = caption;
    Some(plot)
}
