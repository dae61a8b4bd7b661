//! Every wrong config: exit code 2, one message that names the place, the value and what was expected, no trace left.

mod common;

use std::path::Path;

use common::{Bad, Lab, check, refuse};

const KEYS: &[Bad] = &[
    (
        "a misspelt key",
        "seeds = [1]\nnmae = 'x'",
        "2:1",
        "nmae",
        "unknown key `nmae`; did you mean `name`? (known: name,",
    ),
    ("a misspelt section", "[modle]\nhidden = 8", "1:2", "modle", "unknown key `modle`; did you mean `model`?"),
    (
        "in [data]",
        "[data]\nstoreis = 5",
        "2:1",
        "storeis",
        "unknown key `storeis`; did you mean `stories`? (known: train,",
    ),
    ("in [model]", "[model]\nlayers = 2\nhiden = 8", "3:1", "hiden", "unknown key `hiden`; did you mean `hidden`?"),
    ("in [train]", "[train]\nwarm_up = 8", "2:1", "warm_up", "unknown key `warm_up`; did you mean `warmup_steps`?"),
    (
        "in [model.attention]",
        "[model.attention]\nkind = 'low-rank'\nrnak = 8",
        "3:1",
        "rnak",
        "unknown key `rnak`; did you mean `rank`? (known: rank, bias, kv_heads, scaled, window, q, k, v, out,",
    ),
    (
        "in [model.mlp]",
        "[model.mlp]\niner = 64",
        "2:1",
        "iner",
        "unknown key `iner`; did you mean `inner`? (known: activation, bias, inner, c_fc, c_proj, kind, block, layers, slots, override, init, lr, decay)",
    ),
    (
        "in a slot",
        "[model.attention]\nq = { kind = 'low-rank', rnak = 8 }",
        "2:26",
        "rnak",
        "unknown key `rnak`; did you mean `rank`? (known: rank, kind, init, lr, decay)",
    ),
    (
        "an unknown slot",
        "[model.attention]\nquery = { kind = 'low-rank', rank = 8 }",
        "2:1",
        "query",
        "unknown key `query`; did you mean `q`? (known: bias, kv_heads, scaled, window, q, k, v, out, kind, block, layers, slots, override, init, lr, decay)",
    ),
    (
        "an option of another kind",
        "[model.attention]\nkind = 'dense'\nrank = 8",
        "3:1",
        "rank",
        "unknown key `rank`: an option of `blast`, `block-dense`",
    ),
    (
        "in [train.optimizer]",
        "[train.optimizer]\nkind = 'muon'\nns_step = 3",
        "3:1",
        "ns_step",
        "unknown key `ns_step`; did you mean `ns_steps`?",
    ),
    (
        "of another optimizer",
        "[train.optimizer]\nmomentum = 0.9",
        "2:1",
        "momentum",
        "unknown key `momentum` (known: beta1, beta2, eps, kind, group); it is an option of `muon`, `sgd`",
    ),
    (
        "of the tokenizer",
        "data.tokenizer = { train_bep = 1000 }",
        "1:20",
        "train_bep",
        "unknown key `train_bep`; did you mean `train_bpe`? (known: train_bpe)",
    ),
    (
        "no rank",
        "[model.attention]\nkind = 'low-rank'",
        "1:8",
        "attention",
        "the key `rank` is missing; `low-rank` needs it",
    ),
];

const COMPARISONS: &[Bad] = &[
    (
        "in [compare]",
        "[compare]\nat = 'body'\ntraget = 1e6",
        "3:1",
        "traget",
        "unknown key `traget`; did you mean `target`?",
    ),
    (
        "a comparison by time",
        "[compare]\nat = 'seconds'\ntarget = 60",
        "2:6",
        "'seconds'",
        "`at` is \"seconds\", which sizes cannot be solved for: they would depend on the machine",
    ),
    (
        "a comparison with nothing",
        "[compare]\nat = 'body'",
        "1:2",
        "compare",
        "what all are to come to is missing; expected `target`, a number, or `to`, a configuration",
    ),
    (
        "a comparison with nobody",
        "[compare]\nat = 'body'\nto = 'ours'\n[[sweep.case]]\nlabel = 'or'\n[[sweep.case]]\nlabel = 'our'\nmodel.layers = 2",
        "3:6",
        "'ours'",
        "`to` is \"ours\", which no configuration here is called; did you mean \"our\"?",
    ),
    (
        "no size left to solve for",
        "[compare]\nat = 'body'\ntarget = 1e6\n[model.mlp]\nkind = 'low-rank'\nrank = 4",
        "5:8",
        "'low-rank'",
        "the model has no size left to solve for: leave out what says how large its kinds are",
    ),
    (
        "a target below every size",
        "[compare]\nat = 'body'\ntarget = 1000\n[model.mlp]\nkind = 'low-rank'",
        "3:10",
        "1000",
        "no size of the model comes to 1,000 body parameters or less: the nearest is budget 0.0033, with ",
    ),
    (
        "operations and steps",
        "[train]\nflops = 1e14\nsteps = 100",
        "2:9",
        "1e14",
        "`flops` and `steps` exclude each other: give one",
    ),
    (
        "no operations",
        "[train]\nflops = -1e14",
        "2:9",
        "-1e14",
        "`flops` is -100000000000000; expected a number of at least 1",
    ),
];

const VALUES: &[Bad] = &[
    (
        "a misspelt kind",
        "[model.attention]\nkind = 'lowrank'\nrank = 4",
        "2:8",
        "'lowrank'",
        "unknown layer kind \"lowrank\"; did you mean `low-rank`? (known: attention, blast, block-dense, ",
    ),
    (
        "of a slot",
        "[model.mlp]\nc_fc.kind = 'low_rank'",
        "2:13",
        "'low_rank'",
        "unknown layer kind \"low_rank\"; did you mean `low-rank`?",
    ),
    (
        "a misspelt optimizer",
        "[train.optimizer]\nkind = 'adam'",
        "2:8",
        "'adam'",
        "unknown optimizer \"adam\"; did you mean `adamw`? (known: adamw, muon, sgd)",
    ),
    (
        "an optimizer's group of nobody",
        "[[train.optimizer.group]]\nlr = 2",
        "1:1",
        "[[train.optimizer.group]]",
        "which parameters are meant? expected `role` or `name`, or both",
    ),
    ("no name", "[model.mlp]\nkind = 3", "2:8", "3", "`kind` is 3; expected the name of a layer kind in quotes"),
    (
        "rank 0",
        "[model.attention]\nkind = 'low-rank'\nrank = 0",
        "3:8",
        "0",
        "`rank` is 0; expected a whole number of at least 1",
    ),
    (
        "rank 0 in one layer",
        "[model.attention]\nkind = 'low-rank'\nrank = [8, 8, 0, 8]",
        "3:15",
        "0",
        "`rank` is 0; expected a whole number of at least 1",
    ),
    (
        "a rank in words",
        "[model.attention]\nkind = 'low-rank'\nrank = 'eight'",
        "3:8",
        "'eight'",
        "`rank` is \"eight\"; expected a whole number of at least 1",
    ),
    (
        "rank too large",
        "[model]\nhidden = 32\nheads = 2\n\n[model.mlp]\nkind = 'low-rank'\nrank = 33",
        "7:8",
        "33",
        "rank 33 is more than 32, the smaller side of a matrix 32 → 128",
    ),
    (
        "rank too large in a slot",
        "[model]\nhidden = 32\nheads = 2\nmlp.c_proj = { kind = 'low-rank', rank = 33 }",
        "4:42",
        "33",
        "rank 33 is more than 32, the smaller side of a matrix 128 → 32",
    ),
    (
        "a list of wrong length",
        "[model]\nlayers = 3\n[model.attention]\nkind = 'low-rank'\nrank = [8, 8]",
        "5:8",
        "[8, 8]",
        "the list has 2 values, but the model has 3 layers",
    ),
    (
        "windows for other layers",
        "model.attention.window = [0, 256]",
        "1:26",
        "[0, 256]",
        "the list has 2 values, but the model has 4 layers",
    ),
    (
        "a text for a slot",
        "model.attention.q = 'low-rank'",
        "1:21",
        "'low-rank'",
        "`q` is \"low-rank\"; expected a table such",
    ),
    (
        "heads that do not divide",
        "[model]\nhidden = 100\nheads = 16",
        "3:9",
        "16",
        "16 heads do not divide hidden = 100; the head size would not be whole",
    ),
    ("no layers", "model.layers = 0", "1:16", "0", "`layers` is 0; expected at least 1"),
    ("no context", "model.context = 1", "1:17", "1", "`context` is 1; expected at least 2"),
    (
        "a size beyond all machines",
        "model.hidden = 4_000_000_000",
        "1:16",
        "4_000_000_000",
        "`hidden` is 4000000000; expected at",
    ),
    ("a size in words", "model.hidden = 'big'", "1:16", "'big'", "`hidden` is \"big\"; expected a whole number"),
    ("half a layer", "model.layers = 2.5", "1:16", "2.5", "`layers` is 2.5; expected a whole number"),
    (
        "a negative window",
        "model.attention.window = -1",
        "1:26",
        "-1",
        "`window` is -1; expected a whole number of at least 0",
    ),
    ("no inner features", "model.mlp.inner = 0", "1:19", "0", "`inner` is 0; expected a whole number of at least 1"),
    (
        "a text for a section",
        "data = 'stories.txt'",
        "1:8",
        "'stories.txt'",
        "`data` is \"stories.txt\"; expected a table",
    ),
    (
        "an unknown schedule",
        "train.schedule = 'cosin'",
        "1:18",
        "'cosin'",
        "unknown value \"cosin\"; did you mean `cosine`?",
    ),
    (
        "an unknown init",
        "model.mlp = { kind = 'low-rank', rank = 8, init = 'svd' }",
        "1:51",
        "'svd'",
        "unknown rule \"svd\" (known: normal, orthogonal, spectral, structure-aware, variance-matched, zero-last)",
    ),
    (
        "an unknown vocabulary",
        "data.vocabulary = 'compct'",
        "1:19",
        "'compct'",
        "unknown value \"compct\"; did you mean `compact`? (known: full, compact)",
    ),
    (
        "an unknown way with long stories",
        "data.long = 'splitt'",
        "1:13",
        "'splitt'",
        "unknown value \"splitt\"; did you mean `split`? (known: cut, split, pack)",
    ),
    ("a number for files", "data.train = 3", "1:14", "3", "`train` is 3; expected a path, or a list of paths"),
    (
        "a key for text",
        "data.text_key = 'body'",
        "1:17",
        "'body'",
        "text_key = \"body\" is of no use: text has no keys",
    ),
    (
        "a negative learning rate",
        "train.learning_rate = -1e-3",
        "1:23",
        "-1e-3",
        "`learning_rate` is -0.001; expected a number of at least 0",
    ),
    (
        "a learning rate in words",
        "train.learning_rate = 'fast'",
        "1:23",
        "'fast'",
        "`learning_rate` is \"fast\"; expected a number",
    ),
    ("a negative clip", "train.clip_norm = -1.0", "1:19", "-1.0", "`clip_norm` is -1; expected a number of at least 0"),
    ("an empty batch", "train.batch_stories = 0", "1:23", "0", "`batch_stories` is 0; expected at least 1"),
    (
        "two batch sizes",
        "[train]\nbatch_stories = 4\nbatch_tokens = 4096",
        "3:16",
        "4096",
        "`batch_tokens` and `batch_stories` exclude each other",
    ),
    (
        "two lengths",
        "[train]\nepochs = 1\nsteps = 10",
        "3:9",
        "10",
        "`steps` and `epochs` exclude each other: give one",
    ),
    (
        "a long warm-up",
        "[train]\nsteps = 10\nwarmup_steps = 20",
        "3:16",
        "20",
        "`warmup_steps` is 20, more than the 10 steps of the run",
    ),
    (
        "too many epochs",
        "train.epochs = 1_000_000_000_000",
        "1:16",
        "1_000_000_000_000",
        "`epochs` is 1000000000000; expected less than",
    ),
    ("a large fraction", "data.valid_fraction = 1.5", "1:23", "1.5", "valid_fraction = 1.5 is out of range"),
    (
        "a negative number of stories",
        "data.stories = -5",
        "1:16",
        "-5",
        "`stories` is -5; expected a whole number of at least 0",
    ),
    ("a text for a truth", "data.shuffle = 'yes'", "1:16", "'yes'", "`shuffle` is \"yes\"; expected true or false"),
    (
        "a number for a tokenizer",
        "data.tokenizer = 3",
        "1:18",
        "3",
        "`tokenizer` is 3; expected the path of a Hugging Face tokenizer file",
    ),
    ("a tiny tokenizer", "data.tokenizer = { train_bpe = 100 }", "1:6", "tokenizer", "train_bpe = 100 is too small"),
    ("no seeds", "seeds = []", "1:9", "[]", "`seeds` is an empty list: there would be no run"),
    ("one seed", "seeds = 3", "1:9", "3", "`seeds` is 3; expected a list"),
    ("a negative seed", "seeds = [0, -1]", "1:13", "-1", "`seeds[1]` is -1; expected a whole number of at least 0"),
    ("a name that leaves the folder", "name = '../x'", "1:8", "'../x'", "`name` is \"../x\"; expected letters, digits"),
    ("a name that looks like an option", "name = '-x'", "1:8", "'-x'", "`name` is \"-x\"; expected letters, digits"),
    (
        "a control character in a label",
        "label = \"a\\u001b[2J\"",
        "1:9",
        "\"a\\u001b[2J\"",
        "`label` holds the control character U+001B",
    ),
    (
        "a label that is a formula",
        "label = '=1+1'",
        "1:9",
        "'=1+1'",
        "`label` is \"=1+1\"; spreadsheets take what begins with = + - @ for a formula",
    ),
    ("a number for a name", "name = 3", "1:8", "3", "`name` is 3; expected text in quotes"),
    ("an empty label", "label = ' '", "1:9", "' '", "`label` is empty; expected a name for the configuration"),
];

const SWEEPS: &[Bad] = &[
    (
        "an unknown key",
        "[sweep]\n'model.hiden' = [64, 128]",
        "2:1",
        "'model.hiden'",
        "unknown key `hiden`; did you mean `hidden`?",
    ),
    (
        "an unknown section",
        "[sweep]\n'modle.hidden' = [64]",
        "2:1",
        "'modle.hidden'",
        "unknown key `modle`; did you mean `model`?",
    ),
    (
        "a wrong value",
        "[sweep]\n'model.layers' = [2, 'x']",
        "2:22",
        "'x'",
        "`layers` is \"x\"; expected a whole number",
    ),
    (
        "a wrong value in a list of lists",
        "[model]\nlayers = 2\nmlp.kind = 'low-rank'\n[sweep]\n'model.mlp.rank' = [[2, 3], [2, 0]]",
        "5:33",
        "0",
        "`rank` is 0; expected a whole number of at least 1",
    ),
    (
        "no list",
        "[sweep]\n'model.hidden' = 64",
        "2:18",
        "64",
        "`model.hidden` of the sweep is 64; expected a list of values",
    ),
    ("an empty list", "[sweep]\n'model.hidden' = []", "2:18", "[]", "`model.hidden` of the sweep is an empty list"),
    ("no table", "sweep = 3", "1:9", "3", "`sweep` is 3; expected a table of keys with lists of values"),
    ("cases that are none", "[sweep]\ncase = [1, 2]", "2:8", "[1, 2]", "a case of the sweep is 1; expected a table"),
    (
        "one bracket too few",
        "[sweep.case]\nmodel.hidden = 64",
        "2:16",
        "64",
        "`sweep.case` is a table; expected a list of tables",
    ),
    (
        "an unknown key in a case",
        "[[sweep.case]]\nmodel.hidden = 64\n[[sweep.case]]\nmodel.hiden = 32",
        "4:7",
        "hiden",
        "unknown key `hiden`; did you mean `hidden`?",
    ),
    (
        "a baseline that is no truth",
        "[sweep]\ndense_baseline = 'yes'",
        "2:18",
        "'yes'",
        "`dense_baseline` is \"yes\"; expected true or false",
    ),
    (
        "a key with an empty part",
        "[sweep]\n'model..hidden' = [64]",
        "2:19",
        "[64]",
        "`model..hidden` of the sweep is no key: a part of it is empty",
    ),
    (
        "a key of many parts",
        "[sweep]\n'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q' = [1]",
        "2:39",
        "[1]",
        "`a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q` of the sweep has more than 16 parts, which no key has",
    ),
    (
        "an empty part in a case",
        "[[sweep.case]]\n'model.' = 3",
        "2:1",
        "'model.'",
        "`model.` of the sweep is no key: a part of it is empty",
    ),
    ("several names", "[sweep]\nname = ['a', 'b']", "2:8", "['a', 'b']", "`name` cannot be swept"),
    ("a name in a case", "[[sweep.case]]\nname = 'a'", "2:1", "name", "`name` cannot be swept"),
];

/// Several mistakes in one file: all are told, and none that only follows from another.
const SEVERAL: &[(&str, &str, &[&str])] = &[
    (
        "in every section",
        "nmae = 'x'\nseeds = [0, -1, 2, -2]\n[data]\nstoreis = 1\nvalid_fraction = 2.0\n[model]\nlayers = 0\nheads = 5\n\
         [train]\nsteps = 0\nlerning_rate = 1e-3\nclip_norm = -1.0\n",
        // Whether five heads divide `hidden` is told once no size is wrong by itself.
        &["1:1", "2:13", "2:20", "4:1", "5:18", "7:10", "10:9", "11:1", "12:13"],
    ),
    (
        "in the layers",
        "[model]\nhidden = 32\nheads = 2\nlayers = 3\n[model.attention]\nkind = 'low-rank'\nrank = [0, 8, 33]\nwindwo = 3\n\
         [model.mlp]\nkind = 'lowrank'\nrank = 4\n",
        &["7:9", "7:15", "8:1", "10:8"],
    ),
    (
        "sizes that follow from a wrong one",
        "[model]\nhiden = 1024\nlayers = 8\n[model.attention]\nkind = 'low-rank'\nrank = [500, 500, 0]\n",
        // That 500 is too large for the default of `hidden` is no news, nor is the list's length.
        &["2:1"],
    ),
    (
        "in a sweep",
        "[sweep]\n'model.hiden' = [8, 16]\n'model.layers' = 3\n'train.steps' = [1, -1]\nname = ['a']\n",
        &["2:1", "3:18", "4:21", "5:8"],
    ),
    ("in the TOML itself", "[model]\nhidden =\nlayers = two\nheads = 4\n", &["2:9", "3:10"]),
];

/// What is said of a config with several mistakes, each at its place.
fn check_several() -> String {
    let lab = Lab::new();
    let mut transcript = String::new();
    for (name, config, places) in SEVERAL {
        lab.write("bad.toml", config);
        let error = refuse(&lab, name, &["bad.toml"]);
        let told: Vec<&str> = error.split(" --> bad.toml:").skip(1).map(|rest| rest.lines().next().unwrap()).collect();
        assert_eq!(told, *places, "{name}: {error}");
        transcript += &format!("# {name}\n{config}\n{error}\n\n");
    }
    transcript
}

#[test]
fn several_files_tell_all_of_their_mistakes() {
    let lab = Lab::new();
    lab.write("bad.toml", "model.hiden = 8\n");
    lab.write("worse.toml", "extends = 'bad.toml'\ntrain.steps = 0\n");
    lab.write("none.toml", "data.train = 'storys.txt'\ndata.tokenizer = 'tokeniser.json'\n");
    lab.write("stories.txt", "");
    let error = refuse(&lab, "three", &["bad.toml", "worse.toml", "qiuckstart.toml", "--set", "train.epochs=x"]);
    for said in ["bad.toml:1:7", "worse.toml:2:15", "cannot read the config qiuckstart.toml", "--set train.epochs=x: "]
    {
        assert_eq!(error.matches(said).count(), 1, "{said}: {error}");
    }
    lab.write("quickstart.toml", "");
    let error = refuse(&lab, "files", &["qiuckstart.toml"]);
    assert!(error.contains("; did you mean `quickstart.toml`?"), "{error}");
    let error = refuse(&lab, "a folder", &["cnfigs/a.toml"]);
    assert!(error.contains("; there is no folder cnfigs"), "{error}");
    let error = refuse(&lab, "data", &["none.toml"]);
    for said in ["storys.txt: No such file or directory (os error 2); did you mean `stories.txt`?", "none.toml:2:18"] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Every message as it was read by a person, beside its config. To read and keep new ones: `LRX_KEEP_MESSAGES=1`.
#[test]
fn the_messages_are_those_that_were_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_configs.txt");
    let now = [check(KEYS), check(VALUES), check(SWEEPS), check(COMPARISONS), check_several()].concat();
    if std::env::var_os("LRX_KEEP_MESSAGES").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    let different = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
    assert_eq!((different, now.len()), (None, kept.len()));
}
