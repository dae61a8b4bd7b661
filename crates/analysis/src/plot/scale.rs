//! A linear or logarithmic axis, chosen when the figures are known.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

/// From the lowest to the highest value.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) logarithmic: bool,
    /// Where its ticks stand; chosen by itself where that is empty.
    pub(super) at: Vec<f64>,
}

/// Ticks within a power of ten, from coarse to fine.
const MANTISSAS: [&[f64]; 4] = [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]];

impl Scale {
    /// One that chooses its ticks by itself.
    pub(super) fn new(low: f64, high: f64, logarithmic: bool) -> Self {
        Self { low, high, logarithmic, at: Vec::new() }
    }

    /// Those of the given ticks, from the lowest on, that are such a share of the axis apart: numbers take room.
    fn apart(&self, share: f64) -> Vec<f64> {
        let place = |value: f64| match self.logarithmic {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        let mut kept: Vec<f64> = Vec::new();
        for &value in &self.at {
            if kept.last().is_none_or(|last| place(value) - place(*last) >= share) {
                kept.push(value);
            }
        }
        kept
    }

    /// Values that people read, `most` at most.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        if !self.at.is_empty() {
            return self.apart(0.7 / most.max(1) as f64);
        }
        if !self.logarithmic {
            return linear_ticks(self.low, self.high, most);
        }
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let within = |mantissas: &[f64]| -> Vec<f64> {
            let all = powers.clone().flat_map(|power| mantissas.iter().map(move |m| m * 10_f64.powi(power)));
            all.filter(|tick| (self.low..=self.high).contains(tick)).collect()
        };
        let finest = MANTISSAS.iter().rev().map(|mantissas| within(mantissas)).find(|ticks| ticks.len() <= most);
        // Over many powers of ten, every second one, or third, or …
        finest.unwrap_or_else(|| {
            let tens = within(&[1.0]);
            tens.iter().copied().step_by(tens.len().div_ceil(most.max(1))).collect()
        })
    }
}

/// The multiples of 1, 2 or 5 times a power of ten between two values, as fine as leaves `most` of them. (Those of
/// plotters end too early in some ranges.)
fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let first = ((high - low) / most.max(1) as f64).log10().floor() as i32;
    let steps = (first..first + 3).flat_map(|power| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(power)));
    let multiples = |step: f64| {
        let (from, to) = ((low / step).ceil() as i64, (high / step).floor() as i64);
        (from..=to).map(|i| i as f64 * step).collect::<Vec<_>>()
    };
    steps.map(multiples).find(|ticks| ticks.len() <= most).unwrap_or_default()
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        if self.logarithmic {
            RangedCoordf64::from(self.low.ln()..self.high.ln()).map(&value.ln(), limit)
        } else {
            RangedCoordf64::from(self.low..self.high).map(value, limit)
        }
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        self.ticks(hint.max_num_points())
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_ticks_keep_apart() {
        let at = vec![3.0, 6.0, 55.0, 61.0, 116.0, 122.0];
        let ranks = Scale { at, ..Scale::new(2.5, 150.0, true) };
        // ln(61 / 55) is 2.5 % of ln 60, ln(116 / 55) 18 %.
        assert_eq!(ranks.ticks(9), [3.0, 6.0, 55.0, 116.0]);
    }

    #[test]
    fn equal_ratios_are_equal_distances() {
        let scale = Scale::new(0.1, 1000.0, true);
        assert_eq!([0.1, 1.0, 10.0, 1000.0].map(|value| scale.map(&value, (0, 400))), [0, 100, 200, 400]);
        assert_eq!(scale.ticks(5), [0.1, 1.0, 10.0, 100.0, 1000.0]);
        let narrow = Scale::new(0.6, 8.0, true);
        let rounded: Vec<f64> = narrow.ticks(9).iter().map(|tick| (tick * 10.0).round() / 10.0).collect();
        assert_eq!(rounded, [1.0, 2.0, 5.0]);
        let ends = Scale::new(3.5731, 4.5692, false);
        let rounded: Vec<f64> = ends.ticks(9).iter().map(|tick| (tick * 10.0).round() / 10.0).collect();
        assert_eq!(rounded, [3.6, 3.8, 4.0, 4.2, 4.4]);
        let linear = Scale::new(0.0, 10.0, false);
        assert_eq!(linear.map(&2.5, (0, 400)), 100);
        let wide = Scale::new(1e-5, 1e30, true);
        assert_eq!(wide.ticks(9).len(), 9);
    }
}
