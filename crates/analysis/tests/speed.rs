//! The README's speeds, made anew from what `benches/peers/run --csv` measured.

use std::collections::HashMap;
use std::path::Path;

/// Each contestant as the README calls it, and which of lrx's two it is held against.
const CONTESTANTS: [(&str, &str, Option<&str>); 5] = [
    ("lrx bf16", "lrx, `precision = \"bf16\"`", None),
    ("lrx", "lrx, f32", None),
    ("compiled-bf16", "PyTorch 2.15, lean model under `torch.compile`, bf16 autocast", Some("lrx bf16")),
    ("jax", "JAX 0.10, f32", Some("lrx")),
    ("compiled", "PyTorch under `torch.compile`, f32", Some("lrx")),
];

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// `1,239`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap()).collect();
    parts.join(",")
}

#[test]
fn the_speeds_are_as_the_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let file = root.join("benches/peers/2026-11-30-xeon.csv");
    // By contestant and shape: tokens per second, and megabytes, of each round.
    let mut measured: HashMap<(String, String), [Vec<f64>; 2]> = HashMap::new();
    for row in csv::Reader::from_path(&file).unwrap().into_deserialize::<HashMap<String, String>>() {
        let row = row.unwrap();
        let key = (row["contestant"].clone(), row["shape"].clone());
        let [rates, memory] = measured.entry(key).or_default();
        rates.push(row["tokens_per_second"].parse().unwrap());
        memory.push(row["peak_rss_mb"].parse().unwrap());
    }
    let of = |contestant: &str, shape: &str| measured.get(&(contestant.to_owned(), shape.to_owned()));
    let rate = |contestant: &str, shape: &str| of(contestant, shape).map(|[rates, _]| median(rates));
    // What the README has to say.
    let mut missing = Vec::new();
    for (contestant, name, beside) in CONTESTANTS {
        let speed = |shape: &str| {
            let Some(rate_of) = rate(contestant, shape) else { return String::new() };
            let ratio = beside.map(|ours| format!(" ({:.2} ×)", rate(ours, shape).unwrap() / rate_of));
            thousands(rate_of) + &ratio.unwrap_or_default()
        };
        let memory = of(contestant, "stories").map_or(String::new(), |[_, memory]| thousands(median(memory)) + " MB");
        let row = format!("| {name} | {} | {} | {memory} |", speed("4x256"), speed("stories"));
        missing.push(row.replace("  ", " "));
    }
    let [rates, _] = of("lrx bf16", "4x256").unwrap();
    let [slowest, fastest] = [f64::min, f64::max].map(|of| rates.iter().copied().reduce(of).unwrap());
    missing.push(format!("single rounds of bf16 had from {} to {} tokens/s", thousands(slowest), thousands(fastest)));
    for (experiment, arithmetic) in [("seed-letter", "avx512+amx"), ("seed-letter-f32", "avx512")] {
        let runs = lrx_records::read_runs(&root.join("results").join(experiment).join("runs.csv")).unwrap();
        let run = runs.iter().find(|run| run.label == "FullSA-FullMLP-4L" && run.seed == Some(0)).unwrap();
        assert_eq!((run.steps, run.arithmetic.as_str()), (Some(6188), arithmetic));
        let (minutes, memory) = (run.wall_seconds.unwrap() / 60.0, run.peak_rss_mb.unwrap());
        missing.push(format!("took {minutes:.0} minutes in {} and peaked at {memory:.0} MB", run.precision));
    }
    missing.retain(|words| !readme.contains(words.as_str()));
    assert!(missing.is_empty(), "README.md has not these words:\n{}", missing.join("\n"));
}
