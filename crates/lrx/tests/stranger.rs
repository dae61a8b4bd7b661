//! A stranger's layer kind that panics, on the thread of its run or on others: its runs fail, quietly and with the place, and
//! the sweep goes on.
//!
//! This program is a binary with such a kind, when it is asked to be, and else the test of it: it has no harness.

use std::process::{Command, ExitCode};

use lrx::layers::{About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Pass, Plan};
use lrx::tensor::{Activation, ops};
use rayon::prelude::*;

const AS_LRX: &str = "LRX_TEST_AS_LRX";

struct Panics;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Where: `here`, `elsewhere`, `late`, `never`.
    panics: String,
}

struct Layer {
    weight: ParameterId,
    bias: Option<ParameterId>,
    panics: String,
}

impl LinearKind for Panics {
    type Options = Options;

    fn about(&self) -> About {
        About { name: "panics", version: 1, summary: "a dense matrix that panics", description: "", example: "" }
    }

    fn layer(&self, options: &Options, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        let weight = plan.matrix("weight", shape.outputs, shape.inputs);
        Ok(Box::new(Layer { weight, bias: plan.bias(shape), panics: options.panics.clone() }))
    }
}

impl Linear for Layer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        match self.panics.as_str() {
            "here" => panic!("not today"),
            "elsewhere" => (0..64_usize).into_par_iter().for_each(|i| assert!(i != 40, "not on this thread")),
            "late" if pass.progress.step >= 5 => panic!("not any more"),
            _ => {}
        }
        ops::linear(x, &pass[self.weight], self.bias.map(|bias| &pass[bias]))
    }
}

const CONFIG: &str = r#"
[data]
stories = 40
valid_fraction = 0.1
tokenizer = { train_bpe = 300 }
[model]
hidden = 16
layers = 1
heads = 2
context = 64
mlp = { kind = "panics", panics = "never" }
[train]
steps = 12
[sweep]
"model.mlp.panics" = ["here", "elsewhere", "late", "never"]
"#;

fn main() -> ExitCode {
    if std::env::var_os(AS_LRX).is_some() {
        return lrx::main_with(|registry| registry.register(Panics));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sweep.toml"), CONFIG).unwrap();
    let run = |arguments: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(arguments.split_whitespace())
            .current_dir(folder.path())
            .env(AS_LRX, "1")
            .env_remove("RUST_BACKTRACE");
        let done = command.output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    for (arguments, tried) in [("--threads 2", true), ("--threads 2", false), ("--jobs 3 --retry-failed", true)] {
        let (code, said) = run(&format!("run sweep.toml {arguments}"));
        assert_eq!(code, Some(1), "{arguments}: {said}");
        for (what, message) in [("here", "not today"), ("elsewhere", "not on this thread"), ("late", "not any more")] {
            let place = "panicked at crates/lrx/tests/stranger.rs:";
            let told = said.lines().any(|line| line.contains(place) && line.ends_with(message));
            assert!(told || !tried, "{arguments}: {what}: {said}");
            assert!(said.contains(message), "{arguments}: {what}: {said}");
        }
        assert!(!said.contains("thread '") && !said.contains("RUST_BACKTRACE"), "{arguments}: not quiet: {said}");
        assert!(said.contains("1 finished, 3 failed"), "{arguments}: {said}");
        let table = std::fs::read_to_string(folder.path().join("results/sweep/runs.csv")).unwrap();
        let statuses = |status: &str| table.lines().filter(|line| line.contains(&format!(",{status},"))).count();
        assert_eq!((statuses("failed"), statuses("finished"), statuses("running")), (3, 1, 0), "{arguments}: {table}");
    }
    let (code, said) = run("run sweep.toml --fail-fast --retry-failed");
    assert!(code == Some(1) && !said.contains("thread '"), "{said}");
    println!("a stranger's kind that panics fails its own runs only: ok");
    ExitCode::SUCCESS
}
