//! Factors whose product starts with numbers as large as those of the dense matrix.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_scale, gpt_neo_std};
use crate::rules::{InitRule, Target};
use crate::{About, OptionError, Start};

/// N(0, s²) with s such that the product has the variance of the dense matrix.
pub struct VarianceMatched;

/// The options of `variance-matched`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VarianceMatchedOptions {
    /// The standard deviation that the numbers of the product shall have: that of the dense matrix.
    #[serde(default = "gpt_neo_std")]
    pub std: f32,
}

impl InitRule for VarianceMatched {
    type Options = VarianceMatchedOptions;

    fn about(&self) -> About {
        About {
            name: "variance-matched",
            version: 1,
            summary: "the product's numbers are as large as the dense matrix's",
            description: "A product A_k … A_1 of matrices with inner sizes r_1 … r_{k−1} and numbers from N(0, s²) has numbers of \
                variance s^{2k} · r_1 ⋯ r_{k−1}. All factors start with the one s that makes this std²: \
                s = (std² / (r_1 ⋯ r_{k−1}))^{1/(2k)}; for B A of rank r, s = √std / r^{1/4}. Of a structured kind, whose numbers are \
                sums of t such products, t stands for r_1 ⋯ r_{k−1}.",
            example: "std = 0.02",
        }
    }

    fn starts(
        &self,
        options: &VarianceMatchedOptions,
        target: &Target<'_>,
    ) -> Result<Vec<(usize, Start)>, OptionError> {
        check_scale("std", options.std)?;
        let product = target.product("`variance-matched` sets the variance of a product of matrices")?;
        let factors = &product.factors;
        let std = (f64::from(options.std).powi(2) / product.terms).powf(0.5 / factors.len() as f64) as f32;
        Ok(factors.iter().map(|&i| (i, Start::Normal { std })).collect())
    }
}
