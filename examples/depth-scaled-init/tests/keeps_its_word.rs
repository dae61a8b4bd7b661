//! The rule keeps its word, and says what its source says.

use lrx::layers::{Registry, checks};

#[test]
fn it_keeps_its_word() {
    let mut registry = Registry::empty();
    registry.register_init(depth_scaled_init::DepthScaled).unwrap();
    checks::every_kind(&registry);
}

/// Of 12 layers, `out` and `c_proj` start at 0.02 / √24 = 0.00408, all else at 0.02.
#[test]
fn branches_end_in_smaller_numbers() {
    use std::collections::BTreeMap;

    use lrx::layers::{BlockShape, Builder, Parameters, Place};

    let mut registry = Registry::empty();
    registry.register_init(depth_scaled_init::DepthScaled).unwrap();
    let shapes: Vec<BlockShape> =
        (0..12).map(|layer| BlockShape { hidden: 64, heads: 4, rotary: None, layer, layers: 12 }).collect();
    let blocks = registry.blocks(Place::Attention, &"init = 'depth-scaled'".parse().unwrap(), &shapes).unwrap();
    let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
    blocks[3].build(&mut Builder::new(&mut parameters, &mut shared, 1));
    for entry in parameters.iter().filter(|entry| !entry.is_vector) {
        let values = entry.parameter.values();
        let std = (values.iter().map(|x| f64::from(x * x)).sum::<f64>() / values.len() as f64).sqrt();
        let should = if entry.name.contains("out_proj") { 0.02 / 24.0_f64.sqrt() } else { 0.02 };
        // 64² numbers: the standard deviation is known to about one in a hundred.
        assert!((std / should - 1.0).abs() < 0.05, "{}: {std} instead of {should}", entry.name);
    }
}
