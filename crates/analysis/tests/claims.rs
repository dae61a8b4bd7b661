//! What was claimed, and what the runs say of it.

use std::fs;
use std::path::Path;

use lrx_analysis::{Format, Outcome, ReportOptions, Summary, read_experiment, report};

const RUNS: &str = "run_id,label,seed,attention,mlp,params,params_body,configuration,tuned,eval_loss\n";

/// The runs of a configuration: its label, hash, body, how it was tuned, losses.
fn runs(label: &str, hash: &str, body: u64, tuned: &str, losses: &[f64]) -> String {
    let kind = if label == "dense" { "dense" } else { "low-rank" };
    let row = |(seed, loss): (usize, &f64)| {
        format!("{label}-{seed},{label},{seed},{kind},dense,{},{body},{hash},{tuned},{loss}\n", body + 10)
    };
    losses.iter().enumerate().map(row).collect()
}

const CLAIMS: &str =
    "claim,name,a,b,a_configuration,b_configuration,direction,margin,budget,written,runs_begun,state\n";

fn claim(name: &str, a: &str, b: &str, rest: &str) -> String {
    format!("h-{name},{name},{a},{b},c-{a},c-{b},{rest},2026-11-29T12:00:00Z,0,before the runs\n")
}

fn outcomes(folder: &Path, rows: &[String], claims: &[String]) -> Vec<(String, Outcome, String)> {
    fs::write(folder.join("runs.csv"), format!("{RUNS}{}", rows.concat())).unwrap();
    fs::write(folder.join("claims.csv"), format!("{CLAIMS}{}", claims.concat())).unwrap();
    let experiment = read_experiment(folder).unwrap().remove(0);
    let summary = Summary::new(&experiment, None).unwrap();
    let told = |answer: &lrx_analysis::Answer<'_>| (answer.claim.name.clone(), answer.outcome, answer.why.clone());
    summary.claims.iter().map(told).collect()
}

fn three() -> Vec<String> {
    vec![
        runs("dense", "c-dense", 100, "", &[3.700, 3.705, 3.690, 3.710]),
        runs("low", "c-low", 40, "", &[3.710, 3.690, 3.700, 3.720]),
        runs("lower", "c-lower", 20, "", &[4.000, 4.010, 3.995, 4.005]),
    ]
}

#[test]
fn a_claim_holds_does_not_or_cannot_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let claims = [
        claim("better", "dense", "lower", "lower,,"),
        claim("much better", "dense", "lower", "lower,0.1,"),
        claim("better by all", "dense", "lower", "lower,0.5,"),
        claim("worse", "lower", "dense", "higher,0.2,"),
        claim("as good", "low", "dense", "equivalent,0.05,"),
        claim("no better", "lower", "dense", "equivalent,0.05,"),
        claim("nearly", "low", "dense", "equivalent,0.004,"),
        claim("not worse", "low", "dense", "no-worse,0.05,"),
        claim("which", "low", "dense", "lower,,"),
    ];
    let found = outcomes(folder.path(), &three(), &claims);
    let found: Vec<(&str, Outcome)> = found.iter().map(|(name, outcome, _)| (name.as_str(), *outcome)).collect();
    // By eye: differences of 0.3 and 0.004, a spread of about 0.01.
    let expected = [
        ("better", Outcome::Holds),
        ("much better", Outcome::Holds),
        ("better by all", Outcome::DoesNot),
        ("worse", Outcome::Holds),
        ("as good", Outcome::Holds),
        ("no better", Outcome::DoesNot),
        ("nearly", Outcome::CannotBeTold),
        ("not worse", Outcome::Holds),
        ("which", Outcome::CannotBeTold),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_claim_by_itself_is_the_test_of_scipy() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        runs("dense", "c-dense", 100, "", &[3.70, 3.705, 3.69, 3.71]),
        runs("low", "c-low", 40, "", &[3.71, 3.69, 3.70, 3.72]),
    ];
    outcomes(folder.path(), &rows, &[claim("as good", "low", "dense", "equivalent,0.02,")]);
    let experiment = read_experiment(folder.path()).unwrap().remove(0);
    let answer = Summary::new(&experiment, None).unwrap().claims.remove(0);
    // statsmodels 0.15.0: ttost_ind(low, dense, -0.02, 0.02, usevar="pooled")[0]
    assert!((answer.p.unwrap() - 0.04025612679544515).abs() < 1e-9);
    assert_eq!(answer.outcome, Outcome::Holds);
    assert_eq!(answer.sentence(), "low has the loss of dense to within 0.02");
}

#[test]
fn what_stands_in_the_way_of_an_answer_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = three();
    rows.push(runs("tuned", "c-tuned", 40, "train.learning_rate one of 4 from 0.1 to 0.8", &[3.6, 3.61]));
    rows.push(runs(
        "edge",
        "c-edge",
        40,
        "\"train.learning_rate one of 4 from 0.1 to 0.8, the highest\"",
        &[3.5, 3.51],
    ));
    let claims = [
        claim("missing", "dense", "gone", "lower,,"),
        claim("one side", "tuned", "dense", "lower,,"),
        claim("at the edge", "edge", "tuned", "lower,,"),
        claim("larger", "dense", "lower", "lower,,body"),
        claim("smaller", "lower", "dense", "higher,,body"),
    ];
    let found = outcomes(folder.path(), &rows, &claims);
    let why: Vec<&str> = found.iter().map(|(_, _, why)| why.as_str()).collect();
    assert_eq!(
        why,
        [
            "gone has no finished run here",
            "one side was tuned, the other was not",
            "a tuned value lies at an end of what was tried",
            "dense has more parameters outside the embeddings (+400 %)",
            "",
        ]
    );
    let outcomes: Vec<Outcome> = found.iter().map(|(_, outcome, _)| *outcome).collect();
    assert_eq!(outcomes[..4], [Outcome::CannotBeTold; 4]);
    assert_eq!(outcomes[4], Outcome::Holds);
}

#[test]
fn the_report_answers_claims_first_and_calls_the_rest_exploratory() {
    let folder = tempfile::tempdir().unwrap();
    let late = "h2,late,low,dense,c-low,c-dense,no-worse,0.05,,2026-11-30T12:00:00Z,3,changed after runs began\n";
    outcomes(folder.path(), &three(), &[claim("better", "dense", "lower", "lower,,"), late.to_owned()]);
    let made = report(&[folder.path().to_owned()], &ReportOptions::default()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    let claims = page.find("What was claimed").expect("the claims");
    assert!(claims < page.find("compares 3 configurations").unwrap() && claims < page.find("<figure>").unwrap());
    for text in [&page, &made.text] {
        for part in
            ["dense has a lower loss than lower", "holds", "changed after runs began", "exploratory", "2026-11-29"]
        {
            assert!(text.contains(part), "{part}");
        }
    }
    // Without claims nothing is said of them.
    fs::remove_file(folder.path().join("claims.csv")).unwrap();
    let options = ReportOptions { format: Format::Text, ..Default::default() };
    assert!(!report(&[folder.path().to_owned()], &options).unwrap().text.contains("exploratory"));
}
