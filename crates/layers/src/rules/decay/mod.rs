//! How parameters decay: one rule a file.

mod frobenius;
mod none;
mod per_factor;

pub use frobenius::{Frobenius, FrobeniusOptions};
pub use none::{NoDecay, NoDecayOptions};
pub use per_factor::{PerFactor, PerFactorOptions};

use crate::OptionError;

fn one() -> f64 {
    1.0
}

fn check_factor(factor: f64) -> Result<(), OptionError> {
    if factor >= 0.0 && factor.is_finite() {
        return Ok(());
    }
    Err(OptionError::new("factor", format!("`factor` is {factor}; expected a number of at least 0")))
}
