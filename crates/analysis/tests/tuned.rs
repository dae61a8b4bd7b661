//! How values were chosen, and what that does to verdicts.

use std::fs;
use std::path::Path;

use lrx_analysis::{Experiment, ReportOptions, Summary, Verdict, Withheld, read_experiment, report, summary_csv};

const HEADER: &str = "run_id,label,seed,attention,mlp,hidden,layers,params,params_body,stories,steps,learning_rate,training,\
                      configuration,tuned,slots,eval_loss\n";

/// Two runs of a configuration.
fn runs(label: &str, kind: &str, (hidden, body): (u64, u64), rate: f64, tuned: &str, loss: f64) -> String {
    let row = |seed: usize| {
        let loss = loss + 0.004 * seed as f64;
        format!(
            "{label}-{seed},{label},{seed},{kind},dense,{hidden},4,{},{body},10,30,{rate},t{rate},c-{label},\"{tuned}\",q={kind},{loss}\n",
            body + 10 * hidden
        )
    };
    (0..2).map(row).collect()
}

const INSIDE: &str = "train.learning_rate one of 4 from 0.0005 to 0.004";
const EDGE: &str = "train.learning_rate one of 4 from 0.0005 to 0.004, the highest";

fn read(folder: &Path, rows: &[String]) -> Experiment {
    fs::write(folder.join("runs.csv"), format!("{HEADER}{}", rows.concat())).unwrap();
    read_experiment(folder).unwrap().remove(0)
}

fn of<'s>(summary: &'s Summary<'_>, label: &str) -> &'s lrx_analysis::SummaryRow<'s> {
    summary.rows.iter().find(|row| row.configuration.label() == label).unwrap()
}

#[test]
fn tuned_beside_tuned_is_a_comparison_of_models_whatever_the_rates() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        runs("full", "dense", (64, 4000), 1e-3, INSIDE, 3.5),
        runs("low", "low-rank", (64, 1000), 4e-3, INSIDE, 3.9),
        runs("edge", "low-rank", (64, 2000), 4e-3, EDGE, 3.8),
    ];
    let experiment = read(folder.path(), &rows);
    let summary = Summary::new(&experiment, None).unwrap();
    let low = of(&summary, "low");
    assert_eq!((low.verdict, low.withheld), (Some(Verdict::Worse), None));
    assert!(low.otherwise.is_empty(), "{:?}", low.otherwise);
    let edge = of(&summary, "edge");
    assert_eq!((edge.verdict, edge.withheld, edge.p), (None, Some(Withheld::Edge), None));
    assert!(edge.comparison.unwrap().contrast.is_some(), "the difference and its interval stay");
    assert_eq!(edge.ties, "", "nor is it tied to anything");

    report(&[folder.path().to_owned()], &ReportOptions::default()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    for part in ["one of 4 from 0.0005 to 0.004, the highest", "`lrx tune` chose the learning rate", "tuned to an edge"]
    {
        assert!(page.contains(part), "{part}");
    }
    let csv = summary_csv(std::slice::from_ref(&summary));
    assert!(csv.lines().any(|line| line.contains("edge") && line.contains("tuned to an edge") && line.contains(EDGE)));
}

#[test]
fn tuned_beside_written_has_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        runs("full", "dense", (64, 4000), 1e-3, "", 3.5),
        runs("low", "low-rank", (64, 1000), 1e-3, INSIDE, 3.9),
        runs("plain", "low-rank", (64, 1500), 1e-3, "", 3.8),
    ];
    let experiment = read(folder.path(), &rows);
    let summary = Summary::new(&experiment, None).unwrap();
    assert_eq!(of(&summary, "low").withheld, Some(Withheld::OneSideTuned));
    assert_eq!(of(&summary, "low").verdict, None);
    assert_eq!(of(&summary, "low").otherwise, ["learning rate"]);
    assert_eq!(of(&summary, "plain").verdict, Some(Verdict::Worse), "at a rate that both were given");
    assert!(summary.rows.iter().all(|row| row.ties.is_empty()));
}

#[test]
fn dense_models_tuned_each_are_one_way_of_changing_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |edge: &str| {
        [
            runs("full", "dense", (64, 4000), 1e-3, INSIDE, 3.5),
            runs("small", "dense", (48, 2000), 2e-3, INSIDE, 3.7),
            runs("smaller", "dense", (32, 900), 4e-3, edge, 4.0),
            runs("low", "low-rank", (64, 2800), 4e-3, INSIDE, 3.9),
            runs("lower", "low-rank", (64, 1000), 4e-3, INSIDE, 4.1),
        ]
    };
    let experiment = read(folder.path(), &rows(INSIDE));
    let verdicts = |experiment: &Experiment| -> Vec<(String, Option<Verdict>, Option<Withheld>)> {
        let summary = Summary::new(experiment, None).unwrap();
        let twins = &summary.frontier.as_ref().unwrap().twins;
        let body = twins.iter().filter(|twin| twin.size == lrx_analysis::Size::Body);
        body.map(|twin| (twin.configuration.label().to_owned(), twin.verdict(), twin.withheld)).collect()
    };
    let low = ("low".to_owned(), Some(Verdict::Worse), None);
    assert_eq!(verdicts(&experiment), [("lower".to_owned(), Some(Verdict::Worse), None), low.clone()]);
    let experiment = read(folder.path(), &rows(EDGE));
    assert_eq!(verdicts(&experiment), [("lower".to_owned(), None, Some(Withheld::Edge)), low]);
}

#[test]
fn a_margin_is_tested_in_place_of_saying_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        runs("full", "dense", (64, 4000), 1e-3, INSIDE, 3.5),
        runs("same", "low-rank", (64, 1000), 4e-3, INSIDE, 3.5004),
        runs("worse", "low-rank", (64, 1200), 4e-3, INSIDE, 3.9),
    ];
    let experiment = read(folder.path(), &rows);
    let without = Summary::new(&experiment, None).unwrap();
    assert_eq!(of(&without, "same").verdict, Some(Verdict::NotDistinguishable));
    let wide = Summary::with_margin(&experiment, None, Some(0.05)).unwrap();
    assert_eq!(of(&wide, "same").verdict, Some(Verdict::Equivalent));
    assert_eq!(of(&wide, "worse").verdict, Some(Verdict::Worse));
    let narrow = Summary::with_margin(&experiment, None, Some(0.001)).unwrap();
    assert_eq!(of(&narrow, "same").verdict, Some(Verdict::NotDistinguishable));
    let text = lrx_analysis::text_table(&wide);
    assert!(text.contains("equivalent within 0.05") && text.contains("two one-sided tests"), "{text}");
    let csv = summary_csv(std::slice::from_ref(&wide));
    assert!(csv.lines().any(|line| line.contains(",equivalent,")), "{csv}");
}
