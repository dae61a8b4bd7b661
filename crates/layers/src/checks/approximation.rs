//! What stands in the place of a dense matrix is as near to it as it can be.

use lrx_tensor::{Matrix, matrix, values};

use super::subject::{BEFORE, Made, disturb, make};
use crate::approximate::approximations;
use crate::{LinearSpec, NoApproximation, NoApproximationWhy, Parameters, PlacedLinear, Role};

/// How much a squared error may fall when a number is changed by [`STEP`], of a matrix whose squares sum up to about 40:
/// iterations end before they stand still.
const SLACK: f64 = 2e-3;
const STEP: f32 = 0.01;

/// No change of a single number lowers the error; what the layer can be exactly, it becomes.
pub(super) fn is_the_nearest(name: &str, spec: &LinearSpec) {
    let Made { mut parameters, layer } = make(1, |builder| spec.build("slot", builder));
    let (rows, columns) = (spec.shape.outputs, spec.shape.inputs);
    let dense = (0..rows * columns).map(|i| (0.37 * (i * i) as f32 + 0.3).sin()).collect();
    let dense = matrix(dense, rows, columns);
    match approximations(&[(&layer, dense.clone())], &parameters) {
        Err(NoApproximation { why, .. }) => {
            assert_eq!(why, NoApproximationWhy::Kind(spec.kind), "{name}: the numbers are finite");
            return;
        }
        Ok(found) => set(name, &mut parameters, found),
    }
    let least = error(&layer, &parameters, &dense);
    for id in parameters.ids().collect::<Vec<_>>() {
        if parameters.entry(id).role == Role::Bias {
            continue;
        }
        for place in 0..parameters[id].values().len() {
            for step in [STEP, -STEP] {
                let mut change = |by: f32| parameters.entry_mut(id).parameter.values_mut()[place] += by;
                change(step);
                let other = error(&layer, &parameters, &dense);
                assert!(other > least - SLACK, "{name}: {other} is nearer than {least}");
                parameters.entry_mut(id).parameter.values_mut()[place] -= step;
            }
        }
    }

    let Made { parameters: mut own, layer } = make(1, |builder| spec.build("slot", builder));
    disturb(&mut own);
    let whole = layer.linear().dense_equivalent(&own, BEFORE).expect("what is approximated is a matrix");
    let found = approximations(&[(&layer, whole.clone())], &own).expect("it has one");
    set(name, &mut own, found);
    let left = error(&layer, &own, &whole);
    let size: f64 = values(&whole).iter().map(|w| f64::from(*w).powi(2)).sum();
    assert!(left < 1e-2 * size, "{name}: {left} of {size} is left of what it is itself");
}

fn set(name: &str, parameters: &mut Parameters, found: crate::Values) {
    for (id, value) in found {
        let entry = parameters.entry_mut(id);
        assert_eq!(entry.parameter.dims(), lrx_tensor::dims(&value), "{name}: the shape of {}", entry.name);
        entry.parameter.values_mut().copy_from_slice(values(&value));
    }
}

fn error(layer: &PlacedLinear, parameters: &Parameters, dense: &Matrix) -> f64 {
    let whole = layer.linear().dense_equivalent(parameters, BEFORE).expect("what is approximated is a matrix");
    values(&whole).iter().zip(values(dense)).map(|(w, d)| (f64::from(*w) - f64::from(*d)).powi(2)).sum()
}
