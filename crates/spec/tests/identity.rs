//! What a run is known by: all that its numbers depend on, however it is written, and nothing else.

mod common;

use std::collections::HashSet;

use common::{Folder, SMALL, experiment};
use lrx_layers::{About, Linear, LinearKind, LinearShape, OptionError, Plan, Registry, kinds};
use lrx_spec::{RunSpec, load_builtin};

fn run(text: &str) -> RunSpec {
    let mut runs = experiment(text).runs;
    assert_eq!(runs.len(), 1, "{text}");
    runs.remove(0)
}

fn id(text: &str) -> String {
    run(text).run_id.expect("data that is there")
}

const LOW_RANK: &str = "[model.attention]\nkind = 'low-rank'\nrank = 4\n";

#[test]
fn spelling_label_name_and_sweep_are_not_in_it() {
    let own = id(LOW_RANK);
    for same in [
        "model.attention = { kind = 'low-rank', rank = [4, 4, 4, 4] }",
        "model.attention = { kind = ['low-rank', 'low-rank', 'low-rank', 'low-rank'], rank = 4 }",
        "[model.attention]\nrank = 4\nkind = 'low-rank'\nq.rank = 4",
        "[model.attention]\nrank = 4\nkind = 'low-rank'\nlayers = 'all'\nslots = ['out', 'q', 'k', 'v']",
        "[model.attention]\nrank = 4\nkind = 'low-rank'\nlayers = 'early'\n\
         override = [{ layers = 'late', kind = 'low-rank', rank = 4 }]",
        "[model.attention]\nrank = 4\nkind = 'low-rank'\nkv_heads = 4\nscaled = false",
        "[model]\nnorm = 'layer-norm'\ntied = true\n[model.attention]\nrank = 4\nkind = 'low-rank'",
        "[model.attention]\nrank = 4\nkind = 'low-rank'\nwindow = 0",
        "[model.attention]\nrank = 4\nkind = 'low-rank'\nwindow = [0, 0, 0, 0]",
        "label = 'another'\n[model.attention]\nkind = 'low-rank'\nrank = 4",
        "name = 'another'\n[model.attention]\nkind = 'low-rank'\nrank = 4",
        "seeds = [0]\n[model.attention]\nkind = 'low-rank'\nrank = 4",
        "[model.attention]\nkind = 'low-rank'\n[sweep]\n'model.attention.rank' = [4]",
        "[[sweep.case]]\nlabel = 'x'\nmodel.attention = { kind = 'low-rank', rank = 4 }",
        "[model.attention]\nkind = 'low-rank'\nrank = 4\n[model.mlp]\nkind = 'dense'\ninner = 256",
        "[train]\nweight_decay = 0\n[model.attention]\nkind = 'low-rank'\nrank = 4",
        "[train]\nweight_decay = -0.0\nclip_norm = 1\n[model.attention]\nkind = 'low-rank'\nrank = 4",
        "[train]\nlearning_rate = 0.00005\nwarmup_steps = 0\nschedule = 'linear'\nbatch_stories = 4\n[model.attention]\n\
         kind = 'low-rank'\nrank = 4",
        "[data]\ntrain = 'synthetic'\nseed = 0\n[model.attention]\nkind = 'low-rank'\nrank = 4",
    ] {
        assert_eq!(id(same), own, "{same}");
    }
}

#[test]
fn whatever_numbers_depend_on_is_in_it() {
    let texts = [
        "",
        "seeds = [1]",
        "[data]\nstories = 100",
        "[data]\nseed = 1",
        "[data]\nend_of_text = true",
        "[data]\ntokenizer = { train_bpe = 300 }",
        "[model]\nhidden = 32",
        "[model]\nlayers = 3",
        "[model]\nheads = 2",
        "[model]\ncontext = 32",
        "[model]\nattention.window = 4",
        "[model]\nattention.window = [4, 0, 0, 0]",
        "[model]\nattention.window = [0, 4, 0, 0]",
        "[model]\nmlp.inner = 128",
        "[model]\nattention = { kind = 'low-rank', rank = 4 }",
        "[model]\nattention = { kind = 'low-rank', rank = 5 }",
        "[model]\nattention = { kind = 'low-rank', rank = 4, init = 'spectral' }",
        "[model]\nattention.q = { kind = 'low-rank', rank = 4 }",
        "[model]\nattention.k = { kind = 'low-rank', rank = 4 }",
        "[model]\nmlp = { kind = 'low-rank', rank = 4 }",
        "[model]\nattention = { kind = 'low-rank', rank = 4, layers = 'early' }",
        "[model]\nattention = { kind = 'low-rank', rank = 4, layers = 'late' }",
        "[model]\nattention = { kind = 'low-rank', rank = 4, slots = ['q', 'v'] }",
        "[model]\nattention.kv_heads = 2",
        "[model]\nattention.scaled = true",
        "[model]\nnorm = 'rms-norm'",
        "[model]\ntied = false",
        "[model]\nmlp.activation = 'silu'",
        "[model]\nmlp.block = 'gated-mlp'",
        "[train]\nsteps = 11",
        "[train]\nepochs = 1",
        "[train]\nepochs = 10",
        "[train]\nbatch_stories = 5",
        "[train]\nbatch_tokens = 5",
        "[train]\nlearning_rate = 1e-3",
        "[train]\nschedule = 'cosine'",
        "[train]\nwarmup_steps = 4",
        "[train]\nweight_decay = 0.1",
        "[train]\nclip_norm = 0",
    ];
    let ids: HashSet<String> = texts.iter().map(|text| id(text).rsplit_once('-').unwrap().1.to_string()).collect();
    assert_eq!(ids.len(), texts.len());
}

#[test]
fn ids_are_names_that_nothing_takes_for_numbers() {
    let runs = experiment("seeds = [0, 1, 2]\n[sweep]\n'train.steps' = [1, 2, 3, 4, 5, 6, 7, 8, 9]").runs;
    for run in &runs {
        let id = run.run_id.as_deref().unwrap();
        let hash = id.strip_prefix(&format!("fullsa-fullmlp-4l-s{}-", run.seed)).unwrap_or_else(|| panic!("{id}"));
        for hash in [hash, &run.configuration] {
            assert!(hash.len() == 12 && hash.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{hash}");
            assert!(('g'..='z').contains(&hash.chars().next().unwrap()) && hash.parse::<f64>().is_err(), "{hash}");
        }
    }
    let configurations: HashSet<&str> = runs.iter().map(|run| run.configuration.as_str()).collect();
    assert_eq!((configurations.len(), runs.len()), (9, 27), "a configuration is all but the seed");
}

#[test]
fn the_readable_part_is_what_is_trained_not_what_it_is_called() {
    assert!(id(&format!("label = 'mine'\n{LOW_RANK}")).starts_with("r4sa-fullmlp-4l-s0-"));
    assert!(
        id("label = 'mine'\nmodel.attention.q = { kind = 'low-rank', rank = 4 }").starts_with("mixedsa-fullmlp-4l-s0-")
    );
}

#[test]
fn files_are_known_by_their_content() {
    let folder = Folder::new();
    let config = |data: &str| format!("{SMALL}[data]\ntokenizer = {{ train_bpe = 300 }}\n{data}");
    folder.write("a.txt", "one");
    folder.write("deep/b.txt", "one");
    folder.write("c.txt", "two");
    folder.write("1.toml", config("train = 'a.txt'"));
    folder.write("2.toml", config("train = 'deep/b.txt'"));
    folder.write("3.toml", config("train = 'c.txt'"));
    folder.write("deep/4.toml", config("train = 'b.txt'"));
    let experiments = folder.load(&["1.toml", "2.toml", "3.toml", "deep/4.toml"]).unwrap();
    let ids: Vec<&String> = experiments.iter().map(|one| one.runs[0].run_id.as_ref().unwrap()).collect();
    assert_eq!((ids[1], ids[3]), (ids[0], ids[0]));
    assert_ne!(ids[2], ids[0]);
}

#[test]
fn without_its_data_a_run_has_no_id() {
    let run = run("[data]\ntrain = 'nowhere.txt'\n[model]\nvocabulary = 300");
    assert_eq!((run.run_id, run.configuration.as_str()), (None, ""));
}

/// A kind as it is, and as it becomes: with another version, or with an option more.
struct Probe {
    version: u32,
}

struct ProbeWithMore;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProbeOptions {
    size: u32,
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProbeOptionsWithMore {
    size: u32,
    #[serde(default)]
    more: f64,
}

fn probe_about(version: u32) -> About {
    About { name: "probe", version, summary: "a test", description: "A test.", example: "size = 1" }
}

impl LinearKind for Probe {
    type Options = ProbeOptions;

    fn about(&self) -> About {
        probe_about(self.version)
    }

    fn layer(&self, _: &ProbeOptions, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        kinds::Dense.layer(&kinds::DenseOptions {}, shape, plan)
    }
}

impl LinearKind for ProbeWithMore {
    type Options = ProbeOptionsWithMore;

    fn about(&self) -> About {
        probe_about(1)
    }

    fn layer(
        &self,
        _: &ProbeOptionsWithMore,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        kinds::Dense.layer(&kinds::DenseOptions {}, shape, plan)
    }
}

/// The ids of runs with `probe` and without it, where that is `kind`.
fn ids_with(kind: impl LinearKind, more: &str) -> Vec<String> {
    let mut registry = Registry::builtin();
    registry.register(kind).unwrap();
    let text = format!(
        "{SMALL}[[sweep.case]]\n[[sweep.case]]\nmodel.attention = {{ kind = 'low-rank', rank = 4 }}\n\
         [[sweep.case]]\nmodel.attention = {{ kind = 'probe', size = 3{more} }}\n\
         [[sweep.case]]\nmodel.mlp = {{ c_fc = {{ kind = 'probe', size = 3{more} }} }}\n"
    );
    let experiment = load_builtin("a", &text, &[], &registry).unwrap_or_else(|errors| panic!("{errors}"));
    experiment.runs.into_iter().map(|run| run.run_id.unwrap()).collect()
}

#[test]
fn an_option_added_to_a_kind_renames_nothing_and_a_version_its_own_runs_only() {
    let now = ids_with(Probe { version: 1 }, "");
    assert_eq!(ids_with(ProbeWithMore, ""), now);
    assert_eq!(ids_with(ProbeWithMore, ", more = 0"), now);
    for other in [ids_with(Probe { version: 2 }, ""), ids_with(ProbeWithMore, ", more = 0.5")] {
        assert_eq!((&other[..2], other[2] == now[2], other[3] == now[3]), (&now[..2], false, false));
    }
}

#[test]
fn weights_to_start_from_are_known_by_their_content() {
    let folder = Folder::new();
    folder.write("a.safetensors", "one");
    folder.write("b.safetensors", "one");
    folder.write("c.safetensors", "two");
    let text = "[sweep]\n'model.init_from' = ['a.safetensors', 'b.safetensors', 'c.safetensors']\n";
    folder.write("x.toml", format!("{SMALL}{text}"));
    let experiment = folder.load(&["x.toml"]).unwrap().remove(0);
    assert_eq!((experiment.runs.len(), experiment.notes.len()), (2, 1), "{:?}", experiment.notes);
}
