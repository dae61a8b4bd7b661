//! The report over any number of results folders.

use std::fs;
use std::path::{Path, PathBuf};

use crate::experiment::{folders, read_experiment_without};
use crate::file::write_whole;
use crate::html::{Section, page};
use crate::plot::{plots, plots_together};
use crate::runs_section::with_runs;
use crate::{Error, Experiment, Summary, merged, text_table, twins_csv, write_summary_csv};

/// As of so many experiments, the page folds up the plots, tables and runs of each.
const FOLDED_FROM: usize = 4;

/// What a report consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `report.html`, the plots as SVG, `summary.csv`, `twins.csv`, and the tables as text.
    #[default]
    Html,
    /// The tables as text; nothing is written.
    Text,
}

/// How to make a report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportOptions {
    /// Where to write; `None` for the first of the folders.
    pub out: Option<PathBuf>,
    /// Label of the baseline; `None` for the all-dense configuration of each experiment. An experiment that does not have
    /// the label keeps its own baseline, unless none has it.
    pub baseline: Option<String>,
    /// Differences up to this, in nats per target token, are as good as none: what cannot be told apart is tested for that, too.
    pub margin: Option<f64>,
    /// What to make.
    pub format: Format,
    /// Runs that do not count, by their `run_id`, of the experiments in these folders: what they stand for is not as it was.
    pub left_out: Vec<(PathBuf, Vec<String>)>,
}

/// A report that was made.
#[derive(Debug)]
pub struct Report {
    /// The tables of all experiments, for a terminal.
    pub text: String,
    /// The files that were written, the page first.
    pub files: Vec<PathBuf>,
    /// What is wrong with the experiments that could not be read: they are left out.
    pub damaged: Vec<Error>,
}

/// Reads the results folders and writes a report on them: `report.html`, `summary.csv`, `twins.csv` where low-rank
/// configurations have dense ones of their size beside them, and one SVG a plot, named `<experiment>-<plot>.svg`. An
/// experiment that cannot be read does not keep the others from theirs: it is among [`Report::damaged`].
///
/// # Errors
/// As [`crate::read_results`] where no experiment can be read; [`Error::UnknownLabel`] when no experiment has the baseline that was asked for, [`Error::AmbiguousLabel`] when one has several;
/// [`Error::NoFolders`] without folders; [`Error::Write`].
pub fn report(dirs: &[PathBuf], options: &ReportOptions) -> Result<Report, Error> {
    let first = dirs.first().ok_or(Error::NoFolders)?;
    let (mut experiments, mut damaged) = (Vec::new(), Vec::new());
    for dir in dirs {
        for folder in folders(dir)? {
            let left_out = options.left_out.iter().find(|(dir, _)| *dir == folder).map_or(&[][..], |(_, runs)| runs);
            match read_experiment_without(&folder, left_out) {
                Ok(parts) => experiments.extend(parts),
                Err(error) => damaged.push(error),
            }
        }
    }
    if experiments.is_empty() {
        return Err(damaged.pop().unwrap_or(Error::NoFolders));
    }
    let together = merged(&experiments);
    let (baseline, margin) = (options.baseline.as_deref(), options.margin);
    let summaries = summaries(&experiments, baseline, margin)?;
    let mut overview = self::summaries(&together, baseline.filter(|label| has(&together, label)), margin)?;
    // What one of them lacks is said of that one.
    overview.iter_mut().for_each(|summary| summary.absent.clear());
    let text = overview.iter().chain(&summaries).map(text_table).collect::<Vec<_>>().join("\n\n");
    let files = match options.format {
        Format::Text => Vec::new(),
        Format::Html => {
            let out = options.out.as_deref().unwrap_or(first);
            write_files(out, (&experiments, summaries), (&together, overview))?
        }
    };
    Ok(Report { text, files, damaged })
}

fn has(experiments: &[Experiment], label: &str) -> bool {
    experiments.iter().any(|experiment| experiment.baseline(Some(label)).is_ok())
}

fn summaries<'a>(
    experiments: &'a [Experiment],
    baseline: Option<&str>,
    margin: Option<f64>,
) -> Result<Vec<Summary<'a>>, Error> {
    // Where several configurations have the label, it is not for the report to choose.
    let has_it = |experiment: &Experiment| !matches!(experiment.baseline(baseline), Err(Error::UnknownLabel { .. }));
    if !experiments.iter().any(has_it) {
        return experiments.iter().map(|experiment| Summary::with_margin(experiment, baseline, margin)).collect();
    }
    let own =
        |experiment: &'a Experiment| Summary::with_margin(experiment, baseline.filter(|_| has_it(experiment)), margin);
    experiments.iter().map(own).collect()
}

fn write_files(
    out: &Path,
    (experiments, summaries): (&[Experiment], Vec<Summary>),
    (together, overview): (&[Experiment], Vec<Summary>),
) -> Result<Vec<PathBuf>, Error> {
    fs::create_dir_all(out).map_err(|source| Error::Write { path: out.to_owned(), source })?;
    let csv = out.join("summary.csv");
    let all = [&summaries[..], &overview[..]].concat();
    write_summary_csv(&csv, &all)?;
    drop(all);
    let mut files = vec![out.join("report.html"), csv];
    let has_twins = |summary: &&Summary| summary.frontier.as_ref().is_some_and(|one| !one.twins.is_empty());
    let with_twins: Vec<_> = overview.iter().chain(&summaries).filter(has_twins).collect();
    if !with_twins.is_empty() {
        files.push(out.join("twins.csv"));
        write_whole(&files[2], &twins_csv(with_twins))?;
    }
    let mut names = Vec::new();
    let mut sections = Vec::new();
    for (experiment, summary) in together.iter().zip(overview) {
        let plots = plots_together(experiment, &summary);
        names.push("together".to_owned());
        sections.push(Section { plots, summary });
    }
    for (experiment, summary) in experiments.iter().zip(summaries) {
        names.push(experiment.name.clone());
        sections.push(Section { plots: plots(experiment, &summary), summary });
    }
    let folded = experiments.len() >= FOLDED_FROM;
    write_whole(&files[0], &with_runs(page(&sections, folded), experiments, folded))?;
    for (index, (name, section)) in names.iter().zip(&sections).enumerate() {
        // Folders of the same name in different places.
        let twin = names[..index].iter().filter(|other| *other == name).count();
        let suffix = if twin == 0 { String::new() } else { format!("-{}", twin + 1) };
        for plot in &section.plots {
            let path = out.join(format!("{name}{suffix}-{}.svg", plot.name));
            write_whole(&path, &plot.standalone_svg())?;
            files.push(path);
        }
    }
    Ok(files)
}
