//! Reading results folders, whole, partial and broken.

use std::fs;
use std::path::Path;

use lrx_analysis::{Error, Summary, Verdict, read_results, text_table};
use lrx_records::{CurveRow, Split, Status, read_rows, read_runs};

fn write(dir: &Path, name: &str, text: &str) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join(name), text).unwrap();
}

/// The message without the folder, which differs from run to run.
fn message(error: &dyn std::error::Error, dir: &Path) -> String {
    error.to_string().replace(&format!("{}/", dir.display()), "")
}

#[test]
fn columns_are_found_by_name() {
    let dir = tempfile::tempdir().unwrap();
    // A byte-order mark, Windows line ends, white space, a quoted comma, pandas' floats, an unknown column.
    let text = "\u{feff}eval_loss,later,label,seed,params,mlp_ranks\r\n3.25, x ,\"a, b\",1.0,27179136.0,  5   20 \r\n";
    write(dir.path(), "runs.csv", text);
    let rows = read_runs(&dir.path().join("runs.csv")).unwrap();
    let row = &rows[0];
    assert_eq!((row.label.as_str(), row.eval_loss, row.seed), ("a, b", Some(3.25), Some(1)));
    assert_eq!((row.params, &*row.mlp_ranks), (Some(27_179_136), "5 20"));
    assert_eq!((row.status.clone(), row.tokens, row.attention.as_str()), (Status::Finished, None, ""));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.csv");
    for (text, expected) in [
        ("label,params\na,1\n", "runs.csv: no column `eval_loss`; the header has: label, params"),
        ("label,eval_loss,label\na,1,b\n", "runs.csv: the column `label` occurs twice in the header"),
        ("label,eval_loss\na,1\nb,low\n", "runs.csv:3: column `eval_loss`: `low` is not a number"),
        ("label,eval_loss,seed\na,1,-1\n", "runs.csv:2: column `seed`: `-1` is not a whole number from 0"),
        ("label,eval_loss\na,1,2\n", "runs.csv:2: 3 fields, but the header has 2"),
        ("run_id,label,eval_loss\nx,a,1\ny,a,2\nx,a,3\n", "runs.csv:4: the run `x` has a row already, on line 2"),
    ] {
        write(dir.path(), "runs.csv", text);
        assert_eq!(message(&read_runs(&path).unwrap_err(), dir.path()), expected);
    }
}

#[test]
fn a_curve_may_be_growing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("curves.csv");
    let whole = "run_id,step,split,loss,tokens\nx,50,train,4.5,51200\nx,50,eval,NaN,51200\n";
    write(dir.path(), "curves.csv", &format!("{whole}x,100,tr"));
    let rows = read_rows::<CurveRow>(&path).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].split, rows[0].loss, rows[0].grad_norm), (Split::Train, 4.5, None));
    assert!(rows[1].loss.is_nan());
    write(dir.path(), "curves.csv", &format!("{whole}x,100,test,4.0,51200\n"));
    let error = message(&read_rows::<CurveRow>(&path).unwrap_err(), dir.path());
    assert_eq!(error, "curves.csv:4: column `split`: `test` is not `train` or `eval`");
}

#[test]
fn a_folder_is_an_experiment_or_holds_some() {
    let dir = tempfile::tempdir().unwrap();
    let error = read_results(dir.path()).unwrap_err();
    assert!(matches!(error, Error::NoResults { .. }));
    for name in ["b", "a"] {
        write(&dir.path().join(name), "runs.csv", "label,eval_loss\nx,1\n");
    }
    write(&dir.path().join("notes"), "todo.txt", "");
    let names: Vec<_> = read_results(dir.path()).unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(read_results(&dir.path().join("a")).unwrap()[0].name, "a");
    assert!(matches!(read_results(&dir.path().join("none")).unwrap_err(), Error::Read { .. }));
}

#[test]
fn only_finished_runs_with_a_loss_count() {
    let dir = tempfile::tempdir().unwrap();
    let text = "run_id,label,status,eval_loss,attention,mlp\na1,a,finished,3.0,dense,dense\na2,a,running,2.0,dense,dense\n\
                a3,a,finished,NaN,dense,dense\nb1,b,diverged,,low-rank,dense\nc1,c,queued,,dense,dense\n";
    write(dir.path(), "runs.csv", text);
    let experiment = &read_results(dir.path()).unwrap()[0];
    assert_eq!(experiment.configurations.len(), 1);
    assert_eq!(experiment.configurations[0].losses(), [3.0]);
    let apart: Vec<_> = experiment.unfinished.iter().map(|run| run.run_id.as_str()).collect();
    assert_eq!(apart, ["a2", "a3", "b1", "c1"]);
}

#[test]
fn a_label_twice_gets_what_sets_it_apart() {
    let dir = tempfile::tempdir().unwrap();
    let text = "run_id,label,seed,layers,hidden,attention,mlp,params,eval_loss\n\
                a,Full,0,4,384,dense,dense,300,3.0\nb,Full,1,4,384,dense,dense,300,3.1\nc,Full,0,4,256,dense,dense,200,3.2\n\
                d,Low,0,4,384,low-rank,dense,100,3.3\ne,Low,0,4,384,low-rank,dense,100,3.4\n";
    write(dir.path(), "runs.csv", text);
    let experiment = &read_results(dir.path()).unwrap()[0];
    let names: Vec<_> = experiment.configurations.iter().map(|one| one.name.as_str()).collect();
    // The two of the same seed differ in something that the file does not tell.
    assert_eq!(names, ["Full (hidden 384)", "Full (hidden 256)", "Low (d)", "Low (e)"]);
    assert_eq!(experiment.baseline(None).unwrap().unwrap().name, "Full (hidden 384)");
    assert_eq!(experiment.baseline(Some("Full (hidden 256)")).unwrap().unwrap().runs.len(), 1);
    let error = experiment.baseline(Some("Med")).unwrap_err().to_string();
    let known = "Full (hidden 384), Full (hidden 256), Low (d), Low (e)";
    assert_eq!(error, format!("no configuration with finished runs is labelled `Med`; there are: {known}"));
}

#[test]
fn without_spread_there_is_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "runs.csv", "run_id,label,params,eval_loss\nx,FullSA-FullMLP-4L,10,3\ny,MedSA-FullMLP-4L,8,4\n");
    let experiment = &read_results(dir.path()).unwrap()[0];
    let summary = Summary::new(experiment, None).unwrap();
    assert_eq!(summary.rows[0].verdict, Some(Verdict::Baseline));
    let other = &summary.rows[1];
    assert_eq!((other.comparison.unwrap().difference, other.verdict, other.ties.as_str()), (1.0, None, ""));
    assert!(text_table(&summary).contains("No intervals: no seeds were repeated"));
}
