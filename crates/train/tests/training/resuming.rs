//! Interruptions change no bit of a run: whatever the optimizer keeps, layers become, and dropout drops.

use lrx_model::TensorFile;
use lrx_train::{CHECKPOINT_FILES, Order, Outcome, WEIGHTS_FILE};

use crate::common::{Told, left, model, stop_after, stopped_at_every_step, train_in, train_spec, train_to, whole};

/// Models of everything that changes over time.
const MODELS: [(&str, &str); 6] = [
    ("as it comes", ""),
    ("dropout", "dropout = 0.3"),
    ("a layer that blends", "[mlp]\nkind = 'blend'\nrank = 3"),
    (
        "layers that change one after the other, the later first",
        "[mlp]\nkind = 'own-dense-then-svd'\nrank = 2\nat = [4, 2]",
    ),
    ("layers that change before the first update", "[attention]\nkind = 'own-dense-then-svd'\nrank = 2\nat = [0, 3]"),
    (
        "all of it, with rules that follow a product",
        "dropout = 0.1\n[attention]\nkind = 'blend'\nrank = 2\n[mlp]\nkind = 'own-dense-then-svd'\nrank = 3\nat = 1\n\
         lr = 'structure-aware'",
    ),
];

const OPTIMIZERS: [&str; 7] = [
    "[optimizer]\nkind = 'adamw'",
    "[optimizer]\nkind = 'muon'\nadamw_lr = 0.1",
    "[optimizer]\nkind = 'sgd'\nmomentum = 0.9",
    "[optimizer]\nkind = 'sgd'",
    "[optimizer]\nkind = 'lion'",
    "precision = 'bf16'",
    "micro_batches = 3\n[optimizer]\nkind = 'sgd'\n[[optimizer.group]]\nrole = 'factor'\nmomentum = 0.5",
];

#[test]
fn a_run_that_is_stopped_at_every_step_has_the_bits_of_one_that_is_not() {
    for (what, lines) in MODELS {
        for optimizer in OPTIMIZERS {
            let (curve, weights) = whole(lines, optimizer);
            let (stopped_curve, stopped_weights) = stopped_at_every_step(lines, optimizer);
            assert_eq!(curve, stopped_curve, "{what}, {optimizer}");
            assert!(weights == stopped_weights, "{what}, {optimizer}: the weights");
        }
    }
}

/// A pause is an interruption that the run was told of: asked for it again, nothing is trained.
#[test]
fn a_run_that_pauses_has_the_bits_of_one_that_does_not() {
    let (_, lines) = MODELS[5];
    for optimizer in OPTIMIZERS {
        let (folder, spec) = (tempfile::tempdir().unwrap(), train_spec(optimizer));
        let to = |pause| {
            let mut told = Told::default();
            let trained = train_to(pause, folder.path(), &mut model(lines), &spec, &|| Order::GoOn, &mut told)
                .expect("a training");
            (trained.0, trained.1.step)
        };
        // What has gone farther is not taken back.
        for (pause, step) in [(1, 1), (3, 3), (3, 3), (2, 3)] {
            assert_eq!(to(Some(pause)), (Outcome::Paused, step), "{optimizer}");
        }
        let (outcome, steps) = to(Some(usize::MAX));
        assert_eq!((outcome, steps > 3), (Outcome::Finished, true), "beyond the end there is nothing to pause for");
        assert!(left(folder.path()) == whole(lines, optimizer), "{optimizer}");
    }
}

/// What the tests above compare does depend on what it is about.
#[test]
fn every_one_of_them_is_another_run() {
    let mut all: Vec<_> = MODELS.iter().map(|(_, lines)| whole(lines, OPTIMIZERS[0])).collect();
    all.extend(OPTIMIZERS[1..].iter().map(|optimizer| whole("", optimizer)));
    for (i, one) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|other| other != one), "number {i}");
    }
}

#[test]
fn threads_change_no_bit() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| OPTIMIZERS.map(|optimizer| whole(MODELS[5].1, optimizer)))
    };
    assert!(on(1) == on(3));
}

/// Moments of matrices that are gone go, those of new ones come.
#[test]
fn the_optimizer_keeps_what_the_model_has() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "[mlp]\nkind = 'own-dense-then-svd'\nrank = 2\nat = 2";
    let mut model = model(lines);
    let (outcome, _) =
        train_in(folder.path(), &mut model, &train_spec(""), &stop_after(3), &mut Told::default()).expect("a training");
    assert_eq!(outcome, Outcome::Stopped);
    let file = TensorFile::read(&folder.path().join(CHECKPOINT_FILES[0])).unwrap();
    let mut kept: Vec<&str> = file.names().filter_map(|name| name.strip_prefix("adamw.first.")).collect();
    let mut there: Vec<&str> = model.parameters().iter().map(|entry| entry.name.as_str()).collect();
    kept.sort_unstable();
    there.sort_unstable();
    assert_eq!(kept, there);
    assert!(there.contains(&"transformer.h.1.mlp.c_fc.down.weight"));
    assert!(!there.contains(&"transformer.h.1.mlp.c_fc.weight"));
}

/// A checkpoint of another kind of processor: the run goes on, and says so from then on.
#[test]
fn another_arithmetic_is_told_and_noted() {
    let (folder, spec) = (tempfile::tempdir().unwrap(), train_spec(""));
    let go = |told: &mut Told, steps: usize| {
        train_in(folder.path(), &mut model(""), &spec, &stop_after(steps), told).expect("a training").1
    };
    assert_eq!(go(&mut Told::default(), 1).note(), None);
    let path = folder.path().join(CHECKPOINT_FILES[0]);
    // The file as the other processor would have written it.
    let file = TensorFile::read(&path).unwrap();
    let here = lrx_tensor::arithmetic(lrx_tensor::Precision::F32);
    let note = file.note().unwrap().replace(&format!("[\"{here}\"]"), "[\"another\"]");
    assert!(note.contains("[\"another\"]"), "{note}");
    rewrite(&path, file, note);

    let mut told = Told::default();
    let report = go(&mut told, 1);
    assert_eq!(report.arithmetic, ["another", here]);
    assert!(
        matches!(&told.warnings[..], [one] if one.contains("another") && one.contains(here)),
        "{:?}",
        told.warnings
    );
    let mut told = Told::default();
    let report = go(&mut told, 1);
    assert_eq!((told.warnings.len(), report.arithmetic.len()), (0, 2), "told once, noted for good");
    assert!(report.note().unwrap().contains(&format!("another, then {here}")));
}

fn rewrite(path: &std::path::Path, mut file: TensorFile, note: String) {
    let shapes: Vec<(String, Vec<usize>)> =
        file.shapes().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect();
    let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let values = file.take(&name, &shape).unwrap();
            (name, shape, values)
        })
        .collect();
    let named = tensors.iter().map(|(name, shape, values)| lrx_model::NamedTensor {
        name: name.clone(),
        shape: shape.clone(),
        numbers: lrx_model::Numbers::Real(values),
    });
    lrx_model::write_tensors(path, &named.collect::<Vec<_>>(), Some(note)).unwrap();
}

#[test]
fn a_finished_run_says_what_it_was_computed_with() {
    let folder = tempfile::tempdir().unwrap();
    let go_on = || lrx_train::Order::GoOn;
    let (_, report) =
        train_in(folder.path(), &mut model(""), &train_spec(""), &go_on, &mut Told::default()).expect("a training");
    assert_eq!(report.arithmetic, [lrx_tensor::arithmetic(lrx_tensor::Precision::F32)]);
    assert!(left(folder.path()).0.len() == 9 && folder.path().join(WEIGHTS_FILE).exists(), "6 training rows, 3 others");
}
