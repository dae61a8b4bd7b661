//! Evaluation loss against what it costs: parameters, time.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Plot;
use super::canvas::{self, Area, Axis, Chart, DRAWS, Frame, MUTED};
use super::groups::{Group, close, open};
use super::labels::{Anchor, Rect, Scene, Segment, leader};
use super::legend::Legend;
use super::styles::{Look, Styles};
use super::told;
use crate::frontier::pareto_front;
use crate::settings::same_beside_blocks;
use crate::{Configuration, Summary, SummaryRow};

/// Pixels to the right of the bar at which the single runs stand.
const RUN_OFFSET: i32 = 10;

/// Pixels from the middle of a marker to its label.
const GAP: f64 = 11.0;

/// Of more points on a telephone none has its label beside it: the legend and the tables have the names.
const FEW: usize = 8;

/// Of more points those have labels that are on the Pareto front, and dense ones: those of all would be a thicket.
const MOST_LABELLED: usize = 32;

/// One configuration in the plane.
struct Point<'a> {
    configuration: &'a Configuration,
    x: f64,
    y: f64,
    sd: Option<f64>,
    /// The losses of its runs.
    runs: Vec<f64>,
    look: &'a Look,
}

/// The plots for which at least two sizes, or durations, are known.
pub(super) fn plots(summary: &Summary, styles: &Styles) -> Vec<Plot> {
    let body = |row: &SummaryRow| row.configuration.first().params_body.map(|count| count as f64 / 1e6);
    let total = |row: &SummaryRow| row.configuration.first().params.map(|count| count as f64 / 1e6);
    let flops = |row: &SummaryRow| row.flops_per_token.map(|flops| flops as f64 / 1e6);
    let unit = summary.time_unit();
    let time = |row: &SummaryRow| row.wall_seconds.map(|wall| wall / unit.seconds);
    let against = |what: &str| format!("Evaluation loss against {what}");
    [
        plot(
            (summary, styles),
            "loss-by-body-parameters",
            against("parameters outside the embeddings"),
            "parameters outside the embeddings, millions",
            &body,
        ),
        plot(
            (summary, styles),
            "loss-by-flops",
            against("operations a token"),
            "operations a token in the forward pass, MFLOP",
            &flops,
        ),
        plot((summary, styles), "loss-by-parameters", against("all parameters"), "parameters, millions", &total),
        plot(
            (summary, styles),
            "loss-by-time",
            against("training time"),
            &format!("training time, {}", unit.name),
            &time,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn plot(
    (summary, styles): (&Summary, &Styles),
    name: &'static str,
    title: String,
    x_title: &str,
    x: &dyn Fn(&SummaryRow) -> Option<f64>,
) -> Option<Plot> {
    let placed = |shown: bool| {
        let rows = summary.rows.iter().filter(move |row| row.is_shown == shown);
        rows.filter_map(|row| point(row, styles, x)).collect::<Vec<_>>()
    };
    let (points, others) = (placed(true), placed(false));
    let all = || points.iter().chain(&others);
    let first = all().next()?.x;
    if points.len() + others.len() > 1 && all().all(|point| point.x == first) {
        return None;
    }
    let band = baseline_band(summary);
    let x_axis = Axis::of_sizes(x_title.to_owned(), all().map(|point| point.x).collect::<Vec<_>>(), 0.09)?;
    let losses = points.iter().flat_map(|point| {
        let sd = point.sd.unwrap_or(0.0);
        [point.y - sd, point.y + sd].into_iter().chain(point.runs.iter().copied())
    });
    let losses = losses.chain(others.iter().map(|point| point.y));
    let losses = losses.chain(band.into_iter().flat_map(|(low, high)| [low, high]));
    let y_axis = Axis::around("evaluation loss, nats per target token".to_owned(), losses, 0.06)?;
    let legend = Legend::of(styles, &points.iter().map(|point| point.look).collect::<Vec<_>>());
    let mut unlabelled = 0;
    let is_labelled = labelled(&points);
    let draw = |frame: Frame| {
        let height = frame.height(height_for(points.len()));
        canvas::draw(frame, &x_axis, &y_axis, (height, 16), &legend.keys, |root, chart| {
            if let Some((low, high)) = band {
                draw_band(chart, (x_axis.scale.low, x_axis.scale.high), low, high);
            }
            let places = others.iter().map(|point| ((point.x, point.y), point.look.key().color));
            canvas::dots(root, chart, places);
            let lines = if styles.is_by_place() { draw_lines(root, chart, &points, &legend) } else { Vec::new() };
            let is_labelled = if frame.is_wide() || points.len() <= FEW { &is_labelled[..] } else { &[] };
            let missing = draw_points(root, chart, &points, &legend, is_labelled, &lines);
            if frame.is_wide() {
                unlabelled = missing;
            }
        })
    };
    let mut plot = Plot::new(name, (title, String::new()), &legend.keys, draw);
    let mut caption = String::new();
    if points.iter().any(|point| point.sd.is_some()) {
        caption += "Bars are one standard deviation of the seeds to either side";
        caption += if points.len() > MOST_LABELLED { ". " } else { ", small dots single runs. " };
    }
    if band.is_some() {
        caption += "One more run of the baseline would lie in the grey band with 95 % probability. ";
    }
    if styles.is_by_place() {
        caption += "The colour is the kind, the marker says where it stands; a line joins sizes of one kind. ";
    }
    if is_labelled.iter().any(|is| !is) {
        caption += "Names stand at dense models and at what no other beats that is as small. ";
    }
    if unlabelled > 0 {
        caption += &format!("There is no room for the labels of {unlabelled} points. ");
    }
    caption += &canvas::dots_note(others.len());
    plot.caption = caption.trim_end().to_owned();
    Some(plot)
}

/// Which of the points have their names beside them.
fn labelled(points: &[Point]) -> Vec<bool> {
    if points.len() <= MOST_LABELLED {
        return vec![true; points.len()];
    }
    let front = pareto_front(&points.iter().map(|point| (point.x, point.y)).collect::<Vec<_>>());
    points.iter().zip(front).map(|(point, on_front)| on_front || point.configuration.is_dense()).collect()
}

/// Draws a line through the sizes of one kind in one place, which differ in nothing else; the segments, in pixels.
fn draw_lines(root: &Area, chart: &mut Chart, points: &[Point], legend: &Legend) -> Vec<Segment> {
    let mut left: Vec<&Point> = points.iter().filter(|point| point.look.place().is_some()).collect();
    let mut segments = Vec::new();
    while let Some(first) = left.first().copied() {
        let belongs = |point: &Point| {
            (point.look.class(), point.look.place()) == (first.look.class(), first.look.place())
                && same_beside_blocks(first.configuration.first(), point.configuration.first())
        };
        let (mut line, others): (Vec<&Point>, Vec<&Point>) = left.into_iter().partition(|point| belongs(point));
        left = others;
        line.sort_by(|a, b| a.x.total_cmp(&b.x));
        open(root, &Group::Family(&legend.families(first.look)));
        let style = first.look.key().color.mix(0.45).stroke_width(1);
        chart.draw_series(LineSeries::new(line.iter().map(|point| (point.x, point.y)), style)).expect(DRAWS);
        close(root);
        let pixel = |point: &Point| {
            let (x, y) = chart.backend_coord(&(point.x, point.y));
            (f64::from(x), f64::from(y))
        };
        segments.extend(line.windows(2).map(|pair| (pixel(pair[0]), pixel(pair[1]))));
    }
    segments
}

fn point<'a>(row: &SummaryRow<'a>, styles: &'a Styles, x: &dyn Fn(&SummaryRow) -> Option<f64>) -> Option<Point<'a>> {
    let runs = if row.loss_sd.is_some() { row.configuration.losses() } else { Vec::new() };
    let runs = runs.into_iter().filter(|loss| canvas::drawable(*loss)).collect();
    let x = x(row).filter(|x| canvas::drawable(*x))?;
    let sd = row.loss_sd.filter(|sd| canvas::drawable(*sd));
    canvas::drawable(row.loss_mean).then_some(Point {
        configuration: row.configuration,
        x,
        y: row.loss_mean,
        sd,
        runs,
        look: styles.of(row.configuration),
    })
}

/// The height of a plot with so many labelled points.
pub(super) fn height_for(points: usize) -> u32 {
    if points > 12 { canvas::TALL } else { canvas::HEIGHT }
}

/// Where one more run of the baseline would lie.
fn baseline_band(summary: &Summary) -> Option<(f64, f64)> {
    let baseline = summary.baseline?;
    let (mean, half_width) = (baseline.mean_loss(), summary.errors.one_more_run(baseline)?);
    let ends = [mean - half_width, mean + half_width];
    [mean, ends[0], ends[1]].into_iter().all(canvas::drawable).then_some((ends[0], ends[1]))
}

fn draw_band(chart: &mut Chart, (left, right): (f64, f64), low: f64, high: f64) {
    let band = Rectangle::new([(left, low), (right, high)], MUTED.mix(0.1).filled());
    chart.draw_series([band]).expect(DRAWS);
}

/// Draws bars, markers and, where `is_labelled` says so, labels; returns how many labels found no room.
fn draw_points(
    root: &Area,
    chart: &Chart,
    points: &[Point],
    legend: &Legend,
    is_labelled: &[bool],
    lines: &[Segment],
) -> usize {
    let mut obstacles = Vec::new();
    let is_crowded = points.len() > MOST_LABELLED;
    for point in points {
        let families = legend.families(point.look);
        open(root, &Group::Family(&families));
        let (x, y) = chart.backend_coord(&(point.x, point.y));
        obstacles.push(Rect::around((f64::from(x), f64::from(y)), 16.0, 16.0));
        if let Some(sd) = point.sd {
            let (_, low) = chart.backend_coord(&(point.x, point.y - sd));
            let (_, high) = chart.backend_coord(&(point.x, point.y + sd));
            if is_crowded {
                let style = point.look.key().color.mix(0.35).stroke_width(1);
                root.draw(&PathElement::new(vec![(x, low), (x, high)], style)).expect(DRAWS);
            } else {
                canvas::bar(root, point.look.key().color, x, (low, high), (true, true));
            }
            let height = f64::from(low - high) + 2.0;
            obstacles.push(Rect::around((f64::from(x), f64::from(low + high) / 2.0), 12.0, height));
        }
        for &run in point.runs.iter().filter(|_| !is_crowded) {
            let (x, y) = chart.backend_coord(&(point.x, run));
            let at = (x + RUN_OFFSET, y);
            root.draw(&Circle::new(at, 2, point.look.key().color.mix(0.7).filled())).expect(DRAWS);
            obstacles.push(Rect::around((f64::from(at.0), f64::from(at.1)), 5.0, 5.0));
        }
        open(root, &Group::Point(&families, &told::of_configuration(point.configuration)));
        canvas::marker(root, &point.look.key(), (x, y), 0.9);
        close(root);
        close(root);
    }
    let told = points.iter().zip(is_labelled).filter(|(_, is_labelled)| **is_labelled).map(|(point, _)| point);
    let labelled: Vec<_> = told
        .map(|point| Label { name: point.look.name(), at: (point.x, point.y), families: legend.families(point.look) })
        .collect();
    draw_labels(root, chart, &labelled, GAP, &obstacles, lines)
}

/// What stands beside a point.
pub(super) struct Label<'a> {
    pub(super) name: &'a str,
    pub(super) at: (f64, f64),
    /// The entries of the legend that it belongs to.
    pub(super) families: String,
}

/// Writes each label beside its point, clear of obstacles and, where it can be, of lines; returns how many found no room.
pub(super) fn draw_labels(
    root: &Area,
    chart: &Chart,
    points: &[Label],
    gap: f64,
    obstacles: &[Rect],
    lines: &[Segment],
) -> usize {
    let anchor = |label: &Label| {
        let (x, y) = chart.backend_coord(&label.at);
        Anchor { at: (f64::from(x), f64::from(y)), size: (canvas::text_width(label.name), canvas::TEXT_HEIGHT), gap }
    };
    let anchors: Vec<_> = points.iter().map(anchor).collect();
    let (horizontal, vertical) = chart.plotting_area().get_pixel_range();
    let bounds = Rect {
        left: f64::from(horizontal.start) + 3.0,
        top: f64::from(vertical.start) + 3.0,
        right: f64::from(horizontal.end) - 3.0,
        bottom: f64::from(vertical.end) - 3.0,
    };
    let places = Scene { anchors: &anchors, obstacles, lines, bounds }.place();
    let pixel = |(x, y): (f64, f64)| (x.round() as i32, y.round() as i32);
    for ((label, anchor), place) in points.iter().zip(&anchors).zip(&places) {
        let Some(place) = place else { continue };
        open(root, &Group::Family(&label.families));
        if let Some((from, to)) = leader(anchor, place) {
            root.draw(&PathElement::new(vec![pixel(from), pixel(to)], MUTED.mix(0.7))).expect(DRAWS);
        }
        // The text is narrower than its place: it stands at the side that is next to its point.
        let (middle, y) = place.middle();
        let (side, x) = match anchor.at.0 {
            at if at <= place.left => (HPos::Left, place.left),
            at if at >= place.right => (HPos::Right, place.right),
            _ => (HPos::Center, middle),
        };
        let text = Text::new(label.name, pixel((x, y)), canvas::text_style(canvas::INK, 1.0, side));
        root.draw(&text).expect(DRAWS);
        close(root);
    }
    places.iter().filter(|place| place.is_none()).count()
}
