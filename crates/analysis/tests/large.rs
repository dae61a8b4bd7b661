//! Thousands of configurations: a page that is read, and CSVs that have all.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;

use lrx_analysis::{Format, Report, ReportOptions, report};
use lrx_records::{SummaryRecord, read_rows};

/// So many sizes of so many kinds, at so many learning rates, with two seeds each.
fn made(sizes: u64, kinds: &[&str], rates: u64, format: Format) -> (tempfile::TempDir, Report) {
    let dir = tempfile::tempdir().unwrap();
    let mut runs = "run_id,label,seed,status,hidden,attention,mlp,params,params_body,flops_per_token,learning_rate,\
                    stories,steps,eval_loss,wall_seconds,configuration,training,frame,vocabulary,eval_data\n"
        .to_owned();
    let mut curves = "run_id,step,split,loss,tokens,elapsed_seconds\n".to_owned();
    let mut ranks = "run_id,moment,matrix,layer,slot,rows,columns,max_rank,entropy_rank,stable_rank\n".to_owned();
    let mut number = 0;
    for size in 1..=sizes {
        for kind in kinds {
            for rate in 1..=rates {
                number += 1;
                // Larger is better; the rate in the middle is; dense is.
                let worse = if *kind == "dense" { 0.0 } else { 0.1 + 0.01 * kind.len() as f64 };
                let off = rate.abs_diff(rates / 2) as f64;
                let loss = 3.0 + 1.0 / size as f64 + 0.01 * off + worse;
                let (body, hidden) = (size * 10_000, if *kind == "dense" { 8 * size } else { 64 });
                for seed in 0..2 {
                    let (id, loss) = (format!("r{number}-s{seed}"), loss + 0.003 * f64::from(seed));
                    let (all, seconds) = (body + 50_000, 5 + number % 7);
                    writeln!(
                        runs,
                        "{id},\"{kind} {size}, rate {rate}\",{seed},finished,{hidden},{kind},dense,{all},{body},{body},{rate},\
                         50,100,{loss},{seconds},c{number},t{rate},f{hidden},v,e"
                    )
                    .unwrap();
                    for step in 1..=4 {
                        writeln!(curves, "{id},{step},eval,{},{},{step}", loss + 1.0 / f64::from(step), step * 100)
                            .unwrap();
                    }
                    writeln!(ranks, "{id},final,h.0.q,0,q,64,64,{size},{},{}", size as f64 / 2.0, size as f64 / 3.0)
                        .unwrap();
                }
            }
        }
    }
    for (file, text) in [("runs.csv", runs), ("curves.csv", curves), ("ranks.csv", ranks)] {
        fs::write(dir.path().join(file), text).unwrap();
    }
    let report = report(&[dir.path().to_owned()], &ReportOptions { format, ..Default::default() }).unwrap();
    (dir, report)
}

const KINDS: [&str; 4] = ["dense", "low-rank", "monarch", "tensor-train"];

#[test]
fn of_thousands_of_configurations_a_page_shows_what_matters_and_says_what_it_leaves_out() {
    let (dir, made) = made(25, &KINDS, 25, Format::Html);
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.len() < 4_500_000, "{} bytes", page.len());
    // Of sizes and time, the frontier, curves and ranks at least; each for a screen and for a telephone.
    let plots = page.matches("<svg role=\"img\"").count();
    assert!(plots >= 2 * (4 + 2 + 3 + 2) && plots.is_multiple_of(2), "{plots} plots");
    assert!(page.contains("Evaluation loss against learning rate"), "what was swept comes first");

    // Every configuration is in the CSV, once.
    let summary: Vec<SummaryRecord> = read_rows(&dir.path().join("summary.csv")).unwrap();
    let names: HashSet<&str> = summary.iter().map(|row| row.configuration.as_str()).collect();
    assert_eq!((summary.len(), names.len()), (2_500, 2_500));

    // The table has those that matter: the first, the best, and the ends of the front, which are the smallest and the largest
    // dense model at the best rate.
    let table = &page[page.find("<tbody ").unwrap()..page.find("</tbody>").unwrap()];
    let rows = table.matches("<tr ").count();
    assert!((24..=24 + 16 + 4 + 1).contains(&rows), "{rows}");
    for name in ["dense 1, rate 1", "dense 25, rate 12", "dense 1, rate 12"] {
        assert!(table.contains(&format!(">{name}</th>")), "{name}");
    }
    assert!(!table.contains(">tensor-train 3, rate 20</th>"));
    let said = format!("Tables and plots show {rows} of 2,500 configurations: the 24 of the lowest loss");
    for text in [&page, &made.text] {
        assert!(text.contains(&said) && text.contains("writes all to summary.csv"), "{said}");
    }
    assert!(page.contains("Small dots without a name are the other "));
    // A terminal is not flooded either.
    assert!(made.text.lines().count() < 4 * rows, "{}", made.text.lines().count());
    for file in made.files.iter().filter(|file| file.extension().is_some_and(|e| e == "svg")) {
        let svg = fs::read_to_string(file).unwrap();
        let height: u32 = svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(svg.len() < 400_000 && height < 1_000, "{}: {} bytes, {height}", file.display(), svg.len());
    }
}

#[test]
fn all_of_some_dozens_are_shown() {
    let (dir, made) = made(8, &KINDS, 2, Format::Html);
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    let table = &page[page.find("<tbody ").unwrap()..page.find("</tbody>").unwrap()];
    assert_eq!(table.matches("<tr ").count(), 64);
    for text in [&page, &made.text] {
        assert!(!text.contains("Tables and plots show") && !text.contains("Small dots without a name"));
    }
}

#[test]
fn thousands_of_runs_that_do_not_count_are_not_listed_either() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..3_000).map(|number| format!("r{number},A {number},running,\n")).collect();
    fs::write(dir.path().join("runs.csv"), format!("run_id,label,status,eval_loss\nf,Full,finished,3.0\n{rows}"))
        .unwrap();
    report(&[dir.path().to_owned()], &ReportOptions::default()).unwrap();
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.len() < 60_000, "{} bytes", page.len());
    assert!(page.contains("Of 3,000 runs that do not count the first 64 are shown; runs.csv has all."));
}
