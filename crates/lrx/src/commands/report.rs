//! `lrx report`

use std::process::ExitCode;

use lrx_analysis::{Format, ReportOptions};

use crate::cli::{Failure, ReportArgs, ReportFormat};

pub(crate) fn report(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let format = match args.format {
        ReportFormat::Html => Format::Html,
        ReportFormat::Text => Format::Text,
    };
    let options = ReportOptions { out: args.out.clone(), baseline: args.baseline.clone(), format };
    let report = lrx_analysis::report(&args.dirs, &options).map_err(|error| Failure::Usage(error.to_string()))?;
    print!("{}", report.text);
    if let [page, others @ ..] = report.files.as_slice() {
        println!("\nwrote {} and {} files beside it", page.display(), others.len());
    }
    Ok(ExitCode::SUCCESS)
}
