//! What is done with trained runs: `lrx generate` and `lrx report`; and `lrx layers`.

mod common;

use std::fs;

use common::{Lab, rows};

/// A folder with two finished runs in `out/tiny`.
fn trained() -> Lab {
    let lab = Lab::tiny("seeds = [0, 1]");
    lab.expect(0, "run tiny.toml --out out");
    lab
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let lab = trained();
    let [first, second] = &lab.runs("out/tiny")[..] else { panic!("two runs") };
    let run_id = first.file_name().unwrap().to_string_lossy().into_owned();
    let text = |run: &str, more: &str| {
        let done = lab.expect(0, &format!("generate {run} --out out --prompt Once --tokens 40 {more}"));
        assert!(done.stdout.starts_with("Once"), "{:?}", done.stdout);
        assert!(done.stdout.len() > "Once\n".len() + 20, "{:?}", done.stdout);
        done.stdout
    };
    let seven = text(&run_id, "--seed 7");
    assert_eq!(text(&run_id, "--seed 7"), seven);
    assert_eq!(text(&run_id, "--seed 7 --threads 2"), seven);
    assert_ne!(text(&run_id, "--seed 8"), seven);
    assert_ne!(text(&second.file_name().unwrap().to_string_lossy(), "--seed 7"), seven, "another run");
    // Without chance, the seed does not matter.
    assert_eq!(text(&run_id, "--temperature 0 --seed 7"), text(&run_id, "--temperature 0 --seed 8"));
    assert_eq!(text(&run_id, "--top-k 1 --seed 7"), text(&run_id, "--temperature 0 --seed 8"));

    // Where the context is full before all tokens have come, that is told.
    let cut = lab.expect(0, &format!("generate {run_id} --out out --prompt Once --tokens 400 --seed 7"));
    assert!(cut.stderr.contains("of 400 tokens: the context of the model is full, at 64 tokens"), "{}", cut.stderr);
    let whole = lab.expect(0, &format!("generate {run_id} --out out --prompt Once --tokens 4 --seed 7"));
    assert_eq!(whole.stderr, "");

    // A run is named by its id, the beginning of it, or its folder.
    assert_eq!(text(run_id.strip_suffix(&run_id[run_id.len() - 8..]).unwrap(), "--seed 7"), seven);
    assert_eq!(text(&format!("out/tiny/{run_id}"), "--seed 7"), seven);
}

#[test]
fn runs_that_cannot_be_used_are_usage_errors() {
    let lab = trained();
    let [first, second] = &lab.runs("out/tiny")[..] else { panic!("two runs") };
    let name = |folder: &std::path::Path| folder.file_name().unwrap().to_string_lossy().into_owned();
    let error = |run: &str, more: &str| {
        let done = lab.expect(2, &format!("generate {run} --out out {more}"));
        assert_eq!(done.stdout, "");
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        done.stderr
    };

    let ambiguous = error("fullsa", "--prompt Once");
    assert!(ambiguous.contains(&name(first)) && ambiguous.contains(&name(second)), "{ambiguous}");
    let misspelt = name(first).replacen("fullsa", "fulsa", 1);
    let unknown = error(&misspelt, "--prompt Once");
    assert!(unknown.contains(&format!("no run \"{misspelt}\"")), "{unknown}");
    assert!(unknown.contains(&format!("the nearest is {}", name(first))), "{unknown}");
    assert!(error(&name(first), "--prompt Once --temperature nan").contains("--temperature NaN: expected"));
    let long = format!("--prompt {}", "once,upon,a,time,".repeat(20));
    assert!(error(&name(first), &long).contains("the context of the model is 64"));

    fs::remove_file(first.join("model.safetensors")).unwrap();
    assert!(error(&name(first), "--prompt Once").contains("the run is not finished"));
    fs::write(second.join("model.safetensors"), "no weights").unwrap();
    assert!(error(&name(second), "--prompt Once").contains("model.safetensors has changed since it was written"));
}

#[test]
fn layers_that_differ_in_kind_are_read_back() {
    let lab = Lab::new();
    let q = "[model]\nattention.q = [{ kind = \"low-rank\", rank = 4, init = \"spectral\" }, { kind = \"dense\" }]";
    lab.write("tiny.toml", common::TINY.replace("[model]", q));
    lab.expect(0, "run tiny.toml --out out");
    let done = lab.expect(0, &format!("generate {} --prompt Once", lab.only_run("out/tiny").display()));
    assert!(done.stdout.starts_with("Once"), "{}", done.stdout);
}

#[test]
fn a_report_has_a_page_plots_and_a_table() {
    let lab = trained();
    let done = lab.expect(0, "report out");
    assert!(done.stdout.contains("FullSA-FullMLP-2L"), "{}", done.stdout);
    let page = lab.read("out/report.html");
    assert!(page.contains("<svg") && page.contains("FullSA-FullMLP-2L"));
    assert!(!page.contains("src=\"http"), "the page is self-contained");
    assert!(common::files(&lab.path("out")).iter().any(|file| file.ends_with(".svg")));

    let summary = lab.read("out/summary.csv");
    let header = "experiment,label,runs,eval_loss_mean,eval_loss_sd,difference,difference_low,difference_high,verdict,\
                  params,params_embedding,params_body,flops_per_token,tokens_per_second,wall_seconds";
    assert!(summary.starts_with(header), "the contract's columns first: {summary}");
    let summary = rows(&summary);
    assert_eq!(summary.len(), 1, "two seeds are one configuration");
    assert_eq!((&*summary[0]["experiment"], &*summary[0]["runs"], &*summary[0]["verdict"]), ("tiny", "2", "baseline"));
    let losses: Vec<f64> =
        rows(&lab.read("out/tiny/runs.csv")).iter().map(|row| row["eval_loss"].parse().unwrap()).collect();
    let mean: f64 = summary[0]["eval_loss_mean"].parse().unwrap();
    assert!((mean - (losses[0] + losses[1]) / 2.0).abs() < 1e-6, "{mean} of {losses:?}");
}

#[test]
fn a_report_on_nothing_is_a_usage_error() {
    let lab = Lab::new();
    assert!(lab.expect(2, "report nowhere").stderr.contains("nowhere"));
    lab.write("empty/readme.txt", "");
    assert!(lab.expect(2, "report empty").stderr.contains("no results here"));
}

#[test]
fn layer_kinds_describe_themselves() {
    let lab = Lab::new();
    let list = lab.expect(0, "layers").stdout;
    for kind in ["dense", "low-rank"] {
        assert!(list.lines().any(|line| line.trim_start().starts_with(&format!("{kind} "))), "{list}");
    }
    let low_rank = lab.expect(0, "layers low-rank").stdout;
    for part in ["y = B (A x) + b", "rank (required)", "[model.attention]\n  kind = \"low-rank\""] {
        assert!(low_rank.contains(part), "{part}: {low_rank}");
    }
    let gated = lab.expect(0, "layers gated-mlp").stdout;
    for part in ["[model.mlp]\n  block = \"gated-mlp\"", "Slots, for any linear kind: gate, c_fc, c_proj", "\"silu\""] {
        assert!(gated.contains(part), "{part}: {gated}");
    }
    let rules = lab.expect(0, "rules").stdout;
    assert!(["spectral", "structure-aware", "frobenius"].iter().all(|rule| rules.contains(rule)), "{rules}");
    let spectral = lab.expect(0, "rules spectral").stdout;
    assert!(spectral.contains("Khodak") && spectral.contains("(default 0.02)"), "{spectral}");
    assert!(lab.expect(2, "rules spectrl").stderr.contains("did you mean `spectral`?"));
    let misspelt = lab.expect(2, "layers lowrank");
    let message = "error: unknown layer kind \"lowrank\"; did you mean `low-rank`? (known: attention, blast, \
        block-dense, block-diagonal, block-shuffle, dense, dense-then-svd, diagonal-low-rank, gated-mlp, kronecker, \
        latent-attention, low-rank, mlp, self-guided, shared-basis, silu-low-rank, sparse-low-rank, tensor-train)\n";
    assert_eq!((misspelt.stdout.as_str(), misspelt.stderr.as_str()), ("", message));
}
