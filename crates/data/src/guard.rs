//! The boundary to libraries that panic where a file asks them for what cannot be.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// What a library gives, or any error.
type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;

thread_local! {
    /// Whether a panic of this thread is caught and told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `work` with a library gives. A panic in it is an error like another, and prints nothing.
pub(crate) fn guarded<T>(library: &str, work: impl FnOnce() -> Anything<T>) -> Result<T, String> {
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
    // What the tokenizers keep for later are caches, of which a word is missing at worst; a table is read no further.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(message(library, &*panic)),
    }
}

fn message(library: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    let line = text.unwrap_or_default().lines().next().unwrap_or_default();
    format!("the {library} library gave up: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(guarded("test", || Ok(1)), Ok(1));
        assert_eq!(guarded("test", || Err::<(), _>("no".into())), Err("no".to_owned()));
        let number = 3;
        let failed = guarded("test", || if number > 2 { panic!("{number} is too many") } else { Ok(()) });
        assert_eq!(failed, Err("the test library gave up: 3 is too many".to_owned()));
        assert!(!CAUGHT.get());
    }
}
