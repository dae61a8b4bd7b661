//! How losses scatter from seed to seed: one model for everything that a report says of an experiment.

use crate::held_out::{HeldOut, crossed};
use crate::stats::{self, Blocks, CONFIDENCE, Contrast, Spread};
use crate::{Configuration, Method};

/// Below this p a test decides how losses scatter: rarely by chance, since all that is said depends on it.
const SURE: f64 = 0.01;

/// The scatter of an experiment's losses over seeds.
///
/// The spread is pooled over all configurations, with `ν = Σ (nᵢ − 1)`: a configuration with a single run has a spread by
/// it, and each further run anywhere makes all intervals more certain. Two tests say where that does not hold:
/// - where runs of one seed share something (the same shuffling, weights that begin alike), seeds are blocks, as long as
///   all configurations have the same ones; that is decided for the whole table, by an F test, and not for each pair:
///   pairing costs half of the degrees of freedom, and brings nothing where seeds share little;
/// - where spreads are unequal (Bartlett), each side of a difference has its own (Welch), if it has two runs.
///
/// Where it is known what each held-out story cost every run, differences are over stories, too, crossed with seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorModel {
    /// Over all configurations; `None` where no seeds were repeated, or all gave the same loss.
    pub pooled: Option<Spread>,
    /// The p of equal spreads, where it can be told.
    pub equality: Option<f64>,
    /// Seeds as blocks, where all configurations have the same ones.
    pub blocks: Option<Blocks>,
    /// Held-out stories that intervals of differences are over, beside seeds: where what each cost is known of all configurations.
    pub stories: Option<usize>,
}

impl ErrorModel {
    /// Of configurations whose losses can be compared.
    pub fn new(configurations: &[Configuration]) -> Self {
        let losses: Vec<Vec<f64>> = configurations.iter().map(Configuration::losses).collect();
        let groups = || losses.iter().map(Vec::as_slice);
        Self {
            // Losses that are equal to all their digits were rounded: a spread of 0 is one that is not known.
            pooled: stats::pooled_spread(groups()).filter(|spread| spread.sd > 0.0),
            equality: stats::bartlett(groups()),
            blocks: by_seed(configurations)
                .and_then(|rows| Blocks::of(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())),
            stories: HeldOut::common(configurations),
        }
    }

    /// How intervals are found where both sides have several runs.
    pub fn method(&self) -> Method {
        match self {
            Self { blocks: Some(blocks), .. } if blocks.p < SURE => Method::Blocks,
            Self { pooled: None, .. } => Method::NoSpread,
            Self { equality: Some(p), .. } if *p < SURE => Method::Welch,
            _ => Method::Pooled,
        }
    }

    /// Within how much of its mean one more run of a configuration would lie, with 95 % probability:
    /// `t(ν)·sd·√(1 + 1/n)`.
    pub fn one_more_run(&self, of: &Configuration) -> Option<f64> {
        let losses = of.losses();
        let own = || stats::pooled_spread([&losses[..]]).filter(|spread| spread.sd > 0.0);
        let spread = if self.method() == Method::Welch { own().or(self.pooled) } else { self.pooled }?;
        let runs = 1.0 + 1.0 / losses.len() as f64;
        Some(stats::t_quantile(CONFIDENCE, spread.freedom) * spread.sd * runs.sqrt())
    }

    /// Half the width of the 95 % interval of a configuration's mean loss: `t(ν)·sd/√n`, seeds not paired.
    pub fn of_mean(&self, of: &Configuration) -> Option<f64> {
        let losses = of.losses();
        let own = || stats::pooled_spread([&losses[..]]).filter(|spread| spread.sd > 0.0);
        let spread = if self.method() == Method::Welch { own().or(self.pooled) } else { self.pooled }?;
        Some(stats::t_quantile(CONFIDENCE, spread.freedom) * spread.sd / (losses.len() as f64).sqrt())
    }

    /// A weighted sum of mean losses held against zero, and how; no contrast where no spread is known.
    pub fn contrast(&self, parts: &[(f64, &Configuration)]) -> (Option<Contrast>, Method) {
        let losses: Vec<Vec<f64>> = parts.iter().map(|(_, one)| one.losses()).collect();
        let weighted: Vec<(f64, &[f64])> =
            parts.iter().zip(&losses).map(|((weight, _), own)| (*weight, &own[..])).collect();
        let pooled = || self.pooled.and_then(|spread| stats::contrast(&weighted, spread, CONFIDENCE));
        let (contrast, method) = match self.method() {
            Method::Blocks => {
                let spread = self.blocks.map(|blocks| blocks.spread);
                (spread.and_then(|spread| stats::contrast(&weighted, spread, CONFIDENCE)), Method::Blocks)
            }
            Method::Welch => match stats::contrast_of_unequal(&weighted, CONFIDENCE) {
                None => (pooled(), Method::Pooled),
                unequal => (unequal, Method::Welch),
            },
            method => (pooled(), method),
        };
        let contrast = contrast.map(|one| if self.stories.is_some() { crossed(one, parts) } else { one });
        (contrast, if contrast.is_some() { method } else { Method::NoSpread })
    }
}

/// The losses of each configuration in the order of their seeds, if all have the same seeds.
fn by_seed(configurations: &[Configuration]) -> Option<Vec<Vec<f64>>> {
    let (mut rows, mut seeds) = (Vec::new(), None);
    for configuration in configurations {
        let mut own: Vec<(u64, f64)> =
            configuration.runs.iter().map(|run| Some((run.seed?, run.final_loss()?))).collect::<Option<_>>()?;
        own.sort_by_key(|(seed, _)| *seed);
        let (own_seeds, losses): (Vec<u64>, Vec<f64>) = own.into_iter().unzip();
        if *seeds.get_or_insert_with(|| own_seeds.clone()) != own_seeds {
            return None;
        }
        rows.push(losses);
    }
    Some(rows)
}
