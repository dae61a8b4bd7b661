//! What sweeps make of a config: points, baselines, and runs that stand in it more than once.

mod common;

use common::{Folder, experiment, labels};
use lrx_layers::Place;
use lrx_spec::{ErrorKind, Experiment};

/// The kinds and sizes of the runs' models.
fn models(experiment: &Experiment) -> Vec<(String, String, usize)> {
    let kinds = |run: &lrx_spec::RunSpec| {
        let model = &run.model;
        (model.kind_cell(Place::Attention), model.rank_cell(Place::Attention), model.hidden)
    };
    experiment.runs.iter().map(kinds).collect()
}

const LOW_RANK: &str = "[model.attention]\nkind = 'low-rank'\nrank = 4\nwindow = 8\n";

#[test]
fn a_dense_baseline_stands_beside_each_combination_of_what_is_not_a_block_s() {
    let sweep = "[sweep]\ndense_baseline = true\n'model.hidden' = [64, 32]\n'model.attention.rank' = [2, 3]\n\
                 'train.learning_rate' = [1e-3, 2e-3]\n";
    let experiment = experiment(&format!("{LOW_RANK}{sweep}"));
    assert!(experiment.notes.is_empty(), "{:?}", experiment.notes);
    let models = models(&experiment);
    let dense = |hidden| ("dense".to_string(), String::new(), hidden);
    assert_eq!(models[..4], [dense(64), dense(64), dense(32), dense(32)]);
    assert_eq!((models.len(), models[4..].iter().filter(|(kind, ..)| kind == "low-rank").count()), (12, 8));
    // The block's own keys stay, those of the kind go.
    assert!(
        experiment.runs.iter().all(|run| run
            .model
            .layers
            .iter()
            .all(|layer| layer.attention.attends.unwrap().window == Some(8)))
    );
    let rates: Vec<f64> = experiment.runs[..4].iter().map(|run| run.train.learning_rate).collect();
    assert_eq!(rates, [1e-3, 2e-3, 1e-3, 2e-3]);
}

#[test]
fn the_dense_baseline_of_cases_is_one() {
    let cases = "[sweep]\ndense_baseline = true\n[[sweep.case]]\nlabel = 'a'\nmodel.attention.q.rank = 3\n\
                 [[sweep.case]]\nmodel.mlp = { kind = 'low-rank', rank = 2 }\n";
    let experiment = experiment(&format!("{LOW_RANK}{cases}"));
    let kinds: Vec<String> = models(&experiment).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, ["dense", "low-rank", "low-rank"]);
    assert_eq!(experiment.runs[0].label, "FullSA-FullMLP-4L", "a case's label is not its baseline's");
    // Of a sweep over nothing, too; and where the sweep has it anyway, it is no news.
    let one = common::experiment(&format!("{LOW_RANK}[sweep]\ndense_baseline = true\n"));
    assert_eq!(one.runs.len(), 2);
    let own = common::experiment(
        "[sweep]\ndense_baseline = true\n'model.attention' = [{ kind = 'dense' }, { kind = 'low-rank', rank = 3 }]\n",
    );
    assert_eq!((own.runs.len(), own.notes.len()), (2, 0));
    let errors = Folder::new().errors("[sweep]\ndense_baseline = 1\n");
    assert!(errors.to_string().contains("`dense_baseline` is 1; expected true or false"), "{errors}");
    assert_eq!(errors.iter().next().unwrap().kind(), ErrorKind::Sweep);
}

#[test]
fn a_dense_baseline_keeps_what_belongs_to_the_blocks() {
    let model = "[model.attention]\nkind = 'low-rank'\nrank = 4\ninit = 'spectral'\nlayers = 'late'\nslots = ['q']\nscaled = true\n\
                 k = { kind = 'low-rank', rank = 2 }\n[[model.attention.override]]\nlayers = '3'\nkind = 'dense'\n\
                 [model.mlp]\nkind = 'low-rank'\nrank = 3\nblock = 'gated-mlp'\ninner = 32\n[sweep]\ndense_baseline = true\n";
    let dense = experiment(model).runs.remove(0);
    let plain =
        experiment("[model]\nattention.scaled = true\nmlp = { block = 'gated-mlp', inner = 32 }\n").runs.remove(0);
    assert_eq!(dense.run_id, plain.run_id);
}

#[test]
fn overriding_a_kind_keeps_the_block_and_where_the_kind_stands() {
    let base = "[model.attention]\nkind = 'dense'\nlayers = 'late'\nslots = ['q']\nscaled = true\n";
    let swept = experiment(&format!("{base}[sweep]\n'model.attention' = [{{ kind = 'low-rank', rank = 4 }}]\n"));
    let plain = experiment(&base.replace("'dense'", "'low-rank'\nrank = 4"));
    assert_eq!(swept.runs[0].run_id, plain.runs[0].run_id);
}

#[test]
fn runs_that_stand_in_a_sweep_twice_are_told_once_and_are_one() {
    for (config, runs, note) in [
        ("[sweep]\n'train.steps' = [5, 6, 5]", 2, "a: train.steps = 5 is the same as FullSA-FullMLP-4L, steps 5, and"),
        (
            "[sweep]\n'train.weight_decay' = [0, 0.0]",
            1,
            "a: train.weight_decay = 0.0 is the same as FullSA-FullMLP-4L, and",
        ),
        ("[sweep]\n'train.weight_decay' = [0, 0.0, 0, 0]", 1, "is trained once (and so with 2 more)"),
        (
            "[model.attention]\nkind = 'low-rank'\n[sweep]\n'model.attention.rank' = [5, [5, 5, 5, 5]]",
            1,
            "is the same as R5SA-",
        ),
        ("seeds = [0, 1, 0, 0, 1]", 2, "a: seeds has 0, 1 more than once; each is trained once"),
        (
            "[[sweep.case]]\nlabel = 'x'\n[[sweep.case]]\nlabel = 'y'",
            1,
            "label = \"y\" is the same as x, and is trained once",
        ),
    ] {
        let experiment = experiment(config);
        assert_eq!(experiment.runs.len(), runs, "{config}");
        assert_eq!(experiment.notes.len(), 1, "{config}: {:?}", experiment.notes);
        assert!(experiment.notes[0].contains(note), "{config}: {:?}", experiment.notes);
    }
}

#[test]
fn the_same_configuration_with_other_seeds_has_all_of_them() {
    let experiment = experiment("[sweep]\nseeds = [[0, 1], [2]]");
    let seeds: Vec<u64> = experiment.runs.iter().map(|run| run.seed).collect();
    assert_eq!((seeds, labels(&experiment).len(), experiment.notes.len()), (vec![0, 1, 2], 1, 0));
}

#[test]
fn a_run_of_two_files_is_told() {
    let folder = Folder::new();
    folder.write("a.toml", "[train]\nsteps = 5\n");
    folder.write("b.toml", "label = 'other'\nseeds = [1, 0]\n[sweep]\n'train.steps' = [5, 6]\n");
    let experiments = folder.load(&["a.toml", "b.toml"]).unwrap();
    assert!(experiments[0].notes.is_empty());
    assert_eq!(experiments[1].notes, ["b: other, steps 5 with seed 0 is a run of a, too"]);
    assert_eq!(experiments[1].runs[1].run_id, experiments[0].runs[0].run_id);
}

#[test]
fn a_file_is_looked_for_beside_the_config_that_names_it() {
    let folder = Folder::new();
    folder.write("deep/base.toml", "data.train = 'a.txt'\n[data.tokenizer]\ntrain_bpe = 300\n");
    folder.write("deep/a.txt", "one");
    folder.write("a.txt", "two");
    // The first point has the base's own file, the second one of the same name beside this config.
    folder.write("over.toml", "extends = 'deep/base.toml'\n[[sweep.case]]\n[[sweep.case]]\ndata.train = 'a.txt'\n");
    let experiment = folder.load(&["over.toml"]).unwrap().remove(0);
    assert_eq!(experiment.runs.len(), 2, "{:?}", experiment.notes);
}

#[test]
fn too_many_runs_are_refused_before_they_fill_the_memory() {
    let folder = Folder::new();
    let list = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let seeds = format!("seeds = [{}]\n[sweep]\n'train.log_every' = [{}]", list(1000), &list(2501)[3..]);
    let errors = folder.errors(seeds);
    assert!(errors.to_string().contains("2500000 runs in all; expected at most 100000"), "{errors}");
    let errors = folder.errors(format!("[sweep]\n'train.log_every' = [{}]", &list(10_002)[3..]));
    assert!(errors.to_string().contains("more than 10000 points"), "{errors}");
}

/// The ranks of the attention and the steps of each run, and the notes.
fn with_set(sweep: &str, set: &[&str]) -> (Vec<(String, String)>, Vec<String>) {
    let folder = Folder::new();
    folder.write("a.toml", format!("{}\n{LOW_RANK}{sweep}", common::SMALL));
    let set: Vec<String> = set.iter().map(|one| one.to_string()).collect();
    let registry = lrx_layers::Registry::builtin();
    let mut loaded = lrx_spec::load_experiments(&[folder.path("a.toml")], &set, &registry, &lrx_spec::NothingTuned)
        .unwrap_or_else(|errors| panic!("{sweep} {set:?}\n{errors}"));
    let experiment = loaded.remove(0);
    let told = |run: &lrx_spec::RunSpec| {
        let steps = run.resolved("a")["train"].get("steps").map_or("-".into(), |steps| steps.to_string());
        (run.model.rank_cell(Place::Attention), steps)
    };
    (experiment.runs.iter().map(told).collect(), experiment.notes)
}

#[test]
fn what_is_set_last_holds_in_the_sweep_and_both_spellings_are_one_key() {
    let runs = |ranks: &[&str], steps: &str| -> Vec<(String, String)> {
        ranks.iter().map(|rank| ([*rank; 4].join(" "), steps.to_string())).collect()
    };
    for sweep in ["[sweep]\n'model.attention.rank' = [2, 3]\n", "[sweep]\nmodel.attention.rank = [2, 3]\n"] {
        assert_eq!(with_set(sweep, &[]), (runs(&["2", "3"], "10"), vec![]));
        let (own, notes) = with_set(sweep, &["model.attention.rank=5"]);
        assert_eq!(own, runs(&["5"], "10"));
        let note = "a: --set model.attention.rank=5 holds for the whole sweep, which has other values there";
        assert_eq!(notes, [note]);
        for key in ["sweep.model.attention.rank", "sweep.\"model.attention.rank\""] {
            assert_eq!(with_set(sweep, &[&format!("{key}=[6, 7]")]), (runs(&["6", "7"], "10"), vec![]), "{key}");
        }
        // The last one counts.
        let both = ["model.attention.rank=5", "sweep.model.attention.rank=[6, 7]"];
        assert_eq!(with_set(sweep, &both).0, runs(&["6", "7"], "10"));
    }
    // In cases, and in tables that a sweep has as values.
    let cases =
        "[[sweep.case]]\n'model.attention.rank' = 2\n[[sweep.case]]\nmodel.attention = { rank = 3, window = 4 }\n";
    assert_eq!(with_set(cases, &["model.attention.rank=5"]).0, runs(&["5", "5"], "10"));
    let tables = "[sweep]\n'model.attention' = [{ rank = 2 }, { kind = 'dense' }]\n";
    assert_eq!(
        with_set(tables, &["model.attention.rank=5"]).0,
        [runs(&["5"], "10"), vec![("".into(), "10".into())]].concat()
    );
    // What excludes it, too.
    assert_eq!(with_set("[sweep]\n'train.epochs' = [1, 2]\n", &["train.steps=7"]).0, runs(&["4"], "7"));
    let errors = Folder::new().errors("[sweep]\n'train.steps' = [1]\ntrain.steps = [2]\n");
    assert!(errors.to_string().contains("`train.steps` stands in the sweep twice"), "{errors}");
    // A value that the sweep now has is wrong at its own place.
    let folder = Folder::new();
    folder.write("a.toml", format!("{}\n{LOW_RANK}[sweep]\n'model.attention.rank' = [2, 3]\n", common::SMALL));
    let set = ["model.attention.rank=0".to_string()];
    let errors = lrx_spec::load_experiments(
        &[folder.path("a.toml")],
        &set,
        &lrx_layers::Registry::builtin(),
        &lrx_spec::NothingTuned,
    );
    let errors = errors.err().expect("no rank is 0").to_string();
    assert!(errors.contains("--set:1:22"), "{errors}");
}
