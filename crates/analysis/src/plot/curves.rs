//! Loss curves: training and evaluation loss over the course of the training.

use std::collections::BTreeMap;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use lrx_records::{CurveRow, Split};

use super::Plot;
use super::canvas::{self, Area, Axis, Chart, DRAWS, Frame, Key};
use super::groups::{Group, close, open};
use super::styles::{Look, Styles};
use super::told;
use crate::format::TimeUnit;
use crate::{Experiment, Summary};

/// Points of a training curve in the plot; more would not be seen.
const TRAIN_POINTS: usize = 250;
/// The part of the training, from its begin, that may lie above the plot: the losses of the first steps would leave no
/// room for the rest.
const CUT: f64 = 0.15;
/// Size of the names of the curves as a share of that of other labels.
const NAME_SCALE: f64 = 0.92;
/// Pixels between the plot and the names of the curves.
const NAME_OFFSET: i32 = 38;
/// Points that are joined by a line, at least: two would be joined by whatever lies between them.
const A_LINE: usize = 3;

/// The curves of one configuration, the mean over its seeds, or those of one run that is not finished.
struct Curves<'a> {
    look: &'a Look,
    /// What is told of them.
    told: String,
    /// (x, loss), by rising x.
    train: Vec<(f64, f64)>,
    eval: Vec<(f64, f64)>,
}

/// What stands on the horizontal axis.
struct Measure {
    name: &'static str,
    title: &'static str,
    axis: String,
    /// The value of one unit on the axis.
    unit: f64,
    value: fn(&CurveRow) -> Option<f64>,
}

fn measures(time: TimeUnit) -> [Measure; 3] {
    [
        Measure {
            name: "curves-by-step",
            title: "Loss over the training, by step",
            axis: "optimizer steps".to_owned(),
            unit: 1.0,
            value: |row| Some(row.step as f64),
        },
        Measure {
            name: "curves-by-tokens",
            title: "Loss over the training, by tokens",
            axis: "target tokens trained on, thousands".to_owned(),
            unit: 1e3,
            value: |row| Some(row.tokens? as f64),
        },
        Measure {
            name: "curves-by-time",
            title: "Loss over the training, by time",
            axis: format!("training time, {}", time.name),
            unit: time.seconds,
            value: |row| row.elapsed_seconds,
        },
    ]
}

/// One plot for each measure that the rows hold.
pub(super) fn plots(experiment: &Experiment, summary: &Summary, styles: &Styles) -> Vec<Plot> {
    let of = |measure| plot(experiment, summary, styles, measure);
    measures(summary.time_unit()).iter().filter_map(of).collect()
}

fn plot(experiment: &Experiment, summary: &Summary, styles: &Styles, measure: &Measure) -> Option<Plot> {
    let curves = collect(experiment, summary, styles, measure);
    let all = || curves.iter().flat_map(|one| one.train.iter().chain(&one.eval));
    let shown = curves.iter().flat_map(|one| {
        let points = || one.train.iter().chain(&one.eval);
        let last = points().map(|point| point.0).fold(0.0, f64::max);
        points().filter(move |point| point.0 >= CUT * last)
    });
    let x = Axis::around(measure.axis.clone(), all().map(|point| point.0), 0.0)?;
    let y = Axis::around("loss, nats per target token".to_owned(), shown.map(|point| point.1), 0.05)?;
    let widest = curves.iter().map(|one| canvas::text_width(one.look.name()) * NAME_SCALE).fold(0.0, f64::max);
    let right = NAME_OFFSET + widest as i32;
    // As high as the names take.
    let height = canvas::HEIGHT.max((curves.len() as f64 * canvas::TEXT_HEIGHT) as u32 + 80);
    let keys: Vec<Key> = curves.iter().map(|one| one.look.line_key()).collect();
    let draw = |frame: Frame| {
        let room = if frame.is_wide() { (height, right) } else { (frame.height(height), 10) };
        // Names stand at the curves, so that the drawing needs no legend of its own.
        canvas::draw(frame, &x, &y, room, &[], |root, chart| {
            for (number, curve) in curves.iter().enumerate() {
                open(root, &Group::Point(&number.to_string(), &curve.told));
                draw_curve(root, chart, curve, y.scale.high);
                close(root);
            }
            if frame.is_wide() {
                draw_names(root, chart, &curves, y.scale.high);
            }
        })
    };
    let mut plot = Plot::new(measure.name, (measure.title.to_owned(), String::new()), &keys, draw);
    let mut caption =
        "Strong lines with markers are evaluation losses, faint ones training losses, lightly smoothed; each is the \
                       mean over the seeds."
            .to_owned();
    if all().any(|point| point.1 > y.scale.high) {
        caption += " The losses of the first steps lie above the plot.";
    }
    if curves.iter().any(|one| [&one.train, &one.eval].iter().any(|points| (1..A_LINE).contains(&points.len()))) {
        caption += " One or two points are not joined.";
    }
    if summary.left_out().is_some() {
        caption += " Only what the tables show.";
    }
    plot.caption = caption;
    Some(plot)
}

fn collect<'a>(experiment: &Experiment, summary: &Summary, styles: &'a Styles, measure: &Measure) -> Vec<Curves<'a>> {
    let mut by_run: BTreeMap<&str, Vec<&CurveRow>> = BTreeMap::new();
    for row in experiment.curves.iter().filter(|row| canvas::drawable(row.loss)) {
        by_run.entry(&row.run_id).or_default().push(row);
    }
    let value = |row: &CurveRow| (measure.value)(row).map(|value| value / measure.unit);
    let curves = |look: &'a Look, told: String, runs: &[&str]| {
        let rows: Vec<_> = runs.iter().filter_map(|run| by_run.get(run)).flatten().copied().collect();
        let train = smooth(&mean_by_step(&rows, Split::Train, value));
        Curves { look, told, train, eval: mean_by_step(&rows, Split::Eval, value) }
    };
    let finished = experiment.configurations.iter().filter(|one| summary.shows(one)).map(|one| {
        let runs: Vec<_> = one.runs.iter().map(|run| run.run_id.as_str()).collect();
        curves(styles.of(one), told::of_configuration(one), &runs)
    });
    let unfinished = summary.shown_unfinished().iter().enumerate();
    let unfinished = unfinished.map(|(number, run)| {
        let told = format!("{} ({})\n{}", run.label, run.status, run.run_id);
        curves(styles.of_unfinished(number), told, &[&run.run_id])
    });
    finished.chain(unfinished).filter(|one| !one.train.is_empty() || !one.eval.is_empty()).collect()
}

/// The mean of x and loss over the runs that have a measurement at a step.
fn mean_by_step(rows: &[&CurveRow], split: Split, value: impl Fn(&CurveRow) -> Option<f64>) -> Vec<(f64, f64)> {
    let mut sums: BTreeMap<u64, (f64, f64, f64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.split == split) {
        let Some(x) = value(row).filter(|x| canvas::drawable(*x)) else { continue };
        let sum = sums.entry(row.step).or_default();
        *sum = (sum.0 + x, sum.1 + row.loss, sum.2 + 1.0);
    }
    sums.into_values().map(|(x, loss, runs)| (x / runs, loss / runs)).collect()
}

/// The means of neighbouring points: as many as leave [`TRAIN_POINTS`], and at least three where there are enough.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let width = points.len().div_ceil(TRAIN_POINTS).max(if points.len() >= 60 { 3 } else { 1 });
    let mean = |part: &[(f64, f64)]| {
        let (x, y) = part.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (x / part.len() as f64, y / part.len() as f64)
    };
    points.chunks(width).map(mean).collect()
}

fn draw_curve(root: &Area, chart: &mut Chart, curve: &Curves, top: f64) {
    let key = curve.look.line_key();
    let visible = |points: &[(f64, f64)]| {
        // From the first point in the plot on: the descent into it comes from above.
        let first = points.iter().position(|point| point.1 <= top).unwrap_or(points.len());
        points[first..].iter().map(|&(x, y)| (x, y.min(top))).collect::<Vec<_>>()
    };
    let (train, eval) = (visible(&curve.train), visible(&curve.eval));
    if train.len() < A_LINE {
        for point in &train {
            let dot = Circle::new(chart.backend_coord(point), 2, key.color.mix(0.5).filled());
            root.draw(&dot).expect(DRAWS);
        }
    } else {
        chart.draw_series(LineSeries::new(train, key.color.mix(0.35).stroke_width(1))).expect(DRAWS);
    }
    if eval.len() >= A_LINE {
        chart.draw_series(LineSeries::new(eval.iter().copied(), key.color.stroke_width(2))).expect(DRAWS);
    }
    eval.iter().for_each(|point| canvas::marker(root, &key, chart.backend_coord(point), 1.0));
}

/// Writes the names to the right of the plot, each as near to the end of its curve as the others allow.
fn draw_names(root: &Area, chart: &Chart, curves: &[Curves], top: f64) {
    let end = |curve: &Curves| curve.eval.last().or(curve.train.last()).copied().unwrap_or_default();
    let (horizontal, vertical) = chart.plotting_area().get_pixel_range();
    let place = |curve: &Curves| {
        let (x, y) = end(curve);
        chart.backend_coord(&(x, y.min(top)))
    };
    let numbered = curves.iter().enumerate();
    let mut ends: Vec<_> = numbered.map(|(i, curve)| (place(curve), curve.look.line_key(), i)).collect();
    ends.sort_by_key(|((_, y), ..)| *y);
    let wanted: Vec<_> = ends.iter().map(|((_, y), ..)| f64::from(*y)).collect();
    let (low, high) = (f64::from(vertical.start), f64::from(vertical.end));
    for (((x, y), key, number), place) in ends.iter().zip(spread(&wanted, canvas::TEXT_HEIGHT, low, high)) {
        let (text_x, text_y) = (horizontal.end + NAME_OFFSET, place.round() as i32);
        let path = vec![(*x + 4, *y), (horizontal.end + 4, *y), (text_x - 18, text_y)];
        // Faint from a curve that ends far from its name.
        let opacity = if horizontal.end - x < 40 { 0.6 } else { 0.2 };
        open(root, &Group::Family(&number.to_string()));
        root.draw(&PathElement::new(path, key.color.mix(opacity))).expect(DRAWS);
        canvas::marker(root, key, (text_x - 10, text_y), 1.0);
        let text = Text::new(key.name, (text_x, text_y), canvas::text_style(canvas::INK, NAME_SCALE, HPos::Left));
        root.draw(&text).expect(DRAWS);
        close(root);
    }
}

/// Positions at least `gap` apart, in the order given and near the wanted ones, which rise: the least squares, by pooling
/// those that push each other.
fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    // Without the gaps the positions must only not fall: pool adjacent violators.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (index, want) in wanted.iter().enumerate() {
        let mut pool = (want - index as f64 * gap, 1);
        while let Some(&(mean, size)) = pools.last() {
            if mean <= pool.0 {
                break;
            }
            pool = ((mean * size as f64 + pool.0 * pool.1 as f64) / (size + pool.1) as f64, size + pool.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let room = (high - low - wanted.len().saturating_sub(1) as f64 * gap).max(0.0);
    let flat = pools.into_iter().flat_map(|(mean, size)| std::iter::repeat_n(mean.clamp(low, low + room), size));
    flat.enumerate().map(|(index, position)| position + index as f64 * gap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_room_for_each_other() {
        assert_eq!(spread(&[10.0, 50.0], 10.0, 0.0, 100.0), [10.0, 50.0]);
        // 20 and 20 push each other apart evenly; the pair then touches 32.
        assert_eq!(spread(&[20.0, 20.0], 10.0, 0.0, 100.0), [15.0, 25.0]);
        assert_eq!(spread(&[95.0, 96.0, 97.0], 10.0, 0.0, 100.0), [80.0, 90.0, 100.0]);
        assert_eq!(spread(&[], 10.0, 0.0, 100.0), [0.0; 0]);
    }

    #[test]
    fn smoothing_keeps_the_mean() {
        let points: Vec<_> = (0..600).map(|i| (f64::from(i), f64::from(i % 3))).collect();
        let smoothed = smooth(&points);
        assert_eq!(smoothed.len(), 200);
        assert!(smoothed.iter().all(|point| point.1 == 1.0));
        assert_eq!(smooth(&points[..50]), &points[..50]);
    }
}
