//! The published table in `results/seed-published`: sizes as checked by gradient, verdicts as its spread allows.

use std::path::PathBuf;

use lrx_analysis::{Experiment, Method, Summary, Verdict, read_results};

fn published() -> Experiment {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../results/seed-published");
    let mut experiments = read_results(&dir).unwrap();
    assert_eq!(experiments.len(), 1);
    experiments.remove(0)
}

#[test]
fn the_baseline_has_five_seeds() {
    let experiment = published();
    assert_eq!(experiment.configurations.len(), 10);
    let summary = Summary::new(&experiment, None).unwrap();
    let baseline = &summary.rows[0];
    assert_eq!(baseline.configuration.name, "FullSA-FullMLP-4L");
    assert_eq!(baseline.configuration.runs.len(), 5);
    assert_eq!(format!("{:.3} {:.3}", baseline.loss_mean, baseline.loss_sd.unwrap()), "3.248 0.038");
    assert_eq!(baseline.verdict, Some(Verdict::Baseline));
}

#[test]
fn parameters_are_those_that_get_a_gradient() {
    let experiment = published();
    for (label, live) in [
        ("FullSA-FullMLP-4L", 27_179_136),
        ("LgSA-LgMLP-4L", 27_176_064),
        ("MedSA-MedMLP-4L", 20_810_880),
        ("MedSA-MedMLP-8L", 21_535_872),
    ] {
        let run = experiment.baseline(Some(label)).unwrap().unwrap().first();
        assert_eq!(run.params, Some(live));
        assert_eq!(run.params_embedding.unwrap() + run.params_body.unwrap(), live);
        assert_eq!(run.params_embedding, Some((50_257 + 2_048) * 384));
    }
}

#[test]
fn what_single_runs_can_tell_apart() {
    use Verdict::{NotDistinguishable, Worse};
    let experiment = published();
    for (a, b, verdict) in [
        ("IncSA-FullMLP-4L", "DecSA-FullMLP-4L", NotDistinguishable),
        ("FullSA-IncMLP-4L", "FullSA-DecMLP-4L", NotDistinguishable),
        ("MedSA-FullMLP-4L", "FullSA-MedMLP-4L", NotDistinguishable),
        ("MedSA-MedMLP-8L", "MedSA-MedMLP-4L", NotDistinguishable),
        ("MedSA-MedMLP-4L", "MedSA-FullMLP-4L", Worse),
        ("MedSA-MedMLP-4L", "FullSA-FullMLP-4L", Worse),
    ] {
        let comparison = experiment.compare(a, b).unwrap();
        assert_eq!(comparison.verdict(), Some(verdict), "{a} against {b}: {comparison:?}");
        assert_eq!(comparison.method, Method::Pooled);
    }
}

#[test]
fn letters_join_what_cannot_be_told_apart() {
    let experiment = published();
    let summary = Summary::new(&experiment, None).unwrap();
    let ties = |label: &str| &summary.rows.iter().find(|row| row.configuration.name == label).unwrap().ties;
    let share = |a, b| ties(a).chars().any(|letter| ties(b).contains(letter));
    assert!(share("IncSA-FullMLP-4L", "DecSA-FullMLP-4L"));
    assert!(share("MedSA-FullMLP-4L", "FullSA-MedMLP-4L"));
    // Far enough apart by itself (p = 0.006), but not among 45 pairs; the table, which has nine comparisons, tells them apart.
    assert!(share("FullSA-FullMLP-4L", "LgSA-LgMLP-4L"));
    assert!(!share("FullSA-FullMLP-4L", "MedSA-MedMLP-4L"));
}
