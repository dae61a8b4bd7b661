//! Structured layers in the place of dense matrices that are there already.

use std::collections::BTreeMap;

use lrx_tensor::{Matrix, dims, matrix, values};

use crate::svd::Svd;
use crate::{Builder, LinearShape, ParameterId, Parameters, PlacedLinear, Registry};

/// Values for parameters.
pub type Values = Vec<(ParameterId, Matrix)>;

/// A product of two matrices, one of which other layers have as well.
#[derive(Clone, Copy, Debug)]
pub struct SharedFactor {
    /// The matrix that is shared.
    pub shared: ParameterId,
    /// The layer's own.
    pub own: ParameterId,
    /// Whether the one that is shared is applied first.
    pub is_first: bool,
}

/// A dense matrix that a layer cannot stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoApproximation {
    /// Where the layer stands: `transformer.h.0.mlp.c_fc`.
    pub place: String,
    /// What is wrong with the matrix, or its kind's name where that has no approximation of any.
    pub why: NoApproximationWhy,
}

/// Why a layer cannot stand for a dense matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoApproximationWhy {
    /// A number of the matrix is not finite.
    NotFinite,
    /// The kind has no approximation.
    Kind(&'static str),
}

/// Numbers for the matrices of `layers` with which each stands for the dense matrix beside it, outputs × inputs, as nearly as
/// it can at the beginning of training ([`Linear::approximation`](crate::Linear::approximation)). Layers that share a matrix are
/// approximated together: Σ over them of the squared error is least.
///
/// # Errors
/// The first layer that cannot stand for its matrix.
///
/// # Panics
/// When a matrix has not the shape of its layer.
pub fn approximations(layers: &[(&PlacedLinear, Matrix)], parameters: &Parameters) -> Result<Values, NoApproximation> {
    let mut found = Values::new();
    let mut sharing: BTreeMap<ParameterId, Vec<(SharedFactor, &Matrix)>> = BTreeMap::new();
    for (layer, dense) in layers {
        let LinearShape { inputs, outputs, .. } = layer.spec().shape;
        assert_eq!(dims(dense), (outputs, inputs), "the shape of {}", layer.prefix());
        let no = |why| NoApproximation { place: layer.prefix().to_string(), why };
        if !values(dense).iter().all(|w| w.is_finite()) {
            return Err(no(NoApproximationWhy::NotFinite));
        }
        match layer.linear().shared_factor() {
            Some(factor) => sharing.entry(factor.shared).or_default().push((factor, dense)),
            None => found.extend(
                layer
                    .linear()
                    .approximation(dense, parameters)
                    .ok_or_else(|| no(NoApproximationWhy::Kind(layer.spec().kind)))?,
            ),
        }
    }
    for group in sharing.into_values() {
        found.extend(together(&group, parameters));
    }
    Ok(found)
}

/// What layers that share a matrix stand for side by side, or one above the other, is one matrix: its truncated singular value
/// decomposition has the least error.
fn together(group: &[(SharedFactor, &Matrix)], parameters: &Parameters) -> Values {
    let SharedFactor { shared, is_first, .. } = group[0].0;
    let own = |matrices: Vec<Matrix>| group.iter().map(|(factor, _)| factor.own).zip(matrices);
    if is_first {
        // Σ outputs × inputs, as all have the same inputs.
        let (rank, columns) = parameters[shared].dims();
        let stacked: Vec<f32> = group.iter().flat_map(|(_, dense)| values(dense)).copied().collect();
        let rows = stacked.len() / columns;
        let (down, up) = factors(&stacked, rows, columns, rank);
        let mut rest = up.as_slice();
        let parts = group.iter().map(|(_, dense)| {
            let (part, behind) = rest.split_at(dims(dense).0 * rank);
            rest = behind;
            matrix(part.to_vec(), dims(dense).0, rank)
        });
        let parts = parts.collect();
        return std::iter::once((shared, matrix(down, rank, columns))).chain(own(parts)).collect();
    }
    // outputs × Σ inputs, as all have the same outputs.
    let (rows, rank) = parameters[shared].dims();
    let row = |i: usize| group.iter().flat_map(move |(_, dense)| values(dense).chunks_exact(dims(dense).1).nth(i));
    let beside: Vec<f32> = (0..rows).flat_map(row).flatten().copied().collect();
    let columns = beside.len() / rows;
    let (down, up) = factors(&beside, rows, columns, rank);
    let mut start = 0;
    let parts = group.iter().map(|(_, dense)| {
        let width = dims(dense).1;
        let part = down.chunks_exact(columns).flat_map(|row| &row[start..start + width]).copied().collect();
        start += width;
        matrix(part, rank, width)
    });
    let parts = parts.collect();
    std::iter::once((shared, matrix(up, rows, rank))).chain(own(parts)).collect()
}

/// A (rank × columns) and B (rows × rank) of the truncated decomposition of a finite matrix; zeros behind the ranks it has.
pub(crate) fn factors(w: &[f32], rows: usize, columns: usize, rank: usize) -> (Vec<f32>, Vec<f32>) {
    Svd::of(w, rows, columns).expect("finite numbers have a decomposition").factors(rank)
}

impl Registry {
    /// The linear kinds that have an approximation of a dense matrix.
    pub fn approximating(&self) -> Vec<&'static str> {
        let shape = LinearShape { inputs: 8, outputs: 8, bias: false };
        let has_one = |name: &str, example: &str| {
            let options = example.parse().ok()?;
            let spec = self.linear(name, options, shape).ok()?;
            let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
            let layer = spec.build("slot", &mut Builder::new(&mut parameters, &mut shared, 0));
            let zeros = matrix(vec![0.0; shape.inputs * shape.outputs], shape.outputs, shape.inputs);
            approximations(&[(&layer, zeros)], &parameters).ok()
        };
        let linear = self.iter().filter(|(_, place)| place.is_none()).map(|(about, _)| about);
        linear.filter(|about| has_one(about.name, about.example).is_some()).map(|about| about.name).collect()
    }
}
