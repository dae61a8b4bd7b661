//! The frontier, and what several folders say together.

use std::fs;
use std::path::Path;

use lrx_analysis::{
    Experiment, Point, ReportOptions, Size, Summary, Twin, Verdict, Way, merged, read_experiment, report, text_table,
};
use lrx_records::{Moment, RankRow, Row as _, TwinRecord, read_rows};

/// Dense models of three hidden sizes and of a smaller width, low-rank ones between them; two seeds each.
const RUNS: &str = "run_id,label,seed,status,layers,hidden,attention,attention_ranks,mlp,mlp_ranks,params,params_body,\
                    flops_per_token,stories,tokens,steps,eval_loss\n";

fn rows(name: &str, seed: u64, losses: [f64; 6]) -> String {
    let kinds = [
        ("base", 64, "dense,", "dense,", 4000),
        ("hidden 48", 48, "dense,", "dense,", 2000),
        ("hidden 32", 32, "dense,", "dense,", 1000),
        ("width", 64, "dense,", "dense,", 3000),
        ("low attention", 64, "low-rank,4 4", "dense,", 2500),
        ("low both", 64, "low-rank,4 4", "low-rank,8 8", 500),
    ];
    let row = |((label, hidden, attention, mlp, body), loss): ((&str, u64, &str, &str, u64), f64)| {
        let slug = label.replace(' ', "-");
        format!(
            "{name}-{slug}-{seed},{label},{seed},finished,2,{hidden},{attention},{mlp},{},{body},{},10,900,30,{loss}\n",
            body + 64 * hidden,
            2 * body
        )
    };
    kinds.into_iter().zip(losses).map(row).collect()
}

/// The experiment in a folder whose losses can all be compared.
fn one(folder: &Path) -> Experiment {
    let mut experiments = read_experiment(folder).unwrap();
    assert_eq!(experiments.len(), 1);
    experiments.remove(0)
}

fn write(folder: &Path, name: &str, rows: &str) {
    fs::create_dir_all(folder.join(name)).unwrap();
    fs::write(folder.join(name).join("runs.csv"), format!("{RUNS}{rows}")).unwrap();
}

#[test]
fn a_low_rank_model_stands_beside_the_dense_one_of_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let both = rows("a", 0, [3.00, 3.20, 3.60, 3.05, 3.00, 3.50]) + &rows("a", 1, [3.02, 3.22, 3.62, 3.07, 3.02, 3.52]);
    write(folder.path(), "a", &both);
    let experiment = one(&folder.path().join("a"));
    let summary = Summary::new(&experiment, None).unwrap();
    let frontier = summary.frontier.unwrap();
    let ways: Vec<_> = frontier.points.iter().map(|point| (point.configuration.label(), point.way)).collect();
    let expected = [
        ("low both", Some(Way::Both)),
        ("hidden 32", Some(Way::Hidden)),
        ("hidden 48", Some(Way::Hidden)),
        ("low attention", Some(Way::Attention)),
        ("width", Some(Way::Width)),
        ("base", None),
    ];
    assert_eq!(ways, expected);
    let lines = frontier.lines(Way::Hidden);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].iter().map(|point| point.body).collect::<Vec<_>>(), [1000.0, 2000.0, 4000.0]);
    assert!(frontier.lines(Way::Depth).is_empty());

    // 500 lies below every dense body, and 2500 below those of smaller width.
    let labels = frontier.twins.iter().map(|twin| (twin.configuration.label(), twin.size));
    let expected = [
        ("low both", Size::Total),
        ("low attention", Size::Body),
        ("low attention", Size::Total),
        ("low attention", Size::Flops),
    ];
    assert_eq!(labels.collect::<Vec<_>>(), expected);
    // By hand: ln(4596/3048) / ln(5072/3048) = 0.806482 of the way from 3.61 to 3.21.
    assert!((frontier.twins[0].loss - (3.61 - 0.806482 * 0.4)).abs() < 1e-6, "{}", frontier.twins[0].loss);
    let twin = frontier.twins[1];
    assert_eq!((twin.configuration.label(), twin.way), ("low attention", Way::Hidden));
    assert_eq!(twin.between.map(|one| one.label()), ["hidden 48", "base"]);
    // By hand: ln(2500/2000) / ln 2 = 0.321928 of the way from 3.21 to 3.01.
    assert!((twin.loss - (3.21 - 0.321928 * 0.2)).abs() < 1e-6, "{}", twin.loss);
    assert!((twin.difference - (3.01 - twin.loss)).abs() < 1e-12);
    // Every pair of seeds is 0.02 apart: sd 0.0141421, 6 degrees of freedom, t 2.446912 (scipy.stats.t.ppf(0.975, 6)).
    let weights: f64 = 1.0 + 0.321928_f64.powi(2) + 0.678072_f64.powi(2);
    let half_width = 2.446912 * 0.0141421 * (weights / 2.0).sqrt();
    assert!((twin.interval.unwrap().half_width - half_width).abs() < 1e-6);
    assert_eq!(twin.verdict(), Some(Verdict::Better));
    let dense_half_width = 2.446912 * 0.0141421 * ((weights - 1.0) / 2.0).sqrt();
    assert!((twin.loss_interval.unwrap().half_width - dense_half_width).abs() < 1e-6);

    let options = ReportOptions { out: Some(folder.path().join("out")), ..Default::default() };
    let made = report(&[folder.path().join("a")], &options).unwrap();
    assert!(made.text.contains("Beside dense models of the same size"));
    let csv = fs::read_to_string(folder.path().join("out/twins.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), &rows[0][..]), (5, TwinRecord::COLUMNS));
    assert_eq!(rows[2][..4], ["a", "low attention", "6596", "2500"]);
    assert_eq!(rows[2][5..9], ["params_body", "hidden size", "hidden 48", "base"]);
    assert_eq!((rows[2][15], rows[1][5], rows[4][5]), ("better", "params", "flops_per_token"));
    assert!(rows[1..].iter().all(|row| row.last() == Some(&"line")), "three sizes make no curve");
}

/// pandas 3.1.1, numpy 2.4.6, scipy 1.17.1, for each `low_rank, smaller, larger, size` of `d = pd.read_csv("runs.csv")`:
///
/// ```python
/// g = d.groupby("label")["eval_loss"]
/// m, n, s = g.mean(), g.count(), d.groupby("label")[size].first()
/// sd = np.sqrt(((n - 1) * g.var(ddof=1)).sum() / (n - 1).sum())
/// p = np.log(s[low_rank] / s[smaller]) / np.log(s[larger] / s[smaller])
/// dense = (1 - p) * m[smaller] + p * m[larger]
/// w = 1 / n[low_rank] + (1 - p) ** 2 / n[smaller] + p**2 / n[larger]
/// dense, m[low_rank] - dense, stats.t.ppf(0.975, (n - 1).sum()) * sd * np.sqrt(w)
/// ```
#[test]
fn twins_of_the_committed_runs_are_those_of_scipy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/shrink");
    let experiment = one(&folder);
    let frontier = Summary::new(&experiment, None).unwrap().frontier.unwrap();
    for (label, way, size, dense, difference, half_width) in [
        ("MedSA-FullMLP-4L", Way::Hidden, Size::Body, 3.807673165598745, -0.03536038182284518, 0.021764651794388228),
        ("MedSA-MedMLP-4L", Way::Hidden, Size::Total, 3.9683898404611457, 0.03310334011878391, 0.021782824053297567),
        // Of four widths: read off the law, c and C in body parameters, N the runs of each:
        // law = lambda p, c: p[0] + p[1] * (c / u) ** -p[2]; fit(L) as in scaling.rs; dense = law(fit(L), c);
        // w = [(law(fit(L + e), c) - law(fit(L - e), c)) / 2e-4 for e in 1e-4 * np.eye(4)]
        // t.ppf(0.975, ν) * sd * np.sqrt(1 / n[low_rank] + (w**2 / N).sum())
        ("FullSA-IncMLP-4L", Way::Width, Size::Body, 3.8485993738783244, 0.042832078610399726, 0.02020707854697137),
    ] {
        let is_it = |twin: &&Twin| (twin.configuration.label(), twin.way, twin.size) == (label, way, size);
        let twin = frontier.twins.iter().find(is_it).unwrap();
        let found = [twin.loss, twin.difference, twin.interval.unwrap().half_width];
        assert_eq!(twin.by_curve, way == Way::Width, "the law does not fit over hidden sizes at one learning rate");
        for (found, expected) in found.into_iter().zip([dense, difference, half_width]) {
            // scipy's weights are differences of another step.
            let within = if twin.by_curve { 1e-7 } else { 1e-9 };
            assert!((found - expected).abs() < within, "{label}: {found} is not {expected}");
        }
    }
}

#[test]
fn a_low_rank_model_of_another_depth_lies_on_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let row = |label: &str, layers: usize, kind: &str, rank: &str, body: u64| {
        let ranks = vec![rank; layers].join(" ");
        format!("{label},{label},0,finished,{layers},64,{kind},{ranks},{kind},{ranks},,{body},,10,900,30,3.5\n")
    };
    let rows = [
        row("FullSA-FullMLP-2L", 2, "dense", "", 4000),
        row("MedSA-MedMLP-4L", 4, "low-rank", "8", 1000),
        row("MedSA-MedMLP-2L", 2, "low-rank", "8", 500),
        row("LgSA-LgMLP-4L", 4, "low-rank", "16", 2000),
    ];
    write(folder.path(), "a", &rows.concat());
    let experiment = one(&folder.path().join("a"));
    let frontier = Summary::new(&experiment, None).unwrap().frontier.unwrap();
    let labels =
        |line: &[&Point<'_>]| line.iter().map(|point| point.configuration.label().to_owned()).collect::<Vec<_>>();
    let depth = frontier.lines(Way::Depth);
    assert_eq!(depth.iter().map(|line| labels(line)).collect::<Vec<_>>(), [["MedSA-MedMLP-2L", "MedSA-MedMLP-4L"]]);
    let both = frontier.lines(Way::Both);
    assert_eq!(both.iter().map(|line| labels(line)).collect::<Vec<_>>(), [["MedSA-MedMLP-2L", "FullSA-FullMLP-2L"]]);
    let open: Vec<_> = frontier.points.iter().filter(|point| point.way.is_none()).map(|point| point.body).collect();
    assert_eq!(open, [2000.0, 4000.0], "two steps from the baseline, and the baseline");
}

#[test]
fn experiments_on_the_same_training_are_taken_together() {
    let folder = tempfile::tempdir().unwrap();
    let losses = [3.0, 3.2, 3.6, 3.05, 3.0, 3.5];
    write(folder.path(), "a", &rows("same", 0, losses));
    write(folder.path(), "b", &(rows("same", 0, losses) + &rows("b", 1, losses)));
    write(folder.path(), "c", &rows("c", 2, losses).replace(",10,900,30,", ",20,1800,60,"));
    let experiments = ["a", "b", "c"].map(|name| one(&folder.path().join(name)));
    let [together] = &merged(&experiments)[..] else { panic!("a and b belong together, c does not") };
    assert_eq!(together.name, "a + b");
    let runs: Vec<_> = together.configurations.iter().map(|one| one.runs.len()).collect();
    assert_eq!(runs, [2; 6], "what both hold counts once");
    assert!(merged(&experiments[1..]).is_empty());
}

#[test]
fn the_hash_parts_two_configurations_of_one_label() {
    let folder = tempfile::tempdir().unwrap();
    let row = |id: &str, seed: u64, hash: &str| format!("{id},x,{seed},finished,dense,dense,3.5,{hash}\n");
    let rows = row("a", 0, "aaa") + &row("b", 1, "bbb") + &row("c", 2, "aaa");
    let header = "run_id,label,seed,status,attention,mlp,eval_loss,configuration\n";
    fs::write(folder.path().join("runs.csv"), format!("{header}{rows}")).unwrap();
    let experiment = one(folder.path());
    let runs: Vec<Vec<&str>> =
        experiment.configurations.iter().map(|one| one.runs.iter().map(|run| run.run_id.as_str()).collect()).collect();
    assert_eq!(runs, [vec!["a", "c"], vec!["b"]]);
}

#[test]
fn ranks_are_read_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", &rows("a", 0, [3.0, 3.2, 3.6, 3.05, 3.0, 3.5]));
    let path = folder.path().join("a/ranks.csv");
    let header = "run_id,moment,matrix,layer,slot,rows,columns,max_rank,entropy_rank,stable_rank\n";
    let rows: String = ["initial", "final"]
        .iter()
        .flat_map(|moment| (0..2).map(move |layer| format!("a-base-0,{moment},m,{layer},q,64,64,64,32.5,8\n")))
        .collect();
    fs::write(&path, format!("{header}{rows}")).unwrap();
    let ranks = read_rows::<RankRow>(&path).unwrap();
    assert_eq!((ranks.len(), ranks[2].moment, ranks[3].layer, ranks[0].entropy_rank), (4, Moment::Final, 1, 32.5));
    let experiment = one(&folder.path().join("a"));
    let plots = lrx_analysis::plot::plots(&experiment, &Summary::new(&experiment, None).unwrap());
    let names: Vec<_> = plots.iter().map(|plot| plot.name.as_str()).collect();
    assert!(names.contains(&"ranks-by-entropy") && names.contains(&"ranks-stable"), "{names:?}");

    fs::write(&path, format!("{header}{}", rows.replace("final", "later"))).unwrap();
    let error = read_rows::<RankRow>(&path).unwrap_err().to_string();
    assert!(error.contains("ranks.csv:4") && error.contains("later"), "{error}");
}

#[test]
fn a_line_joins_only_what_differs_in_size() {
    let folder = tempfile::tempdir().unwrap();
    let header = "run_id,label,seed,status,layers,hidden,attention,attention_ranks,mlp,params_body,stories,steps,eval_loss,learning_rate,slots\n";
    let row = |label: &str, kind: &str, rank: &str, body: u64, rate: &str, slots: &str| {
        format!("{label},{label},0,finished,2,64,{kind},{rank},dense,{body},10,30,3.5,{rate},{slots}\n")
    };
    let lines = |rows: &[String]| {
        fs::write(folder.path().join("runs.csv"), format!("{header}{}", rows.concat())).unwrap();
        let experiment = one(folder.path());
        let frontier = Summary::new(&experiment, None).unwrap().frontier.unwrap();
        let labels = |line: &[&Point<'_>]| -> Vec<String> {
            line.iter().map(|point| point.configuration.label().to_owned()).collect()
        };
        frontier.lines(Way::Attention).iter().map(|line| labels(line)).collect::<Vec<_>>()
    };
    let dense = "q:dense v:dense";
    let rows = [
        row("full", "dense", "", 4000, "0.001", dense),
        row("all-4", "low-rank", "4 4", 1000, "0.001", "q:low-rank(4) v:low-rank(4)"),
        row("all-8", "low-rank", "8 8", 2000, "0.001", "q:low-rank(8) v:low-rank(8)"),
        row("v-4", "low-rank", "4 4", 2500, "0.001", "q:dense v:low-rank(4)"),
        row("v-8", "low-rank", "8 8", 3000, "0.001", "q:dense v:low-rank(8)"),
        row("all-4-fast", "low-rank", "4 4", 1100, "0.002", "q:low-rank(4) v:low-rank(4)"),
    ];
    assert_eq!(lines(&rows), [["all-4", "all-8", "full"], ["v-4", "v-8", "full"]]);
    // Rows of an earlier lrx tell by their labels alone.
    let rows = [
        row("FullSA-FullMLP-2L", "dense", "", 4000, "", ""),
        row("MedSA-FullMLP-2L", "low-rank", "4 4", 1000, "", ""),
        row("LgSA-FullMLP-2L", "low-rank", "8 8", 2000, "", ""),
        row("MixedSA-FullMLP-2L v rank 4", "low-rank", "4 4", 2500, "", ""),
        row("MixedSA-FullMLP-2L v rank 8", "low-rank", "8 8", 3000, "", ""),
        row("MedSA-FullMLP-2L spectral", "low-rank", "4 4", 1000, "", ""),
    ];
    let full = "FullSA-FullMLP-2L";
    let expected = [
        vec!["MedSA-FullMLP-2L", "LgSA-FullMLP-2L", full],
        vec!["MedSA-FullMLP-2L spectral", full],
        vec!["MixedSA-FullMLP-2L v rank 4", "MixedSA-FullMLP-2L v rank 8", full],
    ];
    let mut found = lines(&rows);
    found.sort_by_key(|line| line[0].clone());
    assert_eq!(found, expected);
}

#[test]
fn two_points_of_a_curve_are_not_joined() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", &rows("a", 0, [3.0, 3.2, 3.6, 3.05, 3.0, 3.5]));
    let curve = |steps: &[u64]| {
        let row = |step: &u64| {
            let loss = 4.0 - *step as f64 / 100.0;
            format!("a-base-0,{step},train,{loss}\na-base-0,{step},eval,{loss}\n")
        };
        let rows: String = steps.iter().map(row).collect();
        fs::write(folder.path().join("a/curves.csv"), format!("run_id,step,split,loss\n{rows}")).unwrap();
        let experiment = one(&folder.path().join("a"));
        let plots = lrx_analysis::plot::plots(&experiment, &Summary::new(&experiment, None).unwrap());
        let plot = plots.into_iter().find(|plot| plot.name == "curves-by-step").unwrap();
        // Those of the axes are thinner or grey; the leader to the name has three points.
        (plot.svg.matches("stroke-width=\"2\"").count(), plot.caption.contains("not joined"))
    };
    assert_eq!(curve(&[10, 20]), (0, true));
    assert_eq!(curve(&[10, 20, 30]), (1, false));
}

/// Parameters that no story reaches do not count where models of as many are compared; attention's own products do where FLOPs with
/// them are.
#[test]
fn what_is_not_trained_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let both = rows("a", 0, [3.00, 3.20, 3.60, 3.05, 3.00, 3.50]) + &rows("a", 1, [3.02, 3.22, 3.62, 3.07, 3.02, 3.52]);
    // Half of 64·hidden, the embedding, is never reached; attention's products grow with the hidden size.
    let told = |row: &str| {
        let hidden: u64 = row.split(',').nth(5).unwrap().parse().unwrap();
        format!("{row},{},{},0.3\n", 32 * hidden, 10 * hidden)
    };
    let header = RUNS.trim_end().to_owned() + ",params_untrained,attention_flops_per_token,others_share\n";
    fs::write(folder.path().join("runs.csv"), header + &both.lines().map(told).collect::<String>()).unwrap();
    let experiment = one(folder.path());
    let summary = Summary::new(&experiment, None).unwrap();
    let frontier = summary.frontier.as_ref().unwrap();
    let twin = |size: Size| {
        let is_it =
            |twin: &&Twin| (twin.configuration.label(), twin.way, twin.size) == ("low attention", Way::Hidden, size);
        frontier.twins.iter().find(is_it).unwrap()
    };
    // By hand: 2500 + 2048 trained lie between 2000 + 1536 and 4000 + 2048: ln(4548/3536) / ln(6048/3536) = 0.468934.
    assert!((twin(Size::Total).loss - (3.21 - 0.468934 * 0.2)).abs() < 1e-6, "{}", twin(Size::Total).loss);
    // 5000 + 640 between 4000 + 480 and 8000 + 640: ln(5640/4480) / ln(8640/4480) = 0.350591.
    assert!((twin(Size::AllFlops).loss - (3.21 - 0.350591 * 0.2)).abs() < 1e-6, "{}", twin(Size::AllFlops).loss);
    assert!((twin(Size::Flops).loss - (3.21 - 0.321928 * 0.2)).abs() < 1e-6);
    let text = text_table(&summary);
    assert!(text.contains("30 %") && text.contains("Machine shared: the part of its processor time"), "{text}");
    assert!(text.contains("2,048") && text.contains("Untrained: parameters among the total"), "{text}");
    let alone = fs::read_to_string(folder.path().join("runs.csv")).unwrap().replace(",0.3\n", ",0.04\n");
    fs::write(folder.path().join("runs.csv"), alone).unwrap();
    let text = text_table(&Summary::new(&one(folder.path()), None).unwrap());
    assert!(!text.contains("shared"), "{text}");
}

/// Of several dense models of one size the one with the most runs counts, not the luckiest.
#[test]
fn the_luckiest_of_one_size_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let all = |seed| rows("a", seed, [3.00, 3.20, 3.60, 3.05, 3.00, 3.50].map(|loss| loss + 0.01 * seed as f64));
    // Another configuration of the size of `hidden 48`, with one run that came out well.
    let lucky =
        rows("a", 9, [0.0, 2.9, 0.0, 0.0, 0.0, 0.0]).lines().nth(1).unwrap().replace("hidden 48", "hidden 48 2");
    write(folder.path(), "a", &(all(0) + &all(1) + &lucky + "\n"));
    let experiment = one(&folder.path().join("a"));
    let frontier = Summary::new(&experiment, None).unwrap().frontier.unwrap();
    let [line] = &frontier.lines(Way::Hidden)[..] else { panic!("one line") };
    let labels: Vec<&str> = line.iter().map(|point| point.configuration.label()).collect();
    assert_eq!(labels, ["hidden 32", "hidden 48", "base"]);
    assert!(frontier.twins.iter().all(|twin| twin.between.iter().all(|one| one.label() != "hidden 48 2")));
}
