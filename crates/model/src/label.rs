//! The seed's notation for a configuration: `MedSA-FullMLP-4L`.

use lrx_layers::{BlockSpec, Place};

use crate::config::ModelSpec;

impl ModelSpec {
    /// [`label`](Self::label) where it is the seed's notation: all layers and slots of a block dense, or all low-rank with
    /// one rank for the slots of a layer.
    pub fn notation(&self) -> Option<String> {
        let applies = |place: Place| {
            let kind = self.kind_cell(place);
            let has_one_rank = |block: &BlockSpec| block.rank_in_id().parse::<usize>().is_ok();
            kind == "dense" || (kind == "low-rank" && self.blocks(place).all(has_one_rank))
        };
        (applies(Place::Attention) && applies(Place::Mlp)).then(|| self.label())
    }

    /// `<attention>SA-<mlp>MLP-<layers>L`, each part named as the seed did:
    ///
    /// - `Full`: dense;
    /// - `Lg`: low-rank in all layers, at the largest rank that does not cost more parameters than dense;
    /// - `Med`: low-rank in all layers, at a tenth of that;
    /// - `Inc`, `Dec`: ranks that rise or fall from layer to layer;
    ///
    /// `Mixed` where layers or slots are of different kinds, and else the kind and its ranks: `R8`, `R8-16-8-8`,
    /// `DiagonalLowRank8`.
    pub fn label(&self) -> String {
        let inner = self.inner_features().next().unwrap_or(4 * self.hidden);
        let hidden = self.hidden;
        let attention = part(self, Place::Attention, hidden, hidden);
        let mlp = part(self, Place::Mlp, hidden, inner);
        format!("{attention}SA-{mlp}MLP-{}L", self.layers.len())
    }
}

fn part(spec: &ModelSpec, place: Place, inputs: usize, outputs: usize) -> String {
    let kind = spec.kind_cell(place);
    if kind == "dense" {
        return "Full".to_string();
    }
    if kind.contains(' ') {
        return "Mixed".to_string();
    }
    let ranks: Vec<String> = spec.blocks(place).map(|block| block.rank_in_id()).collect();
    let whole: Option<Vec<usize>> = ranks.iter().map(|rank| rank.parse().ok()).collect();
    let same = ranks.windows(2).all(|pair| pair[0] == pair[1]);
    let ranks = if same { ranks[0].to_string() } else { ranks.join("-") };
    match whole {
        Some(whole) if kind == "low-rank" => {
            let break_even = inputs as f64 * outputs as f64 / (inputs + outputs) as f64;
            let (large, medium) = (break_even.floor() as usize, (break_even / 10.0).round() as usize);
            match whole[0] {
                rank if same && rank == large => "Lg".to_string(),
                rank if same && rank == medium => "Med".to_string(),
                _ if whole.len() > 1 && whole.windows(2).all(|pair| pair[0] < pair[1]) => "Inc".to_string(),
                _ if whole.len() > 1 && whole.windows(2).all(|pair| pair[0] > pair[1]) => "Dec".to_string(),
                _ => format!("R{ranks}"),
            }
        }
        _ => format!("{}{ranks}", camel_case(&kind)),
    }
}

/// `diagonal-low-rank` → `DiagonalLowRank`
fn camel_case(kind: &str) -> String {
    kind.split(|c: char| !c.is_alphanumeric())
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
        })
        .collect()
}
