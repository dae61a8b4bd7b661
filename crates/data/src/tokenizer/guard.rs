//! The boundary to the tokenizers library, which panics where a file asks it for what cannot be.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught and told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `work` with the library gives. A panic in it is an error like another, and prints nothing.
pub(super) fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.try_with(Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    // What the library keeps for later are caches, of which a word is missing at worst.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(message(&*panic)),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    let line = text.unwrap_or_default().lines().next().unwrap_or_default();
    format!("the tokenizers library gave up: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(guarded(|| Ok(1)), Ok(1));
        assert_eq!(guarded(|| Err::<(), _>("no".into())), Err("no".to_owned()));
        let number = 3;
        let failed = guarded(|| if number > 2 { panic!("{number} is too many") } else { Ok(()) });
        assert_eq!(failed, Err("the tokenizers library gave up: 3 is too many".to_owned()));
        assert!(!CAUGHT.get());
    }
}
