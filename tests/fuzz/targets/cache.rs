//! `cargo fuzz` feeds [`lrx_fuzz::cache`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lrx_fuzz::cache(bytes));
