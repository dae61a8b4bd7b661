//! The registry: every registered kind and rule keeps its word, and wrong names and options are told clearly.

use lrx_layers::rules::RuleOf;
use lrx_layers::{BlockShape, BlockSpec, LinearShape, OptionError, Place, Registry, blocks_table, checks};

const SQUARE: LinearShape = LinearShape { inputs: 384, outputs: 384, bias: false };
const WIDE: LinearShape = LinearShape { inputs: 384, outputs: 1536, bias: false };

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

fn shapes(layers: usize) -> Vec<BlockShape> {
    (0..layers).map(|layer| BlockShape { hidden: 384, heads: 16, rotary: None, layer, layers }).collect()
}

fn blocks(place: Place, text: &str, layers: usize) -> Result<Vec<BlockSpec>, OptionError> {
    Registry::builtin().blocks(place, &table(text), &shapes(layers))
}

fn attention(text: &str) -> BlockSpec {
    blocks(Place::Attention, text, 1).unwrap().remove(0)
}

/// Each layer's slots, as the tables show them.
fn slots(text: &str, layers: usize) -> Vec<String> {
    blocks(Place::Attention, text, layers).unwrap().iter().map(BlockSpec::slots_cell).collect()
}

fn error(text: &str, layers: usize) -> OptionError {
    blocks(Place::Attention, text, layers).err().unwrap_or_else(|| panic!("an error: {text}"))
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
    let mixed = attention("kind = 'dense'\nq = { kind = 'low-rank', rank = 8 }");
    assert_eq!((mixed.kind_cell(Place::Attention), mixed.rank_cell()), ("dense q=low-rank".into(), "8/-/-/-".into()));
    assert_eq!(mixed.cost.parameters, 3 * 147_456 + 8 * 768 + 384);
    let inherits = attention("kind = 'low-rank'\nrank = 4\ninit = 'spectral'\nout = { rank = 8 }");
    assert_eq!((inherits.kind_cell(Place::Attention), inherits.rank_cell()), ("low-rank".into(), "4/4/4/8".into()));
    assert_eq!(inherits.rule_cell(RuleOf::Init), "spectral", "the block's rules hold for its slots");
    let wrong = error("kind = 'dense'\nq = { kind = 'low-rnk', rank = 8 }", 1);
    assert_eq!((wrong.key.as_str(), wrong.message.contains("did you mean `low-rank`?")), ("q.kind", true));
    let wrong = error("kind = 'low-rank'\nrank = 385", 1);
    assert_eq!((wrong.key.as_str(), wrong.message.contains("more than 384")), ("rank", true));
    let wrong = error("kind = 'dense'\nrank = 3", 1);
    assert_eq!(
        (wrong.key.as_str(), wrong.message.contains("an option of ") && wrong.message.contains("`low-rank`")),
        ("rank", true)
    );
    let wrong = error("kind = 'low-rank'\nrank = 3\nq = { rnak = 4 }", 1);
    assert_eq!((wrong.key.as_str(), wrong.message.contains("did you mean `rank`?")), ("q.rnak", true));
}

#[test]
fn a_kind_stands_where_layers_and_slots_say_and_dense_elsewhere() {
    let dense = "q=dense k=dense v=dense out=dense";
    let all = "q=low-rank:4 k=low-rank:4 v=low-rank:4 out=low-rank:4";
    let two = "q=low-rank:4 k=low-rank:4 v=dense out=dense";
    let low_rank = "kind = 'low-rank'\nrank = 4\n";
    assert_eq!(slots(&format!("{low_rank}layers = 'late'"), 4), [dense, dense, all, all]);
    assert_eq!(slots(&format!("{low_rank}layers = 'even'\nslots = ['q', 'k']"), 3), [two, dense, two]);
    assert_eq!(slots(&format!("{low_rank}slots = 'q k'"), 1), [two]);
    assert_eq!(slots("kind = 'low-rank'\nrank = [1, 2]", 2).concat().matches("low-rank:2").count(), 4);
    // A scalar that a layer has no use for is ignored there.
    assert_eq!(slots("kind = ['dense', 'low-rank']\nrank = 4", 2), [dense, all]);
    let wrong = error(&format!("{low_rank}slots = ['q', 'c_fc']"), 1);
    assert_eq!((wrong.key.as_str(), wrong.message.contains("no slot here")), ("slots", true));
    assert_eq!(error(&format!("{low_rank}layers = 'lat'"), 4).key, "layers");
}

#[test]
fn overrides_hold_where_they_speak() {
    let text = "kind = 'low-rank'\nrank = 12\nwindow = 5\n[[override]]\nlayers = '0-1'\nkind = 'dense'\n\
        [[override]]\nlayers = 'last'\nslots = ['v']\nrank = 3\n[[override]]\nlayers = 0\nwindow = 7";
    let dense = "q=dense k=dense v=dense out=dense";
    let last = "q=low-rank:12 k=low-rank:12 v=low-rank:3 out=low-rank:12";
    assert_eq!(slots(text, 3), [dense, dense, last]);
    let windows: Vec<_> =
        blocks(Place::Attention, text, 3).unwrap().iter().map(|block| block.attends.unwrap().window).collect();
    assert_eq!(windows, [Some(7), Some(5), Some(5)]);
    let wrong = error("[[override]]\nlayers = '0'\nkind = 'low-rank'\nrank = 400", 2);
    assert_eq!(wrong.key, "override.0.rank");
    assert_eq!(error("[[override]]\nlayers = '9'\nkind = 'dense'", 2).key, "override.0.layers");
    assert_eq!(error("[[override]]\nrnak = 4", 2).key, "override.0.rnak");
}

#[test]
fn an_option_that_nobody_uses_is_told() {
    let wrong = error("kind = 'low-rank'\nrnak = 4", 2);
    assert_eq!((wrong.key.as_str(), wrong.message.contains("did you mean `rank`?")), ("rnak", true));
    assert_eq!(
        error("kind = 'low-rank'\nrank = [4, 4, 4]", 2).message,
        "the list has 3 values, but the model has 2 layers"
    );
    let wrong = error("kind = 'low-rank'\nrank = [4, 400]", 2);
    assert_eq!(wrong.key, "rank.1", "the layer's own value");
}

#[test]
fn blocks_are_named_by_block_or_by_kind() {
    let mlp = |text: &str| blocks(Place::Mlp, text, 1).unwrap().remove(0);
    let gated = mlp("block = 'gated-mlp'\nkind = 'low-rank'\nrank = 8\ninner = 1024");
    assert_eq!(gated.kind_cell(Place::Mlp), "gated-mlp low-rank");
    assert_eq!(gated.cost.parameters, 3 * 8 * (384 + 1024));
    assert_eq!(mlp("kind = 'gated-mlp'").slots_cell(), "gate=dense c_fc=dense c_proj=dense");
    // ⌊8 · hidden / 3⌋ features inside: as many numbers as the standard MLP's two matrices.
    assert_eq!(mlp("block = 'gated-mlp'").cost.parameters, 2 * 384 * 1536);
    let wrong = blocks(Place::Attention, "block = 'gated-mlp'", 1).err().unwrap();
    assert_eq!((wrong.key.as_str(), wrong.message.contains("the other of the two blocks")), ("block", true));
    let wrong = blocks(Place::Mlp, "block = 'gatd-mlp'", 1).err().unwrap();
    assert!(wrong.message.contains("did you mean `gated-mlp`?"), "{}", wrong.message);
    assert!(blocks(Place::Mlp, "block = 'low-rank'", 1).err().unwrap().message.contains("it is a `kind`"));
}

/// 3 · hidden · latent in place of 2 · hidden² (DeepSeek-V2); k and v of a quarter of the heads a quarter as large.
#[test]
fn attention_blocks_cost_what_their_formulas_say() {
    let latent = attention("block = 'latent-attention'\nlatent = 64");
    assert_eq!(latent.cost.parameters, 2 * 384 * 384 + 3 * 384 * 64 + 384);
    let grouped = attention("kv_heads = 4\nbias = 'none'");
    assert_eq!(grouped.cost.parameters, 2 * 384 * 384 + 2 * 384 * 96);
    assert_eq!(attention("bias = 'all'").cost.parameters, 4 * 384 * 384 + 4 * 384);
    assert_eq!(error("kv_heads = 5", 1).key, "kv_heads");
}

#[test]
fn rules_are_set_for_blocks_slots_and_parameters() {
    let block = attention("kind = 'low-rank'\nrank = 4\nlr = { down = 0.5, up = 2 }\ndecay = 'none'\nq = { lr = 3 }");
    assert_eq!(block.rule_cell(RuleOf::LearningRate), "q=3 k=down=0.5 up=2 v=down=0.5 up=2 out=down=0.5 up=2");
    assert_eq!(block.rule_cell(RuleOf::Decay), "none");
    let wrong = error("kind = 'low-rank'\nrank = 4\ninit = 'spectrl'", 1);
    assert_eq!((wrong.key.as_str(), wrong.message.contains("did you mean `spectral`?")), ("init", true));
    let wrong = error("kind = 'low-rank'\nrank = 4\ninit = { rule = 'normal', sd = 1 }", 1);
    assert_eq!(wrong.key, "init.sd");
    let wrong = error("kind = 'low-rank'\nrank = 4\nlr = { dwn = 1 }", 1);
    assert_eq!((wrong.key.as_str(), wrong.message.contains("did you mean `down`?")), ("lr.dwn", true));
    let wrong = error("kind = 'low-rank'\nrank = 4\ninit = { down = 'spectral' }", 1);
    assert!(wrong.message.contains("cannot be given for `down` alone"), "{}", wrong.message);
    let wrong = error("kind = 'low-rank'\nrank = 4\nq = { init = 'spectrl' }", 1);
    assert_eq!(wrong.key, "q.init");
}

#[test]
fn what_is_written_out_says_the_same() {
    let texts = [
        "",
        "kind = 'low-rank'\nrank = 4",
        "kind = 'low-rank'\nrank = [4, 5, 6]\nwindow = [0, 7, 0]",
        "kind = 'low-rank'\nrank = 4\nlayers = 'late'\nslots = 'v out'\ninit = 'spectral'",
        "kind = ['dense', 'low-rank', 'dense']\nrank = 3\nkv_heads = 4\nscaled = true",
        "block = 'latent-attention'\nlatent = 8\nkv_down = { kind = 'low-rank', rank = 2, lr = 'structure-aware' }",
        "kind = 'low-rank'\nrank = 12\n[[override]]\nlayers = '0,2'\nslots = 'q'\nkind = 'dense'\ninit = { rule = 'normal', std = 0.1 }",
    ];
    for text in texts {
        let specs = blocks(Place::Attention, text, 3).unwrap();
        let written = blocks_table(Place::Attention, &specs);
        let again = Registry::builtin().blocks(Place::Attention, &written, &shapes(3)).unwrap();
        let identity = |specs: &[BlockSpec]| specs.iter().map(BlockSpec::identity).collect::<Vec<_>>();
        assert_eq!(identity(&specs), identity(&again), "{text}\n---\n{written}");
        assert_eq!(blocks_table(Place::Attention, &again), written, "{text}");
    }
}

#[test]
fn names_are_unique() {
    let mut registry = Registry::builtin();
    let error = registry.register(lrx_layers::kinds::Dense).unwrap_err();
    assert!(error.to_string().contains("`dense` is already registered"));
    assert!(registry.register_init(lrx_layers::rules::init::Normal).is_err());
}

#[test]
fn an_override_that_says_nothing_or_too_much_is_told() {
    let mlp = |text: &str| blocks(Place::Mlp, text, 2).err().expect("an error");
    let told = |text: &str, key: &str, message: &str| {
        let error = mlp(text);
        assert!(error.key == key && error.message.contains(message), "{text}: {error}");
    };
    let of_block = "[[override]]\nlayers = '0'\nslots = ['c_fc']\ninner = -3";
    told(of_block, "override.0.inner", "unknown key `inner`");
    told("[[override]]\nslots = ['c_fc']\nactivation = 'relu'", "override.0.activation", "unknown key `activation`");
    told("override = [{}]", "override.0", "says nothing");
    told("[[override]]\nlayers = '0'", "override.0", "says nothing");
    told("[[override]]\noverride = []", "override.0.override", "one override does not hold others");
    told("[[override]]\nslots = ['c_fc']\nblock = 'gated-mlp'", "override.0.block", "replaces all of them");
    told("block = 'mlp'\nkind = 'gated-mlp'", "kind", "`block` is \"mlp\"");
    assert!(blocks(Place::Mlp, "[[override]]\nlayers = '0'\nactivation = 'relu'", 2).is_ok());
}

#[test]
fn sizes_that_no_machine_holds_are_told() {
    let error = |place, text: &str| blocks(place, text, 1).err().expect("an error").to_string();
    for inner in ["9223372036854775807", "6148914691236517206"] {
        let message = error(Place::Mlp, &format!("inner = {inner}"));
        assert!(message.starts_with("inner: ") || message.contains("expected at most"), "{message}");
        let message = error(Place::Mlp, &format!("block = 'gated-mlp'\ninner = {inner}"));
        assert!(message.contains("expected at most"), "{message}");
    }
    let message = error(Place::Attention, "block = 'latent-attention'\nlatent = 9223372036854775807");
    assert!(message.contains("expected at most"), "{message}");
}

/// By hand: 0.3 of 384 × 384 = 147,456 numbers is 44,236.8.
#[test]
fn a_budget_takes_the_largest_size_that_it_allows() {
    let budget = |kind: &str, more: &str| attention(&format!("kind = '{kind}'\nbudget = 0.3\n{more}"));
    let options = |kind: &str, more: &str| budget(kind, more).slots[0].linear.options.clone();
    // 57 · 768 = 43,776; 58 · 768 = 44,544 is too much.
    assert_eq!(options("low-rank", ""), table("rank = 57"));
    // 147,456 / 4 = 36,864, and 3 does divide: 49,152 is too much.
    assert_eq!(options("block-diagonal", ""), table("blocks = 4"));
    // min · (m + n) / b = 294,912 / b: 8 → 36,864, 6 → 49,152.
    assert_eq!(options("block-shuffle", ""), table("blocks = 8"));
    // r (384 / 4 + 384) = 480 r, r a multiple of 4: 92 → 44,160.
    assert_eq!(options("block-dense", "blocks = 4"), table("rank = 92\nblocks = 4"));
    // The same layer, by its budget or by its size.
    let by_size = attention("kind = 'low-rank'\nrank = 57");
    assert_eq!(budget("low-rank", "").slots[0].linear.identity, by_size.slots[0].linear.identity);
    // A self-guided layer's are those of its structure, which is low-rank unless it is said.
    assert_eq!(options("self-guided", ""), table("structure = 'low-rank'\nrank = 57\nuntil = 0.5"));
    let shuffled = table("structure = 'block-shuffle'\nblocks = 8\nuntil = 0.5");
    assert_eq!(options("self-guided", "structure = 'block-shuffle'"), shuffled);
    // Of the dense matrix's 294,912 floating-point operations: 2 · 768 r.
    let of_flops = attention("kind = 'low-rank'\nbudget = { flops = 0.5 }");
    assert_eq!(of_flops.slots[0].linear.options, table("rank = 96"));
    for (text, message) in [
        ("budget = 0", "above 0 and at most 1"),
        ("budget = 1.5", "above 0 and at most 1"),
        ("budget = 0.001", "less than the smallest layer"),
        ("budget = 0.3\nrank = 4", "no size left"),
        ("budget = { flops = 0.3, parameters = 0.3 }", "above 0"),
        ("budget = { flop = 0.3 }", "did you mean `flops`?"),
    ] {
        let error = error(&format!("kind = 'low-rank'\n{text}"), 1);
        assert!(error.key.starts_with("budget") && error.message.contains(message), "{text}: {error}");
    }
    assert_eq!(error("budget = 0.3", 1).key, "budget", "nothing takes it");
}
