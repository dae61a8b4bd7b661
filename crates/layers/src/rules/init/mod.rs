//! How parameters start: one rule a file.

mod normal;
mod orthogonal;
mod spectral;
mod structure_aware;
mod variance_matched;
mod zero_last;

pub use normal::{Normal, NormalOptions};
pub(crate) use orthogonal::orthogonal_blocks;
pub use orthogonal::{Orthogonal, OrthogonalOptions};
pub use spectral::{Spectral, SpectralOptions};
pub(crate) use structure_aware::structure_aware;
pub use structure_aware::{StructureAware, StructureAwareOptions};
pub use variance_matched::{VarianceMatched, VarianceMatchedOptions};
pub use zero_last::{ZeroLast, ZeroLastOf, ZeroLastOptions};

use crate::OptionError;
use crate::plan::GPT_NEO_STD;

fn gpt_neo_std() -> f32 {
    GPT_NEO_STD
}

/// Whether a standard deviation, or another scale, is one.
fn check_scale(key: &str, value: f32) -> Result<(), OptionError> {
    // Far above, f32 ends before the first product does.
    if (0.0..=1e6).contains(&value) {
        return Ok(());
    }
    Err(OptionError::new(key, format!("`{key}` is {value}; expected a number from 0 to 1000000")))
}
