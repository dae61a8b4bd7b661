//! A plot with what a page needs of it beside the drawing.

use super::canvas::{self, Drawing, Frame, Key};

/// One plot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// Name of its file, without folder and extension, such as `loss-by-body-parameters`.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// How to read it, in a sentence or two.
    pub caption: String,
    /// The drawing: an SVG document without a background of its own.
    pub svg: String,
    /// The same for a telephone, without a legend.
    pub(crate) narrow: String,
    /// The entries of its legend; parts of the drawings name the numbers of those that they belong to.
    pub(crate) entries: Vec<Entry>,
    /// Whether it shows what a sweep varied.
    pub(crate) is_sweep: bool,
    /// Whether its legend only explains, so that there is nothing to hide.
    pub(crate) only_explains: bool,
    /// Pixels from the top that the legend takes.
    pub(super) legend: i32,
}

/// An entry of a legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Its marker: elements of an SVG whose middle is 0, and that reaches to 10 to all sides.
    pub(crate) marker: String,
}

impl Plot {
    /// A plot that `draw` draws for each frame, with the legend's `keys`.
    pub(super) fn new(
        name: impl Into<String>,
        (title, caption): (String, String),
        keys: &[Key],
        mut draw: impl FnMut(Frame) -> Drawing,
    ) -> Self {
        let (wide, narrow) = (draw(Frame::Wide), draw(Frame::Narrow));
        let entry = |key: &Key| Entry { name: key.name.to_owned(), marker: canvas::marker_svg(key) };
        Self {
            name: name.into(),
            title,
            caption,
            svg: wide.svg,
            narrow: narrow.svg,
            entries: keys.iter().map(entry).collect(),
            is_sweep: false,
            only_explains: false,
            legend: wide.legend,
        }
    }

    /// The drawing as a file of its own: with a background, light or dark as the reader prefers.
    pub fn standalone_svg(&self) -> String {
        canvas::with_background(&self.svg)
    }

    /// The drawing for a page, which has the legend beside it.
    pub(crate) fn without_legend(&self) -> String {
        let Some(begin) = self.svg.find("<g class=\"legend\"").filter(|_| self.legend > 0) else {
            return self.svg.clone();
        };
        let end = self.svg[begin..].find("</g>\n").map_or(self.svg.len(), |end| begin + end + 5);
        let drawing = format!("{}{}", &self.svg[..begin], &self.svg[end..]);
        // The strip at the top is cut off, all but the room of a plot that has none.
        let cut = self.legend - canvas::NO_LEGEND;
        let of = |name: &str| {
            let value = drawing.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            value.parse::<i32>().ok()
        };
        let (Some(width), Some(height)) = (of("width"), of("height")) else { return drawing };
        drawing.replacen(&format!("height=\"{height}\""), &format!("height=\"{}\"", height - cut), 1).replacen(
            &format!("viewBox=\"0 0 {width} {height}\""),
            &format!("viewBox=\"0 {cut} {width} {}\"", height - cut),
            1,
        )
    }
}
