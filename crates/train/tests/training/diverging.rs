//! A number that is not finite, wherever it comes from, ends a run as diverged, without a panic.

use lrx_train::{Order, Outcome, WEIGHTS_FILE};

use crate::common::{Told, model, train_in, train_spec};

#[test]
fn a_learning_rate_beyond_f32_is_diverged() {
    let optimizers = ["", "[optimizer]\nkind = 'muon'", "[optimizer]\nkind = 'sgd'\nmomentum = 0.9"];
    for (optimizer, steps) in optimizers.into_iter().flat_map(|optimizer| [1, 2, 5].map(|steps| (optimizer, steps))) {
        // 1e39 is no finite f32; what 1e300 is multiplied with may make it no f64 either.
        for rate in [1e39, 1e300] {
            let folder = tempfile::tempdir().unwrap();
            let mut spec = train_spec(&format!("clip_norm = 0\n{optimizer}"));
            (spec.learning_rate, spec.eval_every) = (rate, steps);
            let told = &mut Told::default();
            let (outcome, _) = train_in(folder.path(), &mut model(""), &spec, &|| Order::GoOn, told).unwrap();
            assert!(matches!(outcome, Outcome::Diverged { .. }), "{optimizer}, {rate}, {steps}: {outcome:?}");
            assert!(!folder.path().join(WEIGHTS_FILE).exists());
        }
    }
}

/// The last update is looked at as every other is: at 1e12 its weights are finite, and the loss that they give is not.
#[test]
fn what_the_last_update_has_made_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let spec = lrx_train::TrainConfig { steps: Some(1), learning_rate: 1e12, ..Default::default() };
    let spec = spec.resolve(&Default::default()).unwrap();
    let told = &mut Told::default();
    let (outcome, report) = train_in(folder.path(), &mut model(""), &spec, &|| Order::GoOn, told).unwrap();
    let Outcome::Diverged { step: 1, what } = outcome else { panic!("{outcome:?}") };
    assert!(what.starts_with("evaluation loss"), "{what}");
    assert!(!report.eval_loss.unwrap().is_finite());
}

#[test]
fn nothing_is_saved_that_is_not_finite() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = train_spec("");
    (spec.learning_rate, spec.eval_every) = (1e39, 1000);
    let told = &mut Told::default();
    let (outcome, _) = train_in(folder.path(), &mut model(""), &spec, &|| Order::Stop, told).unwrap();
    let Outcome::Diverged { step: 1, what } = outcome else { panic!("{outcome:?}") };
    assert!(what.starts_with("a weight of "), "{what}");
    assert!(lrx_train::CHECKPOINT_FILES.iter().all(|file| !folder.path().join(file).exists()));
}

#[test]
fn a_learning_rate_of_zero_leaves_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let (before, mut after) = (model(""), model(""));
    let mut spec = train_spec("");
    spec.learning_rate = 0.0;
    let told = &mut Told::default();
    let (outcome, _) = train_in(folder.path(), &mut after, &spec, &|| Order::GoOn, told).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    for (before, after) in before.parameters().iter().zip(after.parameters().iter()) {
        assert_eq!(before.parameter.values(), after.parameter.values(), "{}", before.name);
    }
}
