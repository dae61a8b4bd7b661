//! The block keeps its word.

use lrx::layers::{Registry, checks};

#[test]
fn it_keeps_its_word() {
    let mut registry = Registry::empty();
    registry.register_block(gated_mlp_of_any::GatedMlpOfAny).unwrap();
    checks::every_kind(&registry);
}
