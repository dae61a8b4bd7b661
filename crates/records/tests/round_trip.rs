//! What is written reads back, and says what it is.

use std::fs;
use std::path::Path;
use std::slice::from_ref;

use lrx_records::{
    CurveRow, Error, Moment, RankRow, Ranks, Row, RunRecord, Split, Status, csv_header, csv_line, csv_text, read_rows,
    read_runs, visible,
};
use proptest::prelude::*;

fn read_back<R: Row>(rows: &[R]) -> Vec<R> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, csv_text(rows)).unwrap();
    read_rows(&path).unwrap()
}

fn labelled(label: &str) -> RunRecord {
    RunRecord { label: label.to_owned(), note: label.to_owned(), ..RunRecord::default() }
}

#[test]
fn no_text_is_a_formula_to_a_spreadsheet() {
    for text in ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "'=1", "''@x", "'", "''", "a=1", "'a", "−1"] {
        let row = labelled(text);
        assert_eq!(read_back(from_ref(&row)), from_ref(&row), "{text}");
        let cells = row.cells();
        assert!(cells.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{cells:?}");
    }
    // What no spreadsheet would run stands as it is.
    assert_eq!(labelled("a=1").cells()[1], "a=1");
    assert_eq!(labelled("'a").cells()[1], "'a");
    assert_eq!(labelled("=1").cells()[1], "'=1");
}

#[test]
fn ranks_of_layers_without_one_stand_as_they_are() {
    let row = RunRecord { attention_ranks: Ranks::from("-  5 20".to_owned()), ..RunRecord::default() };
    assert_eq!(row.cells()[7], "- 5 20");
    assert_eq!(read_back(from_ref(&row)), [row]);
    let slots = RunRecord { attention_ranks: Ranks::from("-/-/4/4 -".to_owned()), ..RunRecord::default() };
    assert!(csv_line(&slots).contains(",-/-/4/4 -,"), "no apostrophe: {}", csv_line(&slots));
    let hostile = RunRecord { mlp_ranks: Ranks::from("-1+cmd".to_owned()), ..RunRecord::default() };
    assert_eq!(hostile.cells()[9], "'-1+cmd");
    assert_eq!(read_back(from_ref(&hostile)), [hostile]);
}

#[test]
fn control_characters_are_visible_both_ways() {
    let row = labelled("a\u{1b}[31m\0b\r\nc\u{7f}\u{85}\u{ffff}");
    assert_eq!(row.cells()[1], "a␛[31m␀b␍␊c␡��");
    assert_eq!(csv_line(&row).lines().count(), 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.csv");
    fs::write(&path, "label,eval_loss,note\n\"a\u{1b}[31m\0b\",1,\"two\nlines\"\n").unwrap();
    let rows = read_runs(&path).unwrap();
    assert_eq!((rows[0].label.as_str(), rows[0].note.as_str()), ("a␛[31m␀b", "two␊lines"));
    fs::write(&path, "label,eval_loss\na,\u{1b}[2J\n").unwrap();
    assert!(read_runs(&path).unwrap_err().to_string().contains("`␛[2J` is not a number"));
}

#[test]
fn the_header_stands_without_a_row() {
    assert_eq!(csv_text::<RunRecord>([]), format!("{}\n", RunRecord::COLUMNS.join(",")));
    assert_eq!(csv_header::<CurveRow>(), "run_id,step,split,loss,tokens,learning_rate,grad_norm,elapsed_seconds\n");
    assert_eq!(read_back::<RunRecord>(&[]), []);
}

#[test]
fn numbers_read_back_to_the_same_bits() {
    let row = |loss: f64| CurveRow {
        run_id: "x".to_owned(),
        step: 1,
        split: Split::Eval,
        loss,
        tokens: Some(u64::MAX),
        learning_rate: None,
        grad_norm: Some(0.1 + 0.2),
        elapsed_seconds: Some(12.0),
    };
    for loss in [0.0, -0.0, 5e-324, 1e300, f64::MAX, 1e-5, 9.9e-6, 1e15, 1e16, f64::INFINITY, 3.0, 0.1] {
        assert_eq!(read_back(&[row(loss)])[0].loss.to_bits(), loss.to_bits(), "{loss}");
    }
    assert!(read_back(&[row(f64::NAN)])[0].loss.is_nan());
    let line = csv_line(&CurveRow { learning_rate: Some(5e-5), ..row(1e300) });
    assert_eq!(line, "x,1,eval,1e300,18446744073709551615,0.00005,0.30000000000000004,12.0\n");
}

#[test]
fn text_that_looks_like_a_number_stays_text() {
    let hashes = ["25874e6068", "2680092260", "1e999", "007", "NaN"];
    let rows =
        hashes.map(|hash| RunRecord { run_id: hash.to_owned(), configuration: hash.to_owned(), ..labelled(hash) });
    assert_eq!(read_back(&rows), rows);
}

#[test]
fn one_declaration_writes_and_reads_every_column() {
    let mut seen = RunRecord::COLUMNS.to_vec();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), RunRecord::COLUMNS.len());
    assert_eq!(RunRecord::default().cells().len(), RunRecord::COLUMNS.len());
    let row = RankRow {
        run_id: "r".to_owned(),
        moment: Moment::Final,
        matrix: "transformer.h.0.mlp.c_fc".to_owned(),
        layer: 0,
        slot: "c_fc".to_owned(),
        rows: Some(4),
        columns: None,
        max_rank: 4,
        entropy_rank: 3.5,
        stable_rank: 2.25,
    };
    assert_eq!(csv_line(&row), "r,final,transformer.h.0.mlp.c_fc,0,c_fc,4,,4,3.5,2.25\n");
    assert_eq!(read_back(from_ref(&row)), [row]);
}

#[test]
fn a_file_of_another_origin_says_what_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.csv");
    fs::write(&path, "eval_loss,label,status\n3.5,a,\n,b,\n,c,queued\n").unwrap();
    let statuses = read_runs(&path).unwrap().into_iter().map(|run| run.status).collect::<Vec<_>>();
    let other = |word: &str| Status::Other(word.to_owned());
    assert_eq!(statuses, [Status::Finished, other("without a loss"), other("queued")]);
    assert!(matches!(read_runs(Path::new("nowhere/runs.csv")).unwrap_err(), Error::Read { .. }));
}

proptest! {
    #[test]
    fn any_text_reads_back(text in any::<String>()) {
        let row = labelled(&text);
        let back = &read_back(&[row])[0];
        prop_assert_eq!(&back.label, &visible(text.trim()));
        prop_assert_eq!(&back.label, &back.note);
    }

    #[test]
    fn any_text_of_marks_reads_back(text in "['=@+a-]{0,6}") {
        let row = labelled(&text);
        prop_assert_eq!(read_back(from_ref(&row)), [row]);
    }
}
