//! What all plots share: size, inks, text, axes.

use std::collections::HashSet;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::INKS;
use super::scale::Scale;
use crate::format::{plural, signed_thousands};

/// Width of every plot, in pixels.
pub(super) const WIDTH: u32 = 900;
/// Height of a plot with a legend of one row, in pixels.
pub(super) const HEIGHT: u32 = 540;
/// The same where many points want room.
pub(super) const TALL: u32 = 680;
/// Height of a legend of one row, and what each further row adds, in pixels.
const LEGEND: i32 = 34;
const LEGEND_ROW: i32 = 20;
/// Room above a plot without a legend.
const NO_LEGEND: i32 = 14;

/// Colour of text and axes.
pub(super) const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// Colour of what stands back: tick labels, leader lines.
pub(super) const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6A);
/// Colour of the grid.
const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);

/// The inks above, and those of the palette, for a dark background, found by their value, as the SVG has no other handle.
pub(super) fn dark_style() -> String {
    let colours: String = INKS.iter().map(|ink| ink.dark_rule()).collect();
    format!(
        "@media (prefers-color-scheme: dark) {{\n\
         [fill=\"#24292F\"] {{ fill: #e6edf3 }} [stroke=\"#24292F\"] {{ stroke: #e6edf3 }}\n\
         [fill=\"#57606A\"] {{ fill: #a9b3be }} [stroke=\"#57606A\"] {{ stroke: #a9b3be }}\n\
         [fill=\"#D8DEE4\"] {{ fill: #30363d }} [stroke=\"#D8DEE4\"] {{ stroke: #30363d }}\n\
         {colours}.background {{ fill: #0d1117 }}\n}}"
    )
}

const FONT: &str = "system-ui, Helvetica, Arial, sans-serif";
/// Font size of labels, in pixels.
const TEXT: f64 = 12.0;
/// Width of a character as a share of the font size: above the mean of the widest of the common fonts, as nobody can
/// know which one the reader has.
const CHARACTER: f64 = 0.64;

/// Width that a label takes at most, in pixels.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * TEXT * CHARACTER
}

/// Height of a line of a label, in pixels.
pub(super) const TEXT_HEIGHT: f64 = TEXT * 1.25;

/// Text in an ink, `scale` times the size of labels.
pub(super) fn text_style(color: RGBColor, scale: f64, horizontal: HPos) -> TextStyle<'static> {
    // The SVG backend divides font sizes by 1.24.
    let font = (FONT, TEXT * scale * 1.24).into_text_style(&(WIDTH, HEIGHT));
    TextStyle { color: color.to_backend_color(), pos: Pos::new(horizontal, VPos::Center), ..font }
}

/// An axis.
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) scale: Scale,
}

/// From this ratio of the largest to the smallest on, sizes stand on a logarithmic axis.
const LOGARITHMIC_FROM: f64 = 4.0;

impl Axis {
    /// A linear axis that holds all values, with a margin on both sides as a share of their range.
    pub(super) fn around(title: String, values: impl IntoIterator<Item = f64>, margin: f64) -> Option<Self> {
        let (low, high) = range(values)?;
        // Values that no axis could tell apart are one value.
        let same = high - low <= low.abs().max(high.abs()) * 1e-9 || high - low < SMALLEST;
        let spare = if same { (high.abs() * 0.05).max(1e-3) } else { (high - low) * margin };
        Some(Self { title, scale: Scale { low: low - spare, high: high + spare, logarithmic: false } })
    }

    /// An axis for sizes, of which ratios count: logarithmic where they lie far apart.
    pub(super) fn of_sizes(title: String, values: impl IntoIterator<Item = f64> + Clone, margin: f64) -> Option<Self> {
        let (low, high) = range(values.clone())?;
        if low < SMALLEST || high / low < LOGARITHMIC_FROM {
            return Self::around(title, values, margin);
        }
        let spare = (high / low).powf(margin);
        let title = format!("{title} (logarithmic)");
        Some(Self { title, scale: Scale { low: low / spare, high: high * spare, logarithmic: true } })
    }
}

/// No quantity in a plot is larger, nor smaller but 0.
const LARGEST: f64 = 1e30;
const SMALLEST: f64 = 1e-30;

/// Whether a value can stand in a plot: one that is not finite, or too large to be anything but a damaged file's, cannot.
pub(super) fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let values = values.into_iter().filter(|value| drawable(*value));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    (low <= high).then_some((low, high))
}

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

/// The areas of a plot.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
/// A plot with its axes.
pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

/// Drawing into memory has no reason to fail.
pub(super) const DRAWS: &str = "memory takes the drawing";

/// Draws a plot with a margin to the right: legend, axes and grid, then what `content` adds.
pub(super) fn draw(
    x: &Axis,
    y: &Axis,
    (height, right): (u32, i32),
    keys: &[Key],
    content: impl for<'a> FnOnce(&Area<'a>, &mut Chart<'a>),
) -> String {
    let mut svg = String::new();
    {
        let (places, strip) = legend_places(keys);
        let root = SVGBackend::with_string(&mut svg, size(height, strip)).into_drawing_area();
        legend(&root, keys, &places);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(strip)
            .margin_right(right)
            .margin_bottom(6)
            .margin_left(8)
            .x_label_area_size(46)
            .y_label_area_size(64)
            .build_cartesian_2d(x.scale.clone(), y.scale.clone())
            .expect(DRAWS);
        let title = text_style(INK, 1.08, HPos::Center);
        let ticks = text_style(MUTED, 0.96, HPos::Center);
        chart
            .configure_mesh()
            .x_desc(&x.title)
            .y_desc(&y.title)
            .axis_desc_style(title)
            .label_style(ticks)
            .x_labels(TICKS)
            .y_labels(TICKS)
            .x_label_formatter(&tick_format(&x.scale))
            .y_label_formatter(&tick_format(&y.scale))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED)
            .draw()
            .expect(DRAWS);
        content(&root, &mut chart);
        root.present().expect(DRAWS);
    }
    svg
}

/// Where the markers of a legend stand, in as many rows as it takes, and how high the strip is that holds them.
fn legend_places(keys: &[Key]) -> (Vec<(i32, i32)>, i32) {
    const LEFT: i32 = 84;
    const GAP: i32 = 28;
    let (mut x, mut y) = (LEFT, LEGEND / 2);
    let place = |key: &Key| {
        let width = text_width(key.name) as i32;
        if x > LEFT && x + width + GAP > WIDTH as i32 {
            (x, y) = (LEFT, y + LEGEND_ROW);
        }
        let place = (x, y);
        x += width + GAP;
        place
    };
    let places: Vec<_> = keys.iter().map(place).collect();
    let strip = places.last().map_or(NO_LEGEND, |(_, y)| y + LEGEND / 2);
    (places, strip)
}

/// The size of a drawing whose legend takes such a strip.
fn size(height: u32, strip: i32) -> (u32, u32) {
    (WIDTH, height.saturating_add_signed(strip - LEGEND))
}

fn legend(root: &Area, keys: &[Key], places: &[(i32, i32)]) {
    for (key, &(x, y)) in keys.iter().zip(places) {
        marker(root, key, (x, y), 1.0);
        let text = Text::new(key.name, (x + 12, y), text_style(INK, 1.0, HPos::Left));
        root.draw(&text).expect(DRAWS);
    }
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

/// Small charts with the same axes, the horizontal one from 0 on.
pub(super) struct Panels<'a> {
    /// What each shows.
    pub(super) titles: &'a [&'a str],
    /// How many stand beside each other.
    pub(super) columns: usize,
    /// The highest whole number on the horizontal axis.
    pub(super) x: f64,
    /// The lowest and the highest value on the vertical axis.
    pub(super) y: (f64, f64),
    pub(super) keys: &'a [Key<'a>],
}

/// Draws panels: legend, axes and titles, then in each what `content` adds.
pub(super) fn draw_panels(
    panels: &Panels,
    x_title: &str,
    y_title: &str,
    mut content: impl for<'a> FnMut(usize, &Area<'a>, &mut Chart<'a>),
) -> String {
    let mut svg = String::new();
    {
        let (places, strip) = legend_places(panels.keys);
        let root = SVGBackend::with_string(&mut svg, size(HEIGHT, strip)).into_drawing_area();
        legend(&root, panels.keys, &places);
        let (_, below) = root.split_vertically(strip);
        let rows = panels.titles.len().div_ceil(panels.columns);
        let ticks = text_style(MUTED, 0.92, HPos::Center);
        for (index, area) in below.split_evenly((rows, panels.columns)).iter().enumerate().take(panels.titles.len()) {
            let scale = |low: f64, high: f64| Scale { low, high, logarithmic: false };
            let mut chart = ChartBuilder::on(area)
                .margin_top(24)
                .margin_right(14)
                .margin_left(6)
                .margin_bottom(4)
                .x_label_area_size(38)
                .y_label_area_size(52)
                .build_cartesian_2d(scale(-0.15, panels.x + 0.15), scale(panels.y.0, panels.y.1))
                .expect(DRAWS);
            chart
                .configure_mesh()
                .x_desc(x_title)
                .y_desc(if index % panels.columns == 0 { y_title } else { "" })
                .axis_desc_style(text_style(INK, 0.95, HPos::Center))
                .label_style(ticks.clone())
                .x_labels((panels.x as usize + 1).min(9))
                .y_labels(5)
                .x_label_formatter(&|value| format!("{value:.0}"))
                .y_label_formatter(&|value| format!("{value:.2}"))
                .bold_line_style(GRID)
                .light_line_style(TRANSPARENT)
                .axis_style(MUTED)
                .draw()
                .expect(DRAWS);
            let title = Text::new(panels.titles[index], (66, 14), text_style(INK, 1.05, HPos::Left));
            area.draw(&title).expect(DRAWS);
            content(index, &root, &mut chart);
        }
        root.present().expect(DRAWS);
    }
    svg
}

/// Ticks wanted on an axis, at most.
const TICKS: usize = 9;

/// How to write the ticks of an axis: with the fewest decimals that tell each exactly.
pub(super) fn tick_format(scale: &Scale) -> impl Fn(&f64) -> String + use<> {
    let ticks = scale.ticks(TICKS);
    let spacing = if scale.logarithmic { scale.low } else { (scale.high - scale.low) / TICKS as f64 };
    let exact = move |tick: f64, decimals: usize| {
        let unit = 10_f64.powi(decimals as i32);
        ((tick * unit).round() / unit - tick).abs() < 1e-3 * spacing
    };
    let logarithmic = scale.logarithmic;
    let for_all = (0..6).find(|&decimals| ticks.iter().all(|&tick| exact(tick, decimals))).unwrap_or(6);
    move |value| {
        let decimals = if logarithmic { (0..6).find(|&d| exact(*value, d)).unwrap_or(6) } else { for_all };
        match value.abs() {
            size if size >= 1000.0 && decimals == 0 => signed_thousands(*value),
            _ => format!("{value:.decimals$}").replace('-', "−"),
        }
    }
}

/// The drawing with a background, and with the inks of the reader's colour scheme.
pub(super) fn with_background(svg: &str) -> String {
    let Some(end) = svg.find('>') else { return svg.to_owned() };
    let (head, body) = svg.split_at(end + 1);
    let background = "<rect class=\"background\" width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>";
    format!("{head}\n<style>{}</style>\n{background}{body}", dark_style())
}
