//! Plots of an experiment, as SVG.

mod axis;
mod canvas;
mod chosen;
mod curves;
mod figure;
mod frontier;
mod groups;
mod labels;
mod legend;
mod marker;
mod names;
mod palette;
mod panels;
mod ranks;
mod scale;
mod scatter;
mod styles;
mod sweep;
mod told;
mod tuning;

use crate::{Experiment, Summary};

pub(crate) use figure::Entry;
pub use figure::Plot;
use styles::Styles;
pub use tuning::tuning_plot;

/// The plots that the figures of an experiment allow: evaluation loss against what a sweep varied, against body parameters,
/// operations, all parameters and training time, the frontier, the values that were tuned, the loss curves, the effective
/// ranks.
///
/// The summary must be that of the experiment.
pub fn plots(experiment: &Experiment, summary: &Summary) -> Vec<Plot> {
    let styles = Styles::new(experiment, summary.baseline);
    let mut plots = together(experiment, summary, &styles);
    plots.extend(curves::plots(experiment, summary, &styles));
    plots.extend(ranks::plots(experiment, summary, &styles));
    plots
}

/// The plots of experiments taken together: those of final losses.
pub(crate) fn plots_together(experiment: &Experiment, summary: &Summary) -> Vec<Plot> {
    together(experiment, summary, &Styles::new(experiment, summary.baseline))
}

fn together(experiment: &Experiment, summary: &Summary, styles: &Styles) -> Vec<Plot> {
    let mut plots = sweep::plots(experiment, summary);
    plots.extend(scatter::plots(summary, styles));
    plots.extend(frontier::plots(summary));
    plots.extend(chosen::plots(experiment, styles));
    plots
}

/// Style rules for the page that a plot stands in: they turn its ink light where the reader prefers dark.
pub(crate) fn dark_style() -> String {
    canvas::dark_style()
}
