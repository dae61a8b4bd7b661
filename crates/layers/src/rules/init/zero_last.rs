//! A product that starts at zero.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{InitRule, Target};
use crate::{About, OptionError, Start};

/// Zeros in the last factor.
pub struct ZeroLast;

/// The options of `zero-last`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZeroLastOptions {
    /// Which layers start at zero.
    #[serde(default)]
    pub of: ZeroLastOf,
}

/// Which layers start at zero.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroLastOf {
    /// Each that the rule is given for.
    #[default]
    Layer,
    /// Those whose output is what the block adds to the residual (`out`, `c_proj`): the model starts as if it had no
    /// blocks. The others start as their kind says.
    Branch,
}

impl InitRule for ZeroLast {
    type Options = ZeroLastOptions;

    fn about(&self) -> About {
        About {
            name: "zero-last",
            version: 1,
            summary: "zeros in the last factor",
            description: "The factor that is applied last (B of B A) starts at 0, the others as their kind says: the layer's output \
                starts at 0 and its first updates come through that factor alone, as in LoRA (Hu et al. 2022).",
            example: "",
        }
    }

    fn starts(&self, options: &ZeroLastOptions, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError> {
        if options.of == ZeroLastOf::Branch && !target.depth.ends_branch {
            return Ok(Vec::new());
        }
        let last = match target.only {
            Some(only) => only,
            None => {
                let product = target.product("`zero-last` looks for the matrix that is applied last")?;
                *product.factors.last().expect("a matrix")
            }
        };
        Ok(vec![(last, Start::Constant(0.0))])
    }
}
