//! The registry: every registered kind keeps its word, and wrong names and options are told clearly.

use lrx_layers::{BlockShape, LinearShape, Place, Registry, checks};

const SQUARE: LinearShape = LinearShape { inputs: 384, outputs: 384, bias: false };
const WIDE: LinearShape = LinearShape { inputs: 384, outputs: 1536, bias: false };
const SHAPE: BlockShape = BlockShape { hidden: 384, heads: 16, window: None, inner: 1536 };

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

#[test]
fn every_builtin_kind_keeps_its_word() {
    checks::every_kind(&Registry::builtin());
}

#[test]
fn low_rank_breaks_even_where_arithmetic_says() {
    let registry = Registry::builtin();
    let parameters =
        |kind: &str, options: &str, shape| registry.linear(kind, table(options), shape).unwrap().cost.parameters;
    assert_eq!(parameters("low-rank", "rank = 192", SQUARE), 147_456);
    assert_eq!(parameters("dense", "", SQUARE), 147_456);
    assert_eq!(parameters("low-rank", "rank = 307", WIDE), 589_440);
    assert!(parameters("low-rank", "rank = 308", WIDE) > parameters("dense", "", WIDE));
}

#[test]
fn slots_can_have_their_own_kind_and_options() {
    let registry = Registry::builtin();
    let block = |text: &str| registry.block(Place::Attention, table(text), SHAPE);
    let mixed = block("kind = 'dense'\nq = { kind = 'low-rank', rank = 8 }").unwrap();
    assert_eq!((mixed.kind.as_str(), mixed.rank.as_str()), ("dense q=low-rank", "q=8"));
    assert_eq!(mixed.cost.parameters, 3 * 147_456 + 8 * 768 + 384);
    let inherits = block("kind = 'low-rank'\nrank = 4\ninit = 'spectral'\nout = { rank = 8 }").unwrap();
    assert_eq!((inherits.kind.as_str(), inherits.rank.as_str()), ("low-rank", "4/out=8"));
    assert_eq!(inherits.options["out"]["init"].as_str(), Some("spectral"), "the block's options hold for its slots");
    let error = block("kind = 'dense'\nq = { kind = 'low-rnk', rank = 8 }").err().unwrap();
    assert_eq!((error.key.as_str(), error.message.contains("did you mean `low-rank`?")), ("q.kind", true));
    let error = block("kind = 'low-rank'\nrank = 385").err().unwrap();
    assert_eq!((error.key.as_str(), error.message.contains("more than 384")), ("rank", true));
    let error = block("kind = 'dense'\nrank = 3").err().unwrap();
    assert_eq!(error.key, "rank", "dense has no rank");
}

#[test]
fn names_are_unique() {
    let mut registry = Registry::builtin();
    let error = registry.register(lrx_layers::kinds::Dense).unwrap_err();
    assert!(error.to_string().contains("`dense` is already registered"));
}
