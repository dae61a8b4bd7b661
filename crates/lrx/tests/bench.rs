//! `lrx bench`: what it says holds together. How fast it is depends on the machine and is not tested.

mod common;

use common::Lab;

#[test]
fn a_row_for_each_measurement() {
    let lab = Lab::tiny("seeds = [0]");
    let done = lab.expect(
        0,
        "bench --config tiny.toml --batch 2x8 --batch stories --steps 2 --warm-up 1 --threads 2 --format csv --out out",
    );
    let mut reader = csv::Reader::from_reader(done.stdout.as_bytes());
    let rows: Vec<common::Row> = reader.deserialize().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 2, "{}", done.stdout);
    for (row, batch) in rows.iter().zip(["2x8", "stories"]) {
        let number = |column: &str| row[column].parse::<f64>().unwrap();
        // By the config's own vocabulary, also of random tokens.
        assert_eq!(row["vocabulary"], "300");
        assert_eq!((row["batch"].as_str(), row["threads"].as_str(), row["steps"].as_str()), (batch, "2", "2"));
        // Multiply-adds of the body by hand: 2 layers of 4 · 16² and 2 · 16 · 64; two sequences of eight tokens see
        // 36 tokens each, at 16 features for scores and values; three times that with the backward pass.
        if batch == "2x8" {
            let products = 2 * 16 * 2 * (4 * 16 * 16 + 2 * 16 * 64);
            let attention = 2 * 2 * 2 * 2 * 36 * 16;
            assert_eq!(number("body_gflop_per_step"), 3.0 * f64::from(products + attention) / 1e9);
            assert_eq!(number("tokens_per_step"), 16.0);
        }
        let phases: f64 = ["embedding", "attention", "mlp", "head"]
            .iter()
            .map(|phase| number(&format!("{phase}_ms")) + number(&format!("{phase}_backward_ms")))
            .sum();
        let all = phases + number("optimizer_ms");
        // Medians of parts need not add up to the median of the whole, but they are parts of it.
        assert!(phases > 0.0 && all < 2.0 * number("step_ms") && number("step_ms") < 2.0 * all, "{row:?}");
        assert!(number("matrix_product_gflop_per_second") > 0.0 && number("memory_gb_per_second") > 0.0);
    }
}

/// Weights, gradients and moments take 423 MB of it.
#[test]
#[cfg(target_os = "linux")]
fn a_step_of_the_seeds_baseline_takes_no_more_than_600_mb() {
    let lab = Lab::tiny("seeds = [0]");
    lab.write("baseline.toml", "name = \"baseline\"\ndata.train = \"synthetic\"\nmodel.vocabulary = 50257\n");
    for precision in ["f32", "bf16"] {
        let done = lab.expect(
            0,
            &format!(
                "bench --config baseline.toml --set train.precision=\"{precision}\" --batch 4x256 --steps 1 --warm-up 1 --threads 2 --format csv --out out"
            ),
        );
        let mut reader = csv::Reader::from_reader(done.stdout.as_bytes());
        let row: common::Row = reader.deserialize().next().expect("a row").unwrap();
        let peak: f64 = row["peak_rss_mb"].parse().unwrap();
        assert!((423.0..600.0).contains(&peak), "{precision}: {peak} MB");
    }
}

#[test]
fn refuses_what_it_cannot_time() {
    let lab = Lab::tiny("seeds = [0]");
    for (arguments, says) in [
        ("--batch 4", "--batch 4: expected `stories`, or sequences x tokens such as 4x256"),
        ("--batch 0x7", "--batch 0x7: expected"),
        ("--batch 1x65", "the context of FullSA-FullMLP-2L is 64 tokens"),
        ("--steps 0", "--steps 0: expected at least 1"),
    ] {
        let done = lab.expect(2, &format!("bench --config tiny.toml {arguments} --out out"));
        assert!(done.stderr.contains(says), "{arguments}: {}", done.stderr);
    }
}
