//! `cargo fuzz` feeds [`lrx_fuzz::weights`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lrx_fuzz::weights(bytes));
