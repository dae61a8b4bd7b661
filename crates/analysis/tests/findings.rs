//! The tables of `docs/findings.md`, and figures of the README, made anew from the files under `results/`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use lrx_analysis::stats::Contrast;
use lrx_analysis::{Configuration, ErrorModel, Experiment, Size, Summary, Way, merged, read_results, stats};
use lrx_records::{CurveRow, Moment, RunRecord, Split};

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

/// `4.006 ± 0.011`; of a single run the mean alone.
fn mean_and_sd(one: &Configuration) -> String {
    of_losses(&one.losses())
}

fn of_losses(losses: &[f64]) -> String {
    let sd = stats::sample_sd(losses).map_or(String::new(), |sd| format!(" ± {sd:.3}"));
    format!("{:.3}{sd}", stats::mean(losses).unwrap())
}

/// `7,094,016`.
fn thousands(count: Option<u64>) -> String {
    let digits = count.unwrap().to_string();
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap()).collect();
    parts.join(",")
}

/// `−0.076 (−0.100 … −0.052)`, bold where p, adjusted for all that stands beside it, is at most 5 %.
fn interval(contrast: &Contrast, p: f64) -> String {
    let (mark, interval) = (if p <= 0.05 { "**" } else { "" }, contrast.interval);
    format!("{mark}{}{mark} ({} … {})", signed(interval.estimate), signed(interval.low()), signed(interval.high()))
}

/// Each configuration beside the dense baseline, best first.
fn beside_baseline(folder: &str) -> String {
    let all = read(&[folder]);
    assert_eq!(all.len(), 1);
    let summary = Summary::new(&all[0], None).unwrap();
    let mut table = String::new();
    for row in &summary.rows {
        let one = row.configuration;
        let against = match (row.comparison.and_then(|it| it.contrast), row.p) {
            (Some(contrast), Some(p)) => interval(&contrast, p),
            _ => String::new(),
        };
        let body = thousands(one.first().params_body);
        writeln!(table, "| {} | {} | {} | {against} | {body} |", one.name, one.runs.len(), mean_and_sd(one)).unwrap();
    }
    table
}

#[test]
fn the_seeds_order_is_as_the_document_says() {
    holds_rows("seed-small", &beside_baseline("seed-small"));
}

#[test]
fn whether_it_is_rank_is_as_the_document_says() {
    holds_rows("is-it-rank-128", &beside_baseline("is-it-rank-128"));
}

/// Of every number of stories of `until-when`, in their order, that beside the dense baseline.
#[test]
fn until_when_low_rank_attention_leads_is_as_the_document_says() {
    let table: String = ["0.5k", "1k", "2k", "4k", "8k", "16k"]
        .iter()
        .flat_map(|stories| {
            let folder = format!("until-when-{stories}");
            let steps = read(&[&folder])[0].configurations[0].first().steps.unwrap();
            let rows = beside_baseline(&folder);
            rows.lines().map(|row| format!("| {steps} {row}\n")).collect::<Vec<_>>()
        })
        .collect();
    holds_rows("until-when", &table);
}

/// The seed's table beside what of it was trained to its protocol, with products in bf16 and in f32: losses at step 6,000.
#[test]
fn the_seed_to_the_letter_is_as_the_document_says() {
    let published = &read(&["seed-published"])[0];
    let mut table = String::new();
    for own in &read(&["seed-letter", "seed-letter-f32"]) {
        for one in &own.configurations {
            let of_seed = published.configurations.iter().find(|other| other.label() == one.label()).unwrap();
            let at_6000 = |row: &&CurveRow| row.step == 6000 && row.split == Split::Eval;
            let its = |row: &&CurveRow| one.runs.iter().any(|run| run.run_id == row.run_id);
            let here: Vec<f64> = own.curves.iter().filter(its).filter(at_6000).map(|row| row.loss).collect();
            assert_eq!(here.len(), one.runs.len());
            let (seeds, products) = ((of_seed.runs.len(), here.len()), &one.first().precision);
            let (there, here) = (mean_and_sd(of_seed), of_losses(&here));
            writeln!(table, "| {} | {} | {there} | {products} | {} | {here} |", one.name, seeds.0, seeds.1).unwrap();
        }
    }
    holds_rows("seed-letter", &table);
}

/// "At none of its seven evaluations do the two differ by two ten-thousandths of a nat."
#[test]
fn the_seed_in_bf16_and_in_f32_is_as_the_document_says() {
    let [bf16, f32] = ["seed-letter", "seed-letter-f32"].map(|folder| {
        let own = read(&[folder]).remove(0);
        let first = own.configurations[0].runs.iter().find(|run| run.seed == Some(0)).unwrap().run_id.clone();
        let is_it = move |row: &CurveRow| row.run_id == first && row.split == Split::Eval;
        own.curves.into_iter().filter(is_it).map(|row| (row.step, row.loss)).collect::<Vec<_>>()
    });
    assert_eq!((bf16.len(), f32.len()), (7, 7));
    for (a, b) in bf16.iter().zip(&f32) {
        assert!(a.0 == b.0 && (a.1 - b.1).abs() < 2e-4, "{a:?} {b:?}");
    }
}

#[test]
fn what_initialisation_makes_is_as_the_document_says() {
    let all = read(&["init"]);
    let (errors, find) = (ErrorModel::new(&all[0].configurations), |name: &str| {
        all[0].configurations.iter().find(|one| one.name == name).unwrap()
    });
    let pairs = ["MedSA-MedMLP-4L", "LgSA-LgMLP-4L"].map(|name| [find(name), find(&format!("{name} spectral"))]);
    let contrasts = pairs.map(|[normal, spectral]| errors.contrast(&[(1.0, spectral), (-1.0, normal)]).0.unwrap());
    let adjusted = stats::holm(&contrasts.map(|contrast| contrast.p));
    let mut table = String::new();
    for (([normal, spectral], contrast), p) in pairs.iter().zip(&contrasts).zip(adjusted) {
        let [a, b] = [normal, spectral].map(|one| mean_and_sd(one));
        writeln!(table, "| {} | {a} | {b} | {} |", normal.name, interval(contrast, p)).unwrap();
    }
    holds_rows("init", &table);
}

#[test]
fn models_of_the_same_size_are_as_the_document_says() {
    let all = merged(&read(&["init", "seed-small", "shrink"]));
    assert_eq!(all.len(), 1);
    let summary = Summary::new(&all[0], None).unwrap();
    let frontier = summary.frontier.as_ref().unwrap();
    let kinds =
        [(Way::Hidden, Size::Body), (Way::Hidden, Size::Total), (Way::Hidden, Size::Flops), (Way::Width, Size::Body)];
    let mut table = String::new();
    let substituted = summary.rows.iter().map(|row| row.configuration).filter(|one| !one.is_dense());
    for one in substituted.filter(|one| !one.name.starts_with("LgSA")) {
        let cell = |(way, size): (Way, Size)| {
            let is_it = |twin: &&lrx_analysis::Twin| {
                twin.configuration.name == one.name && (twin.way, twin.size) == (way, size)
            };
            frontier.twins.iter().find(is_it).map_or(String::new(), |twin| {
                let (mark, interval) = (if twin.p().unwrap() <= 0.05 { "**" } else { "" }, twin.interval.unwrap());
                format!(
                    "{mark}{}{mark} ({} … {})",
                    signed(twin.difference),
                    signed(interval.low()),
                    signed(interval.high())
                )
            })
        };
        let cells = kinds.map(cell).join(" | ");
        writeln!(table, "| {} | {} | {cells} |", one.name, one.runs.len()).unwrap();
    }
    holds_rows("models of the same size", &table.replace(" |  |", " | |"));
}

#[test]
fn rates_of_the_dense_model_are_as_the_document_says() {
    let mut rates: Vec<(f64, f64)> = read(&["learning-rate"])[0]
        .configurations
        .iter()
        // Of an lrx without a column for it.
        .map(|one| (one.label().split_once("learning_rate=").unwrap().1.parse().unwrap(), one.mean_loss()))
        .collect();
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let told: Vec<String> = rates.iter().map(|(rate, loss)| format!("{rate:e} {loss:.3}")).collect();
    holds_rows("rates", &told.join(", "));
}

#[test]
fn ranks_in_use_are_as_the_document_says() {
    let all = read(&["init", "seed-small"]);
    let mut table = String::new();
    for (name, rank) in [
        ("FullSA-FullMLP-4L", 384.0),
        ("LgSA-LgMLP-4L", 192.0),
        ("LgSA-LgMLP-4L spectral", 192.0),
        ("MedSA-MedMLP-4L", 19.0),
        ("MedSA-MedMLP-4L spectral", 19.0),
        ("MedSA-FullMLP-4L", 19.0),
    ] {
        let (experiment, one) =
            all.iter().find_map(|all| Some((all, all.configurations.iter().find(|one| one.name == name)?))).unwrap();
        let mean = |moment: Moment, of: fn(&lrx_records::RankRow) -> Option<f64>| {
            let own = experiment.ranks.iter().filter(|row| {
                let of_run = one.runs.iter().any(|run| run.run_id == row.run_id);
                of_run && row.moment == moment && ["q", "k", "v", "out"].contains(&row.slot.as_str())
            });
            stats::mean(&own.filter_map(of).collect::<Vec<_>>()).unwrap()
        };
        let share = |moment| mean(moment, |row| Some(row.entropy_rank)) / rank;
        let stable = |moment| mean(moment, |row| Some(row.stable_rank));
        let digits = |value: f64| if value < 19.95 { format!("{value:.1}") } else { format!("{value:.0}") };
        let [before, after] = [Moment::Initial, Moment::Final];
        writeln!(
            table,
            "| {name} ({rank}) | {:.2} → {:.2} | {} → {} |",
            share(before),
            share(after),
            digits(stable(before)),
            digits(stable(after))
        )
        .unwrap();
    }
    holds_rows("ranks in use", &table);
}

/// What bf16 costs in loss: the README's sentence.
#[test]
fn what_bf16_costs_is_as_the_readme_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap().replace('\n', " ");
    let told = |folder: &str| {
        let all = read(&[folder]);
        let of = |precision: &str| {
            all[0].configurations.iter().find(|one| one.first().precision == precision).unwrap().clone()
        };
        let (exact, rounded) = (of("f32"), of("bf16"));
        let contrast = ErrorModel::new(&all[0].configurations).contrast(&[(1.0, &rounded), (-1.0, &exact)]).0.unwrap();
        (exact, rounded, contrast.interval)
    };
    let (exact, rounded, interval) = told("precision-dense");
    let dense = format!(
        "dense baseline has {} with them and {} without, a difference of {} (95 %: {} … {})",
        mean_and_sd(&rounded),
        mean_and_sd(&exact),
        signed(interval.estimate),
        signed(interval.low()),
        signed(interval.high())
    );
    let (exact, rounded, interval) = told("precision-med");
    let med = format!(
        "Med/Med {:.3} and {:.3}, {} ({} … {};",
        rounded.mean_loss(),
        exact.mean_loss(),
        signed(interval.estimate),
        signed(interval.low()),
        signed(interval.high())
    );
    assert!(readme.contains(&dense), "{dense}");
    assert!(readme.contains(&med), "{med}");
}

fn holds(place: &str) {
    holds_rows(place, &rows(place));
}

fn holds_rows(place: &str, rows: &str) {
    let document = std::fs::read_to_string(root().join("docs/findings.md")).unwrap();
    let missing: Vec<&str> = rows.lines().filter(|row| !document.contains(row)).collect();
    assert!(missing.is_empty(), "docs/findings.md has not these rows of {place}:\n{}", missing.join("\n"));
}
