//! Whole runs are bit-identical whatever the number of threads: low-rank models too, whose narrow products are divided in
//! other ways.

mod common;

use std::fs;

use common::Lab;

const NARROW: &str = r#"
name = "narrow"
[data]
stories = 40
tokenizer = { train_bpe = 300 }
[model]
hidden = 192
layers = 1
context = 256
[train]
batch_stories = 8
steps = 2
[[sweep.case]]
"model.mlp" = { kind = "low-rank", rank = 7 }
[[sweep.case]]
"model.mlp" = { kind = "low-rank", rank = 64 }
"model.attention" = { kind = "low-rank", rank = 1 }
[[sweep.case]]
"model.mlp" = { kind = "low-rank", rank = 3 }
"model.attention" = { kind = "low-rank", rank = 33 }
"#;

#[test]
fn narrow_models_have_the_same_weights_on_any_number_of_threads() {
    let lab = Lab::new();
    lab.write("narrow.toml", NARROW);
    let weights = |threads: usize| -> Vec<Vec<u8>> {
        let out = format!("on-{threads}");
        lab.expect(0, &format!("run narrow.toml --out {out} --threads {threads}"));
        let mut runs = lab.runs(&format!("{out}/narrow"));
        runs.sort();
        runs.iter().map(|run| fs::read(run.join("model.safetensors")).unwrap()).collect()
    };
    let one = weights(1);
    assert_eq!(one.len(), 3);
    for threads in [2, 3, 5, 8, 16] {
        for (i, (other, one)) in weights(threads).iter().zip(&one).enumerate() {
            assert!(other == one, "the weights of model {i} differ on {threads} threads");
        }
    }
}
