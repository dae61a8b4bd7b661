//! Axes: their range, their titles, how their ticks are written.

use super::canvas::text_width;
use super::scale::Scale;
use crate::format::signed_thousands;

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
        Some(Self { title, scale: Scale::new(low - spare, high + spare, false) })
    }

    /// An axis for sizes, of which ratios count: logarithmic where they lie far apart.
    pub(super) fn of_sizes(title: String, values: impl IntoIterator<Item = f64> + Clone, margin: f64) -> Option<Self> {
        let (low, high) = range(values.clone())?;
        if low < SMALLEST || high / low < LOGARITHMIC_FROM {
            return Self::around(title, values, margin);
        }
        Self::of_ratios(title, values, margin)
    }

    /// A logarithmic axis that holds all values, which must be above 0.
    pub(super) fn of_ratios(title: String, values: impl IntoIterator<Item = f64>, margin: f64) -> Option<Self> {
        let (low, high) = range(values).filter(|(low, _)| *low >= SMALLEST)?;
        let spare = (high / low).powf(margin).max(1.05);
        let title = format!("{title} (logarithmic)");
        Some(Self { title, scale: Scale::new(low / spare, high * spare, true) })
    }

    /// The same with its ticks at these values, where they are few enough to be read.
    pub(super) fn with_ticks_at(mut self, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.len() <= TICKS {
            self.scale.at = values;
        }
        self
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

/// Ticks wanted on an axis, at most.
pub(super) const TICKS: usize = 9;

/// How to write the ticks of an axis: with the fewest decimals that tell each exactly.
pub(super) fn tick_format(scale: &Scale, most: usize) -> impl Fn(&f64) -> String + use<> {
    let ticks = scale.ticks(most);
    let spacing = if scale.logarithmic { scale.low } else { (scale.high - scale.low) / TICKS as f64 };
    let exact = move |tick: f64, decimals: usize| {
        let unit = 10_f64.powi(decimals as i32);
        ((tick * unit).round() / unit - tick).abs() < 1e-3 * spacing
    };
    let (logarithmic, is_given) = (scale.logarithmic, !scale.at.is_empty());
    let for_all = (0..6).find(|&decimals| ticks.iter().all(|&tick| exact(tick, decimals))).unwrap_or(6);
    move |value| {
        if value.abs() < 1e-4 && *value != 0.0 && (logarithmic || is_given) {
            // 5e-5 is a learning rate; its decimals are nothing that one reads.
            return trimmed(*value);
        }
        let decimals = if logarithmic || is_given { (0..6).find(|&d| exact(*value, d)).unwrap_or(6) } else { for_all };
        match value.abs() {
            size if size >= 1000.0 && decimals == 0 => signed_thousands(*value),
            _ => format!("{value:.decimals$}").replace('-', "−"),
        }
    }
}

/// Two digits with an exponent: `5e−5`, `1.4e−5`.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.1e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{}", mantissa.trim_end_matches('0').trim_end_matches('.'), exponent.replace('-', "−"))
}

/// A title in as many lines as it takes, each of whole words.
pub(super) fn lines_of(title: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in title.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(line) + text_width(word) + text_width(" ") < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
