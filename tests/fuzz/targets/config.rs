//! `cargo fuzz` feeds [`lrx_fuzz::config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lrx_fuzz::config(bytes));
