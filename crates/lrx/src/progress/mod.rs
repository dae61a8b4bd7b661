//! What a user sees while something runs: a line on a terminal that changes in place, plain lines otherwise.

mod left;
mod line;

use std::any::Any;
use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use lrx_data::Unit;
use lrx_records::{CurveRow, Split};
use lrx_train::{Observer, Report};

use self::left::Work;
pub(crate) use self::left::duration;
use self::line::{columns, line};
use crate::signals::Signals;
use crate::terminal::tell;
use crate::turn::Turn;

/// Plain lines come at most so often, evaluations apart.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is shown of all that goes on: a line for each run, and messages above them.
#[derive(Clone, Default)]
pub(crate) struct Lines {
    bars: MultiProgress,
    /// With several runs at once, plain lines say which.
    side_by_side: bool,
    /// Of all runs.
    work: Arc<Mutex<Work>>,
}

impl Lines {
    /// For runs one after the other, or side by side.
    pub(crate) fn new(side_by_side: bool) -> Self {
        Self { side_by_side, ..Self::default() }
    }

    /// A message of its own.
    pub(crate) fn print(&self, message: &str) {
        if std::io::stderr().is_terminal() {
            self.bars.suspend(|| tell!("{message}"));
        } else {
            tell!("{message}");
        }
    }

    /// Takes all lines back: nothing comes after them.
    pub(crate) fn clear(&self) {
        let _ = self.bars.clear();
    }

    /// Floating-point operations that are to be done in all.
    pub(crate) fn expect(&self, work: f64) {
        lock(&self.work).expect(work);
    }

    /// Of these, so many that need not be done here.
    pub(crate) fn skip(&self, work: f64) {
        lock(&self.work).skip(work);
    }

    /// The line of a run that begins, of so many operations.
    pub(crate) fn run(&self, title: &str, work: f64) -> RunProgress<'_> {
        RunProgress::new(self, title, work)
    }

    /// A line that `text` writes anew for the width of the terminal whenever it is drawn.
    fn bar(
        &self,
        total: u64,
        text: impl Fn(usize, &ProgressState) -> String + Clone + Send + Sync + 'static,
    ) -> ProgressBar {
        let write = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(&text(columns(), state));
        };
        let style = ProgressStyle::with_template("{line}").expect("a valid template").with_key("line", write);
        self.bars.add(ProgressBar::new(total)).with_style(style)
    }
}

/// Shows the preparation of data, and ends it at a signal.
pub(crate) struct DataProgress {
    lines: Lines,
    bar: Mutex<Option<ProgressBar>>,
    signals: Option<Signals>,
    /// Whether it was told for whom this waits.
    waits: AtomicBool,
}

impl DataProgress {
    /// Among these lines. Nothing ends the preparation where `signals` are not watched.
    pub(crate) fn new(lines: Lines, signals: Option<Signals>) -> Self {
        Self { lines, bar: Mutex::default(), signals, waits: AtomicBool::new(false) }
    }
}

impl lrx_data::Progress for DataProgress {
    fn start(&self, what: &str, total: u64, unit: Unit) {
        if !std::io::stderr().is_terminal() {
            tell!("{what}");
        }
        let what = what.to_string();
        let bar = self.lines.bar(total, move |columns, state| {
            let (done, total) = (state.pos(), state.len().unwrap_or(0));
            let done_of = match unit {
                Unit::Bytes => format!("{}/{}", HumanBytes(done), HumanBytes(total)),
                Unit::Stories => format!("{}/{} stories", thousands(done as f64), thousands(total as f64)),
            };
            let left = format!("{} left", duration(state.eta().as_secs_f64()));
            line(columns, &what, done as f64 / total.max(1) as f64, &[(0, done_of), (1, left)])
        });
        *lock(&self.bar) = Some(bar);
    }

    fn advance(&self, count: u64) {
        if let Some(bar) = &*lock(&self.bar) {
            bar.inc(count);
        }
    }

    fn finish(&self) {
        if let Some(bar) = lock(&self.bar).take() {
            bar.finish_and_clear();
        }
    }

    fn warn(&self, message: &str) {
        self.lines.print(&format!("warning: {message}"));
    }

    fn turn(&self, entry: &Path) -> Box<dyn Any> {
        let waits = |by: &str| {
            if !self.waits.swap(true, Ordering::Relaxed) {
                self.lines.print(&format!("waits for {by}, which prepares the same stories"));
            }
        };
        Box::new(Turn::wait(entry, waits, || self.stopped()))
    }

    fn stopped(&self) -> bool {
        self.signals.as_ref().is_some_and(|signals| signals.stop().is_some())
    }
}

/// The figures of a run's line.
#[derive(Clone, Default)]
struct Figures {
    step: usize,
    steps: usize,
    loss: String,
    eval: String,
    rate: String,
    left: String,
    all_left: String,
}

impl Figures {
    /// Each with how important it is.
    fn ranked(&self) -> [(u8, String); 6] {
        let steps = if self.steps == 0 { String::new() } else { format!("{}/{}", self.step, self.steps) };
        let [loss, eval, rate, left, all] = [&self.loss, &self.eval, &self.rate, &self.left, &self.all_left];
        [(0, steps), (3, loss.clone()), (4, eval.clone()), (5, rate.clone()), (1, left.clone()), (2, all.clone())]
    }

    /// In a plain line.
    fn plain(&self) -> String {
        let figures = [&self.loss, &self.eval, &self.rate, &self.left, &self.all_left];
        figures.into_iter().filter(|figure| !figure.is_empty()).cloned().collect::<Vec<_>>().join("  ")
    }
}

/// Shows a run.
pub(crate) struct RunProgress<'a> {
    lines: &'a Lines,
    title: String,
    /// Is called after every evaluation.
    pub(crate) after_eval: Option<Box<dyn Fn() + 'a>>,
    /// Hidden where standard error is no terminal.
    bar: ProgressBar,
    figures: Arc<Mutex<Figures>>,
    plain: bool,
    last_line: Instant,
    /// When this process made its first step, and which it was.
    first: Option<(Instant, usize)>,
    /// Operations of the whole run, and how many of them are done or need not be.
    work: f64,
    settled: f64,
}

impl<'a> RunProgress<'a> {
    fn new(lines: &'a Lines, title: &str, work: f64) -> Self {
        let figures = Arc::new(Mutex::new(Figures::default()));
        let (shown, shown_title) = (figures.clone(), title.to_string());
        let bar = lines.bar(0, move |columns, _| {
            let figures = lock(&shown).clone();
            line(columns, &shown_title, figures.step as f64 / figures.steps.max(1) as f64, &figures.ranked())
        });
        let plain = !std::io::stderr().is_terminal();
        if plain {
            tell!("{title}");
        }
        let title = title.to_string();
        let last_line = Instant::now();
        Self { lines, title, after_eval: None, bar, figures, plain, last_line, first: None, work, settled: 0.0 }
    }

    /// Takes the line back and prints how the run ended.
    pub(crate) fn end(self, message: &str) {
        self.bar.finish_and_clear();
        self.lines.skip(self.work - self.settled);
        if message.is_empty() {
            return;
        }
        if self.plain {
            tell!("{}{message}", self.indent());
        } else {
            self.lines.print(&format!("{}  {message}", self.title));
        }
    }

    fn indent(&self) -> String {
        if self.lines.side_by_side { format!("{}  ", self.title) } else { "  ".to_string() }
    }

    /// Takes the figures of a step.
    fn update(&mut self, report: &Report) {
        // Time left from the speed since this process began.
        let &mut (began, first) = self.first.get_or_insert((Instant::now(), report.step));
        let done = report.step.saturating_sub(first);
        let per_step = began.elapsed().as_secs_f64() / done as f64;
        let left = (report.steps.saturating_sub(report.step)) as f64 * per_step;
        let share = report.step as f64 / report.steps.max(1) as f64;
        let all = {
            let mut work = lock(&self.lines.work);
            work.advance(self.work * share - self.settled);
            work.left()
        };
        self.settled = self.work * share;
        let mut figures = lock(&self.figures);
        (figures.step, figures.steps) = (report.step, report.steps);
        figures.loss = format!("loss {:.3}", report.loss);
        figures.rate = format!("{} tokens/s", thousands(report.tokens_per_second));
        figures.left = if done == 0 { String::new() } else { format!("{} left", duration(left)) };
        // Where this run is all there is, it says so already.
        let others = all.filter(|all| *all > 1.02 * left + 1.0);
        figures.all_left = others.map(|all| format!("{} for all", duration(all))).unwrap_or_default();
    }
}

impl Observer for RunProgress<'_> {
    fn resumed(&mut self, report: &Report) {
        let done = self.work * report.step as f64 / report.steps.max(1) as f64;
        self.lines.skip(done - self.settled);
        self.settled = done;
        self.warned(&format!("continues after step {} of {}", report.step, report.steps));
    }

    fn stepped(&mut self, report: &Report) {
        self.update(report);
        if !self.plain {
            self.bar.set_length(report.steps as u64);
            self.bar.set_position(report.step as u64);
        }
    }

    fn logged(&mut self, row: &CurveRow, report: &Report) {
        if row.split == Split::Eval {
            lock(&self.figures).eval = format!("eval {:.3}", row.loss);
        }
        if self.plain && (row.split == Split::Eval || self.last_line.elapsed() >= PLAIN_EVERY) {
            self.update(report);
            self.last_line = Instant::now();
            tell!("{}step {}/{}  {}", self.indent(), report.step, report.steps, lock(&self.figures).plain());
        }
        if let (Some(then), Split::Eval) = (&self.after_eval, row.split) {
            then();
        }
    }

    fn warned(&mut self, message: &str) {
        if self.plain {
            tell!("{}{message}", self.indent());
        } else {
            self.lines.print(&format!("{}  {message}", self.title));
        }
    }
}

/// `12,345`
pub(crate) fn thousands(number: f64) -> String {
    indicatif::HumanCount(number.round() as u64).to_string()
}
