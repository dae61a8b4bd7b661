//! The tables of `docs/findings.md` on the zoo, made anew from the files under `results/`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use lrx_analysis::stats::Contrast;
use lrx_analysis::{Configuration, ErrorModel, Experiment, merged, read_results, stats};
use lrx_records::RunRecord;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The experiments of these folders of `results/`, together.
fn read(folders: &[&str]) -> Vec<Experiment> {
    folders.iter().flat_map(|folder| read_results(&root().join("results").join(folder)).unwrap()).collect()
}

fn size(configuration: &Configuration, of: fn(&RunRecord) -> Option<u64>) -> f64 {
    of(configuration.first()).unwrap() as f64
}

/// The dense model of as much `of` as `one` has, as two trained ones and their weights: between them the loss is taken to be
/// linear in the logarithm. None outside of what was trained.
fn dense_twin<'a>(
    one: &Configuration,
    dense: &'a [Configuration],
    of: fn(&RunRecord) -> Option<u64>,
) -> Option<[(f64, &'a Configuration); 2]> {
    let at = size(one, of);
    dense.windows(2).find_map(|pair| {
        let (small, large) = (size(&pair[0], of), size(&pair[1], of));
        let weight = (at / small).ln() / (large / small).ln();
        (-1e-9..=1.0 + 1e-9).contains(&weight).then(|| [(weight - 1.0, &pair[0]), (-weight, &pair[1])])
    })
}

/// As in the document: −0.012 (−0.020 … −0.004).
fn signed(value: f64) -> String {
    format!("{value:+.3}").replace('-', "−")
}

/// The rows of the table of one place, best first.
fn rows(place: &str) -> String {
    let all = merged(&read(&["zoo-dense", place]));
    assert_eq!(all.len(), 1, "the same stories and vocabulary");
    let configurations = &all[0].configurations;
    let errors = ErrorModel::new(configurations);
    let mut dense: Vec<Configuration> = configurations.iter().filter(|one| one.is_dense()).cloned().collect();
    dense.sort_by(|a, b| size(a, |run| run.params).total_cmp(&size(b, |run| run.params)));
    assert_eq!(dense.len(), 3);
    // Those whose three seeds have been trained.
    let mut others: Vec<&Configuration> =
        configurations.iter().filter(|one| !one.is_dense() && one.runs.len() == 3).collect();
    others.sort_by(|a, b| a.mean_loss().total_cmp(&b.mean_loss()));
    let against = |of: fn(&RunRecord) -> Option<u64>| {
        let contrasts: Vec<_> = others
            .iter()
            .map(|one| dense_twin(one, &dense, of).and_then(|[a, b]| errors.contrast(&[(1.0, one), a, b]).0))
            .collect();
        let p: Vec<f64> = contrasts.iter().flatten().map(|contrast| contrast.p).collect();
        let mut holm = stats::holm(&p).into_iter();
        let cells: Vec<String> = contrasts
            .into_iter()
            .map(|contrast| match contrast {
                None => "none so large or small".to_owned(),
                Some(Contrast { interval, .. }) => {
                    let is_sure = holm.next().unwrap() <= 0.05;
                    let mark = if is_sure { "**" } else { "" };
                    let (low, high) = (signed(interval.low()), signed(interval.high()));
                    format!("{mark}{}{mark} ({low} … {high})", signed(interval.estimate))
                }
            })
            .collect();
        cells
    };
    let by_flops = against(|run| run.flops_per_token);
    let by_parameters = against(|run| run.params);
    let mut table = String::new();
    for ((one, flops), parameters) in others.iter().zip(by_flops).zip(by_parameters) {
        let first = one.first();
        let sd = stats::sample_sd(&one.losses()).unwrap();
        let mega = |value: Option<u64>| value.unwrap() as f64 / 1e6;
        writeln!(
            table,
            "| {} | {:.2} | {:.2} | {:.3} ± {sd:.3} | {flops} | {parameters} |",
            one.name,
            mega(first.params_body),
            mega(first.flops_per_token),
            one.mean_loss(),
        )
        .unwrap();
    }
    table
}

#[test]
fn the_zoo_in_the_mlp_slots_is_as_the_document_says() {
    holds("zoo-mlp");
}

#[test]
fn other_starts_of_low_rank_are_as_the_document_says() {
    holds("zoo-init");
}

#[test]
fn the_zoo_in_the_attention_slots_is_as_the_document_says() {
    holds("zoo-attention");
}

#[test]
fn the_zoo_in_both_places_is_as_the_document_says() {
    holds("zoo-both");
}

#[test]
fn attention_in_two_factors_of_full_rank_is_as_the_document_says() {
    holds("zoo-full-rank");
}

/// By rank, under both rules: the best of the rates and the loss there, and the losses of half and twice that rate.
#[test]
fn best_rates_by_rank_are_as_the_document_says() {
    let all = read(&["rate-transfer-flat", "rate-transfer-structure-aware"]);
    let mut table = String::new();
    for rank in ["2", "8", "32", "128"] {
        write!(table, "| {rank} |").unwrap();
        for experiment in &all {
            let ranks = format!("{rank} {rank}");
            let of_rank = experiment.configurations.iter().filter(|one| *one.first().mlp_ranks == ranks);
            let mut by_rate: Vec<(f64, &Configuration)> =
                of_rank.map(|one| (one.first().learning_rate.unwrap(), one)).collect();
            by_rate.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(by_rate.len() == 6 && by_rate.iter().all(|(_, one)| one.runs.len() == 2), "{ranks}");
            let loss = |i: usize| by_rate[i].1.mean_loss();
            let best = (0..6).min_by(|&a, &b| loss(a).total_cmp(&loss(b))).unwrap();
            assert!((1..5).contains(&best), "the best lies at the end of the grid");
            let (below, above) = (loss(best - 1), loss(best + 1));
            write!(table, " {} | {:.3} | {below:.3}, {above:.3} |", by_rate[best].0, loss(best)).unwrap();
        }
        table.push('\n');
    }
    holds_rows("the rates", &table);
}

fn holds(place: &str) {
    holds_rows(place, &rows(place));
}

fn holds_rows(place: &str, rows: &str) {
    let document = std::fs::read_to_string(root().join("docs/findings.md")).unwrap();
    let missing: Vec<&str> = rows.lines().filter(|row| !document.contains(row)).collect();
    assert!(missing.is_empty(), "docs/findings.md has not these rows of {place}:\n{}", missing.join("\n"));
}
