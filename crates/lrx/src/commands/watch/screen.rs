//! The terminal: a thread reads the folders, this one draws and listens to keys.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::choice::Choice;
use super::keys::{Then, press};
use super::sweep::{Seen, Sweep};
use super::view::draw;

/// How long a key or a new reading may wait.
const LISTEN: Duration = Duration::from_millis(100);
/// Of the time, at most so much is spent on reading, as a divisor: a folder of ten thousand runs on a slow disk.
const SHARE: u32 = 10;

/// Shows the runs in `dirs` until the user has seen enough, or a signal comes.
///
/// The signal that has ended it, if one has.
///
/// # Errors
/// When the terminal cannot be drawn on or listened to; it is as it was before, all the same.
pub(super) fn show(dirs: &[PathBuf], every: Duration) -> io::Result<Option<i32>> {
    let stop = Arc::new(AtomicUsize::new(0));
    for signal in ending() {
        signal_hook::flag::register_usize(signal, stop.clone(), signal as usize)?;
    }
    let (asked, asking) = mpsc::channel::<()>();
    let (reading, read) = mpsc::channel::<Result<Sweep, String>>();
    let dirs = dirs.to_vec();
    // Ends with the process, or when nobody asks any more.
    thread::Builder::new().name("watch".into()).spawn(move || {
        let mut seen = Seen::default();
        loop {
            let began = Instant::now();
            if reading.send(Sweep::read(&dirs, &mut seen)).is_err() {
                return;
            }
            let pause = every.max(began.elapsed() * SHARE);
            if matches!(asking.recv_timeout(pause), Err(RecvTimeoutError::Disconnected)) {
                return;
            }
        }
    })?;
    // Sets the terminal back also when this panics.
    let mut terminal = ratatui::try_init()?;
    let result = listen(&mut terminal, &stop, &asked, &read);
    ratatui::restore();
    result
}

/// The signals that end it, after which the terminal has to be as it was.
fn ending() -> Vec<i32> {
    #[cfg(unix)]
    let more = [signal_hook::consts::SIGHUP, signal_hook::consts::SIGQUIT];
    #[cfg(not(unix))]
    let more = [];
    [SIGINT, SIGTERM].into_iter().chain(more).collect()
}

fn listen(
    terminal: &mut DefaultTerminal,
    stop: &AtomicUsize,
    asked: &mpsc::Sender<()>,
    read: &mpsc::Receiver<Result<Sweep, String>>,
) -> io::Result<Option<i32>> {
    let (mut sweep, mut choice) = (None::<Sweep>, Choice::default());
    let (mut trouble, mut has_changed) = (None::<String>, true);
    loop {
        let signal = stop.load(Ordering::Relaxed);
        if signal != 0 {
            return Ok(i32::try_from(signal).ok());
        }
        // The newest reading; one that failed leaves what was read before.
        while let Ok(result) = read.try_recv() {
            has_changed = true;
            match result {
                Ok(new) => {
                    choice.apply(&new);
                    (sweep, trouble) = (Some(new), None);
                }
                Err(error) => trouble = Some(error),
            }
        }
        if std::mem::take(&mut has_changed) {
            terminal.draw(|frame| draw(frame, sweep.as_ref(), &mut choice, trouble.as_deref()))?;
        }
        if !event::poll(LISTEN)? {
            continue;
        }
        has_changed = true;
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                match press(key, &mut choice, sweep.as_ref().unwrap_or(&Sweep::default())) {
                    Then::End => return Ok(None),
                    Then::Look => drop(asked.send(())),
                    Then::GoOn => {}
                }
            }
            _ => {}
        }
    }
}
