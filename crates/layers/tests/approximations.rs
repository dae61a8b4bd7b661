//! How near structured layers come to a dense matrix, against numpy: `tests/parity/approximations.py` prints the numbers.

use std::collections::BTreeMap;

use lrx_layers::tensor::{Matrix, dims, matrix, values};
use lrx_layers::{
    BlockShape, Builder, LinearShape, Parameters, Place, PlacedLinear, Progress, Registry, approximations,
};

const ROWS: usize = 8;
const COLUMNS: usize = 12;

/// sin(0.37 i² + 0.3), row-major.
fn dense() -> Matrix {
    let numbers = (0..ROWS * COLUMNS).map(|i| (0.37 * (i as f64).powi(2) + 0.3).sin() as f32);
    matrix(numbers.collect(), ROWS, COLUMNS)
}

/// Σ (W − dense)².
fn error(layer: &PlacedLinear, parameters: &Parameters, dense: &Matrix) -> f64 {
    let whole = layer.linear().dense_equivalent(parameters, Progress { step: 0, steps: 1 }).unwrap();
    assert_eq!(dims(&whole), dims(dense));
    values(&whole).iter().zip(values(dense)).map(|(w, d)| (f64::from(*w) - f64::from(*d)).powi(2)).sum()
}

fn approximate(layers: &[(&PlacedLinear, Matrix)], parameters: &mut Parameters) {
    for (id, value) in approximations(layers, parameters).unwrap() {
        parameters.entry_mut(id).parameter.values_mut().copy_from_slice(values(&value));
    }
}

#[test]
fn errors_are_those_of_numpy() {
    for (kind, options, numpy) in [
        ("dense", "", 0.0),
        ("dense-then-svd", "rank = 2", 0.0),
        // Σ of the squares of the singular values behind the third.
        ("low-rank", "rank = 3", 16.493270094051464),
        ("block-diagonal", "blocks = 4", 34.71949730337274),
        ("block-dense", "rank = 4\nblocks = 2", 19.99851650423176),
        ("block-shuffle", "blocks = 2", 13.086941308591989),
        ("kronecker", "input_split = 4\noutput_split = 2", 34.187766736365234),
        ("tensor-train", "input_split = 3\noutput_split = 2\nrank = 1", 18.043763264988957),
    ] {
        let shape = LinearShape { inputs: COLUMNS, outputs: ROWS, bias: true };
        let spec = Registry::builtin().linear(kind, options.parse().unwrap(), shape).unwrap();
        let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
        let layer = spec.build("slot", &mut Builder::new(&mut parameters, &mut shared, 1));
        approximate(&[(&layer, dense())], &mut parameters);
        let error = error(&layer, &parameters, &dense());
        assert!((error - numpy).abs() < 1e-4, "{kind}: {error}, numpy {numpy}");
    }
}

/// Two slots of one block share a factor; the other two stay as they are.
#[test]
fn layers_that_share_a_factor_are_approximated_together() {
    for (shares, slots, turned, numpy) in
        [("down", ["q", "k"], false, 40.27526818291924), ("up", ["q", "out"], true, 39.84521545213074)]
    {
        // k has as many outputs as two of three heads have features; q and out have as many as inputs.
        let table = format!("kind = \"shared-basis\"\nrank = 3\nshares = \"{shares}\"\nslots = {slots:?}");
        let shape = BlockShape { hidden: 12, heads: 3, rotary: None, layer: 0, layers: 1 };
        let block = Registry::builtin().blocks(Place::Attention, &table.parse().unwrap(), &[shape]).unwrap().remove(0);
        let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
        let block = block.build(&mut Builder::new(&mut parameters, &mut shared, 1));
        let layers: Vec<&PlacedLinear> =
            block.linears().iter().filter(|linear| slots.contains(&linear.key())).collect();
        // W and zeros below it, and the same mirrored or upside down: zeros change no singular value.
        let padded = |number: &dyn Fn(usize, usize) -> f32| {
            let places = (0..12).flat_map(|i| (0..12).map(move |j| (i, j)));
            matrix(places.map(|(i, j)| if i < ROWS { number(i, j) } else { 0.0 }).collect(), 12, 12)
        };
        let w = dense();
        let first = padded(&|i, j| w[[i, j]]);
        let second =
            if turned { padded(&|i, j| w[[ROWS - 1 - i, j]]) } else { padded(&|i, j| w[[i, COLUMNS - 1 - j]]) };
        approximate(&[(layers[0], first.clone()), (layers[1], second.clone())], &mut parameters);
        let error = error(layers[0], &parameters, &first) + error(layers[1], &parameters, &second);
        assert!((error - numpy).abs() < 1e-4, "{shares}: {error}, numpy {numpy}");
    }
}

#[test]
fn kinds_that_have_an_approximation_are_known() {
    let known = Registry::builtin().approximating();
    assert!(
        ["low-rank", "block-shuffle", "kronecker", "shared-basis"].iter().all(|kind| known.contains(kind)),
        "{known:?}"
    );
    assert!(["silu-low-rank", "blast"].iter().all(|kind| !known.contains(kind)), "{known:?}");
}
