//! Drawings that are no single pair of axes: small charts beside each other, rows below each other.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, tick_format};
use super::canvas::{
    Area, Chart, DRAWS, Drawing, Frame, GRID, HEIGHT, INK, MUTED, finished, legend, legend_places, size, text_style,
};
use super::marker::Key;
use super::scale::Scale;

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
    frame: Frame,
    panels: &Panels,
    x_title: &str,
    y_title: &str,
    mut content: impl for<'a> FnMut(usize, &Area<'a>, &mut Chart<'a>),
) -> Drawing {
    let mut svg = String::new();
    let keys = if frame.is_wide() { panels.keys } else { &[] };
    let (places, strip) = legend_places(keys);
    {
        let columns = if frame.is_wide() { panels.columns } else { 2 };
        let rows = panels.titles.len().div_ceil(columns);
        let height = if frame.is_wide() { HEIGHT } else { 190 * rows as u32 };
        let root = SVGBackend::with_string(&mut svg, size(frame.width(), height, strip)).into_drawing_area();
        legend(&root, keys, &places);
        let (_, below) = root.split_vertically(strip);
        let ticks = text_style(MUTED, 0.92, HPos::Center);
        for (index, area) in below.split_evenly((rows, columns)).iter().enumerate().take(panels.titles.len()) {
            let scale = |low: f64, high: f64| Scale::new(low, high, false);
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
                .y_desc(if index % columns == 0 { y_title } else { "" })
                .axis_desc_style(text_style(INK, if frame.is_wide() { 0.95 } else { 0.85 }, HPos::Center))
                .label_style(ticks.clone())
                .x_labels((panels.x as usize + 1).min(if frame.is_wide() { 9 } else { 4 }))
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
    finished(&svg, keys, strip)
}

/// Draws rows, the first at the top, whose heights are whole numbers from 0 at the bottom: legend, the horizontal axis and a
/// grid for it, then what `content` adds.
pub(super) fn draw_rows(
    frame: Frame,
    x: &Axis,
    (height, rows): (u32, usize),
    keys: &[Key],
    content: impl for<'a> FnOnce(&Area<'a>, &mut Chart<'a>),
) -> Drawing {
    let mut svg = String::new();
    let keys = if frame.is_wide() { keys } else { &[] };
    let (places, strip) = legend_places(keys);
    {
        let root = SVGBackend::with_string(&mut svg, size(frame.width(), height, strip)).into_drawing_area();
        legend(&root, keys, &places);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(strip)
            .margin_right(16)
            .margin_bottom(6)
            .margin_left(8)
            .x_label_area_size(46)
            .build_cartesian_2d(x.scale.clone(), Scale::new(-0.6, rows as f64 - 0.2, false))
            .expect(DRAWS);
        chart
            .configure_mesh()
            .x_desc(&x.title)
            .axis_desc_style(text_style(INK, 1.04, HPos::Center))
            .label_style(text_style(MUTED, 0.96, HPos::Center))
            .x_labels(frame.ticks())
            .y_labels(0)
            .disable_y_mesh()
            .x_label_formatter(&tick_format(&x.scale, frame.ticks()))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED)
            .draw()
            .expect(DRAWS);
        content(&root, &mut chart);
        root.present().expect(DRAWS);
    }
    finished(&svg, keys, strip)
}
