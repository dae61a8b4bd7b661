//! Which configurations of a large experiment tables and plots show: a person reads some dozens; the CSVs have all.

use std::collections::HashSet;

use crate::format::{plural, thousands};
use crate::frontier::pareto_front;
use crate::prose::list;
use crate::{Configuration, Summary, SummaryRow};

/// Up to so many configurations all are shown,
const ALL: usize = 96;
/// and so many of the runs that do not count.
const UNFINISHED: usize = 64;
/// Of more, so many of the lowest loss,
const BEST: usize = 24;
/// of the Pareto front of loss and body parameters,
const FRONT: usize = 16;
/// and of those that come first in the experiment.
const FIRST: usize = 4;

/// Which rows are shown: of few all; of many the best, what was asked first, what others are compared with where that is
/// one, and the front.
///
/// Rows come by rising loss, those of `configurations` in the order of the experiment.
pub(crate) fn choose(rows: &mut [SummaryRow], configurations: &[Configuration], baseline: Option<&Configuration>) {
    if rows.len() <= ALL {
        return;
    }
    let first = configurations.iter().take(FIRST).chain(baseline);
    let mut shown: HashSet<*const Configuration> = first.map(std::ptr::from_ref).collect();
    shown.extend(rows.iter().take(BEST).map(|row| std::ptr::from_ref(row.configuration)));
    shown.extend(front(rows));
    rows.iter_mut().for_each(|row| row.is_shown = shown.contains(&std::ptr::from_ref(row.configuration)));
}

/// The front, thinned out evenly where it has many; its ends stay.
fn front(rows: &[SummaryRow]) -> Vec<*const Configuration> {
    let sized = |row: &SummaryRow| {
        let body = row.configuration.first().params_body? as f64;
        Some(((body, row.loss_mean), std::ptr::from_ref(row.configuration)))
    };
    let (points, configurations): (Vec<_>, Vec<_>) = rows.iter().filter_map(sized).unzip();
    let on_front = pareto_front(&points).into_iter().zip(configurations).filter(|(is_on_it, _)| *is_on_it);
    let front: Vec<_> = on_front.map(|(_, configuration)| configuration).collect();
    let last = front.len().saturating_sub(1);
    let kept = front.len().min(FRONT);
    (0..kept).map(|i| front[i * last / kept.saturating_sub(1).max(1)]).collect()
}

impl<'a> Summary<'a> {
    /// The rows that tables and plots show: all where they are few, else what matters most.
    pub fn shown(&self) -> impl Iterator<Item = &SummaryRow<'a>> {
        self.rows.iter().filter(|row| row.is_shown)
    }

    /// Whether tables and plots show a configuration.
    pub(crate) fn shows(&self, configuration: &Configuration) -> bool {
        self.is_whole() || self.shown().any(|row| std::ptr::eq(row.configuration, configuration))
    }

    /// Whether all configurations are shown.
    pub fn is_whole(&self) -> bool {
        self.rows.len() <= ALL
    }

    /// The runs that do not count, as many as are shown.
    pub(crate) fn shown_unfinished(&self) -> &'a [lrx_records::RunRecord] {
        &self.unfinished[..self.unfinished.len().min(UNFINISHED)]
    }

    /// What is left out, and where it is found; `None` where all is shown.
    pub fn left_out(&self) -> Option<String> {
        let mut sentences = Vec::new();
        if !self.is_whole() {
            let mut which = vec![format!("the {BEST} of the lowest loss")];
            which.extend(self.baseline.map(|_| "the baseline".to_owned()));
            which.push(format!("the first {FIRST} of the experiment"));
            if self.rows.iter().any(|row| row.configuration.first().params_body.is_some()) {
                which.push(format!("up to {FRONT} of the Pareto front of loss and body parameters"));
            }
            let (shown, all) = (self.shown().count(), thousands(self.rows.len() as u64));
            let which = list(&which, "and");
            sentences.push(format!(
                "Tables and plots show {shown} of {all} configurations: {which}. `lrx report` writes all to summary.csv."
            ));
        }
        if self.unfinished.len() > UNFINISHED {
            let all = plural(self.unfinished.len(), "run");
            sentences.push(format!("Of {all} that do not count the first {UNFINISHED} are shown; runs.csv has all."));
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}
