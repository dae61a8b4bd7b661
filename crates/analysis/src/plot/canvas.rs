//! What all plots share: size, inks, text, axes.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) use super::axis::{Axis, drawable};
use super::axis::{TICKS, lines_of, tick_format};
use super::groups::{Group, close, closed, open};
pub(super) use super::marker::{Key, Shape, bar, dots, dots_note, marker, marker_svg};
use super::palette::INKS;
pub(super) use super::panels::{Panels, draw_panels, draw_rows};
use super::scale::Scale;

/// Width of a plot, in pixels.
const WIDTH: u32 = 900;
/// Of one for a telephone.
const NARROW_WIDTH: u32 = 380;
/// Height of a plot with a legend of one row, in pixels.
pub(super) const HEIGHT: u32 = 540;
/// The same where many points want room.
pub(super) const TALL: u32 = 680;
/// The height of a plot for a telephone.
const NARROW_HEIGHT: u32 = 400;

/// What a plot is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// A screen or a sheet: with a legend of its own, which the page has for itself.
    Wide,
    /// A telephone, on the page only.
    Narrow,
}

impl Frame {
    pub(super) fn width(self) -> u32 {
        if self == Self::Wide { WIDTH } else { NARROW_WIDTH }
    }

    /// The height of what is so high where there is room.
    pub(super) fn height(self, wide: u32) -> u32 {
        if self == Self::Wide { wide } else { NARROW_HEIGHT }
    }

    pub(super) fn is_wide(self) -> bool {
        self == Self::Wide
    }

    /// Ticks wanted on the horizontal axis, at most.
    pub(super) fn ticks(self) -> usize {
        if self == Self::Wide { TICKS } else { 5 }
    }
}

/// A drawing, and how much of it from the top its legend takes.
pub(super) struct Drawing {
    pub(super) svg: String,
    pub(super) legend: i32,
}
/// Height of a legend of one row, and what each further row adds, in pixels.
const LEGEND: i32 = 34;
const LEGEND_ROW: i32 = 20;
/// Room above a plot without a legend.
pub(super) const NO_LEGEND: i32 = 14;

/// Colour of text and axes.
pub(super) const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// Colour of what stands back: tick labels, leader lines.
pub(super) const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6A);
/// Colour of the grid.
pub(super) const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);

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

/// The areas of a plot.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
/// A plot with its axes.
pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

/// Drawing into memory has no reason to fail.
pub(super) const DRAWS: &str = "memory takes the drawing";

/// Draws a plot with a margin to the right: legend, axes and grid, then what `content` adds.
pub(super) fn draw(
    frame: Frame,
    x: &Axis,
    y: &Axis,
    (height, right): (u32, i32),
    keys: &[Key],
    content: impl for<'a> FnOnce(&Area<'a>, &mut Chart<'a>),
) -> Drawing {
    let mut svg = String::new();
    let keys = if frame.is_wide() { keys } else { &[] };
    let (places, strip) = legend_places(keys);
    {
        let size = size(frame.width(), height, strip);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        legend(&root, keys, &places);
        let title = lines_of(&x.title, f64::from(frame.width()) - 90.0);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(strip)
            .margin_right(right)
            .margin_bottom(6)
            .margin_left(if frame.is_wide() { 8 } else { 2 })
            .x_label_area_size(30 + TITLE_LINE * title.len() as i32)
            .y_label_area_size(if frame.is_wide() { 64 } else { 54 })
            .build_cartesian_2d(x.scale.clone(), y.scale.clone())
            .expect(DRAWS);
        let ticks = text_style(MUTED, 0.96, HPos::Center);
        chart
            .configure_mesh()
            .y_desc(&y.title)
            .axis_desc_style(text_style(INK, if frame.is_wide() { 1.08 } else { 1.0 }, HPos::Center))
            .label_style(ticks)
            .x_labels(frame.ticks())
            .y_labels(TICKS)
            .x_label_formatter(&tick_format(&x.scale, frame.ticks()))
            .y_label_formatter(&tick_format(&y.scale, TICKS))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED)
            .draw()
            .expect(DRAWS);
        // Plotters does not break lines.
        let (horizontal, _) = chart.plotting_area().get_pixel_range();
        let first = size.1 as i32 - 8 - TITLE_LINE * (title.len() as i32 - 1);
        for (line, text) in (0..).zip(&title) {
            let at = ((horizontal.start + horizontal.end) / 2, first + TITLE_LINE * line);
            root.draw(&Text::new(text.as_str(), at, text_style(INK, 1.04, HPos::Center))).expect(DRAWS);
        }
        content(&root, &mut chart);
        root.present().expect(DRAWS);
    }
    finished(&svg, keys, strip)
}

/// What was drawn, below the legend of these keys.
pub(super) fn finished(svg: &str, keys: &[Key], strip: i32) -> Drawing {
    Drawing { svg: closed(svg), legend: if keys.is_empty() { 0 } else { strip } }
}

/// Height of a line of an axis's title, in pixels.
const TITLE_LINE: i32 = 16;

/// Where the markers of a legend stand, in as many rows as it takes, and how high the strip is that holds them.
pub(super) fn legend_places(keys: &[Key]) -> (Vec<(i32, i32)>, i32) {
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
pub(super) fn size(width: u32, height: u32, strip: i32) -> (u32, u32) {
    (width, height.saturating_add_signed(strip - LEGEND))
}

pub(super) fn legend(root: &Area, keys: &[Key], places: &[(i32, i32)]) {
    if keys.is_empty() {
        return;
    }
    open(root, &Group::Legend);
    for (key, &(x, y)) in keys.iter().zip(places) {
        marker(root, key, (x, y), 1.0);
        let text = Text::new(key.name, (x + 12, y), text_style(INK, 1.0, HPos::Left));
        root.draw(&text).expect(DRAWS);
    }
    close(root);
}

/// The drawing with a background, and with the inks of the reader's colour scheme.
pub(super) fn with_background(svg: &str) -> String {
    let Some(end) = svg.find('>') else { return svg.to_owned() };
    let (head, body) = svg.split_at(end + 1);
    let background = "<rect class=\"background\" width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>";
    format!("{head}\n<style>{}</style>\n{background}{body}", dark_style())
}
