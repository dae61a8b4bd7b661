//! Evaluation loss against what a sweep varied: a line for all that differs in nothing else.

use plotters::prelude::*;

use lrx_records::Status;

use super::Plot;
use super::canvas::{self, Area, Axis, Chart, DRAWS, Frame, INK, Key, Shape};
use super::groups::{Group, close, open};
use super::names::{MOST, shortened};
use super::palette::{INKS, ON_LINES};
use super::told;
use crate::format::plural;
use crate::sweep::{Sweep, SweepLine, sweeps};
use crate::{Configuration, Experiment, Summary};

/// More lines are not told apart.
const MOST_LINES: usize = 24;
/// Pixels between the lines at one value, so that their bars do not hide each other, and over all of them at most.
const APART: i32 = 4;
const ALL_APART: i32 = 20;

/// One plot for each key.
pub(super) fn plots(experiment: &Experiment, summary: &Summary) -> Vec<Plot> {
    sweeps(&experiment.configurations).iter().filter_map(|sweep| plot(sweep, summary)).collect()
}

fn plot(sweep: &Sweep, summary: &Summary) -> Option<Plot> {
    let lines = &sweep.lines[..sweep.lines.len().min(MOST_LINES)];
    let points = || lines.iter().flat_map(|line| &line.points);
    let values: Vec<f64> = points().map(|(value, _)| *value).collect();
    let dense = references(lines, summary);
    let drawable = || points().map(|(_, one)| one.mean_loss()).filter(|loss| canvas::drawable(*loss));
    let top = ceiling(drawable().collect())?;
    let x = if sweep.is_geometric {
        Axis::of_ratios(sweep.key.clone(), values.clone(), 0.06)?
    } else {
        Axis::around(sweep.key.clone(), values.clone(), 0.06)?
    };
    let x = x.with_ticks_at(values);
    let ends = |one: &Configuration| {
        let (mean, half) = (one.mean_loss(), summary.errors.of_mean(one).unwrap_or(0.0));
        [mean - half, mean + half]
    };
    let in_sight = |one: &&Configuration| one.mean_loss() <= top;
    let shown = points()
        .map(|(_, one)| *one)
        .chain(dense.iter().copied())
        .filter(in_sight)
        .flat_map(ends)
        .filter(|end| canvas::drawable(*end));
    let means = points().map(|(_, one)| one.mean_loss()).chain(dense.iter().map(|one| one.mean_loss()));
    let (shown, has_longer) = with_room(means.filter(|loss| *loss <= top).collect(), shown.collect());
    let highest = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let y = Axis::around("evaluation loss, nats per target token".to_owned(), shown, 0.06)?;
    let mut names = shortened(&lines.iter().map(|line| line.name.clone()).collect::<Vec<_>>(), MOST);
    names.extend(dense.iter().map(|one| format!("{}, for comparison", one.name)));
    let names = shortened(&names, MOST + 16);
    let keys: Vec<Key> = (0..)
        .zip(&names)
        .map(|(i, name)| match i < lines.len() {
            true => Key { name, color: INKS[i % INKS.len()].color(), shape: ON_LINES[i % ON_LINES.len()] },
            false => Key { name, color: INK, shape: DASHED[i - lines.len()] },
        })
        .collect();
    let draw = |frame: Frame| {
        canvas::draw(frame, &x, &y, (frame.height(canvas::HEIGHT), 16), &keys, |root, chart| {
            for (i, one) in dense.iter().enumerate().filter(|(_, one)| one.mean_loss() <= highest) {
                draw_reference(root, chart, one, (x.scale.low, x.scale.high), (lines.len() + i, DASHES[i]));
            }
            for (number, (line, key)) in lines.iter().zip(&keys).enumerate() {
                let apart = APART.min(ALL_APART / lines.len() as i32);
                let shift = (2 * number as i32 - (lines.len() as i32 - 1)) * apart / 2;
                draw_line(root, chart, line, (key, number, shift), summary, (y.scale.low, highest));
            }
        })
    };
    let title = format!(
        "Evaluation loss against {}",
        if sweep.key.starts_with("rank of the") { format!("the {}", sweep.key) } else { sweep.key.clone() }
    );
    let file: String = sweep.key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let file = file.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").to_lowercase();
    let caption = caption(sweep, summary, dense.len(), (drawable().any(|loss| loss > top), has_longer));
    let plot = Plot::new(format!("loss-against-{file}"), (title, caption), &keys, draw);
    Some(Plot { is_sweep: true, ..plot })
}

/// Losses so many times as far above the lowest as the median is have no place of their own: those of runs that nearly diverged
/// would leave no room for the rest.
const CUT: f64 = 12.0;

/// The highest loss that has a place of its own.
fn ceiling(mut losses: Vec<f64>) -> Option<f64> {
    losses.sort_by(f64::total_cmp);
    let (lowest, median, highest) = (*losses.first()?, losses[losses.len() / 2], *losses.last()?);
    let top = lowest + CUT * (median - lowest);
    Some(if median > lowest && losses.len() > 3 { highest.min(top) } else { highest })
}

/// Intervals may go so far beyond all means, in parts of the range of these: those of a few seeds that differ much would leave no
/// room for the lines.
const BEYOND: f64 = 0.5;

/// The ends of intervals as far as there is room for them, and whether one goes further.
fn with_room(means: Vec<f64>, ends: Vec<f64>) -> (Vec<f64>, bool) {
    let (low, high) =
        means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &mean| (low.min(mean), high.max(mean)));
    let room = BEYOND * (high - low);
    if means.len() < 2 || room <= 0.0 {
        return (ends, false);
    }
    let (low, high) = (low - room, high + room);
    let has_longer = ends.iter().any(|end| *end < low || *end > high);
    (ends.into_iter().map(|end| end.clamp(low, high)).collect(), has_longer)
}

/// Dashes of lines that are there for comparison, and their length in pixels; as they stand in the legend.
const DASHES: [i32; 3] = [7, 3, 13];
const DASHED: [Shape; 3] = [
    Shape::Polygon(&[(-9, -1), (9, -1), (9, 1), (-9, 1)]),
    Shape::Polygon(&[(-4, -1), (4, -1), (4, 1), (-4, 1)]),
    Shape::Polygon(&[(-10, -2), (10, -2), (10, 2), (-10, 2)]),
];

/// What the configurations of the lines are compared with, where that is on none of them, and there are few such.
fn references<'a>(lines: &[SweepLine<'a>], summary: &Summary<'a>) -> Vec<&'a Configuration> {
    let on_lines = || lines.iter().flat_map(|line| &line.points).map(|(_, one)| *one);
    let mut found: Vec<&'a Configuration> = Vec::new();
    for one in on_lines() {
        let row = summary.rows.iter().find(|row| std::ptr::eq(row.configuration, one));
        let Some(against) = row.and_then(|row| row.against) else { return Vec::new() };
        if !found.iter().any(|known| std::ptr::eq(*known, against)) {
            found.push(against);
        }
    }
    let is_apart = found.iter().all(|one| on_lines().all(|other| !std::ptr::eq(*one, other)));
    let can_be_told =
        is_apart && found.len() <= DASHES.len() && found.iter().all(|one| canvas::drawable(one.mean_loss()));
    if can_be_told { found } else { Vec::new() }
}

fn draw_reference(
    root: &Area,
    chart: &mut Chart,
    one: &Configuration,
    (low, high): (f64, f64),
    (number, dash): (usize, i32),
) {
    let loss = one.mean_loss();
    open(root, &Group::Point(&number.to_string(), &told::of_configuration(one)));
    // In dashes of equal length, whatever the axis.
    let (from, to) = (chart.backend_coord(&(low, loss)), chart.backend_coord(&(high, loss)));
    for x in (from.0..to.0).step_by(dash as usize + 4) {
        root.draw(&PathElement::new(vec![(x, from.1), ((x + dash).min(to.0), from.1)], INK.stroke_width(2)))
            .expect(DRAWS);
    }
    close(root);
}

fn draw_line(
    root: &Area,
    chart: &Chart,
    line: &SweepLine,
    (key, number, shift): (&Key, usize, i32),
    summary: &Summary,
    (bottom, top): (f64, f64),
) {
    let families = number.to_string();
    let at = |value: f64, loss: f64| {
        let (x, y) = chart.backend_coord(&(value, loss.clamp(bottom, top)));
        (x + shift, y)
    };
    let points: Vec<_> = line.points.iter().filter(|(_, one)| canvas::drawable(one.mean_loss())).collect();
    open(root, &Group::Family(&families));
    let path: Vec<(i32, i32)> = points.iter().map(|(value, one)| at(*value, one.mean_loss())).collect();
    root.draw(&PathElement::new(path, key.color.mix(0.8).stroke_width(2))).expect(DRAWS);
    for (value, one) in points {
        let loss = one.mean_loss();
        if let Some(half) = summary.errors.of_mean(one).filter(|half| canvas::drawable(*half)) {
            let (x, low) = at(*value, loss - half);
            let ends_inside = (loss - half >= bottom, loss + half <= top);
            canvas::bar(root, key.color, x, (low, at(*value, loss + half).1), ends_inside);
        }
        open(root, &Group::Point(&families, &told::of_configuration(one)));
        canvas::marker(root, key, at(*value, loss), 1.0);
        close(root);
    }
    close(root);
}

fn caption(sweep: &Sweep, summary: &Summary, dense: usize, (is_cut, has_longer): (bool, bool)) -> String {
    let mut sentences = Vec::new();
    sentences.push(if sweep.lines.len() > 1 {
        "A line joins configurations that differ in nothing else; lines stand a little apart.".to_owned()
    } else {
        "The line joins configurations that differ in nothing else.".to_owned()
    });
    if summary.errors.pooled.is_some() {
        sentences.push("Points are means over the seeds, bars their 95 % intervals, each by itself.".to_owned());
    } else {
        sentences.push("No seeds were repeated, so there are no intervals.".to_owned());
    }
    if has_longer {
        sentences.push("A bar that ends without a cross-line goes on beyond the plot.".to_owned());
    }
    match dense {
        0 => {}
        1 => sentences.push("The dashed line is the dense model that they are compared with.".to_owned()),
        _ => sentences.push("Dashed lines are the dense models that they are compared with.".to_owned()),
    }
    if is_cut {
        sentences.push("Losses far above the others stand at the upper end.".to_owned());
    }
    let diverged = summary.unfinished.iter().filter(|run| run.status == Status::Diverged).count();
    if diverged > 0 {
        let is = if diverged == 1 { "is" } else { "are" };
        sentences.push(format!("{} that diverged {is} not in it.", plural(diverged, "run")));
    }
    let missing = sweep.lines.len().saturating_sub(MOST_LINES);
    if missing > 0 {
        sentences.push(format!("Only the {MOST_LINES} lines of the most points; {missing} more are left out."));
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_leave_room_for_the_lines() {
        let (shown, has_longer) = with_room(vec![4.0, 5.0], vec![3.9, 4.1, -0.2, 11.0]);
        assert_eq!((shown, has_longer), (vec![3.9, 4.1, 3.5, 5.5], true));
        // All within half of the range, and a single point whose interval is all there is.
        assert_eq!(with_room(vec![4.0, 5.0], vec![3.6, 5.5]), (vec![3.6, 5.5], false));
        assert_eq!(with_room(vec![4.0], vec![1.0, 7.0]), (vec![1.0, 7.0], false));
        assert_eq!(with_room(vec![4.0, 4.0], vec![1.0, 7.0]), (vec![1.0, 7.0], false));
    }

    #[test]
    fn only_a_loss_that_is_far_from_all_others_is_cut() {
        assert_eq!(ceiling(vec![3.0, 3.1, 3.2, 9.0]), Some(3.0 + 12.0 * (3.2_f64 - 3.0)));
        // A steep line is one.
        assert_eq!(ceiling(vec![4.386, 4.457, 4.831]), Some(4.831));
        assert_eq!(ceiling(vec![3.8, 3.85, 4.01, 5.43]), Some(5.43));
        assert_eq!(ceiling(vec![3.0, 3.0, 3.0, 3.4]), Some(3.4));
        assert_eq!(ceiling(vec![]), None);
    }
}
