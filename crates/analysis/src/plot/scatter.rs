//! Evaluation loss against what it costs: parameters, time.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Plot;
use super::canvas::{self, Area, Axis, Chart, DRAWS, MUTED};
use super::labels::{Anchor, Rect, Scene, Segment, leader};
use super::styles::{Look, Styles};
use crate::{Summary, SummaryRow};

/// Pixels to the right of the bar at which the single runs stand.
const RUN_OFFSET: i32 = 10;

/// Pixels from the middle of a marker to its label.
const GAP: f64 = 11.0;

/// One configuration in the plane.
struct Point<'a> {
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
    let keys = styles.legend(&points.iter().map(|point| point.look).collect::<Vec<_>>());
    let mut unlabelled = 0;
    let svg = canvas::draw(&x_axis, &y_axis, (height_for(points.len()), 16), &keys, |root, chart| {
        if let Some((low, high)) = band {
            draw_band(chart, (x_axis.scale.low, x_axis.scale.high), low, high);
        }
        let places = others.iter().map(|point| ((point.x, point.y), point.look.key().color));
        canvas::dots(root, chart, places);
        unlabelled = draw_points(root, chart, &points);
    });
    let mut caption = String::new();
    if points.iter().any(|point| point.sd.is_some()) {
        caption += "Bars are one standard deviation of the seeds to either side, small dots single runs. ";
    }
    if band.is_some() {
        caption += "One more run of the baseline would lie in the grey band with 95 % probability. ";
    }
    if unlabelled > 0 {
        caption += &format!("There is no room for the labels of {unlabelled} points. ");
    }
    caption += &canvas::dots_note(others.len());
    Some(Plot { name, title, caption: caption.trim_end().to_owned(), svg })
}

fn point<'a>(row: &SummaryRow, styles: &'a Styles, x: &dyn Fn(&SummaryRow) -> Option<f64>) -> Option<Point<'a>> {
    let runs = if row.loss_sd.is_some() { row.configuration.losses() } else { Vec::new() };
    let runs = runs.into_iter().filter(|loss| canvas::drawable(*loss)).collect();
    let x = x(row).filter(|x| canvas::drawable(*x))?;
    let sd = row.loss_sd.filter(|sd| canvas::drawable(*sd));
    canvas::drawable(row.loss_mean).then_some(Point {
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

/// Draws bars, markers and labels; returns how many labels found no room.
fn draw_points(root: &Area, chart: &Chart, points: &[Point]) -> usize {
    let mut obstacles = Vec::new();
    for point in points {
        let (x, y) = chart.backend_coord(&(point.x, point.y));
        obstacles.push(Rect::around((f64::from(x), f64::from(y)), 16.0, 16.0));
        if let Some(sd) = point.sd {
            let (_, low) = chart.backend_coord(&(point.x, point.y - sd));
            let (_, high) = chart.backend_coord(&(point.x, point.y + sd));
            let style = point.look.key().color.stroke_width(2);
            for line in [[(x, low), (x, high)], [(x - 5, low), (x + 5, low)], [(x - 5, high), (x + 5, high)]] {
                root.draw(&PathElement::new(line.to_vec(), style)).expect(DRAWS);
            }
            let height = f64::from(low - high) + 2.0;
            obstacles.push(Rect::around((f64::from(x), f64::from(low + high) / 2.0), 12.0, height));
        }
        for &run in &point.runs {
            let (x, y) = chart.backend_coord(&(point.x, run));
            let at = (x + RUN_OFFSET, y);
            root.draw(&Circle::new(at, 2, point.look.key().color.mix(0.7).filled())).expect(DRAWS);
            obstacles.push(Rect::around((f64::from(at.0), f64::from(at.1)), 5.0, 5.0));
        }
        canvas::marker(root, &point.look.key(), (x, y), 0.9);
    }
    let labelled: Vec<_> = points.iter().map(|point| (point.look.name(), (point.x, point.y))).collect();
    draw_labels(root, chart, &labelled, GAP, &obstacles, &[])
}

/// Writes each label beside its point, clear of obstacles and, where it can be, of lines; returns how many found no room.
pub(super) fn draw_labels(
    root: &Area,
    chart: &Chart,
    points: &[(&str, (f64, f64))],
    gap: f64,
    obstacles: &[Rect],
    lines: &[Segment],
) -> usize {
    let anchor = |(label, at): &(&str, (f64, f64))| {
        let (x, y) = chart.backend_coord(at);
        Anchor { at: (f64::from(x), f64::from(y)), size: (canvas::text_width(label), canvas::TEXT_HEIGHT), gap }
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
    for (((label, _), anchor), place) in points.iter().zip(&anchors).zip(&places) {
        let Some(place) = place else { continue };
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
        let text = Text::new(*label, pixel((x, y)), canvas::text_style(canvas::INK, 1.0, side));
        root.draw(&text).expect(DRAWS);
    }
    places.iter().filter(|place| place.is_none()).count()
}
