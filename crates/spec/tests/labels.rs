//! Labels say in words what differs, and no two configurations of an experiment have the same.

mod common;

use std::collections::HashMap;

use common::{experiment, labels};
use proptest::prelude::*;

#[test]
fn the_seed_s_notation_where_it_applies() {
    for (model, label) in [
        ("", "FullSA-FullMLP-4L"),
        ("attention = { kind = 'low-rank', rank = 32 }", "LgSA-FullMLP-4L"),
        ("attention = { kind = 'low-rank', rank = 3 }", "MedSA-FullMLP-4L"),
        ("mlp = { kind = 'low-rank', rank = [1, 2, 3, 4] }", "FullSA-IncMLP-4L"),
        ("attention = { kind = 'low-rank', rank = [4, 3, 2, 1] }\nlayers = 4", "DecSA-FullMLP-4L"),
        ("attention = { kind = 'low-rank', rank = 7 }", "R7SA-FullMLP-4L"),
        ("attention = { kind = 'low-rank', rank = 7, q.rank = 7 }", "R7SA-FullMLP-4L"),
    ] {
        assert_eq!(labels(&experiment(&format!("[model]\n{model}"))), [label], "{model}");
    }
}

#[test]
fn words_where_it_does_not() {
    for (text, expected) in [
        // Slots of their own, the case that had two labels alike.
        (
            "[[sweep.case]]\nmodel.attention.q = { kind = 'low-rank', rank = 2 }\n\
             [[sweep.case]]\nmodel.attention.k = { kind = 'low-rank', rank = 2 }",
            &["low-rank 2, q", "low-rank 2, k"][..],
        ),
        ("model.attention = { kind = 'low-rank', rank = 4, out = { rank = 2 } }", &["low-rank 4, out low-rank 2"]),
        (
            "[[sweep.case]]\n[[sweep.case]]\nmodel.mlp.c_fc = { kind = 'low-rank', rank = 4 }",
            &["FullSA-FullMLP-4L", "MLP low-rank 4, c fc"],
        ),
        // What differs, beside the notation.
        (
            "[sweep]\n'train.learning_rate' = [1e-3, 2e-3]",
            &["FullSA-FullMLP-4L, learning rate 0.001", "FullSA-FullMLP-4L, learning rate 0.002"],
        ),
        // One thing in both blocks is said once.
        (
            "model = { attention = { kind = 'low-rank', rank = 32 }, mlp = { kind = 'low-rank', rank = 51 } }\n\
             [[sweep.case]]\n[[sweep.case]]\nmodel.attention.init = 'spectral'\nmodel.mlp.init = 'spectral'",
            &["LgSA-LgMLP-4L", "LgSA-LgMLP-4L, init spectral"],
        ),
        // What follows from another thing is not said.
        (
            "[[sweep.case]]\nmodel = { hidden = 32, heads = 2 }\n[[sweep.case]]\nmodel = { hidden = 16, heads = 1 }",
            &["FullSA-FullMLP-4L, hidden 32", "FullSA-FullMLP-4L, hidden 16"],
        ),
        // Labels that are given stay, as long as they are not the same.
        ("[[sweep.case]]\nlabel = 'a'\n[[sweep.case]]\nlabel = 'b'\ntrain.steps = 3", &["a", "b"]),
        ("label = 'a'\n[sweep]\n'train.steps' = [3, 4]", &["a, steps 3", "a, steps 4"]),
        ("label = 'a'\n[sweep]\n'train.steps' = [3]", &["a"]),
    ] {
        assert_eq!(labels(&experiment(text)), expected, "{text}");
    }
}

/// The seed's own question, as a newcomer writes it.
#[test]
fn early_or_late_in_words() {
    let sweep = "[model.attention]\nkind = 'low-rank'\n[sweep]\ndense_baseline = true\n'model.attention.rank' = [4, 16]\n\
                 'model.attention.layers' = ['early', 'late']\n'model.attention.slots' = [['q', 'k'], ['v', 'out']]\n";
    let expected = [
        "FullSA-FullMLP-4L",
        "low-rank 4, early, q k",
        "low-rank 4, early, v out",
        "low-rank 4, late, q k",
        "low-rank 4, late, v out",
        "low-rank 16, early, q k",
        "low-rank 16, early, v out",
        "low-rank 16, late, q k",
        "low-rank 16, late, v out",
    ];
    assert_eq!(labels(&experiment(sweep)), expected);
    let alone = "[model.attention]\nkind = 'low-rank'\nrank = 12\nlayers = 'late'\nslots = ['q', 'k']\n";
    assert_eq!(labels(&experiment(alone)), ["low-rank 12, late, q k"]);
    let numbers = "[model.mlp]\nkind = 'low-rank'\nrank = 12\nlayers = [0, 3]\n";
    assert_eq!(labels(&experiment(numbers)), ["MLP low-rank 12, layers 0 3"]);
}

#[test]
fn what_stands_where_is_always_told() {
    let model = |model: &str| format!("[[sweep.case]]\nmodel.attention = {{ kind = 'low-rank', rank = 4, {model} }}\n");
    let cases = [
        ("layers = 'late'", "low-rank 4, late"),
        ("slots = ['q'], v = { kind = 'low-rank', rank = 2 }", "low-rank 4, q, v low-rank 2"),
        ("out = { kind = 'dense' }", "low-rank 4, q k v"),
        ("v = { rank = 2 }", "low-rank 4, v low-rank 2"),
        ("override = [{ layers = 0, kind = 'dense' }]", "low-rank 4, layers 1-3"),
        (
            "layers = 'early', override = [{ layers = 'last', slots = ['k'], kind = 'low-rank', rank = 3 }]",
            "low-rank 4, early, k low-rank 4 4 3 layers 0-1 3",
        ),
        (
            "layers = 'early', override = [{ layers = 'late', kind = 'low-rank', rank = 3, init = 'spectral' }]",
            "R4-4-3-3SA-FullMLP-4L, attention init spectral late",
        ),
    ];
    let all: String = cases.iter().map(|(text, _)| model(text)).collect();
    assert_eq!(labels(&experiment(&all)), cases.map(|(_, label)| label));
    // Also alone.
    for (text, label) in &cases[..6] {
        assert_eq!(labels(&experiment(&model(text))), [*label], "{text}");
    }
    let mlp = "[[sweep.case]]\nmodel.mlp = { kind = 'low-rank', rank = 4, c_proj = { kind = 'dense', init = 'orthogonal' } }\n";
    assert_eq!(labels(&experiment(mlp)), ["MLP low-rank 4, c fc, c proj init orthogonal"]);
    let both = "model.attention = { kind = 'low-rank', rank = 16, layers = 'late', slots = ['q', 'k'], window = 0 }\n\
                model.mlp = { kind = 'low-rank', rank = 20, layers = 'late', activation = 'relu' }\n";
    assert_eq!(
        labels(&experiment(both)),
        ["low-rank 16, late, q k, MLP low-rank 20, late, activation relu"],
        "each block's places beside its kind, and no default"
    );
}

#[test]
fn nothing_is_hidden_that_differs_within_the_experiment() {
    for (text, expected) in [
        // The init rule and the learning rate of a case differ from those of the others, though nobody needs them to tell
        // the cases apart.
        (
            "[[sweep.case]]\nmodel.attention = { kind = 'low-rank', rank = 4, layers = 'late', init = 'spectral' }\n\
             [[sweep.case]]\nmodel.attention = { kind = 'low-rank', rank = 4, out = { kind = 'dense' } }\n\
             [[sweep.case]]\nmodel.mlp = { kind = 'low-rank', rank = 3, activation = 'relu' }\ntrain.learning_rate = 1e-4\n\
             [[sweep.case]]\nmodel.attention = { kind = 'low-rank', rank = 4, scaled = true, v = { kind = 'dense' } }\n",
            &[
                "low-rank 4, late, init spectral",
                "low-rank 4, q k v",
                "FullSA-R3MLP-4L, MLP activation relu, learning rate 0.0001",
                "low-rank 4, q k out, scaled true",
            ][..],
        ),
        // What is the same in all rows is not told, and neither is a default that some spell out.
        (
            "[model]\npositions = 'rotary'\nattention = { kind = 'low-rank', kv_heads = 2, bias = 'none', window = 0 }\n\
             mlp = { block = 'gated-mlp', inner = 170 }\n[sweep]\ndense_baseline = true\n'model.attention.rank' = [4, 16]\n\
             'model.attention.slots' = [['q', 'k']]\n",
            &["dense", "low-rank 4, q k", "low-rank 16, q k"],
        ),
        // What stands beside the kind is not in the model that `dense_baseline` adds, and is told where it is all of one.
        (
            "model.attention = { kind = 'low-rank', layers = 'late', init = 'spectral' }\n[sweep]\ndense_baseline = true\n\
             'model.attention.rank' = [4, 16]\n",
            &["FullSA-FullMLP-4L", "low-rank 4, late", "low-rank 16, late"],
        ),
        (
            "model.attention = { kind = 'low-rank', rank = 4, layers = 'late', init = 'spectral' }\n\
             [sweep]\ndense_baseline = true\n",
            &["FullSA-FullMLP-4L", "low-rank 4, late, init spectral"],
        ),
        // What all but the added model have is told of one that is dense for all its kind.
        (
            "model.attention = { kind = 'low-rank', rank = 4 }\n[sweep]\ndense_baseline = true\n\
             'model.attention.q' = [{ kind = 'dense' }, { kind = 'low-rank', rank = 2 }]\n\
             [[sweep.case]]\nmodel.attention.slots = ['q']\nmodel.attention.window = 3\n",
            &["FullSA-FullMLP-4L", "FullSA-FullMLP-4L, attention window 3", "low-rank 2, q"],
        ),
        (
            "[[sweep.case]]\n[[sweep.case]]\nmodel.attention.kv_heads = 2\ntrain.clip_norm = 1\n",
            &["FullSA-FullMLP-4L", "FullSA-FullMLP-4L, attention kv heads 2"],
        ),
        // The notation has one word for several ranks.
        (
            "model.attention.kind = 'low-rank'\n[sweep]\n'model.attention.rank' = [[1, 2, 3, 4], [2, 3, 4, 5]]\n",
            &["IncSA-FullMLP-4L, low-rank 1 2 3 4", "IncSA-FullMLP-4L, low-rank 2 3 4 5"],
        ),
    ] {
        assert_eq!(labels(&experiment(text)), expected, "{text}");
    }
}

/// A key that a sweep may set, with values that go together with all others.
fn any_key() -> impl Strategy<Value = (&'static str, Vec<&'static str>)> {
    let few = |values: &'static [&'static str]| proptest::sample::subsequence(values, 1..=values.len());
    prop_oneof![
        few(&["64", "32", "16"]).prop_map(|values| ("model.hidden", values)),
        few(&["4", "2", "1"]).prop_map(|values| ("model.heads", values)),
        few(&["2", "[2, 2, 2, 2]", "1", "[1, 2, 1, 2]"]).prop_map(|values| ("model.attention.rank", values)),
        few(&["'low-rank'"]).prop_map(|values| ("model.attention.kind", values)),
        few(&["{ rank = 1 }", "{ kind = 'dense' }", "{ kind = 'low-rank', rank = 2, init = 'spectral' }"])
            .prop_map(|values| ("model.attention.q", values)),
        few(&["{ rank = 1 }", "{ kind = 'dense' }"]).prop_map(|values| ("model.attention.k", values)),
        few(&["'early'", "'0-1'", "'late'", "[0, 2]", "'all'"]).prop_map(|values| ("model.attention.layers", values)),
        few(&["['q', 'k']", "['v']", "['k', 'q']"]).prop_map(|values| ("model.attention.slots", values)),
        few(&["'rms-norm'", "'layer-norm'"]).prop_map(|values| ("model.norm", values)),
        few(&["0", "3", "[0, 3, 0, 3]"]).prop_map(|values| ("model.attention.window", values)),
        few(&["{ kind = 'low-rank', rank = 3 }", "{ kind = 'dense' }", "{ inner = 32 }"])
            .prop_map(|values| ("model.mlp", values)),
        few(&["1", "2", "3.0"]).prop_map(|values| ("train.learning_rate", values)),
        few(&["0", "0.0", "0.5"]).prop_map(|values| ("train.weight_decay", values)),
        few(&["'a'", "'b'", "'FullSA-FullMLP-4L'"]).prop_map(|values| ("label", values)),
        few(&["true", "false"]).prop_map(|values| ("data.shuffle", values)),
        few(&["1", "2"]).prop_map(|values| ("data.seed", values)),
    ]
}

fn any_sweep() -> impl Strategy<Value = String> {
    let grid = proptest::collection::btree_map("[a-z]", any_key(), 0..4);
    let case = proptest::collection::vec(any_key(), 0..4);
    (grid, proptest::collection::vec(case, 0..5), any::<bool>()).prop_map(|(grid, cases, baseline)| {
        let mut known = Vec::new();
        let mut text = String::from("[model.attention]\nkind = 'low-rank'\nrank = 4\n[sweep]\n");
        text += if baseline { "dense_baseline = true\n" } else { "" };
        for (key, values) in grid.into_values() {
            if !known.contains(&key) {
                text += &format!("'{key}' = [{}]\n", values.join(", "));
                known.push(key);
            }
        }
        for case in cases {
            text += "[[sweep.case]]\n";
            let mut own = Vec::new();
            for (key, values) in case.into_iter().filter(|(key, _)| !known.contains(key)) {
                if !own.contains(&key) {
                    text += &format!("'{key}' = {}\n", values[0]);
                    own.push(key);
                }
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn different_configurations_have_different_labels(sweep in any_sweep()) {
        let experiment = experiment(&sweep);
        let mut known: HashMap<&str, &str> = HashMap::new();
        for run in &experiment.runs {
            prop_assert!(!run.label.trim().is_empty(), "{}", sweep);
            let other = known.insert(&run.label, &run.configuration);
            prop_assert!(other.is_none_or(|other| other == run.configuration), "{} in\n{}", run.label, sweep);
            // No hash is needed to tell what a person has written down to be different.
            prop_assert!(!run.label.contains(&run.configuration), "{} in\n{}", run.label, sweep);
        }
        let configurations: std::collections::HashSet<&str> = known.values().copied().collect();
        prop_assert_eq!(configurations.len(), known.len(), "one label each: {}", sweep);
    }
}
