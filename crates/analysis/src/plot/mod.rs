//! Plots of an experiment, as SVG.

mod canvas;
mod curves;
mod frontier;
mod labels;
mod names;
mod palette;
mod ranks;
mod scale;
mod scatter;
mod styles;
mod tuning;

use crate::{Experiment, Summary};

use styles::Styles;
pub use tuning::tuning_plot;

/// One plot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// Name of its file, without folder and extension, such as `loss-by-body-parameters`.
    pub name: &'static str,
    /// What it shows, in a line.
    pub title: String,
    /// How to read it, in a sentence or two.
    pub caption: String,
    /// The drawing: an SVG document without a background of its own.
    pub svg: String,
}

impl Plot {
    /// The drawing as a file of its own: with a background, light or dark as the reader prefers.
    pub fn standalone_svg(&self) -> String {
        canvas::with_background(&self.svg)
    }
}

/// The plots that the figures of an experiment allow: evaluation loss against body parameters, all parameters and
/// training time, the frontier, the loss curves, the effective ranks.
///
/// The summary must be that of the experiment.
pub fn plots(experiment: &Experiment, summary: &Summary) -> Vec<Plot> {
    let styles = Styles::new(experiment, summary.baseline);
    let mut plots = scatter::plots(summary, &styles);
    plots.extend(frontier::plots(summary));
    plots.extend(curves::plots(experiment, summary, &styles));
    plots.extend(ranks::plots(experiment, summary, &styles));
    plots
}

/// The plots of the frontier alone: for experiments taken together.
pub(crate) fn frontier_plots(summary: &Summary) -> Vec<Plot> {
    frontier::plots(summary)
}

/// Style rules for the page that a plot stands in: they turn its ink light where the reader prefers dark.
pub(crate) fn dark_style() -> String {
    canvas::dark_style()
}
