//! The lrx binary.
fn main() {}
