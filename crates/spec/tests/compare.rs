//! `[compare]` and `[train] flops`: sizes and lengths that are solved for. Figures are counted by hand.
//!
//! With 64 features, 4 heads and 2 layers, a dense layer has 4 · 64² + 64 numbers in attention and 2 · 64 · 256 + 320 in the MLP;
//! five norms have 640: a body of 99,712, of which 98,304 are in matrices. With `hidden` features it is 24 hidden² + 22 hidden.
//! Low-rank MLPs of rank r have 1,280 r in place of 65,536.

mod common;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use common::{Folder, labels};
use lrx_data::{Cache, Corpus, DataSpec, NoProgress, prepare};
use lrx_layers::Registry;
use lrx_spec::{
    Beside, ConfigErrors, CorpusSource, Experiment, NoCorpora, NoCorpus, NothingTuned, RunSpec,
    load_experiments_beside, load_tuning,
};
use tempfile::TempDir;

const BASE: &str =
    "[model]\nhidden = 64\nheads = 4\nlayers = 2\ncontext = 64\nvocabulary = 1000\n[train]\nsteps = 10\n";

/// Stories of four tokens, three of which are predicted: bytes, of a vocabulary of 257.
const STORIES: &str = "[data]\ntrain = 'a.txt'\nvalid = 'b.txt'\ntokenizer = { train_bpe = 257 }\n";

struct Prepared(TempDir);

impl CorpusSource for Prepared {
    fn corpus(&self, data: &Rc<DataSpec>) -> Result<Arc<Corpus>, NoCorpus> {
        Ok(Arc::new(prepare(data, &Cache { dir: self.0.path() }, &NoProgress)?))
    }
}

fn folder(text: &str) -> Folder {
    let folder = Folder::new();
    folder.write("a.txt", ["abcd"; 10].join("<|endoftext|>"));
    folder.write("b.txt", "abcd");
    folder.write("base.toml", BASE);
    folder.write("a.toml", format!("extends = 'base.toml'\n{text}"));
    folder
}

fn load(text: &str) -> Result<Experiment, ConfigErrors> {
    let (folder, prepared) = (folder(text), Prepared(TempDir::new().unwrap()));
    let beside = Beside { tuned: &NothingTuned, corpora: &prepared, results: Path::new("results") };
    load_experiments_beside(&[folder.path("a.toml")], &[], &Registry::builtin(), &beside).map(|mut all| all.remove(0))
}

fn experiment(text: &str) -> Experiment {
    load(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

fn run(text: &str) -> RunSpec {
    experiment(text).runs.remove(0)
}

/// What was solved for, what it comes to, and of how much.
fn solved(run: &RunSpec) -> Vec<(&str, f64, f64)> {
    run.solved.iter().map(|one| (one.how.as_str(), one.figure, one.target)).collect()
}

const MLP: &str = "[model.mlp]\nkind = 'low-rank'\n";

#[test]
fn the_largest_size_that_a_target_allows_is_found() {
    let half_body = 99_712 / 2;
    for (text, by_hand, how, figure, target) in [
        // 34,176 + 1,280 r ≤ 49,856.
        (
            format!("{MLP}[compare]\nat = 'body'\ntarget = {half_body}"),
            "model.mlp.rank = 12",
            "budget 0.25",
            49_536,
            half_body,
        ),
        // The same with (1,000 + 64) · 64 numbers in embeddings.
        (
            format!("{MLP}[compare]\nat = 'parameters'\ntarget = {}", half_body + 68_096),
            "model.mlp.rank = 12",
            "budget 0.25",
            117_632,
            half_body + 68_096,
        ),
        // Twice the numbers in matrices, and 128,000 in the head: 193,536 + 2,560 r ≤ 226,304.
        (
            format!("{MLP}[compare]\nat = 'flops'\ntarget = 226304"),
            "model.mlp.rank = 12",
            "budget 0.25",
            224_256,
            226_304,
        ),
        // Of 4,096 numbers a part s is a rank of ⌊32 s⌋, of 16,384 one of ⌊51.2 s⌋: 1,024 · 16 + 1,280 · 25 + 1,408.
        (
            format!("{MLP}[model.attention]\nkind = 'low-rank'\n[compare]\nat = 'body'\ntarget = {half_body}"),
            "model.attention.rank = 16\nmodel.mlp.rank = 25",
            "budget 0.5",
            49_792,
            half_body,
        ),
        // Exactly.
        (format!("{MLP}[compare]\nat = 'body'\ntarget = 49536"), "model.mlp.rank = 12", "budget 0.25", 49_536, 49_536),
        (format!("{MLP}[compare]\nat = 'body'\ntarget = 49535"), "model.mlp.rank = 11", "budget 0.23", 48_256, 49_535),
        // One slot is left open.
        (
            format!(
                "[model.mlp]\nc_fc = {{ kind = 'low-rank' }}\n[compare]\nat = 'body'\ntarget = {}",
                99_712 - 32_768 + 6_400
            ),
            "model.mlp.c_fc.rank = 10",
            "budget 0.21",
            73_344,
            73_344,
        ),
        // Another is given: 34,176 + 640 · (10 + r) ≤ 49,856.
        (
            format!("{MLP}c_fc = {{ rank = 10 }}\n[compare]\nat = 'body'\ntarget = {half_body}"),
            "model.mlp.rank = 14\nmodel.mlp.c_fc.rank = 10",
            "budget 0.29",
            49_536,
            half_body,
        ),
        // 24 · 44² + 22 · 44; multiples of the 4 heads.
        ("[compare]\nat = 'body'\ntarget = 49536".into(), "model.hidden = 44", "hidden 44", 47_432, 49_536),
        // Rotary positions turn pairs of features: multiples of 8.
        (
            "model.positions = 'rotary'\n[compare]\nat = 'body'\ntarget = 49536".into(),
            "model.positions = 'rotary'\nmodel.hidden = 40",
            "hidden 40",
            39_280,
            49_536,
        ),
        // 33,664 + 258 · 62.
        (
            format!("[compare]\nat = 'body'\ntarget = {half_body}\nsolve = 'inner'"),
            "model.mlp.inner = 62",
            "inner 62",
            49_660,
            half_body,
        ),
    ] {
        let run = run(&text);
        assert_eq!(solved(&run), [(how, f64::from(figure), f64::from(target))], "{text}");
        let kind = if by_hand.contains("mlp.rank") { "model.mlp.kind = 'low-rank'\n" } else { "" };
        let attention = if by_hand.contains("attention") { "model.attention.kind = 'low-rank'\n" } else { "" };
        let slot = if by_hand.starts_with("model.mlp.c_fc") { "model.mlp.c_fc.kind = 'low-rank'\n" } else { "" };
        let written = self::run(&format!("{kind}{attention}{slot}{by_hand}"));
        assert_eq!((&run.run_id, &run.configuration), (&written.run_id, &written.configuration), "{text}");
        assert_eq!(run.resolved("a")["model"], written.resolved("a")["model"], "{text}");
        assert!(written.solved.is_empty());
    }
}

#[test]
fn a_configuration_of_the_file_is_what_the_others_come_to() {
    let cases = "[[sweep.case]]\nlabel = 'ours'\nmodel.mlp = { kind = 'low-rank', rank = 12 }\n[[sweep.case]]\n\
                 [[sweep.case]]\nmodel.attention.kind = 'low-rank'\nmodel.mlp.kind = 'low-rank'\n";
    for to in ["'ours'", "0"] {
        let all = experiment(&format!("seeds = [0, 1]\n[compare]\nat = 'body'\nto = {to}\n{cases}"));
        assert_eq!(all.runs.len(), 6);
        assert_eq!(solved(&all.runs[0]), [("reference", 49_536.0, 49_536.0)]);
        assert_eq!(solved(&all.runs[2]), [("hidden 44", 47_432.0, 49_536.0)]);
        // 1,408 + 1,024 · 15 + 1,280 · 25.
        assert_eq!(solved(&all.runs[4]), [("budget 0.49", 48_768.0, 49_536.0)]);
        assert_eq!(labels(&all), ["ours", "FullSA-FullMLP-2L, hidden 44", "R15SA-R25MLP-2L"]);
    }
    // The dense one, by its place beside the sweep, by its notation, and as that.
    let sweep = "[sweep]\ndense_baseline = true\n'model.attention.kind' = ['block-diagonal', 'low-rank']\n";
    for to in ["'dense'", "'FullSA-FullMLP-2L'"] {
        let all = experiment(&format!("[compare]\nat = 'body'\nto = {to}\n{sweep}"));
        let how: Vec<_> = all.runs.iter().map(|run| solved(run)[0]).collect();
        // A whole matrix is one block, and as many numbers as it are 32 ranks: 128 · 32.
        assert_eq!(
            how,
            [("reference", 99_712.0, 99_712.0), ("budget 1", 99_712.0, 99_712.0), ("budget 1", 99_712.0, 99_712.0)]
        );
    }
    // Several that have as much are one.
    let all = experiment(&format!(
        "[compare]\nat = 'body'\nto = 'FullSA-FullMLP-2L'\n{sweep}'train.learning_rate' = [1e-3, 2e-3]\n"
    ));
    assert_eq!(all.runs.iter().filter(|run| solved(run)[0].0 == "reference").count(), 2);
    let all = experiment(&format!(
        "[compare]\nat = 'body'\nto = 'ours'\n[sweep]\n'train.learning_rate' = [1e-3, 2e-3]\n{cases}"
    ));
    assert_eq!(all.runs.iter().filter(|run| solved(run)[0].0 == "reference").count(), 2);
}

#[test]
fn a_length_in_operations_is_one_in_steps() {
    // A story: 3 · (2 · 98,304 + 2 · 257 · 64) + 2 · 256 · (1 + 2 + 3), forward; three times that in training.
    let story = 3.0 * (3.0 * 229_504.0 + 3_072.0);
    let stories = STORIES.to_string() + "[model]\nvocabulary = 257\n";
    for (flops, batch, steps) in [
        (1e8, 2, 24),
        (20.0 * story, 2, 10),
        (20.0 * story - 1.0, 2, 9),
        // The mean of 4, 4 and 2 stories.
        (1e8, 4, 14),
        (10.0 * story, 4, 3),
        (10.0 * story, 10, 1),
    ] {
        let text = |length: &str| format!("{stories}[train]\nbatch_stories = {batch}\n{length}");
        let run = run(&text(&format!("flops = {flops:?}")));
        let written = self::run(&text(&format!("steps = {steps}")));
        assert_eq!((&run.run_id, &run.training), (&written.run_id, &written.training), "{flops} {batch}");
        assert_eq!(run.resolved("a"), written.resolved("a"));
        let figure = story * 10.0 / f64::from(10_u32.div_ceil(batch)) * f64::from(steps);
        let [of_flops] = &solved(&run)[..] else { panic!("{flops}") };
        assert_eq!(of_flops.0, format!("steps {steps}"));
        assert!((of_flops.1 - figure).abs() < 1.0 && of_flops.1 <= flops, "{} {figure} {flops}", of_flops.1);
    }
    // Batches of so many tokens are of two stories here.
    let by_tokens = run(&format!("{stories}[train]\nbatch_tokens = 6\nflops = 1e8"));
    assert_eq!(by_tokens.resolved("a")["train"]["steps"].as_integer(), Some(24));
    // Sizes first, then the length of each.
    let text = format!("{stories}[train]\nflops = 1e8\nbatch_stories = 2\n{MLP}[compare]\nat = 'body'\ntarget = 49856");
    let run = run(&text);
    // 3 · (193,536 − 128,000 + 32,896 + 2,560 · 12) + 3,072 forward for a story; six of that a step.
    let step = 6.0 * (3.0 * (65_536.0 + 32_896.0 + 30_720.0) + 3_072.0);
    assert_eq!(solved(&run), [("budget 0.25", 49_536.0, 49_856.0), ("steps 42", 42.0 * step, 1e8)]);
    // As `lrx tune` takes it.
    let (folder, prepared, registry) = (folder(&text), Prepared(TempDir::new().unwrap()), Registry::builtin());
    let files = [folder.path("a.toml")];
    let tunings = load_tuning(&files, &[], "train.learning_rate", None, &registry, &prepared, Path::new("results"));
    let tunings = tunings.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(tunings[0].configurations[0].configuration, run.configuration, "the default is not in the hash");
}

#[test]
fn later_values_stand_in_the_place_of_a_length() {
    let (folder, prepared) = (folder(&format!("{STORIES}[train]\nflops = 1e8\n")), Prepared(TempDir::new().unwrap()));
    let beside = Beside { tuned: &NothingTuned, corpora: &prepared, results: Path::new("results") };
    let load = |set: &str| {
        let set = ["model.vocabulary=257".to_string(), set.to_string()];
        let mut all = load_experiments_beside(&[folder.path("a.toml")], &set, &Registry::builtin(), &beside)
            .unwrap_or_else(|errors| panic!("{set:?}: {errors}"));
        all.remove(0).runs.remove(0).resolved("a")["train"].clone()
    };
    assert_eq!(load("train.steps=3")["steps"].as_integer(), Some(3));
    assert_eq!(load("train.epochs=3")["epochs"].as_integer(), Some(3));
    assert_eq!(load("seeds=[0]")["steps"].as_integer(), Some(14));
}

#[test]
fn what_needs_stories_says_so_without_them() {
    let folder = folder("[train]\nflops = 1e8\n");
    let beside = Beside { tuned: &NothingTuned, corpora: &NoCorpora, results: Path::new("results") };
    let errors = load_experiments_beside(&[folder.path("a.toml")], &[], &Registry::builtin(), &beside).err().unwrap();
    assert!(errors.to_string().contains("a.toml:3:9"), "{errors}");
}

/// Each wrong use: one message, at its line.
#[test]
fn wrong_comparisons_are_told_at_their_lines() {
    let compare = |rest: &str| format!("[compare]\n{rest}\n");
    for (text, place, message) in [
        (compare("at = 'bodi'\ntarget = 1e5"), "3:6", "unknown value \"bodi\"; did you mean `body`?"),
        (compare("at = 'body'\ntraget = 1e5"), "4:1", "unknown key `traget`; did you mean `target`?"),
        (compare("target = 1e5"), "2:2", "the key `at` is missing"),
        (compare("at = 'body'"), "2:2", "expected `target`, a number, or `to`, a configuration"),
        (compare("at = 'body'\ntarget = 1e5\nto = 0"), "5:6", "`to` and `target` exclude each other"),
        (compare("at = 'body'\ntarget = 0"), "4:10", "`target` is 0; expected a number of at least 1"),
        (compare("at = 'body'\ntarget = 'much'"), "4:10", "expected a number"),
        (compare("at = 'seconds'\ntarget = 60"), "3:6", "they would depend on the machine"),
        (compare("at = 'body'\nto = 'dnse'"), "4:6", "`to` is \"dnse\", which no configuration here is called"),
        (compare("at = 'body'\nto = 0"), "4:6", "`to` is 0, but there is no [[sweep.case]]; expected a label"),
        (
            compare("at = 'body'\nto = 2\n[[sweep.case]]\n[[sweep.case]]\nmodel.hidden = 32"),
            "4:6",
            "expected a case from 0 to 1",
        ),
        (compare("at = 'body'\nto = 1.5"), "4:6", "`to` is 1.5; expected a label in quotes"),
        (
            compare("at = 'body'\ntarget = 1e5\nsolve = 'rank'"),
            "5:9",
            "unknown value \"rank\" (known: budget, hidden, inner)",
        ),
        (
            compare("at = 'body'\ntarget = 1e5\nsolve = 'budget'"),
            "5:9",
            "the model is dense, and has no kind to be sized",
        ),
        (
            compare("at = 'body'\ntarget = 1e5\nsolve = 'budget'\n[[sweep.case]]"),
            "5:9",
            "case 0 is dense, and has no kind to be sized",
        ),
        ("compare = 3".into(), "2:11", "`compare` is 3; expected a table"),
        (
            compare("at = 'body'\ntarget = 1e5\n[model.mlp]\nkind = 'low-rank'\nrank = 4"),
            "6:8",
            "the model has no size left to solve for: leave out what says how large its kinds are",
        ),
        (
            compare("at = 'body'\ntarget = 1e5\n[model.mlp]\nkind = 'low-rank'\nbudget = 0.5"),
            "6:8",
            "the model has no size left to solve for",
        ),
        // 34,176 + 1,280.
        (
            compare("at = 'body'\ntarget = 30000\n[model.mlp]\nkind = 'low-rank'"),
            "4:10",
            "no size of the model comes to 30,000 body parameters or less: the nearest is budget 0.0196, with 35,456",
        ),
        // A diagonal is square.
        (
            compare("at = 'body'\ntarget = 30000\n[model.mlp]\nkind = 'diagonal-low-rank'"),
            "6:8",
            "no size of the kind fits its slots, in the model",
        ),
        // 24 · 16 + 22 · 4.
        (
            compare("at = 'body'\ntarget = 100"),
            "4:10",
            "no size of the model comes to 100 body parameters or less: the nearest is hidden 4, with 472",
        ),
        (
            compare("at = 'body'\ntarget = 1e5\n[sweep]\n'model.hidden' = [32]"),
            "6:19",
            "`hidden` is set by the sweep, and `compare` would solve for it",
        ),
        (
            compare("at = 'body'\nto = 'dense'\n[sweep]\n'model.hidden' = [32, 48]"),
            "4:6",
            "`to` is 2 configurations, with 25,280 to 56,352 body parameters",
        ),
        ("[sweep]\n'compare.target' = [1, 2]".into(), "3:20", "`compare` cannot be swept"),
        ("[train]\nflops = 1e12\nsteps = 3".into(), "3:9", "`flops` and `steps` exclude each other: give one"),
        ("[train]\nflops = 0".into(), "3:9", "`flops` is 0; expected a number of at least 1"),
        ("[train]\nflops = 'all'".into(), "3:9", "expected a number"),
        (
            format!("{STORIES}[train]\nbatch_stories = 2\nflops = 1e6\n[model]\nvocabulary = 257"),
            "8:9",
            "`flops` is 1e6, less than the first step takes: 4.150e6 for this model, batch and data",
        ),
        (
            format!("{STORIES}[train]\nbatch_stories = 2\nflops = 1e8\nwarmup_steps = 25\n[model]\nvocabulary = 257"),
            "9:16",
            "`warmup_steps` is 25, more than the 24 steps of the run",
        ),
        // What is wrong elsewhere is told as ever, and nothing of sizes that are left out.
        (compare("at = 'body'\ntarget = 1e5\n[model.mlp]\nkind = 'low-rank'\nrnak = 4"), "7:1", "unknown key `rnak`"),
        (
            compare("at = 'body'\nto = 0\n[[sweep.case]]\nmodel.layers = 0"),
            "6:16",
            "`layers` is 0; expected at least 1",
        ),
    ] {
        let errors = load(&text).err().unwrap_or_else(|| panic!("{text}"));
        let all: Vec<_> = errors.iter().collect();
        assert_eq!(all.len(), 1, "{text}\n{errors}");
        assert!(all[0].message().contains(message), "{text}\n{errors}");
        let at = all[0].place().map(|place| format!("{}:{}", place.line(), place.column()));
        assert_eq!(at.as_deref(), Some(place), "{text}\n{errors}");
    }
}
