//! What is compared with what, and what counts as one run.

use std::fs;
use std::path::Path;

use lrx_analysis::{
    Error, Experiment, Format, Method, Report, ReportOptions, Summary, Verdict, read_experiment, report, text_table,
};

fn write(folder: &Path, name: &str, header: &str, rows: &[&str]) {
    fs::create_dir_all(folder.join(name)).unwrap();
    fs::write(folder.join(name).join("runs.csv"), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
}

fn parts(header: &str, rows: &[&str]) -> Vec<Experiment> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "mix", header, rows);
    read_experiment(&folder.path().join("mix")).unwrap()
}

/// Labels of each part, with what sets it apart.
fn labels(parts: &[Experiment]) -> Vec<(String, Vec<&str>)> {
    let names = |one: &Experiment| one.title();
    parts.iter().map(|one| (names(one), one.configurations.iter().map(|one| one.label()).collect())).collect()
}

fn text(folder: &Path, baseline: Option<&str>) -> Result<Report, Error> {
    let options = ReportOptions { format: Format::Text, baseline: baseline.map(str::to_owned), ..Default::default() };
    report(&[folder.to_owned()], &options)
}

#[test]
fn losses_on_other_held_out_stories_are_never_compared() {
    let header = "run_id,label,seed,attention,mlp,stories,eval_loss,eval_data,vocabulary";
    let both = parts(
        header,
        &[
            "a,Full,0,dense,dense,200,3.0,e1,v1",
            "b,Full,1,dense,dense,200,3.1,e1,v1",
            "c,Low,0,low-rank,dense,50,2.6,e2,v1",
            "d,Low,1,low-rank,dense,50,2.7,e2,v1",
        ],
    );
    let expected = [("mix, 200 stories".to_owned(), vec!["Full"]), ("mix, 50 stories".to_owned(), vec!["Low"])];
    assert_eq!(labels(&both), expected);
    let low = Summary::new(&both[1], None).unwrap();
    assert_eq!((low.rows.len(), low.rows[0].verdict), (1, None), "no verdict without anything to compare with");
    let text = text_table(&low);
    assert!(text.contains("not compared with those of the other parts of mix: they were evaluated on other stories"));
    // On the same held-out stories the number of training stories is a setting like any other.
    let one = parts(header, &["a,Full,0,dense,dense,200,3.0,e1,v1", "c,Low,0,low-rank,dense,50,2.6,e1,v1"]);
    assert_eq!(labels(&one), [("mix".to_owned(), vec!["Full", "Low"])]);
}

#[test]
fn runs_by_instructions_that_round_differently_are_told() {
    let header = "run_id,label,seed,attention,mlp,eval_loss,precision,arithmetic";
    let tiles = "b,Full,1,dense,dense,3.1,bf16,avx512+amx";
    let told = |a: &str| text_table(&Summary::new(&parts(header, &[a, tiles])[0], None).unwrap());
    let mixed = told("a,Full,0,dense,dense,3.0,bf16,avx2+bf16");
    assert!(mixed.contains("instructions of several kinds (avx2+bf16; avx512+amx; the column arithmetic"), "{mixed}");
    // Precisions differ by themselves, and one kind needs no word.
    for alike in ["a,Full,0,dense,dense,3.0,f32,avx512", "a,Full,0,dense,dense,3.0,bf16,avx512+amx"] {
        assert!(!told(alike).contains("several kinds"), "{alike}");
    }
}

#[test]
fn runs_of_another_numerics_are_other_runs() {
    // One config under an earlier lrx and this one: hashes differ, labels and seeds do not.
    let header = "run_id,configuration,label,seed,attention,mlp,eval_loss,numerics";
    let parts = parts(
        header,
        &[
            "a,h1,Full,0,dense,dense,3.000,1",
            "b,h1,Full,1,dense,dense,3.010,1",
            "c,h2,Full,0,dense,dense,3.001,2",
            "d,h2,Full,1,dense,dense,3.011,2",
            "e,h3,Low,0,low-rank,dense,3.100,2",
            "f,h3,Low,1,low-rank,dense,3.110,2",
        ],
    );
    let summary = Summary::new(&parts[0], None).unwrap();
    let named = |name: &str| summary.rows.iter().find(|row| row.configuration.name == name).unwrap();
    assert_eq!(named("Full (numerics 1)").configuration.runs.len(), 2, "seeds do not count twice");
    let against = named("Low").against.unwrap();
    assert_eq!(against.name, "Full (numerics 2)", "each with the dense one of its own");
}

#[test]
fn losses_in_other_vocabularies_are_never_compared() {
    let header = "run_id,label,attention,mlp,eval_loss,eval_data,vocabulary";
    let two = parts(header, &["a,Full,dense,dense,3.0,e1,v1", "c,Full,dense,dense,2.6,e1,v2"]);
    assert_eq!(labels(&two).len(), 2);
    assert_eq!(two[1].part.as_ref().unwrap().reason, "their vocabularies differ");
    assert_eq!(two[1].title(), "mix, vocabulary v2");
}

#[test]
fn old_files_part_what_they_can_tell() {
    let header = "run_id,label,attention,mlp,hidden,params_embedding,stories,eval_loss";
    // 7,742 rows of embeddings whatever the width; then another vocabulary, then other stories.
    let rows = [
        "a,Full,dense,dense,384,2972928,1900,3.8",
        "b,Narrow,dense,dense,96,743232,1900,4.4",
        "c,Low,low-rank,dense,384,2304000,1900,3.0",
        "d,Few,low-rank,dense,384,2972928,50,3.1",
    ];
    let found = parts(header, &rows);
    let parted: Vec<_> = labels(&found).into_iter().map(|(_, labels)| labels).collect();
    assert_eq!(parted, [vec!["Full", "Narrow"], vec!["Low"], vec!["Few"]]);
    assert_eq!(labels(&found)[2].0, "mix, 50 stories");
    for committed in ["seed-small", "shrink", "init", "learning-rate", "seed-published"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results").join(committed);
        assert_eq!(read_experiment(&folder).unwrap().len(), 1, "{committed}");
    }
}

#[test]
fn runs_whose_seed_changes_nothing_count_once() {
    let header = "run_id,label,seed,attention,mlp,train_loss,eval_loss,configuration";
    let rows = [
        "a,Full,0,dense,dense,3.123456789,3.023456789,f",
        "b,Full,1,dense,dense,3.123456789,3.023456789,f",
        "c,Full,2,dense,dense,3.123456789,3.023456789,f",
        "d,Low,0,low-rank,dense,2.9,2.812345678,l",
        "e,Low,1,low-rank,dense,2.9,2.812345678,l",
    ];
    let experiment = &parts(header, &rows)[0];
    let counts: Vec<_> = experiment.configurations.iter().map(|one| (one.runs.len(), one.repeats)).collect();
    assert_eq!(counts, [(1, 2), (1, 1)]);
    let summary = Summary::new(experiment, None).unwrap();
    assert!(summary.rows.iter().all(|row| row.verdict != Some(Verdict::Better)));
    assert!(text_table(&summary).contains("count once: Low (1 of 2) and Full (1 of 3)."));
    // Losses of few digits may agree by chance; but then they have no spread that could be told.
    let rounded = ["a,Full,0,dense,dense,,3.02,f", "b,Full,1,dense,dense,,3.02,f", "d,Low,0,low-rank,dense,,2.81,l"];
    let experiment = &parts(header, &rounded)[0];
    assert_eq!(experiment.configurations[0].runs.len(), 2);
    let comparison = experiment.compare("Low", "Full").unwrap();
    assert_eq!((comparison.interval(), comparison.method), (None, Method::NoSpread));
}

#[test]
fn the_same_run_counts_once_whatever_it_is_called() {
    let header = "run_id,label,seed,attention,mlp,eval_loss,configuration";
    let rows = ["a,Full,0,dense,dense,3.0,f", "b,renamed,0,dense,dense,3.0,f", "c,renamed,1,dense,dense,3.1,f"];
    let experiment = &parts(header, &rows)[0];
    assert_eq!(experiment.configurations.len(), 1, "one hash, one configuration");
    assert_eq!((experiment.configurations[0].losses(), experiment.configurations[0].repeats), (vec![3.0, 3.1], 1));
}

#[test]
fn one_more_run_does_not_lower_certainty() {
    let runs = |low: &[f64]| {
        let full = [3.00, 3.03, 3.05].iter().enumerate().map(|(i, loss)| format!("f{i},Full,{i},dense,dense,{loss}"));
        let low = low.iter().enumerate().map(|(i, loss)| format!("l{i},Low,{i},low-rank,dense,{loss}"));
        let rows: Vec<String> = full.chain(low).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        parts("run_id,label,seed,attention,mlp,eval_loss", &rows)[0].compare("Low", "Full").unwrap()
    };
    // One run: t.ppf(0.975, 2) * np.std(full, ddof=1) * np.sqrt(1 + 1/3); two and three: stats.ttest_ind(low, full)
    // .confidence_interval(0.95); scipy 1.17.1.
    for (low, from, to, method) in [
        (&[3.20][..], 0.04830114374581923, 0.2983655229208492, Method::Pooled),
        (&[3.20, 3.22], 0.11909776877941107, 0.24756889788725694, Method::Pooled),
        (&[3.20, 3.22, 3.21], 0.13992439374098586, 0.22674227292568128, Method::Pooled),
    ] {
        let found = runs(low);
        let interval = found.interval().unwrap();
        assert!((interval.low() - from).abs() < 1e-9 && (interval.high() - to).abs() < 1e-9, "{low:?}: {interval:?}");
        assert_eq!((found.verdict(), found.method), (Some(Verdict::Worse), method));
    }
}

#[test]
fn configurations_of_one_label_are_told_apart_by_what_differs() {
    let header = "run_id,label,seed,attention,mlp,params,eval_loss,configuration,learning_rate,slots";
    let rows = [
        "a,MixedSA-FullMLP-1L,0,low-rank,dense,10,3.0,h1,0.001,q:low-rank(2) k:dense",
        "b,MixedSA-FullMLP-1L,1,low-rank,dense,10,3.2,h1,0.001,q:low-rank(2) k:dense",
        "c,MixedSA-FullMLP-1L,0,low-rank,dense,10,3.1,h2,0.001,q:dense k:low-rank(2)",
        "d,FullSA-FullMLP-1L,0,dense,dense,20,3.1,h3,0.001,q:dense k:dense",
        "e,FullSA-FullMLP-1L,0,dense,dense,20,3.3,h4,0.002,q:dense k:dense",
    ];
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "mix", header, &rows);
    let experiment = &read_experiment(&folder.path().join("mix")).unwrap()[0];
    let names: Vec<_> = experiment.configurations.iter().map(|one| (one.name.as_str(), one.runs.len())).collect();
    let expected = [
        ("MixedSA-FullMLP-1L (q:low-rank(2) k:dense)", 2),
        ("MixedSA-FullMLP-1L (q:dense k:low-rank(2))", 1),
        ("FullSA-FullMLP-1L (learning rate 0.001)", 1),
        ("FullSA-FullMLP-1L (learning rate 0.002)", 1),
    ];
    assert_eq!(names, expected);
    // A label that several have names none of them.
    let error = text(folder.path(), Some("FullSA-FullMLP-1L")).unwrap_err();
    assert!(matches!(error, Error::AmbiguousLabel { .. }));
    let listed = "`FullSA-FullMLP-1L`; name one of them: FullSA-FullMLP-1L (learning rate 0.001), FullSA-FullMLP-1L (l";
    assert!(error.to_string().contains(listed), "{error}");
    let made = text(folder.path(), Some("FullSA-FullMLP-1L (learning rate 0.002)")).unwrap();
    assert!(made.text.contains("baseline FullSA-FullMLP-1L (learning rate 0.002), 1 run"));
}

#[test]
fn tables_show_what_was_swept_where_names_do_not() {
    let header = "run_id,label,seed,attention,mlp,eval_loss,configuration,learning_rate,warmup_steps,schedule";
    let rows = [
        "a,fast,0,dense,dense,3.0,h1,0.002,0,linear",
        "b,slow,0,dense,dense,3.2,h2,0.001,0,linear",
        "c,warm,0,dense,dense,3.1,h3,0.001,48,linear",
    ];
    let experiment = &parts(header, &rows)[0];
    let text = text_table(&Summary::new(experiment, None).unwrap());
    let table: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("configuration  learning rate"))
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(table[0], ["configuration", "learning rate", "warm-up"], "{text}");
    assert_eq!(
        [&table[2], &table[3], &table[4]],
        [&["fast", "0.002", "0"], &["warm", "0.001", "48"], &["slow", "0.001", "0"]]
    );
}

/// Two trainings of a dense and a low-rank model, with their other settings in columns.
const TRAININGS: &str = "run_id,configuration,label,seed,attention,mlp,hidden,steps,tokens,learning_rate,init_from,training,frame,eval_loss";

#[test]
fn each_configuration_is_compared_with_the_dense_one_that_shares_its_other_settings() {
    let rows = &[
        "a0,a,Full slow,0,dense,dense,64,10,1000,0.1,,t1,f1,3.0",
        "a1,a,Full slow,1,dense,dense,64,10,1000,0.1,,t1,f1,3.1",
        "b0,b,Full fast,0,dense,dense,64,10,1000,0.2,,t2,f1,2.0",
        "b1,b,Full fast,1,dense,dense,64,10,1000,0.2,,t2,f1,2.1",
        "c0,c,Low slow,0,low-rank,dense,64,10,1000,0.1,,t1,f1,2.5",
        "d0,d,Low fast,0,low-rank,dense,64,10,1000,0.2,,t2,f1,2.5",
    ];
    let experiment = &parts(TRAININGS, rows)[0];
    let summary = Summary::new(experiment, None).unwrap();
    let row = |label: &str| summary.rows.iter().find(|row| row.configuration.label() == label).unwrap();
    let against = |label: &str| row(label).against.map(|one| one.label());
    assert_eq!([against("Low slow"), against("Low fast")], [Some("Full slow"), Some("Full fast")]);
    assert_eq!([row("Full slow").verdict, row("Full fast").verdict], [Some(Verdict::Baseline); 2]);
    // By hand: 2.5 − 3.05 and 2.5 − 2.05.
    let difference = |label: &str| row(label).comparison.unwrap().difference;
    assert!((difference("Low slow") + 0.55).abs() < 1e-12 && (difference("Low fast") - 0.45).abs() < 1e-12);
    assert!(summary.rows.iter().all(|row| row.otherwise.is_empty()));
    let text = text_table(&summary);
    assert!(text.contains("compared with") && text.contains("each compared with the dense one"), "{text}");
    // Whoever names a baseline has it for all, and is told where it was trained otherwise.
    let chosen = Summary::new(experiment, Some("Full slow")).unwrap();
    let fast = chosen.rows.iter().find(|row| row.configuration.label() == "Low fast").unwrap();
    assert_eq!((fast.against.unwrap().label(), &fast.otherwise[..]), ("Full slow", &["learning rate"][..]));
    assert!(text_table(&chosen).contains("trained otherwise in"), "{}", text_table(&chosen));
}

#[test]
fn runs_of_other_lengths_get_no_verdict() {
    let rows = &[
        "a0,a,Full,0,dense,dense,64,10,1000,0.1,,t1,f1,3.0",
        "a1,a,Full,1,dense,dense,64,10,1000,0.1,,t1,f1,3.01",
        "b0,b,Full long,0,dense,dense,64,99,9900,0.1,,t2,f1,2.0",
        "c0,c,Low long,0,low-rank,dense,64,99,9900,0.1,,t2,f1,1.0",
        "d0,d,Low longer,0,low-rank,dense,64,200,20000,0.1,,t3,f1,1.5",
        "e0,e,Low decayed,0,low-rank,dense,64,10,1000,0.1,,t4,f1,4.5",
    ];
    let experiment = &parts(TRAININGS, rows)[0];
    let summary = Summary::new(experiment, None).unwrap();
    let row = |label: &str| summary.rows.iter().find(|row| row.configuration.label() == label).unwrap();
    assert_eq!(row("Low long").against.unwrap().label(), "Full long");
    let longer = row("Low longer");
    assert_eq!(
        (longer.against.unwrap().label(), longer.verdict),
        ("Full", None),
        "no verdict, though the interval has one"
    );
    assert!(longer.comparison.unwrap().verdict().is_some() && longer.otherwise == ["steps"]);
    // As long, but trained with a setting that has no column: a verdict, and the reason for doubt.
    let decayed = row("Low decayed");
    assert_eq!((decayed.verdict, &decayed.otherwise[..]), (Some(Verdict::Worse), &["settings without a column"][..]));
    let csv = lrx_analysis::summary_csv(std::slice::from_ref(&summary));
    assert!(csv.contains("Low longer,Full,steps,,,,,other length,\n"), "{csv}");
}

#[test]
fn what_started_from_other_weights_is_no_baseline_and_no_seed_of_another() {
    let rows = &[
        "a0,,Full,0,dense,dense,64,10,1000,0.1,,t1,f1,3.0",
        "b0,,Full,1,dense,dense,64,10,1000,0.1,w.safetensors 12,t1,f2,2.0",
        "b1,,Full,2,dense,dense,64,10,1000,0.1,w.safetensors 12,t1,f2,2.1",
        "c0,,Low,0,low-rank,dense,64,10,1000,0.1,w.safetensors 12,t1,f2,2.5",
    ];
    let experiment = &parts(TRAININGS, rows)[0];
    assert_eq!(experiment.configurations.len(), 3);
    let baseline = experiment.baseline(None).unwrap().unwrap();
    assert_eq!(baseline.first().run_id, "a0");
    let summary = Summary::new(experiment, None).unwrap();
    let low = summary.rows.iter().find(|row| row.configuration.label() == "Low").unwrap();
    assert_eq!(low.against.unwrap().first().run_id, "b0", "the dense one that started from the same weights");
    let alone = &parts(TRAININGS, &rows[1..3])[0];
    assert_eq!(alone.baseline(None).unwrap(), None);
}

#[test]
fn between_vocabularies_stand_bits_per_byte_and_no_verdict() {
    let header = "run_id,label,seed,attention,mlp,eval_loss,eval_data,vocabulary,bits_per_byte";
    let rows = [
        "a,Full,0,dense,dense,3.0,e1,v1,1.25",
        "b,Full,1,dense,dense,3.1,e1,v1,1.35",
        "c,Full,0,dense,dense,2.6,e1,v2,1.2",
    ];
    let two = parts(header, &rows);
    let tables: Vec<String> = two.iter().map(|part| text_table(&Summary::new(part, None).unwrap())).collect();
    assert!(tables[0].contains("/byte") && tables[0].contains("1.300"), "the mean of both runs: {}", tables[0]);
    assert!(tables[1].contains("1.200") && !tables[1].contains("better"), "{}", tables[1]);
    // In one vocabulary losses say it all.
    let one = parts(header, &rows[..2]);
    assert!(!text_table(&Summary::new(&one[0], None).unwrap()).contains("/byte"));
}
