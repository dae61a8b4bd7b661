//! So many micro-batches are one batch, but for rounding.

use lrx_data::BatchSize;
use lrx_model::Model;
use lrx_tensor::Tape;
use lrx_train::{Optimizer, Stepped, Update, step};

use crate::common::{model, sampler, train_spec, whole};

fn stepped(lines: &str, micro_batches: usize) -> (Model, Stepped) {
    let (mut model, spec) = (model(lines), train_spec("[optimizer]\nkind = 'sgd'"));
    let mut optimizer = Optimizer::new(&spec.optimizer, model.parameters()).unwrap();
    let update = Update { micro_batches, learning_rate: 1.0, weight_decay: 0.0, ..spec.update(0, 3) };
    let batch = sampler(BatchSize::Stories(13)).batch(0);
    let stepped = step(&mut model, &mut optimizer, &batch, &update, &Tape::recording());
    (model, stepped)
}

/// With plain gradient descent, the weights show the gradients.
#[test]
fn micro_batches_are_one_batch() {
    for lines in
        ["", "dropout = 0.3", "norm = 'rms-norm'\npositions = 'rotary'\ntied = false\n[mlp]\nblock = 'gated-mlp'"]
    {
        let (whole, of_whole) = stepped(lines, 1);
        for count in [2, 3, 7, 13, 50] {
            let (parts, of_parts) = stepped(lines, count);
            assert!((of_whole.loss - of_parts.loss).abs() < 1e-6, "{lines}, {count}: {of_whole:?} {of_parts:?}");
            assert!((of_whole.grad_norm / of_parts.grad_norm - 1.0).abs() < 1e-5, "{lines}, {count}");
            for (one, other) in whole.parameters().iter().zip(parts.parameters().iter()) {
                for (one, other_value) in one.parameter.values().iter().zip(other.parameter.values()) {
                    assert!((one - other_value).abs() < 2e-6, "{lines}, {count}, {}: {one} {other_value}", other.name);
                }
            }
        }
    }
}

#[test]
fn micro_batches_are_the_same_each_time() {
    assert!(whole("dropout = 0.2", "micro_batches = 3") == whole("dropout = 0.2", "micro_batches = 3"));
    assert!(
        whole("dropout = 0.2", "micro_batches = 3") != whole("dropout = 0.2", "micro_batches = 1"),
        "another rounding"
    );
}
