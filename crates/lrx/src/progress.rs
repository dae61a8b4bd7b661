//! What a user sees while something runs: a bar on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::signals::Signals;
use crate::terminal::tell;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use lrx_data::Unit;
use lrx_records::{CurveRow, Split};
use lrx_train::{Observer, Report};

/// Plain lines come at most so often, evaluations apart.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows the preparation of data, and ends it at a signal.
pub(crate) struct DataProgress {
    bar: Mutex<Option<ProgressBar>>,
    signals: Option<Signals>,
}

impl DataProgress {
    /// Nothing ends the preparation where `signals` are not watched.
    pub(crate) fn new(signals: Option<Signals>) -> Self {
        Self { bar: Mutex::default(), signals }
    }
}

impl lrx_data::Progress for DataProgress {
    fn start(&self, what: &str, total: u64, unit: Unit) {
        let template = match unit {
            Unit::Bytes => "{msg}  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
            Unit::Stories => "{msg}  {bar:30} {human_pos}/{human_len} stories  {eta} left",
        };
        if !std::io::stderr().is_terminal() {
            tell!("{what}");
        }
        let bar = ProgressBar::new(total).with_message(what.to_string());
        bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
        *self.bar.lock().expect("no panic while it is held") = Some(bar);
    }

    fn advance(&self, count: u64) {
        if let Some(bar) = &*self.bar.lock().expect("no panic while it is held") {
            bar.inc(count);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.lock().expect("no panic while it is held").take() {
            bar.finish_and_clear();
        }
    }

    fn warn(&self, message: &str) {
        tell!("warning: {message}");
    }

    fn stopped(&self) -> bool {
        self.signals.as_ref().is_some_and(|signals| signals.stop().is_some())
    }
}

/// What is shown of all runs: a line for each that goes on, and messages above them.
#[derive(Clone)]
pub(crate) struct Lines {
    bars: MultiProgress,
    /// With several runs at once, plain lines say which.
    side_by_side: bool,
}

impl Lines {
    /// For runs one after the other, or side by side.
    pub(crate) fn new(side_by_side: bool) -> Self {
        Self { bars: MultiProgress::new(), side_by_side }
    }

    /// A message of its own.
    pub(crate) fn print(&self, message: &str) {
        if std::io::stderr().is_terminal() {
            self.bars.suspend(|| tell!("{message}"));
        } else {
            tell!("{message}");
        }
    }

    /// The line of a run that begins.
    pub(crate) fn run(&self, title: &str) -> RunProgress<'_> {
        RunProgress::new(self, title)
    }
}

/// Shows a run.
pub(crate) struct RunProgress<'a> {
    lines: &'a Lines,
    /// Is called after every evaluation.
    pub(crate) after_eval: Option<Box<dyn Fn() + 'a>>,
    /// Hidden where standard error is no terminal.
    bar: ProgressBar,
    indent: String,
    plain: bool,
    eval: String,
    last_line: Instant,
    first: Option<(Instant, usize)>,
}

impl<'a> RunProgress<'a> {
    /// `title` names the run.
    fn new(lines: &'a Lines, title: &str) -> Self {
        let bar = lines.bars.add(ProgressBar::new(0).with_prefix(title.to_string()));
        let style = ProgressStyle::with_template("{prefix}  {bar:24} {pos}/{len}  {msg}").expect("a valid template");
        bar.set_style(style);
        let plain = !std::io::stderr().is_terminal();
        if plain {
            tell!("{title}");
        }
        let indent = if lines.side_by_side { format!("{title}  ") } else { "  ".to_string() };
        let (eval, last_line) = (String::new(), Instant::now());
        Self { lines, after_eval: None, bar, indent, plain, eval, last_line, first: None }
    }

    /// Clears the bar and prints how the run ended.
    pub(crate) fn end(self, message: &str) {
        let title = self.bar.prefix();
        self.bar.finish_and_clear();
        if message.is_empty() {
            return;
        }
        if self.plain {
            tell!("{}{message}", self.indent);
        } else {
            self.lines.print(&format!("{title}  {message}"));
        }
    }

    fn message(&mut self, report: &Report) -> String {
        // Time left from the speed since this process began.
        let &mut (began, first) = self.first.get_or_insert((Instant::now(), report.step));
        let done = report.step - first;
        let left = report.steps - report.step;
        let left = match began.elapsed().checked_div(done as u32) {
            Some(step) => format!("  {} left", HumanDuration(step * left as u32)),
            None => String::new(),
        };
        format!("loss {:.3}{}  {} tokens/s{left}", report.loss, self.eval, thousands(report.tokens_per_second))
    }
}

impl Observer for RunProgress<'_> {
    fn resumed(&mut self, report: &Report) {
        self.warned(&format!("continues after step {} of {}", report.step, report.steps));
    }

    fn stepped(&mut self, report: &Report) {
        if self.plain {
            return;
        }
        let message = self.message(report);
        self.bar.set_length(report.steps as u64);
        self.bar.set_position(report.step as u64);
        self.bar.set_message(message);
    }

    fn logged(&mut self, row: &CurveRow, report: &Report) {
        if row.split == Split::Eval {
            self.eval = format!("  eval {:.3}", row.loss);
        }
        let message = self.message(report);
        if self.plain && (row.split == Split::Eval || self.last_line.elapsed() >= PLAIN_EVERY) {
            self.last_line = Instant::now();
            tell!("{}step {}/{}  {message}", self.indent, report.step, report.steps);
        }
        if let (Some(then), Split::Eval) = (&self.after_eval, row.split) {
            then();
        }
    }

    fn warned(&mut self, message: &str) {
        if self.plain {
            tell!("{}{message}", self.indent);
        } else {
            self.lines.print(&format!("{}  {message}", self.bar.prefix()));
        }
    }
}

/// `12,345`
pub(crate) fn thousands(number: f64) -> String {
    indicatif::HumanCount(number.round() as u64).to_string()
}
