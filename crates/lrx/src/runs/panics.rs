//! A panic within one run, a stranger's layer kind included, is that run's failure and nobody else's.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// The places of panics that no run has asked for yet, each with its message.
static PLACES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
/// Runs that go on.
static RUNS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread is one that a run was begun on.
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives.
///
/// # Errors
/// When it panics, on this thread or on one of rayon's that it has set to work: the message and its place.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let of_a_run =
                IN_RUN.get() || (RUNS.load(Ordering::Relaxed) > 0 && rayon::current_thread_index().is_some());
            if of_a_run {
                remember(info);
            }
            // Who writes a kind asks for the way there.
            if !of_a_run || std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
                usual(info);
            }
        }));
    });
    RUNS.fetch_add(1, Ordering::Relaxed);
    let before = IN_RUN.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IN_RUN.set(before);
    RUNS.fetch_sub(1, Ordering::Relaxed);
    result.map_err(|payload| {
        let message = message(&*payload);
        match take_place(&message) {
            Some(place) => format!("panicked at {place}: {message}"),
            None => format!("panicked: {message}"),
        }
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into())
}

fn remember(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    // Of threads that panic side by side, one is heard of.
    if places.len() < 100 {
        places.push((message(info.payload()), place));
    }
}

fn take_place(message: &str) -> Option<String> {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let index = places.iter().position(|(said, _)| said == message)?;
    let place = places.swap_remove(index).1;
    places.retain(|(said, _)| said != message);
    Some(place).filter(|place| !place.is_empty())
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn a_panic_is_an_error_that_says_where_and_the_next_run_goes_on() {
        let here = caught(|| -> u32 { panic!("rank {} of {}", 3, 2) }).unwrap_err();
        assert!(here.starts_with("panicked at crates/lrx/src/runs/panics.rs:"), "{here}");
        assert!(here.ends_with(": rank 3 of 2"), "{here}");
        let elsewhere =
            caught(|| (0..1000_u32).into_par_iter().map(|i| 1 / (i - i.min(700) + i.min(700) - i)).sum::<u32>());
        let elsewhere = elsewhere.unwrap_err();
        assert!(elsewhere.contains("panics.rs:") && elsewhere.ends_with("attempt to divide by zero"), "{elsewhere}");
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic::panic_any(7)), Err::<(), _>(caught_place_of_any()));
    }

    fn caught_place_of_any() -> String {
        // The line above; what is thrown is no text.
        let line = include_str!("panics.rs").lines().position(|line| line.contains("panic_any(7)")).unwrap() + 1;
        let column = include_str!("panics.rs").lines().nth(line - 1).unwrap().find("panic::panic_any").unwrap() + 1;
        format!("panicked at crates/lrx/src/runs/panics.rs:{line}:{column}: without a message")
    }
}
