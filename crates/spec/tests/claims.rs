//! `[[claim]]`: what is read of it, what is wrong with it, and what it is known by.

mod common;

use common::{Folder, experiment};
use lrx_spec::{Claim, Experiment};

const SWEEP: &str = "[data]\ntrain = 'synthetic'\nstories = 40\n[model.attention]\nkind = 'low-rank'\nrank = 4\n\
                     [sweep]\ndense_baseline = true\n'model.attention.rank' = [4, 8]\n";

fn with(claims: &str) -> Experiment {
    experiment(&format!("{SWEEP}{claims}"))
}

fn one(claims: &str) -> Claim {
    let mut experiment = with(claims);
    assert_eq!(experiment.claims.len(), 1);
    experiment.claims.remove(0)
}

const CLAIM: &str = "[[claim]]\nname = 'enough'\na = 'R8SA-FullMLP-4L'\nb = 'dense'\ndirection = 'equivalent'\nmargin = 0.02\nbudget = 'body'\n";

#[test]
fn a_claim_is_about_configurations_of_its_file() {
    let claim = one(CLAIM);
    let experiment = with(CLAIM);
    let hash = |label: &str| {
        let run = experiment.runs.iter().find(|run| run.label == label).unwrap_or_else(|| panic!("no {label}"));
        run.configuration.clone()
    };
    assert_eq!(claim.a, ("R8SA-FullMLP-4L".to_string(), hash("R8SA-FullMLP-4L")));
    // The only dense one, whatever it is called.
    assert_eq!(claim.b, ("FullSA-FullMLP-4L".to_string(), hash("FullSA-FullMLP-4L")));
    assert_eq!((claim.direction, claim.margin, claim.budget), ("equivalent", Some(0.02), "body"));
    assert!(!claim.hash.is_empty() && !claim.a.1.is_empty());
}

#[test]
fn a_claim_is_no_part_of_a_runs_id() {
    let ids = |experiment: &Experiment| -> Vec<_> { experiment.runs.iter().map(|run| run.run_id.clone()).collect() };
    assert_eq!(ids(&with(CLAIM)), ids(&with("")));
}

#[test]
fn another_meaning_is_another_hash_and_another_spelling_is_not() {
    let claim = one(CLAIM);
    // The same configuration by its label, a margin with another digit.
    let spelling = CLAIM.replace("b = 'dense'", "b = 'FullSA-FullMLP-4L'").replace("0.02", "0.020");
    assert_eq!(one(&spelling).hash, claim.hash);
    for (from, to) in [
        ("R8SA-FullMLP-4L", "R4SA-FullMLP-4L"),
        ("'equivalent'", "'no-worse'"),
        ("0.02", "0.03"),
        ("'body'", "'flops'"),
        ("'enough'", "'enough?'"),
    ] {
        assert_ne!(one(&CLAIM.replace(from, to)).hash, claim.hash, "{to}");
    }
    // What the configurations are, not what they are called: another width is another claim.
    let other = experiment(&format!("{SWEEP}{CLAIM}").replacen(
        "[model.attention]",
        "[model]\nhidden = 32\n[model.attention]",
        1,
    ));
    assert_ne!(other.claims[0].hash, claim.hash);
}

#[test]
fn what_is_wrong_with_a_claim_is_said_at_its_place() {
    let folder = Folder::new();
    folder.write("base.toml", common::SMALL);
    for (from, to, line, expected) in [
        ("R8SA-FullMLP-4L", "R8SA-FulMLP-4L", "a = 'R8SA-FulMLP-4L'", "did you mean \"R8SA-FullMLP-4L\"?"),
        ("'dense'", "'R8SA-FullMLP-4L'", "b = 'R8SA-FullMLP-4L'", "are the same configuration"),
        ("'equivalent'", "'lowr'", "direction = 'lowr'", "lower"),
        ("0.02", "-0.02", "margin = -0.02", "expected nats per target token"),
        ("margin = 0.02\n", "", "direction = 'equivalent'", "needs a `margin` above 0"),
        ("margin", "margn", "margn = 0.02", "did you mean `margin`?"),
        ("'enough'", "' '", "name = ' '", "`name` is empty"),
        ("b = 'dense'", "b = 7", "b = 7", "there is no such [[sweep.case]]"),
        ("[[claim]]", "[claim]", "[claim]", "expected"),
    ] {
        let text = format!("extends = 'base.toml'\n{SWEEP}{}", CLAIM.replacen(from, to, 1));
        let told = folder.errors(&text).to_string();
        assert!(told.contains(expected), "{to}: {told}");
        assert!(told.contains(line), "{to}: {told}");
    }
    let twice = folder.errors(format!("extends = 'base.toml'\n{SWEEP}{CLAIM}{CLAIM}")).to_string();
    assert!(twice.contains("two claims are called \"enough\""), "{twice}");
}
