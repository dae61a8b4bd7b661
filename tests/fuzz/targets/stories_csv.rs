//! `cargo fuzz` feeds [`lrx_fuzz::stories_csv`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lrx_fuzz::stories_csv(bytes));
