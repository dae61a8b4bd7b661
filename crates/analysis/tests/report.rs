//! The report as files and as text.

use std::fs;
use std::path::{Path, PathBuf};

use lrx_analysis::{Error, Format, ReportOptions, read_results, report, summary_csv, text_table};

/// Two seeds of a baseline, two of another configuration with the same seeds, one run that is not finished.
const RUNS: &str = "run_id,label,seed,status,attention,mlp,params,params_embedding,params_body,flops_per_token,steps,\
                    train_loss,eval_loss,tokens_per_second,wall_seconds\n\
                    f0,FullSA-FullMLP-4L,0,finished,dense,dense,27179136,20085120,7094016,54000000,100,3.1,3.2,2000,90\n\
                    f1,FullSA-FullMLP-4L,1,finished,dense,dense,27179136,20085120,7094016,54000000,100,3.2,3.3,2200,100\n\
                    m0,\"<Med> & \"\"co\"\"\",0,finished,low-rank,dense,20810880,20085120,725760,41000000,100,3.6,3.7,3000,60\n\
                    m1,\"<Med> & \"\"co\"\"\",1,finished,low-rank,dense,20810880,20085120,725760,41000000,100,3.7,3.82,3000,60\n\
                    x0,DecSA-FullMLP-4L,0,running,low-rank,dense,,,,,40,4.25,,,30\n";

const CURVES: &str = "run_id,step,split,loss,tokens,elapsed_seconds\nf0,50,train,4.0,5000,45\nf0,100,train,3.1,10000,90\n\
                      f0,100,eval,3.2,10000,90\nm0,50,train,4.5,5000,30\nm0,100,eval,3.7,10000,60\n";

fn results() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("trial")).unwrap();
    fs::write(dir.path().join("trial/runs.csv"), RUNS).unwrap();
    fs::write(dir.path().join("trial/curves.csv"), CURVES).unwrap();
    dir
}

fn published() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../results/seed-published")
}

fn names(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn tables_for_a_terminal() {
    let dir = results();
    let experiment = &read_results(dir.path()).unwrap()[0];
    let text = text_table(&lrx_analysis::Summary::new(experiment, None).unwrap());
    // By hand: 3.76 − 3.25 = 0.51; the variances are 0.005 and 0.0072, the pooled sd √0.0061 = 0.0781; t(2) = 4.3027 times
    // 0.0781 · √(1/2 + 1/2) = 0.336. scipy 1.17.1: ttest_ind([3.7, 3.82], [3.2, 3.3]).pvalue 0.0227,
    // bartlett of both 0.8820; the F test of the seeds, F(1, 1) = 0.0121 / 0.0001, 0.0577.
    let expected = "\
trial: 2 configurations, 4 finished runs; baseline FullSA-FullMLP-4L, 2 runs

                             eval loss  from the                      p,
configuration      runs      mean ± sd  baseline    95 % interval   Holm  verdict   ties
─────────────────  ────  ─────────────  ────────  ───────────────  ─────  ────────  ────
FullSA-FullMLP-4L     2  3.250 ± 0.071                                    baseline  a
<Med> & \"co\"          2  3.760 ± 0.085    +0.510  +0.174 … +0.846  0.023  worse     b
Losses are mean nats per target token. Intervals, each at 95 % by itself: Student's t with the spread of the seeds pooled over all configurations.
Spread of the seeds: sd 0.0781 on 2 degrees of freedom; equal in all configurations? Bartlett's p = 0.882; alike in runs of one seed? F test's p = 0.058, so they are not paired.
Two configurations that share a letter under ties cannot be told apart (all pairs together: Holm, 5 %).

                   parameters,          parameters,           MFLOP              time,
configuration            total  change         body  change  /token  tokens/s  seconds
─────────────────  ───────────  ──────  ───────────  ──────  ──────  ────────  ───────
FullSA-FullMLP-4L   27,179,136            7,094,016            54.0     2,100     95.0
<Med> & \"co\"        20,810,880   −23 %      725,760   −90 %    41.0     3,000     60.0

Not counted above:
                                                      time,
configuration     seed  status   steps  train loss  seconds  run
────────────────  ────  ───────  ─────  ──────────  ───────  ───
DecSA-FullMLP-4L     0  running     40       4.250     30.0  x0
";
    assert_eq!(text, expected);
}

#[test]
fn summary_csv_has_a_row_for_each_configuration() {
    let dir = results();
    let experiment = &read_results(dir.path()).unwrap()[0];
    let text = summary_csv(&[lrx_analysis::Summary::new(experiment, None).unwrap()]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = "experiment,label,runs,eval_loss_mean,eval_loss_sd,difference,difference_low,difference_high,verdict,\
                   params,params_embedding,params_body,flops_per_token,tokens_per_second,wall_seconds,method,configuration,\
                   baseline,trained_otherwise,p_holm,margin,p_equivalent,p_no_worse,no_verdict,tuned";
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), columns);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].iter().take(3).collect::<Vec<_>>(), ["trial", "FullSA-FullMLP-4L", "2"]);
    assert_eq!(rows[0].iter().skip(5).take(4).collect::<Vec<_>>(), ["", "", "", "baseline"]);
    let number = |column: usize| rows[1][column].parse::<f64>().unwrap();
    assert!((number(5) - 0.51).abs() < 1e-12);
    // scipy.stats.ttest_ind([3.7, 3.82], [3.2, 3.3]).confidence_interval(0.95), scipy 1.17.1
    assert!((number(6) - 0.17395207911935467).abs() < 1e-9);
    assert!((number(7) - 0.8460479208806448).abs() < 1e-9);
    assert_eq!((&rows[1][1], &rows[1][8], &rows[1][12]), ("<Med> & \"co\"", "worse", "41000000"));
}

#[test]
fn a_report_is_files_in_the_first_folder() {
    let dir = results();
    let made = report(&[dir.path().join("trial")], &ReportOptions::default()).unwrap();
    assert!(made.files.iter().all(|file| file.starts_with(dir.path().join("trial")) && file.is_file()));
    let plots = [
        "trial-loss-by-body-parameters.svg",
        "trial-loss-by-flops.svg",
        "trial-loss-by-parameters.svg",
        "trial-loss-by-time.svg",
        "trial-curves-by-step.svg",
        "trial-curves-by-tokens.svg",
        "trial-curves-by-time.svg",
    ];
    assert_eq!(names(&made.files), [&["report.html", "summary.csv"][..], &plots].concat());
    assert!(made.text.starts_with("trial: 2 configurations"));
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let (dir, out) = (results(), tempfile::tempdir().unwrap());
    let options = ReportOptions { out: Some(out.path().join("new/folder")), ..Default::default() };
    let made = report(&[dir.path().to_owned(), published()], &options).unwrap();
    let page = fs::read_to_string(&made.files[0]).unwrap();
    assert!(page.len() < 300_000, "{} bytes", page.len());
    for foreign in ["<script ", "<link", "src=", "href=\"h", "url(", "@import", "import(", "fetch(", "<Med>"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("&lt;Med&gt; &amp; &quot;co&quot;"));
    // Each for a screen and for a telephone.
    assert_eq!(page.matches("<svg role=\"img\"").count(), 2 * (7 + 5));
    assert_eq!(page.matches("<svg ").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("<g ").count(), page.matches("</g>").count());
    let lead =
        "All others are worse than the baseline, by +0.129 (<span class=\"name\">LgSA-LgMLP-4L</span>) to +0.691";
    assert!(page.contains(lead));
    assert!(page.contains("1 unfinished or failed run is not counted."));
}

#[test]
fn many_experiments_fold_up_their_plots_and_tables() {
    let dirs: Vec<_> = (0..4).map(|_| results()).collect();
    let page = |count: usize| {
        let out = tempfile::tempdir().unwrap();
        let options = ReportOptions { out: Some(out.path().to_owned()), ..Default::default() };
        let folders: Vec<_> = dirs[..count].iter().map(|dir| dir.path().join("trial")).collect();
        fs::read_to_string(&report(&folders, &options).unwrap().files[0]).unwrap()
    };
    assert!(!page(3).contains("<details"));
    let folded = page(4);
    assert_eq!(folded.matches("<h2 id=\"experiment-").count(), folded.matches("<summary>Plots and tables of").count());
    assert_eq!(folded.matches("<summary>Runs of").count(), 4);
    // What stands outside: before the first, and after the end of each.
    let open: String = folded.split("<details>").map(|part| part.rsplit("</details>").next().unwrap()).collect();
    assert!(open.contains("class=\"lead\"") && !open.contains("<table") && !open.contains("<figure"));
}

#[test]
fn every_published_label_has_its_place() {
    let out = tempfile::tempdir().unwrap();
    let options = ReportOptions { out: Some(out.path().to_owned()), ..Default::default() };
    let made = report(&[published()], &options).unwrap();
    let plots: Vec<_> = made.files.iter().filter(|file| file.extension().is_some_and(|e| e == "svg")).collect();
    assert_eq!(plots.len(), 5);
    let of_sizes = plots.iter().filter(|path| !path.to_string_lossy().contains("loss-against"));
    for path in of_sizes {
        let svg = fs::read_to_string(path).unwrap();
        assert_eq!(svg.matches("-4L\n</text>").count() + svg.matches("-8L\n</text>").count(), 10, "{}", path.display());
        assert!(svg.contains("prefers-color-scheme: dark"));
    }
}

#[test]
fn a_text_report_writes_nothing() {
    let dir = results();
    let options = ReportOptions { format: Format::Text, ..Default::default() };
    let made = report(&[dir.path().to_owned()], &options).unwrap();
    assert!(made.files.is_empty() && made.text.contains("worse"));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["trial"]);
}

#[test]
fn the_baseline_can_be_named() {
    let (dir, published) = (results(), published());
    let with = |label: &str, dirs: &[&Path]| {
        let options = ReportOptions { baseline: Some(label.to_owned()), format: Format::Text, ..Default::default() };
        report(&dirs.iter().map(|dir| dir.to_path_buf()).collect::<Vec<_>>(), &options)
    };
    // The trial does not have it and keeps its own.
    let text = with("MedSA-MedMLP-4L", &[dir.path(), &published]).unwrap().text;
    assert!(text.contains("baseline FullSA-FullMLP-4L, 2 runs") && text.contains("baseline MedSA-MedMLP-4L, 1 run"));
    assert!(matches!(with("none", &[dir.path(), &published]), Err(Error::UnknownLabel { .. })));
    assert!(matches!(report(&[], &ReportOptions::default()), Err(Error::NoFolders)));
}

#[test]
fn what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let page = |rows: &str| {
        fs::write(dir.path().join("runs.csv"), rows).unwrap();
        let made = report(&[dir.path().to_owned()], &ReportOptions::default()).unwrap();
        fs::read_to_string(&made.files[0]).unwrap()
    };
    let bare = page("label,eval_loss\nLow,3.5\nLower,3.6\n");
    assert!(bare.contains("It has no baseline") && bare.contains("No configuration has several seeds"));
    assert!(bare.contains("Its files do not hold parameters, parameters outside the embeddings, operations a token"));
    assert!(bare.contains("loss curves or effective ranks.") && !bare.contains("<svg "));
    let single =
        page("label,attention,mlp,params,params_body,eval_loss\na,dense,dense,9,6,3.5\nb,low-rank,dense,7,4,3.6\n");
    assert!(
        single.contains("one run, so its spread is not known") && single.contains("No substituted configuration lies")
    );
    assert_eq!(single.matches("<svg role=\"img\"").count(), 2 * 2);
}

#[test]
fn one_size_is_no_plot_against_size() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "label,attention,mlp,params,params_body,wall_seconds,eval_loss\na,dense,dense,9,6,10,3.5\nb,dense,dense,9,6,11,3.6\n";
    fs::write(dir.path().join("runs.csv"), rows).unwrap();
    let made = report(&[dir.path().to_owned()], &ReportOptions::default()).unwrap();
    assert!(names(&made.files)[2].ends_with("-loss-by-time.svg") && made.files.len() == 3, "{:?}", made.files);
}

#[test]
fn nothing_finished_makes_a_small_report() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("runs.csv"), "run_id,label,status,eval_loss\na,Full,running,\n").unwrap();
    let made = report(&[dir.path().to_owned()], &ReportOptions::default()).unwrap();
    assert_eq!(names(&made.files), ["report.html", "summary.csv"]);
    assert!(made.text.contains("no finished runs yet"));
    let page = fs::read_to_string(&made.files[0]).unwrap();
    assert!(page.contains("no finished run yet") && page.contains("Runs that are not counted"));
}

#[test]
fn a_long_name_may_break_and_nothing_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let long = "a name that nobody can read in one line of a telephone";
    let rows = format!("label,attention,mlp,params,eval_loss\nshort,dense,dense,9,3.5\n{long},low-rank,dense,7,3.6\n");
    fs::write(dir.path().join("runs.csv"), format!("{rows}short,dense,dense,9,3.51\n")).unwrap();
    let made = report(&[dir.path().to_owned()], &ReportOptions::default()).unwrap();
    let page = fs::read_to_string(&made.files[0]).unwrap();
    assert!(page.contains("<span class=\"name\">short</span>"));
    assert!(page.contains(long) && !page.contains(&format!("<span class=\"name\">{long}")));
    assert!(!page.contains("overflow-x"), "nothing scrolls sideways: tables become cards, plots have another drawing");
    assert!(page.contains("<div class=\"drawing narrow\">") && page.contains("data-head=\"eval loss mean ± sd\""));
}

#[test]
fn prose_does_not_contradict_itself() {
    let dir = tempfile::tempdir().unwrap();
    // Two others, one as good as the baseline and one worse: they differ from each other.
    let row = |label: &str, kind: &str, losses: [f64; 3]| -> String {
        let row = |(seed, loss): (usize, &f64)| format!("{label},{seed},{kind},dense,9,{loss}\n");
        losses.iter().enumerate().map(row).collect()
    };
    let rows = row("full", "dense", [3.0, 3.01, 3.02])
        + &row("same", "low-rank", [3.0, 3.01, 3.03])
        + &row("worse", "monarch", [3.5, 3.51, 3.52]);
    fs::write(dir.path().join("runs.csv"), format!("label,seed,attention,mlp,params,eval_loss\n{rows}")).unwrap();
    let made = report(&[dir.path().to_owned()], &ReportOptions::default()).unwrap();
    let page = fs::read_to_string(&made.files[0]).unwrap();
    assert!(page.contains("is not distinguishable from the baseline"));
    assert!(page.contains("Leaving the baseline aside, they can all be told apart from each other."), "{page}");
}

#[test]
fn text_page_and_summary_hold_the_same_comparisons() {
    let dir = results();
    fs::create_dir(dir.path().join("again")).unwrap();
    // Two experiments on as many stories, so that they are also taken together.
    let with_stories = |runs: &str| {
        let mut lines = runs.lines();
        let header = format!("{},stories\n", lines.next().unwrap());
        header + &lines.map(|line| format!("{line},50\n")).collect::<String>()
    };
    fs::write(dir.path().join("trial/runs.csv"), with_stories(RUNS)).unwrap();
    let renamed = RUNS.replace("\nf", "\ng").replace("\nm", "\nn").replace("\nx", "\ny").replace("FullSA", "OtherSA");
    fs::write(dir.path().join("again/runs.csv"), with_stories(&renamed)).unwrap();
    let made = report(&[dir.path().to_owned()], &ReportOptions::default()).unwrap();
    let page = fs::read_to_string(&made.files[0]).unwrap();
    let csv = fs::read_to_string(dir.path().join("summary.csv")).unwrap();
    for name in ["again", "trial", "again + trial"] {
        assert!(made.text.contains(&format!("{name}: ")), "{name}: {}", made.text);
        assert!(page.contains(&format!(">{name}</h2>")), "{name}");
        assert!(csv.contains(&format!("\n{name},")), "{name}: {csv}");
    }
}
