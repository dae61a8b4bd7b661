//! A spec as `lrx tune` takes it: its configurations without the key, and what stands in the place of `"tuned"`.

mod common;

use std::cell::RefCell;
use std::path::Path;

use common::{Folder, SMALL};
use lrx_layers::Registry;
use lrx_spec::{ConfigErrors, Experiment, NoCorpora, Tuned, TunedValues, load_experiments, load_tuning};

const KEY: &str = "train.learning_rate";

fn folder(text: &str) -> Folder {
    let folder = Folder::new();
    folder.write("base.toml", SMALL);
    folder.write("a.toml", format!("extends = 'base.toml'\n{text}"));
    folder
}

/// Of each configuration: its label, where its grid begins, its seeds, and its hash.
fn untuned(text: &str, key: &str) -> Vec<(String, Option<f64>, Vec<u64>, String)> {
    let (folder, registry) = (folder(text), Registry::builtin());
    let tunings = load_tuning(&[folder.path("a.toml")], &[], key, None, &registry, &NoCorpora, Path::new("results"))
        .unwrap_or_else(|errors| panic!("{errors}"));
    let configurations = tunings.into_iter().flat_map(|tuning| tuning.configurations);
    configurations.map(|one| (one.label, one.start, one.seeds, one.configuration)).collect()
}

/// Has one value for each hash, and notes what it was asked.
struct Known(RefCell<Vec<(String, String, String)>>);

impl TunedValues for Known {
    fn of(&self, experiment: &str, key: &str, _: Option<&str>, configuration: &str) -> Result<Tuned, String> {
        self.0.borrow_mut().push((experiment.into(), key.into(), configuration.into()));
        Ok(Tuned { value: 2e-3, among: "one of 3".into(), run_ids: String::new() })
    }
}

fn load(text: &str, values: &dyn TunedValues) -> Result<Experiment, ConfigErrors> {
    let folder = folder(text);
    load_experiments(&[folder.path("a.toml")], &[], &Registry::builtin(), values).map(|mut all| all.remove(0))
}

#[test]
fn configurations_that_differ_in_the_key_alone_are_one() {
    let swept = "seeds = [3]\n[sweep]\n'train.learning_rate' = [1e-3, 2e-3]\n'model.hidden' = [64, 32]\n";
    let all = untuned(swept, KEY);
    assert_eq!(all.iter().map(|one| one.1).collect::<Vec<_>>(), [Some(1e-3); 2], "the first of the sweep");
    assert_eq!(
        all.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(),
        ["FullSA-FullMLP-4L, hidden 64", "FullSA-FullMLP-4L, hidden 32"]
    );
    assert_eq!(all[0].2, [3]);
    // Written, swept, tuned or left out: the same configuration.
    for other in
        ["", "train.learning_rate = 1", "train.learning_rate = 'tuned'", "train.eval_every = 7\ntrain.log_every = 3"]
    {
        assert_eq!(untuned(other, KEY)[0].3, all[0].3, "{other}");
    }
    assert_ne!(untuned("train.weight_decay = 0.1", KEY)[0].3, all[0].3);
    // Default, of [train] and of an optimizer.
    assert_eq!(untuned("", KEY)[0].1, Some(5e-5));
    assert_eq!(untuned("", "train.optimizer.beta1")[0].1, Some(0.9));
    let cases =
        "[[sweep.case]]\nlabel = 'x'\ntrain.learning_rate = 1e-3\n[[sweep.case]]\nlabel = 'y'\nmodel.hidden = 32\n";
    assert_eq!(untuned(cases, KEY).iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn what_was_chosen_stands_in_the_place_of_tuned() {
    let known = Known(RefCell::default());
    let text = "name = 'mine'\n[train]\nlearning_rate = 'tuned'\n[sweep]\n'model.hidden' = [64, 32]\n";
    let runs = load(text, &known).unwrap_or_else(|errors| panic!("{errors}")).runs;
    let asked = known.0.take();
    let expected = untuned(text, KEY).into_iter().map(|one| ("mine".to_string(), KEY.to_string(), one.3));
    assert_eq!(asked, expected.collect::<Vec<_>>());
    assert!(runs.iter().all(|run| run.train.learning_rate == 2e-3 && run.tuned == format!("{KEY} one of 3")));
    let typed = load(&text.replace("'tuned'", "2e-3"), &known).unwrap_or_else(|errors| panic!("{errors}")).runs;
    assert_eq!(
        typed.iter().map(|run| &run.run_id).collect::<Vec<_>>(),
        runs.iter().map(|run| &run.run_id).collect::<Vec<_>>()
    );
    assert!(typed.iter().all(|run| run.tuned.is_empty()));
    // Beside other values in a sweep, and under its label.
    let swept =
        load("[sweep]\n'train.learning_rate' = [1e-3, 'tuned']\n", &known).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        common::labels(&swept),
        ["FullSA-FullMLP-4L, learning rate 0.001", "FullSA-FullMLP-4L, learning rate tuned"]
    );
    // What no number stands for is an error as before.
    let errors = load("train.schedule = 'tuned'", &known).err().expect("a wrong schedule").to_string();
    assert!(errors.contains("linear"), "{errors}");
}
