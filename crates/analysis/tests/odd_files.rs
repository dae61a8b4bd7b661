//! Files that no lrx writes: a report is made of them all the same.

use std::fs;
use std::path::Path;

use lrx_analysis::{Error, Report, ReportOptions, report};

fn made(folder: &Path) -> Report {
    report(&[folder.to_owned()], &ReportOptions::default()).unwrap()
}

fn of(header: &str, rows: &str) -> (Report, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("runs.csv"), format!("{header}\n{rows}\n")).unwrap();
    let made = made(folder.path());
    let svgs = made.files.iter().filter(|file| file.extension().is_some_and(|one| one == "svg"));
    for file in svgs {
        let svg = fs::read_to_string(file).unwrap();
        assert!(svg.len() < 200_000 && !svg.contains("NaN") && !svg.contains("inf"), "{}", file.display());
        assert!(svg.chars().all(|c| !c.is_control() || c == '\n'), "{}", file.display());
    }
    let page = fs::read_to_string(&made.files[0]).unwrap();
    (made, page)
}

#[test]
fn quantities_of_any_size_are_drawn_or_left_out() {
    let extremes = ["0", "5e-324", "1e-300", "1", "1e9", "1e16", "1e300", "1.7e308", "-1e300", "inf", "nan", ""];
    let drawn = |seconds: &str, loss: &str, other: &str| {
        let rows = format!(
            "a,Full,0,dense,dense,9,6,{seconds},{loss}\nb,Low,0,low-rank,dense,7,4,1,{other}\n\
             c,Low,1,low-rank,dense,7,4,,3.5\nd,Lower,1,low-rank,low-rank,18446744073709551615,1,1,3.5"
        );
        of("run_id,label,seed,attention,mlp,params,params_body,wall_seconds,eval_loss", &rows);
    };
    for one in extremes {
        drawn(one, "3.1", "3.0");
        for other in ["3.0", one, "5e-324", "1e300"] {
            drawn("2", one, other);
        }
    }
}

#[test]
fn control_characters_of_a_label_reach_neither_terminal_nor_page() {
    let label = "a\u{1b}[2J\0\u{9b}31m\u{7f}";
    let rows = format!("a,\"{label}\",0,dense,dense,9,6,1,3.0\nb,Low,0,low-rank,dense,7,4,2,3.5");
    let (made, page) = of("run_id,label,seed,attention,mlp,params,params_body,wall_seconds,eval_loss", &rows);
    for text in [&made.text, &page] {
        assert!(text.chars().all(|c| !c.is_control() || c == '\n'));
        assert!(text.contains("a␛[2J␀"));
    }
}

#[test]
fn a_damaged_experiment_does_not_hide_the_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("good", "label,eval_loss\nFull,3.0\n"),
        ("no-number", "label,eval_loss\nFull,3.O\n"),
        ("not-text", "label,eval_loss\n\u{0}"),
        ("empty", ""),
    ] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("runs.csv"), text).unwrap();
    }
    fs::write(folder.path().join("not-text/runs.csv"), b"label,eval_loss\n\xff,1\n").unwrap();
    let made = made(folder.path());
    assert!(made.text.starts_with("good: 1 configuration") && made.files[0].is_file());
    let told: Vec<String> = made.damaged.iter().map(Error::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("empty/runs.csv: no column `label`"), "{told:?}");
    assert!(told[1].ends_with("no-number/runs.csv:2: column `eval_loss`: `3.O` is not a number"), "{told:?}");
    // Where none is good, there is no report.
    fs::remove_dir_all(folder.path().join("good")).unwrap();
    assert!(report(&[folder.path().to_owned()], &ReportOptions::default()).is_err());
}
