//! The best approximation of what the dense matrix would start from.

use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_scale, gpt_neo_std};
use crate::rules::{InitRule, Target};
use crate::svd::Svd;
use crate::{About, Builder, OptionError, Start};

/// A truncated singular value decomposition of the dense start.
pub struct Spectral;

/// The options of `spectral`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpectralOptions {
    /// The standard deviation of the dense matrix's start.
    #[serde(default = "gpt_neo_std")]
    pub std: f32,
}

impl InitRule for Spectral {
    type Options = SpectralOptions;

    fn about(&self) -> About {
        About {
            name: "spectral",
            version: 1,
            summary: "the best approximation of what the dense matrix would start from",
            description: "With the singular value decomposition U Σ Vᵀ of the dense matrix's own start, N(0, std²), a product B A \
                of rank r starts at B = U_r √Σ_r, A = √Σ_r V_rᵀ: B A is the best approximation of rank r, and BᵀB = AAᵀ. A \
                single matrix starts as the dense one.\n\
                Source: Khodak, Tenenholtz, Mackey & Fusi, \"Initialization and Regularization of Factorized Neural Layers\", \
                ICLR 2021.",
            example: "",
        }
    }

    fn starts(&self, options: &SpectralOptions, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError> {
        check_scale("std", options.std)?;
        let std = options.std;
        let why = "`spectral` splits a matrix in two by its singular values";
        let chain = target.chain(why)?;
        let (rows, columns) = (target.shape.outputs, target.shape.inputs);
        match *chain {
            [only] => Ok(vec![(only, Start::Normal { std })]),
            [down, up] => {
                let rank = target.declared[down].size.dims().0;
                let known: Arc<Known> = Arc::default();
                let factors = move |builder: &Builder<'_>| known.factors(builder, std, rows, columns, rank);
                let factors = Arc::new(factors);
                let (of_down, of_up) = (factors.clone(), factors);
                let down = (down, Start::From(Arc::new(move |builder: &Builder<'_>| of_down(builder).0)));
                Ok(vec![down, (up, Start::From(Arc::new(move |builder: &Builder<'_>| of_up(builder).1)))])
            }
            _ => {
                let message = format!("{why}; `{}` is a product of {}", target.kind, chain.len());
                Err(OptionError::new("", message))
            }
        }
    }
}

/// A and B.
type Factors = (Vec<f32>, Vec<f32>);

/// Both factors come of one decomposition: that of the last place and seed is kept.
#[derive(Default)]
struct Known(Mutex<Option<((u64, String), Factors)>>);

impl Known {
    fn factors(&self, builder: &Builder<'_>, std: f32, rows: usize, columns: usize, rank: usize) -> Factors {
        let (seed, prefix) = builder.place();
        let place = (seed, prefix.to_string());
        let mut known = self.0.lock().expect("nobody panics while it is held");
        match known.take() {
            Some((of, factors)) if of == place => factors,
            _ => {
                let dense = builder.normal("weight", rows * columns, std);
                let factors = Svd::of(&dense, rows, columns).expect("finite numbers").factors(rank);
                *known = Some((place, factors.clone()));
                factors
            }
        }
    }
}
