//! `claims.csv`: what configs claim, written down before the runs, once for each claim.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use lrx_records::claim::{AFTER, BEFORE, CHANGED, Margin};
use lrx_records::{ClaimRecord, RunRecord, read_rows};
use lrx_spec::Claim;

use crate::results::{RECORD_FILE, TUNE_FOLDER, write_csv_text};
use crate::turn::Turn;

const CLAIMS_FILE: &str = "claims.csv";

/// Writes the claims that do not stand in the experiment's `claims.csv` yet behind those that do, each with the time and how
/// many runs had begun. What stands there stays as it is: whoever changes a claim has both.
///
/// Claims that came, or were changed, after runs had begun, by name.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn write_down(folder: &Path, claims: &[Claim]) -> Result<Vec<String>, String> {
    let claims: Vec<&Claim> = claims.iter().filter(|claim| !claim.hash.is_empty()).collect();
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let path = folder.join(CLAIMS_FILE);
    // Processes that begin together write one after the other.
    let _turn = Turn::wait(&path, |_| {}, || false);
    let mut rows: Vec<ClaimRecord> = match read_rows(&path) {
        Ok(rows) => rows,
        Err(_) if !path.exists() => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let known: HashSet<String> = rows.iter().map(|row| row.claim.clone()).collect();
    let new: Vec<&&Claim> = claims.iter().filter(|claim| !known.contains(&claim.hash)).collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let (begun, written) = (begun(folder), format_rfc3339_seconds(SystemTime::now()).to_string());
    let names: HashSet<String> = rows.iter().map(|row| row.name.clone()).collect();
    let state = |claim: &Claim| match begun {
        0 => BEFORE,
        _ if names.contains(&claim.name) => CHANGED,
        _ => AFTER,
    };
    let late = if begun == 0 { Vec::new() } else { new.iter().map(|claim| claim.name.clone()).collect() };
    rows.extend(new.iter().map(|claim| ClaimRecord {
        claim: claim.hash.clone(),
        name: claim.name.clone(),
        a: claim.a.0.clone(),
        b: claim.b.0.clone(),
        a_configuration: claim.a.1.clone(),
        b_configuration: claim.b.1.clone(),
        direction: claim.direction.to_owned(),
        margin: Margin(claim.margin.unwrap_or(0.0)),
        budget: claim.budget.to_owned(),
        written: written.clone(),
        runs_begun: begun,
        state: state(claim).to_owned(),
    }));
    write_csv_text(&path, &rows)?;
    Ok(late)
}

/// How many runs of an experiment have begun: those with a folder, and those of its table that have none.
fn begun(folder: &Path) -> u64 {
    let is_run = |path: &Path| {
        let attempt = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("attempt.");
        path.join(RECORD_FILE).is_file() || fs::read_dir(path).into_iter().flatten().flatten().any(attempt)
    };
    let there = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: HashSet<String> = there
        .filter(|entry| entry.file_name() != TUNE_FOLDER && entry.path().is_dir() && is_run(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let table: Vec<RunRecord> = read_rows(&folder.join("runs.csv")).unwrap_or_default();
    runs.extend(table.into_iter().map(|run| run.run_id));
    runs.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, hash: &str) -> Claim {
        let side = |label: &str| (label.to_string(), format!("c{label}"));
        let (name, hash) = (name.to_string(), hash.to_string());
        Claim { hash, name, a: side("a"), b: side("b"), direction: "lower", margin: None, budget: "" }
    }

    #[test]
    fn a_claim_is_written_once_and_what_comes_late_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let rows = || -> Vec<ClaimRecord> { read_rows(&folder.path().join(CLAIMS_FILE)).unwrap() };
        let said = |claims: &[Claim]| write_down(folder.path(), claims).unwrap();
        assert_eq!(said(&[claim("x", "")]), [""; 0], "the data is not there: nothing that could be meant");
        assert!(!folder.path().join(CLAIMS_FILE).exists());
        assert_eq!(said(&[claim("x", "h1")]), [""; 0]);
        let first = rows();
        assert_eq!((first.len(), first[0].state.as_str(), first[0].runs_begun), (1, BEFORE, 0));
        // A run begins; what stands there is not written again.
        fs::create_dir_all(folder.path().join("run-1/attempt.0")).unwrap();
        fs::create_dir_all(folder.path().join("tune/other/attempt.0")).unwrap();
        fs::create_dir_all(folder.path().join("figures")).unwrap();
        assert_eq!(said(&[claim("x", "h1")]), [""; 0]);
        assert_eq!(rows(), first);
        assert_eq!(said(&[claim("x", "h2"), claim("y", "h3")]), ["x", "y"]);
        let now = rows();
        assert_eq!(now[0], first[0]);
        assert_eq!(now[1..].iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), [CHANGED, AFTER]);
        assert_eq!(now[1].runs_begun, 1);
        assert!(!folder.path().join("claims.csv.turn").exists());
    }
}
