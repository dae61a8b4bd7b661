//! `docs/csv.md` lists the columns that the files have, and the committed results have them.

use std::fs;
use std::path::PathBuf;

use lrx_records::{
    ClaimRecord, CurveRow, HeldOutRow, PlannedRow, RankRow, Row, RunRecord, SampleRow, SummaryRecord, TuneRecord,
    TwinRecord,
};

const FILES: [(&str, &[&str]); 10] = [
    ("runs.csv", RunRecord::COLUMNS),
    ("curves.csv", CurveRow::COLUMNS),
    ("ranks.csv", RankRow::COLUMNS),
    ("summary.csv", SummaryRecord::COLUMNS),
    ("twins.csv", TwinRecord::COLUMNS),
    ("claims.csv", ClaimRecord::COLUMNS),
    ("tune.csv", TuneRecord::COLUMNS),
    ("planned.csv", PlannedRow::COLUMNS),
    ("stories.csv", HeldOutRow::COLUMNS),
    ("samples.csv", SampleRow::COLUMNS),
];

/// Those that the committed results have.
const COMMITTED: usize = 5;

fn read(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

#[test]
fn every_column_is_documented_in_its_place() {
    let text = read("docs/csv.md");
    let sections: Vec<(&str, &str)> = text.split("\n## ").skip(1).map(|one| one.split_once('\n').unwrap()).collect();
    let names: Vec<_> = sections.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, FILES.map(|(name, _)| name));
    for ((name, section), (_, columns)) in sections.iter().zip(FILES) {
        let rows: Vec<Vec<&str>> = section
            .lines()
            .filter_map(|line| Some(line.strip_prefix("| ")?.split('|').map(str::trim).collect()))
            .collect();
        let documented: Vec<_> = rows[1..].iter().map(|row| row[0].trim_matches('`')).collect();
        assert_eq!(documented, columns, "{name}");
        for row in &rows {
            assert_eq!(row.len(), 6, "name, type, unit, meaning, empty: {row:?}");
            assert!([row[1], row[3], row[4]].iter().all(|cell| !cell.is_empty()), "{row:?}");
        }
    }
}

#[test]
fn committed_results_have_these_columns() {
    for (name, columns) in &FILES[..COMMITTED] {
        let text = read(&format!("results/shrink/{name}"));
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        // Files of an earlier lrx end sooner; the columns of the first are all there.
        let first =
            columns.iter().position(|column| ["note", "method", "p_holm"].contains(column)).unwrap_or(columns.len());
        assert!(columns.starts_with(&header) && header.len() >= first, "{name}: {header:?}");
    }
}
