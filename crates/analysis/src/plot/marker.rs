//! Markers, bars and dots.

use std::collections::HashSet;

use plotters::prelude::*;

use super::canvas::{Area, Chart, DRAWS};
use crate::format::plural;

/// An entry of the legend, and how its points are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    pub(super) color: RGBColor,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Disc,
    /// A smaller one, for lines; and its outline.
    Dot,
    Circle,
    /// Its corners around the point.
    Polygon(&'static [(i32, i32)]),
    Outline(&'static [(i32, i32)]),
    /// Around another marker.
    Ring,
}

/// Draws a marker at a pixel.
pub(super) fn marker(root: &Area, key: &Key, (x, y): (i32, i32), opacity: f64) {
    let style = key.color.mix(opacity);
    let around = |corners: &[(i32, i32)]| corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>();
    match key.shape {
        Shape::Disc => root.draw(&Circle::new((x, y), 6, style.filled())),
        Shape::Dot => root.draw(&Circle::new((x, y), 4, style.filled())),
        Shape::Circle => root.draw(&Circle::new((x, y), 4, style.stroke_width(2))),
        Shape::Ring => root.draw(&Circle::new((x, y), 9, style.stroke_width(2))),
        Shape::Polygon(corners) => root.draw(&Polygon::new(around(corners), style.filled())),
        Shape::Outline(corners) => {
            let closed = around(corners).into_iter().chain(around(corners).into_iter().take(1));
            root.draw(&PathElement::new(closed.collect::<Vec<_>>(), style.stroke_width(2)))
        }
    }
    .expect(DRAWS);
}

/// Draws a bar between two heights in pixels, with a cross-line at each end that is its own: where the plot ends before it, there
/// is none.
pub(super) fn bar(root: &Area, color: RGBColor, x: i32, (low, high): (i32, i32), (ends_low, ends_high): (bool, bool)) {
    let style = color.stroke_width(2);
    let ends = [
        (true, [(x, low), (x, high)]),
        (ends_low, [(x - 5, low), (x + 5, low)]),
        (ends_high, [(x - 5, high), (x + 5, high)]),
    ];
    for (_, line) in ends.into_iter().filter(|(is_there, _)| *is_there) {
        root.draw(&PathElement::new(line.to_vec(), style)).expect(DRAWS);
    }
}

/// A marker as elements of an SVG, around 0.
pub(super) fn marker_svg(key: &Key) -> String {
    let RGBColor(r, g, b) = key.color;
    let color = format!("#{r:02X}{g:02X}{b:02X}");
    let filled = format!("fill=\"{color}\"");
    let stroked = format!("fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"");
    let polygon = |corners: &[(i32, i32)], style: &str| {
        let corners: Vec<String> = corners.iter().map(|(x, y)| format!("{x},{y}")).collect();
        format!("<polygon points=\"{}\" {style}/>", corners.join(" "))
    };
    let circle = |radius: u32, style: &str| format!("<circle r=\"{radius}\" {style}/>");
    match key.shape {
        Shape::Disc => circle(6, &filled),
        Shape::Dot => circle(4, &filled),
        Shape::Circle => circle(4, &stroked),
        Shape::Ring => circle(8, &stroked),
        Shape::Polygon(corners) => polygon(corners, &filled),
        Shape::Outline(corners) => polygon(corners, &stroked),
    }
}

/// Draws small dots for what has no label: where many lie on one pixel, one.
pub(super) fn dots(root: &Area, chart: &Chart, places: impl Iterator<Item = ((f64, f64), RGBColor)>) {
    let mut drawn = HashSet::new();
    for (at, color) in places {
        let pixel = chart.backend_coord(&at);
        if drawn.insert((pixel, color.rgb())) {
            root.draw(&Circle::new(pixel, 2, color.mix(0.4).filled())).expect(DRAWS);
        }
    }
}

/// What captions say of `count` such dots.
pub(super) fn dots_note(count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    format!("Small dots without a name are the other {}.", plural(count, "configuration"))
}
