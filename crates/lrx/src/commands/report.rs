//! `lrx report`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lrx_analysis::{Format, ReportOptions};
use lrx_spec::hint;

use super::best::say_best;
use crate::failure::Failure;
use crate::tables::{LeftOut, not_in_the_table, not_to_count};
use crate::terminal::{say, tell, write_out};
use crate::threads::use_threads;

/// `lrx report`
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Folders of experiments, or folders that hold such
    #[arg(value_name = "DIR", default_value = "results")]
    pub(crate) dirs: Vec<PathBuf>,
    /// Where report.html, the plots, summary.csv and twins.csv go [default: the first DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The configuration that others are compared with [default: the all-dense one]
    #[arg(long, value_name = "LABEL")]
    pub(crate) baseline: Option<String>,
    /// Differences up to so many nats per target token are as good as none: what cannot be told apart is tested for that, too
    /// (two one-sided tests), and called "equivalent within 0.02" or "no worse than 0.02" where they show it
    #[arg(long, value_name = "NATS", value_parser = margin)]
    pub(crate) margin: Option<f64>,
    /// `text`: print the tables, write nothing
    #[arg(long, value_enum, default_value_t = ReportFormat::Html)]
    pub(crate) format: ReportFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Html,
    Text,
}

pub(crate) fn report(args: &ReportArgs) -> Result<ExitCode, Failure> {
    if let Some(missing) = args.dirs.iter().find(|dir| !dir.exists()) {
        return Err(Failure::Usage(format!("{}: there is no such folder{}", missing.display(), hint(missing))));
    }
    // Files of runs are read on all cores.
    use_threads(None)?;
    let mut left_out = Vec::new();
    for folder in args.dirs.iter().flat_map(|dir| with_folders_inside(dir)) {
        if let Err(damage) = lrx_files::settled(&folder) {
            tell!("warning: {}: {damage}; it is read as it is now, and `lrx run` writes it anew", folder.display());
        }
        let runs = not_to_count(&folder);
        for LeftOut { run_id, why } in &runs {
            tell!("warning: left out: {}: {why}", folder.join(run_id).display());
        }
        match not_in_the_table(&folder) {
            0 => {}
            missing => tell!(
                "note: {}: not in runs.csv yet: {missing} finished; `lrx run` writes the table when it ends",
                folder.display()
            ),
        }
        left_out.push((folder, runs.into_iter().map(|run| run.run_id).collect()));
    }
    let format = match args.format {
        ReportFormat::Html => Format::Html,
        ReportFormat::Text => Format::Text,
    };
    let left_out: Vec<(PathBuf, Vec<String>)> = left_out;
    let (out, baseline, margin) = (args.out.clone(), args.baseline.clone(), args.margin);
    let options = ReportOptions { out, baseline, margin, format, left_out: left_out.clone() };
    let report = lrx_analysis::report(&args.dirs, &options).map_err(|error| match error {
        lrx_analysis::Error::Write { .. } => Failure::Failed(error.to_string()),
        _ => Failure::Usage(error.to_string()),
    })?;
    write_out(format_args!("{}", report.text));
    say_best(&left_out);
    if let [page, others @ ..] = report.files.as_slice() {
        say!("\nwrote {} and {} files beside it", page.display(), others.len());
    }
    report.damaged.iter().for_each(|error| tell!("error: left out: {error}"));
    Ok(if report.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A difference in loss above 0.
fn margin(text: &str) -> Result<f64, String> {
    let margin = text.parse::<f64>().ok().filter(|margin| margin.is_finite() && *margin > 0.0);
    margin.ok_or_else(|| "expected nats per target token above 0, such as 0.02".to_owned())
}

/// The folder, and the folders in it: experiments, where it holds such. Those in an experiment's own are its runs, which are
/// looked at with it.
fn with_folders_inside(dir: &Path) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_experiment = dir.join("runs.csv").is_file();
    std::iter::once(dir.to_path_buf()).chain(inside.filter(|path| !is_experiment && path.is_dir())).collect()
}
