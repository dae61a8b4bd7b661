//! What all plots share: size, inks, text, axes.

use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Family;
use crate::format::signed_thousands;

/// Width of every plot, in pixels.
pub(super) const WIDTH: u32 = 900;
/// Height of every plot, in pixels.
pub(super) const HEIGHT: u32 = 540;
/// Height of the strip on top that holds the legend, in pixels.
const LEGEND: i32 = 34;

/// Colour of text and axes.
pub(super) const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// Colour of what stands back: tick labels, leader lines.
pub(super) const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6A);
/// Colour of the grid.
const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);

/// The inks above for a dark background, found by their value, as the SVG has no other handle.
pub(super) const DARK_STYLE: &str = "@media (prefers-color-scheme: dark) {\n\
    [fill=\"#24292F\"] { fill: #e6edf3 } [stroke=\"#24292F\"] { stroke: #e6edf3 }\n\
    [fill=\"#57606A\"] { fill: #a9b3be } [stroke=\"#57606A\"] { stroke: #a9b3be }\n\
    [fill=\"#D8DEE4\"] { fill: #30363d } [stroke=\"#D8DEE4\"] { stroke: #30363d }\n\
    [fill=\"#0072B2\"] { fill: #3d9fe0 } [stroke=\"#0072B2\"] { stroke: #3d9fe0 }\n\
    .background { fill: #0d1117 }\n}";

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

/// A linear axis.
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Axis {
    /// An axis that holds all values, with a margin on both sides as a share of their range.
    pub(super) fn around(title: String, values: impl IntoIterator<Item = f64>, margin: f64) -> Option<Self> {
        let values = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        let spare = if high > low { (high - low) * margin } else { (high.abs() * 0.05).max(1e-3) };
        Some(Self { title, low: low - spare, high: high + spare })
    }
}

/// The areas of a plot.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
/// A plot with its axes.
pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Drawing into memory has no reason to fail.
pub(super) const DRAWS: &str = "memory takes the drawing";

/// Draws a plot: legend, axes and grid, then what `content` adds.
pub(super) fn draw(
    x: &Axis,
    y: &Axis,
    right: i32,
    families: &[Family],
    content: impl for<'a> FnOnce(&Area<'a>, &mut Chart<'a>),
) -> String {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        legend(&root, families);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(LEGEND)
            .margin_right(right)
            .margin_bottom(6)
            .margin_left(8)
            .x_label_area_size(46)
            .y_label_area_size(64)
            .build_cartesian_2d(x.low..x.high, y.low..y.high)
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
            .x_label_formatter(&tick_format(x))
            .y_label_formatter(&tick_format(y))
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

fn legend(root: &Area, families: &[Family]) {
    let mut x = 84;
    for &family in families {
        marker(root, family, (x, LEGEND / 2), 1.0);
        let text = Text::new(family.name(), (x + 12, LEGEND / 2), text_style(INK, 1.0, HPos::Left));
        root.draw(&text).expect(DRAWS);
        x += 36 + text_width(family.name()) as i32;
    }
}

/// Draws the marker of a family at a pixel.
pub(super) fn marker(root: &Area, family: Family, (x, y): (i32, i32), opacity: f64) {
    let style = family.color().mix(opacity).filled();
    match family.corners() {
        [] => root.draw(&Circle::new((x, y), 6, style)),
        corners => {
            let corners: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
            root.draw(&Polygon::new(corners, style))
        }
    }
    .expect(DRAWS);
}

/// Ticks wanted on an axis, at most.
const TICKS: usize = 9;

/// How to write the ticks of an axis: with the fewest decimals that tell each exactly.
fn tick_format(axis: &Axis) -> impl Fn(&f64) -> String {
    let ticks = RangedCoordf64::from(axis.low..axis.high).key_points(TICKS);
    let spacing = (axis.high - axis.low) / TICKS as f64;
    let exact = |decimals: &usize| {
        let unit = 10_f64.powi(*decimals as i32);
        ticks.iter().all(|tick| ((tick * unit).round() / unit - tick).abs() < 1e-3 * spacing)
    };
    let decimals = (0..6).find(exact).unwrap_or(6);
    move |value| match value.abs() {
        size if size >= 1000.0 && decimals == 0 => signed_thousands(*value),
        _ => format!("{value:.decimals$}").replace('-', "−"),
    }
}

/// The drawing with a background, and with the inks of the reader's colour scheme.
pub(super) fn with_background(svg: &str) -> String {
    let Some(end) = svg.find('>') else { return svg.to_owned() };
    let (head, body) = svg.split_at(end + 1);
    let background = "<rect class=\"background\" width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>";
    format!("{head}\n<style>{DARK_STYLE}</style>\n{background}{body}")
}
