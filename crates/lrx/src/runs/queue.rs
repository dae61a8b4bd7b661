//! Which run comes next, on how many workers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lrx_records::RunRecord;
use lrx_train::{Checkpoints, Order};

use super::Task;
use super::claim::{Claim, Claimed, claim, clear_empty, current_attempt};
use super::elsewhere::{finished_elsewhere, take_over};
use super::folder::{State, read_state, relabel};
use super::panics::caught;
use super::worker::{End, note_failure, train_claimed};
use crate::lease::Watch;
use crate::progress::Lines;
use crate::results::about;
use crate::signals::Signals;
use crate::tables::Assembler;
use crate::threads::cannot_start;

/// How runs are worked on.
pub(crate) struct Policy {
    pub(crate) jobs: usize,
    /// Threads of each job.
    pub(crate) threads: usize,
    pub(crate) retry_failed: bool,
    pub(crate) fail_fast: bool,
    /// Leave runs that other processes have to them.
    pub(crate) no_wait: bool,
    pub(crate) checkpoints: Checkpoints,
}

/// How it went.
#[derive(Default)]
pub(crate) struct Totals {
    /// Their ids, in the order of the tasks once all is done.
    pub(crate) finished: Vec<String>,
    /// Titles and reasons.
    pub(crate) failed: Vec<(String, String)>,
    /// Titles, and who has them.
    pub(crate) with_others: Vec<(String, String)>,
    /// Runs that were stopped, or not begun because others were.
    pub(crate) left: usize,
}

/// How long to wait before looking again at runs that others have.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Works on all tasks until each is finished, has failed, or is left to others.
pub(crate) fn work(tasks: &[Task], policy: &Policy, signals: &Signals, lines: &Lines, assembler: &Assembler) -> Totals {
    let queue = Queue {
        waiting: Mutex::new((0..tasks.len()).collect()),
        busy: Mutex::default(),
        watch: Mutex::default(),
        totals: Mutex::default(),
        failed: AtomicBool::new(false),
        tasks,
        policy,
        signals,
        lines,
        assembler,
    };
    if policy.jobs == 1 {
        queue.worker();
    } else {
        std::thread::scope(|scope| {
            let job = || {
                // Each job has threads of its own; this one is one of them.
                let pool = rayon::ThreadPoolBuilder::new().num_threads(policy.threads).use_current_thread().build();
                match pool {
                    Ok(pool) => pool.install(|| queue.worker()),
                    Err(error) => lines.print(&format!("a job less: {}", cannot_start(policy.threads, &error))),
                }
            };
            for _ in 0..policy.jobs {
                if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, job) {
                    lines.print(&format!("a job less: {}", cannot_start(1, &error)));
                }
            }
        });
    }
    let mut totals = queue.totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    let places: HashMap<&str, usize> = tasks.iter().enumerate().rev().map(|(i, task)| (&*task.run_id, i)).collect();
    totals.finished.sort_by_key(|run_id| places.get(run_id.as_str()));
    totals.left += queue.waiting.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    totals
}

struct Queue<'a> {
    /// Tasks that nobody here works on, in their order.
    waiting: Mutex<VecDeque<usize>>,
    /// Runs that somebody here works on: two experiments may have the same, and the second takes it from the first.
    busy: Mutex<HashSet<String>>,
    watch: Mutex<Watch>,
    totals: Mutex<Totals>,
    failed: AtomicBool,
    tasks: &'a [Task],
    policy: &'a Policy,
    signals: &'a Signals,
    lines: &'a Lines,
    assembler: &'a Assembler,
}

impl<'a> Queue<'a> {
    fn stopping(&self) -> bool {
        self.signals.stop().is_some() || (self.policy.fail_fast && self.failed.load(Ordering::Relaxed))
    }

    fn worker(&self) {
        // Tasks in a row that others had: when all that are left are, wait.
        let mut held = 0;
        while !self.stopping() {
            let (next, left) = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                (waiting.pop_front(), waiting.len())
            };
            let Some(index) = next else { return };
            let task = &self.tasks[index];
            let is_free = self.busy().insert(task.run_id.clone());
            let attempt = if is_free { self.attempt(task) } else { Ok(Some("a job for another experiment".into())) };
            if is_free {
                self.busy().remove(&task.run_id);
            }
            match attempt {
                Ok(Some(by)) if is_free && (self.policy.no_wait || !task.is_own && self.lives(task)) => {
                    self.lines.print(&format!("{}  left to {by}", task.title));
                    self.totals().with_others.push((task.title.clone(), by));
                }
                Ok(Some(by)) => {
                    self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(index);
                    held += 1;
                    if held == 1 {
                        self.lines.print(&format!("{}  is being trained by {by}", task.title));
                    }
                    if held > left {
                        std::thread::sleep(LOOK_AGAIN);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => self.fail(task, error),
            }
            held = 0;
        }
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<String>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, task: &Task, reason: String) {
        self.lines.print(&format!("{}  failed: {reason}", task.title));
        self.failed.store(true, Ordering::Relaxed);
        self.totals().failed.push((task.title.clone(), reason));
    }

    /// Brings a run to its end if it is free; else says who has it.
    fn attempt(&self, task: &'a Task) -> Result<Option<String>, String> {
        let folder = task.folder();
        let state = read_state(&folder);
        if self.settled(task, &state) {
            self.lines.skip(task.work());
            if matches!(state, State::Finished(_)) {
                self.clear_what_is_left(task);
            }
            return Ok(None);
        }
        std::fs::create_dir_all(&folder).map_err(about(&folder))?;
        let claim = match self.claim(task).map_err(about(&folder))? {
            Claimed::Held(by) => return Ok(Some(by)),
            Claimed::Mine(claim) => claim,
        };
        // It may have been finished between the look and the claim.
        let state = read_state(&folder);
        if self.settled(task, &state) {
            self.lines.skip(task.work());
            match state {
                State::Finished(_) => claim.clear(),
                _ => claim.release(),
            }
            return Ok(None);
        }
        if let Some((other, record)) = finished_elsewhere(task) {
            let row = take_over(task, claim.folder(), &other, record)?;
            claim.clear();
            let experiment = other.parent().and_then(Path::file_name).unwrap_or_default().display();
            self.finished(task, &row, &format!("finished before in {experiment}"));
            self.assembler.after_run(&task.experiment, &task.order)?;
            return Ok(None);
        }
        self.train(task, claim)
    }

    /// Tells of a run that was finished before, and counts it.
    fn finished(&self, task: &Task, record: &RunRecord, how: &str) {
        let loss = record.eval_loss.map(|loss| format!(", eval {loss:.3}")).unwrap_or_default();
        self.lines.print(&format!("{}  {how}{loss}  {}", task.title, task.run_id));
        self.totals().finished.push(task.run_id.clone());
    }

    fn claim(&self, task: &Task) -> std::io::Result<Claimed> {
        claim(&mut self.watch.lock().unwrap_or_else(PoisonError::into_inner), &task.folder())
    }

    /// Whether the owner of a run was seen to renew its claim.
    fn lives(&self, task: &Task) -> bool {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).was_renewed(&task.folder())
    }

    /// A process that is killed once its run is finished, but before it has cleared its attempt away, leaves that to the next.
    fn clear_what_is_left(&self, task: &Task) {
        let folder = task.folder();
        clear_empty(&folder);
        lrx_files::clear_leftovers(&folder);
        if current_attempt(&folder).is_ok_and(|attempt| attempt.is_some())
            && let Ok(Claimed::Mine(claim)) = self.claim(task)
        {
            claim.clear();
        }
    }

    /// Trains a claimed run to whatever end it comes to.
    fn train(&self, task: &'a Task, claim: Claim) -> Result<Option<String>, String> {
        let order = || match () {
            () if claim.is_lost() => Order::Abandon,
            () if self.stopping() => Order::Stop,
            () => Order::GoOn,
        };
        let mut progress = self.lines.run(&task.title, task.work());
        progress.after_eval = Some(Box::new(|| self.assembler.after_evaluation(&task.experiment, &task.order)));
        let end = caught(|| train_claimed(task, &claim, self.policy, &order, &mut progress));
        let end = end.unwrap_or_else(|panic| {
            // Whatever the disk says to that: the run is told of as failed.
            let _ = note_failure(task, &claim, &panic);
            Ok(End::Failed { message: format!("failed: {panic}"), note: panic })
        });
        // Without its folder, which its new owner has, everything fails that this process still tries: not the run.
        if !matches!(end, Ok(End::Finished { .. })) && claim.is_lost() {
            progress.end("another process has taken this run over");
            return Ok(Some("another process".into()));
        }
        match end {
            Ok(End::Finished { message }) => {
                claim.clear();
                progress.end(&message);
                self.totals().finished.push(task.run_id.clone());
            }
            Ok(End::Failed { message, note }) => {
                claim.release();
                progress.end(&message);
                self.failed.store(true, Ordering::Relaxed);
                self.totals().failed.push((task.title.clone(), note));
            }
            Ok(End::Stopped { message }) => {
                claim.release();
                progress.end(&message);
                self.totals().left += 1;
            }
            Ok(End::Paused { message }) => {
                claim.release();
                progress.end(&message);
            }
            Ok(End::Abandoned) => {
                progress.end("another process has taken this run over");
                return Ok(Some("another process".into()));
            }
            Err(error) => {
                claim.release();
                progress.end("");
                return Err(error);
            }
        }
        self.assembler.after_run(&task.experiment, &task.order)?;
        Ok(None)
    }

    /// Tells of a run that has ended before, if nothing is to be done about it.
    fn settled(&self, task: &Task, state: &State) -> bool {
        if !task.is_own && !matches!(state, State::New | State::Running(_)) {
            // Told by the task whose it is.
            return true;
        }
        let failed = match state {
            State::Finished(record) => {
                relabel(&task.folder(), record, &task.planned.label);
                self.finished(task, record, "finished before");
                return true;
            }
            State::Failed(record) => record.note.clone(),
            State::Damaged(damage) => format!("{}: {damage}", task.folder().display()),
            State::Unreadable(what) => {
                // Nothing is known of it: it is neither trained again nor said to be finished.
                self.fail(task, format!("{}: {what}", task.folder().display()));
                return true;
            }
            State::New | State::Running(_) => return false,
        };
        if self.policy.retry_failed {
            return false;
        }
        self.lines.print(&format!("{}  not tried again: {failed} (--retry-failed does)", task.title));
        self.failed.store(true, Ordering::Relaxed);
        self.totals().failed.push((task.title.clone(), failed));
        true
    }
}
