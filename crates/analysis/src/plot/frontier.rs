//! The frontier: evaluation loss against size, one line for each way of changing the size.

use std::collections::HashSet;

use plotters::prelude::*;

use super::Plot;
use super::canvas::{self, Axis, DRAWS, Frame, INK, Key, MUTED, Shape};
use super::groups::{Group, close, open};
use super::labels::Rect;
use super::names::{MOST, shortened};
use super::scatter::{Label, draw_labels, height_for};
use super::told;
use crate::frontier::{Frontier, Point, Way, pareto_front};
use crate::{Configuration, Summary};

impl Way {
    /// Its colour, of the palette of Okabe and Ito: substitutions warm, dense models cold.
    fn color(self) -> RGBColor {
        match self {
            Self::Attention => RGBColor(0xE6, 0x9F, 0x00),
            Self::Mlp => RGBColor(0xCC, 0x79, 0xA7),
            Self::Both => RGBColor(0xD5, 0x5E, 0x00),
            Self::Hidden => RGBColor(0x00, 0x72, 0xB2),
            Self::Width => RGBColor(0x00, 0x9E, 0x73),
            Self::Depth => RGBColor(0x7A, 0x82, 0x8C),
        }
    }

    fn key(self) -> Key<'static> {
        let name = match self {
            Self::Attention => "attention rank",
            Self::Mlp => "MLP rank",
            Self::Both => "both ranks",
            dense => dense.name(),
        };
        let shape = match self {
            Self::Attention => Shape::Polygon(&[(-7, -5), (7, -5), (0, 7)]),
            Self::Mlp => Shape::Polygon(&[(-7, 5), (7, 5), (0, -7)]),
            Self::Both => Shape::Polygon(&[(0, -7), (7, 0), (0, 7), (-7, 0)]),
            Self::Hidden => Shape::Disc,
            Self::Width => Shape::Polygon(&[(-5, -5), (5, -5), (5, 5), (-5, 5)]),
            Self::Depth => Shape::Polygon(&[(-3, -7), (3, -7), (3, 7), (-3, 7)]),
        };
        Key { name, color: self.color(), shape }
    }
}

const BASELINE: Key<'static> = Key { name: "baseline", color: INK, shape: Shape::Disc };
const SEVERAL: Key<'static> =
    Key { name: "more than one", color: MUTED, shape: Shape::Polygon(&[(-4, -4), (4, -4), (4, 4), (-4, 4)]) };
const FRONT: Key<'static> = Key { name: "Pareto front", color: INK, shape: Shape::Ring };

/// Pixels from the middle of a marker, which may have a ring, to its label.
const GAP: f64 = 14.0;

/// Of more points only those on the front have labels; on a telephone, of more none has.
const MOST_LABELLED: usize = 32;
const FEW: usize = 8;

/// A way of measuring size.
struct Measure {
    name: &'static str,
    title: &'static str,
    axis: &'static str,
    size: fn(&Point) -> Option<f64>,
}

const MEASURES: [Measure; 2] = [
    Measure {
        name: "frontier-by-body-parameters",
        title: "The frontier: loss against body parameters, by the way of changing the size",
        axis: "parameters outside the embeddings, millions",
        size: |point| Some(point.body / 1e6),
    },
    Measure {
        name: "frontier-by-flops",
        title: "The frontier: loss against operations, by the way of changing the size",
        axis: "operations a token in the forward pass, MFLOP",
        size: |point| point.flops.map(|flops| flops / 1e6),
    },
];

/// One plot for each measure that is known of three configurations.
pub(super) fn plots(summary: &Summary) -> Vec<Plot> {
    let of = |frontier| MEASURES.iter().filter_map(move |measure| plot(summary, frontier, measure));
    summary.frontier.iter().flat_map(of).collect()
}

fn plot<'a>(summary: &Summary<'a>, frontier: &Frontier<'a>, measure: &Measure) -> Option<Plot> {
    let placed = |point: &Point| Some(((measure.size)(point)?, point.loss)).filter(|at| canvas::drawable(at.1));
    let points: Vec<(&Point<'a>, (f64, f64))> =
        frontier.points.iter().filter_map(|point| Some((point, placed(point)?))).collect();
    if points.len() < 3 {
        return None;
    }
    let x = Axis::of_sizes(measure.axis.to_owned(), points.iter().map(|(_, at)| at.0), 0.09)?;
    let y = Axis::around("evaluation loss, nats per target token".to_owned(), points.iter().map(|(_, at)| at.1), 0.08)?;
    let occurring = |key: &Key| points.iter().any(|(point, _)| key_of(point, frontier).name == key.name);
    let keys: Vec<Key> = std::iter::once(BASELINE)
        .chain(Way::ALL.map(Way::key))
        .chain([SEVERAL])
        .filter(occurring)
        .chain([FRONT])
        .collect();
    let front = pareto_front(&points.iter().map(|(_, at)| *at).collect::<Vec<_>>());
    let shown: HashSet<_> = summary.shown().map(|row| std::ptr::from_ref(row.configuration)).collect();
    let is_shown = |point: &Point| shown.contains(&std::ptr::from_ref(point.configuration));
    let others = points.iter().filter(|(point, _)| !is_shown(point));
    let is_crowded = points.iter().filter(|(point, _)| is_shown(point)).count() > MOST_LABELLED;
    let mut unlabelled = 0;
    let family = |key: Key| keys.iter().position(|own| own.name == key.name).map_or(String::new(), |at| at.to_string());
    let ring = family(FRONT);
    let draw = |frame: Frame| {
        let height = frame.height(height_for(points.len()));
        canvas::draw(frame, &x, &y, (height, 16), &keys, |root, chart| {
            canvas::dots(root, chart, others.clone().map(|(point, at)| (*at, key_of(point, frontier).color)));
            let mut segments = Vec::new();
            let lines = |way: &Way| frontier.lines(*way).into_iter().map(move |line| (*way, line)).collect::<Vec<_>>();
            for (way, line) in Way::ALL.iter().flat_map(lines) {
                let line: Vec<_> = line.into_iter().filter_map(placed).collect();
                let pixel = |at: &(f64, f64)| {
                    let (x, y) = chart.backend_coord(at);
                    (f64::from(x), f64::from(y))
                };
                segments.extend(line.windows(2).map(|pair| (pixel(&pair[0]), pixel(&pair[1]))));
                open(root, &Group::Family(&family(way.key())));
                let style = if is_crowded {
                    way.color().mix(0.4).stroke_width(1)
                } else {
                    way.color().mix(0.7).stroke_width(2)
                };
                chart.draw_series(LineSeries::new(line, style)).expect(DRAWS);
                close(root);
            }
            let mut obstacles = Vec::new();
            for ((point, at), on_front) in points.iter().zip(&front).filter(|((point, _), _)| is_shown(point)) {
                let pixel = chart.backend_coord(at);
                let families = family(key_of(point, frontier));
                open(root, &Group::Point(&families, &told::of_configuration(point.configuration)));
                canvas::marker(root, &key_of(point, frontier), pixel, 0.95);
                close(root);
                if *on_front {
                    open(root, &Group::Family(&format!("{families} {ring}")));
                    canvas::marker(root, &FRONT, pixel, 1.0);
                    close(root);
                }
                obstacles.push(Rect::around((f64::from(pixel.0), f64::from(pixel.1)), 20.0, 20.0));
            }
            let name = |one: &Configuration| one.short_name(Some(frontier.baseline)).to_owned();
            let shown: Vec<_> = points.iter().zip(&front).filter(|((point, _), _)| is_shown(point)).collect();
            let few = shown.len() <= if frame.is_wide() { MOST_LABELLED } else { FEW };
            let is_told = |on_front: bool| few || (on_front && frame.is_wide());
            let shown: Vec<_> = shown.into_iter().filter(|(_, on_front)| is_told(**on_front)).collect();
            let shown: Vec<_> = shown.into_iter().map(|(point, _)| point).collect();
            let names: Vec<_> = shown.iter().map(|(point, _)| name(point.configuration)).collect();
            let names = shortened(&names, MOST);
            let mut labelled = Vec::with_capacity(shown.len());
            for (name, (point, at)) in names.iter().zip(shown) {
                labelled.push(Label { name, at: *at, families: family(key_of(point, frontier)) });
            }
            let missing = draw_labels(root, chart, &labelled, GAP, &obstacles, &segments);
            if frame.is_wide() {
                unlabelled = missing;
            }
        })
    };
    let mut plot = Plot::new(measure.name, (measure.title.to_owned(), String::new()), &keys, draw);
    let mut caption =
        "Means over the seeds. A line joins the configurations that differ in one thing. What has a ring is beaten \
                       by no other that is as small, going by the means alone."
            .to_owned();
    if is_crowded {
        caption += " Only what has a ring has its name beside it.";
    }
    if unlabelled > 0 {
        caption += &format!(" There is no room for the labels of {unlabelled} points.");
    }
    if others.clone().next().is_some() {
        caption += &format!(" {}", canvas::dots_note(others.count()));
    }
    plot.caption = caption;
    Some(plot)
}

/// How a point is drawn.
fn key_of(point: &Point, frontier: &Frontier) -> Key<'static> {
    match point.way {
        _ if std::ptr::eq(point.configuration, frontier.baseline) => BASELINE,
        Some(way) => way.key(),
        None => SEVERAL,
    }
}
