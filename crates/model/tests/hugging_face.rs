//! Checkpoints of Hugging Face's `transformers` come in and go out.

use std::fs;
use std::path::{Path, PathBuf};

use lrx_layers::{OptionError, Registry};
use lrx_model::{Exported, Family, Model, ModelConfig, ModelSpec, TensorFile, Tokens, export, load_initial};

const SIZES: &str = "hidden = 8\ncontext = 12\n";
const NEO: &str = "layers = 3\nheads = 2\n";
const NEO_BLOCKS: &str = "[attention]\nwindow = [0, 3, 0]\n";
const GPT2: &str = "layers = 2\nheads = 2\n";
const GPT2_BLOCKS: &str = "[attention]\nscaled = true\nbias = 'all'\n";
const LLAMA: &str =
    "layers = 2\nheads = 4\npositions = 'rotary'\nnorm = 'rms-norm'\nnorm_epsilon = 1e-6\ntied = false\n";
const LLAMA_BLOCKS: &str =
    "[attention]\nscaled = true\nbias = 'none'\nkv_heads = 2\n[mlp]\nblock = 'gated-mlp'\ninner = 20\n";

/// Written by `tests/fixtures/make.py`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn spec(text: &str) -> Result<ModelSpec, OptionError> {
    let config: ModelConfig = lrx_layers::deserialize(text.parse().expect("TOML"))?;
    config.resolve(&Registry::builtin(), &|_, written| Ok(written.into()))
}

/// A model of 11 tokens that starts from the weights at `path`, of which `taken` is taken.
fn start(path: &Path, taken: &str, scalars: &str, blocks: &str) -> Result<Model, String> {
    start_of(11, None, path, taken, scalars, blocks)
}

fn start_of(
    tokens: usize,
    rows: Option<&[u32]>,
    path: &Path,
    taken: &str,
    scalars: &str,
    blocks: &str,
) -> Result<Model, String> {
    let from = format!("init_from = {{ path = '{}'{taken} }}\n", path.display());
    let spec = spec(&format!("{from}{SIZES}{scalars}{blocks}")).map_err(|error| error.to_string())?;
    let mut model = Model::new(&spec, tokens, 3);
    load_initial(&mut model, spec.init_from.as_ref().expect("weights"), rows).map_err(|error| error.to_string())?;
    Ok(model)
}

/// Tokens, and the logits behind each of them.
fn expected(name: &str) -> (Vec<u32>, Vec<Vec<f32>>) {
    #[derive(serde::Deserialize)]
    struct Expected {
        tokens: Vec<u32>,
        logits: Vec<Vec<f32>>,
    }
    let text = fs::read_to_string(fixture(name).join("expected.json")).expect("a fixture");
    let Expected { tokens, logits } = serde_json::from_str(&text).expect("logits");
    (tokens, logits)
}

fn logits(model: &Model, tokens: &[u32]) -> Vec<Vec<f32>> {
    (1..=tokens.len()).map(|end| model.next_logits(&tokens[..end])).collect()
}

fn furthest(one: &[Vec<f32>], other: &[Vec<f32>]) -> f32 {
    assert_eq!(one.len(), other.len());
    let of_rows = one.iter().zip(other).flat_map(|(one, other)| {
        assert_eq!(one.len(), other.len());
        one.iter().zip(other).map(|(a, b)| (a - b).abs())
    });
    of_rows.fold(0.0, f32::max)
}

#[test]
fn checkpoints_of_transformers_give_its_logits() {
    for (name, scalars, blocks) in
        [("gpt-neo", NEO, NEO_BLOCKS), ("gpt2-sharded", GPT2, GPT2_BLOCKS), ("llama-bf16", LLAMA, LLAMA_BLOCKS)]
    {
        let model = start(&fixture(name), "", scalars, blocks).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (tokens, expected) = expected(name);
        let distance = furthest(&logits(&model, &tokens), &expected);
        assert!(distance < 1e-5, "{name}: {distance}");
    }
}

#[test]
fn a_model_that_computes_otherwise_than_the_checkpoint_is_refused() {
    let refused =
        |name: &str, scalars: &str, blocks: &str| start(&fixture(name), "", scalars, blocks).err().expect("an error");
    for (name, scalars, blocks, said) in [
        ("gpt-neo", "layers = 3\nheads = 4\n", NEO_BLOCKS, "its config.json says 2 where `heads` in [model] is 4"),
        (
            "gpt-neo",
            NEO,
            "[attention]\nwindow = [0, 4, 0]\n",
            "says [0, 3, 0] where `attention.window` in [model] is [0, 4, 0]",
        ),
        ("gpt-neo", NEO, "[attention]\nwindow = [0, 3, 0]\nscaled = true\n", "says false where `attention.scaled`"),
        ("gpt2-sharded", GPT2, "[attention]\nbias = 'all'\n", "says true where `attention.scaled` in [model] is false"),
        (
            "gpt2-sharded",
            GPT2,
            "[attention]\nbias = 'all'\nscaled = true\n[mlp]\nactivation = 'gelu'\n",
            "says \"gelu-tanh\" where `mlp.activation` in [model] is \"gelu\"",
        ),
        (
            "llama-bf16",
            &LLAMA.replace("1e-6", "1e-5"),
            LLAMA_BLOCKS,
            "says 0.000001 where `norm_epsilon` in [model] is 0.00001",
        ),
        (
            "llama-bf16",
            &format!("{LLAMA}rotary_theta = 5e5\n"),
            LLAMA_BLOCKS,
            "says 10000 where `rotary_theta` in [model] is 500000",
        ),
    ] {
        let error = refused(name, scalars, blocks);
        assert!(error.contains(said), "{error}");
    }
    let model = start(&fixture("gpt-neo"), ", config = 'ignore'", NEO, "[attention]\nwindow = [0, 4, 0]\n");
    assert!(model.is_ok(), "as asked for");
    // What the file has and the model has not, and the other way round.
    let error = refused("gpt2-sharded", GPT2, "[attention]\nscaled = true\n");
    assert!(
        error.contains("no place for `transformer.h.0.attn.attention.k_proj.bias` (and 5 more); `bias = \"all\"`"),
        "{error}"
    );
    let error = refused("gpt-neo", NEO, "[attention]\nwindow = [0, 3, 0]\nbias = 'all'\n");
    assert!(error.contains("the model needs `transformer.h.0.attn.attention.q_proj.bias`"), "{error}");
}

#[test]
fn a_head_of_its_own_starts_as_the_embedding_and_one_that_differs_is_not_dropped() {
    let (tokens, expected) = expected("gpt-neo");
    let untied = start(&fixture("gpt-neo"), "", &format!("{NEO}tied = false\n"), NEO_BLOCKS).unwrap();
    assert!(furthest(&logits(&untied, &tokens), &expected) < 1e-5);
    let error = start(&fixture("llama-bf16"), "", &LLAMA.replace("tied = false", "tied = true"), LLAMA_BLOCKS)
        .err()
        .expect("an error");
    assert!(error.contains("`lm_head.weight` differs from `transformer.wte.weight`"), "{error}");
}

#[test]
fn of_a_larger_model_what_is_named_is_taken() {
    let folder = fixture("gpt-neo");
    let smaller = |taken: &str, scalars: &str, blocks: &str| start(&folder, taken, scalars, blocks);
    let refused = [
        (
            "context = 6\nlayers = 3\nheads = 2\n",
            NEO_BLOCKS,
            "it has 12 positions, the model's context is 6; `context = \"cut\"`",
        ),
        (
            "layers = 2\nheads = 2\n",
            "[attention]\nwindow = [0, 3]\n",
            "it has 3 layers, the model has 2; `layers = \"first\"`",
        ),
    ];
    for (scalars, blocks, said) in refused {
        let text = scalars.replace("context = 6\n", "");
        let from = format!("init_from = '{}'\n", folder.display());
        let context = if scalars.contains("context") { "hidden = 8\ncontext = 6\n" } else { SIZES };
        let spec = spec(&format!("{from}{context}{text}{blocks}")).unwrap();
        let mut model = Model::new(&spec, 11, 0);
        let error = load_initial(&mut model, spec.init_from.as_ref().unwrap(), None).expect_err("an error").to_string();
        assert!(error.contains(said), "{error}");
    }
    // A shorter context changes nothing within it.
    let (tokens, expected) = expected("gpt-neo");
    let from = format!("init_from = {{ path = '{}', context = 'cut' }}\n", folder.display());
    let spec = spec(&format!("{from}hidden = 8\ncontext = 6\n{NEO}{NEO_BLOCKS}")).unwrap();
    let mut short = Model::new(&spec, 11, 0);
    load_initial(&mut short, spec.init_from.as_ref().unwrap(), None).unwrap();
    assert!(furthest(&logits(&short, &tokens[..6]), &expected[..6]) < 1e-5);

    // The layers that are taken are those of the file.
    let mut file = TensorFile::read(&folder.join("model.safetensors")).unwrap();
    let weight = |model: &Model, layer: usize| {
        let id = model.parameters().find(&format!("transformer.h.{layer}.mlp.c_fc.weight")).unwrap();
        model.parameters()[id].values().to_vec()
    };
    let theirs: Vec<Vec<f32>> =
        (0..3).map(|layer| file.take(&format!("transformer.h.{layer}.mlp.c_fc.weight"), &[32, 8]).unwrap()).collect();
    let first = smaller(", layers = 'first'", "layers = 2\nheads = 2\n", "[attention]\nwindow = [0, 3]\n").unwrap();
    assert_eq!([weight(&first, 0), weight(&first, 1)], [theirs[0].clone(), theirs[1].clone()]);
    let two = smaller(", layers = [2, 1]", "layers = 2\nheads = 2\n", "[attention]\nwindow = [0, 3]\n").unwrap();
    assert_eq!([weight(&two, 0), weight(&two, 1)], [theirs[2].clone(), theirs[1].clone()]);
    let wrong = smaller(", layers = [2, 3]", "layers = 2\nheads = 2\n", "").err().expect("an error");
    assert!(
        wrong.contains("it has no layer 3, only 3, counted from 0") || wrong.contains("attention.window"),
        "{wrong}"
    );
    let wrong = smaller(", layers = [1]", "layers = 2\nheads = 2\n", "").err().expect("an error");
    assert!(wrong.contains("1 layers are to be taken; the model has `layers` = 2"), "{wrong}");
}

#[test]
fn tokens_are_taken_by_their_number_in_the_whole_vocabulary() {
    let (tokens, expected) = expected("llama-bf16");
    let rows: Vec<u32> = vec![0, 1, 3, 4, 7, 9, 10];
    let take = |taken: &str| start_of(rows.len(), Some(&rows), &fixture("llama-bf16"), taken, LLAMA, LLAMA_BLOCKS);
    let model = take(", vocabulary = 'select'").unwrap();
    let own: Vec<u32> = tokens.iter().map(|token| rows.iter().position(|row| row == token).unwrap() as u32).collect();
    let of_rows = |all: &Vec<f32>| rows.iter().map(|row| all[*row as usize]).collect::<Vec<f32>>();
    let expected: Vec<Vec<f32>> = expected.iter().map(of_rows).collect();
    assert!(furthest(&logits(&model, &own), &expected) < 1e-5);
    let error = take("").err().expect("eleven tokens for seven");
    assert!(error.contains("it has 11 tokens, the model has 7; `vocabulary = \"select\"`"), "{error}");
    let error = start_of(2, Some(&[3, 11]), &fixture("llama-bf16"), ", vocabulary = 'select'", LLAMA, LLAMA_BLOCKS);
    let error = error.err().expect("another tokenizer");
    assert!(error.contains("it has 11 tokens; the data's tokenizer has one of the id 11"), "{error}");
}

#[test]
fn factors_of_full_rank_are_the_dense_model_and_kinds_without_an_approximation_say_so() {
    let (tokens, expected) = expected("gpt2-sharded");
    for kind in [
        "kind = 'low-rank'\nrank = 8\n",
        "kind = 'self-guided'\nrank = 2\n",
        "kind = 'dense-then-svd'\nrank = 2\n",
        "kind = 'sparse-low-rank'\nrank = 8\ndensity = 0.1\n",
        "kind = 'block-shuffle'\nblocks = 1\n",
    ] {
        let blocks = format!("{GPT2_BLOCKS}{kind}[mlp]\n{kind}");
        let model =
            start(&fixture("gpt2-sharded"), "", GPT2, &blocks).unwrap_or_else(|error| panic!("{kind}: {error}"));
        // A guide counts as long as it is there: at the end of training it is not.
        if !kind.contains("self-guided") {
            let distance = furthest(&logits(&model, &tokens), &expected);
            assert!(distance < 1e-4, "{kind}: {distance}");
        }
    }
    let error =
        start(&fixture("gpt2-sharded"), "", GPT2, &format!("{GPT2_BLOCKS}[mlp]\nkind = 'silu-low-rank'\nrank = 2\n"))
            .err()
            .expect("an error");
    let known = "block-dense, block-diagonal, block-shuffle, dense, dense-then-svd, diagonal-low-rank, kronecker, low-rank, \
                 self-guided, shared-basis, sparse-low-rank, tensor-train have";
    assert!(
        error.contains(
            "`transformer.h.0.mlp.c_fc` is a dense matrix in it, and `silu-low-rank` has no approximation of one; "
        ),
        "{error}"
    );
    assert!(error.contains(known), "{error}");
}

#[test]
fn folders_that_hold_no_weights_say_what_they_lack() {
    let folder = tempfile::tempdir().unwrap();
    let error = || start(folder.path(), "", NEO, NEO_BLOCKS).err().expect("an error");
    assert!(
        error().contains("the folder has neither model.safetensors nor model.safetensors.index.json"),
        "{}",
        error()
    );
    fs::write(folder.path().join("pytorch_model.bin"), "").unwrap();
    assert!(error().contains("the folder has pytorch_model.bin, which only PyTorch can read"), "{}", error());
    let index = folder.path().join("model.safetensors.index.json");
    fs::write(&index, "{}").unwrap();
    assert!(error().contains("model.safetensors.index.json: not an index of weights"), "{}", error());
    fs::write(&index, r#"{"weight_map": {"a": "../b.safetensors"}}"#).unwrap();
    assert!(error().contains("it names \"../b.safetensors\"; expected files of its own folder"), "{}", error());
    fs::write(&index, r#"{"weight_map": {"a": "b.safetensors"}}"#).unwrap();
    assert!(error().contains("b.safetensors: "), "{}", error());
}

/// What a config was read with is what its runs start from, and nothing else.
#[test]
fn weights_that_were_replaced_since_the_config_was_read_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture("gpt2-sharded")).unwrap().flatten() {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let from = format!("init_from = '{}'\n{SIZES}{GPT2}{GPT2_BLOCKS}", folder.path().display());
    let before = spec(&from).unwrap();
    let part = folder.path().join("model-00002-of-00004.safetensors");
    let mut bytes = fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&part, bytes).unwrap();
    let mut model = Model::new(&before, 11, 0);
    let error = load_initial(&mut model, before.init_from.as_ref().unwrap(), None).expect_err("an error");
    assert!(error.message.contains("was changed after the config had been read"), "{error}");
    let hash = |spec: &ModelSpec| spec.init_from.as_ref().unwrap().blake3.clone();
    assert_ne!(hash(&before), hash(&spec(&from).unwrap()), "another start is another run");
}

/// A model with numbers of its own, and what comes of it out there and in again.
fn out_and_in(lines: &str) -> (Model, Exported, Vec<Vec<f32>>) {
    let spec = spec(&format!("{SIZES}{lines}")).unwrap_or_else(|error| panic!("{lines}: {error}"));
    let mut model = Model::new(&spec, 11, 7);
    let mut place = 0.0_f32;
    for entry in model.parameters_mut().iter_mut() {
        for value in entry.parameter.values_mut() {
            place += 1.0;
            *value += 0.3 * (place * 1.7).sin();
        }
    }
    let exported = export(&model, &Tokens { rows: 11, never: None, end_of_text: Some(0) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    exported.write_weights(&folder.path().join("model.safetensors")).unwrap();
    fs::write(folder.path().join("config.json"), exported.config.to_string()).unwrap();
    // The model that the architecture is, dense and with what it has everywhere.
    let layers = spec.layers.len();
    let epsilon = exported.config.get("layer_norm_epsilon").or(exported.config.get("rms_norm_eps")).unwrap();
    let tied = exported.config["tie_word_embeddings"].as_bool().unwrap();
    let common = format!("layers = {layers}\nnorm_epsilon = {epsilon}\ntied = {tied}\n");
    let number = |key: &str| exported.config[key].as_u64().unwrap();
    let inner = exported.config.get("n_inner").or(exported.config.get("intermediate_size")).unwrap();
    let again = match exported.family {
        Family::GptNeo => {
            let windows: Vec<u64> = exported.config["attention_types"][0][0]
                .as_array()
                .unwrap()
                .iter()
                .map(|kind| if kind == "local" { number("window_size") } else { 0 })
                .collect();
            format!(
                "{common}heads = {}\n[attention]\nwindow = {windows:?}\n[mlp]\ninner = {inner}\n",
                number("num_heads")
            )
        }
        Family::Gpt2 => format!(
            "{common}heads = {}\n[attention]\nbias = 'all'\nscaled = {}\n[mlp]\ninner = {inner}\n",
            number("n_head"),
            exported.config["scale_attn_weights"]
        ),
        Family::Llama => {
            let bias = if exported.config["attention_bias"] == true { "all" } else { "none" };
            format!(
                "{common}heads = {}\npositions = 'rotary'\nnorm = 'rms-norm'\n[attention]\nscaled = true\nbias = '{bias}'\n\
                 kv_heads = {}\n[mlp]\nblock = 'gated-mlp'\ninner = {inner}\nbias = {}\nactivation = '{}'\n",
                number("num_attention_heads"),
                number("num_key_value_heads"),
                exported.config["mlp_bias"],
                exported.config["hidden_act"].as_str().unwrap()
            )
        }
    };
    let back = start(folder.path(), "", &again, "").unwrap_or_else(|error| panic!("{lines}\n{again}: {error}"));
    let tokens = [3, 9, 0, 7, 7, 1, 10, 4];
    let distance = furthest(&logits(&model, &tokens), &logits(&back, &tokens));
    assert!(distance < 1e-4, "{lines}: {distance}");
    let all = logits(&back, &tokens);
    (model, exported, all)
}

#[test]
fn what_is_exported_computes_the_same() {
    let gated = "[mlp]\nblock = 'gated-mlp'\n";
    let rotary = "layers = 2\nheads = 4\npositions = 'rotary'\nnorm = 'rms-norm'\n";
    for (lines, family) in [
        (format!("{NEO}{NEO_BLOCKS}"), Family::GptNeo),
        ("layers = 1\nheads = 2\ntied = false\n[mlp]\nbias = false\n".into(), Family::GptNeo),
        (
            "layers = 2\nheads = 2\n[attention]\nkind = 'low-rank'\nrank = [2, 3]\nwindow = 3\nscaled = true\n".into(),
            Family::GptNeo,
        ),
        (format!("{GPT2}{GPT2_BLOCKS}[mlp]\nkind = 'block-dense'\nrank = 4\nblocks = 2\n"), Family::Gpt2),
        ("layers = 2\nheads = 4\n[attention]\nscaled = true\nkv_heads = [2, 1]\n".into(), Family::Gpt2),
        ("layers = 2\nheads = 4\n[attention]\nscaled = [true, false]\nbias = 'none'\n".into(), Family::Gpt2),
        (
            "layers = 1\nheads = 2\npositions = 'none'\n[attention]\nblock = 'latent-attention'\nlatent = 3\n".into(),
            Family::GptNeo,
        ),
        (format!("{LLAMA}{LLAMA_BLOCKS}"), Family::Llama),
        (format!("{rotary}[attention]\nkv_heads = [2, 4]\nbias = 'out'\n{gated}kind = 'kronecker'\n"), Family::Llama),
        (
            format!("{rotary}[attention]\nbias = 'all'\nscaled = true\n{gated}bias = true\nactivation = 'relu'\n"),
            Family::Llama,
        ),
    ] {
        let (_, exported, _) = out_and_in(&lines);
        assert_eq!(exported.family, family, "{lines}");
    }
}

#[test]
fn rows_for_more_tokens_are_those_of_one_that_no_text_has() {
    let spec = spec(&format!("{SIZES}{NEO}")).unwrap();
    let model = Model::new(&spec, 11, 7);
    let exported = export(&model, &Tokens { rows: 13, never: Some(4), end_of_text: None }).unwrap();
    assert_eq!(exported.config["vocab_size"], 13);
    assert_eq!(exported.generation_config["suppress_tokens"], serde_json::json!([11, 12]));
    let file = tempfile::NamedTempFile::new().unwrap();
    exported.write_weights(file.path()).unwrap();
    let rows = TensorFile::read(file.path()).unwrap().take("transformer.wte.weight", &[13, 8]).unwrap();
    let row = |i: usize| &rows[8 * i..8 * (i + 1)];
    assert_eq!([row(11), row(12)], [row(4), row(4)]);
}

#[test]
fn what_no_architecture_computes_is_refused_with_the_key_in_the_way() {
    let rotary = "layers = 2\nheads = 4\npositions = 'rotary'\n";
    let gated = "[mlp]\nblock = 'gated-mlp'\n";
    for (lines, key, said) in [
        (
            "layers = 2\nheads = 2\n[mlp]\nkind = 'silu-low-rank'\nrank = 2\n".to_string(),
            "mlp.kind",
            "\"silu-low-rank\" (layer 0, slot c_fc) is not linear",
        ),
        (
            "layers = 2\nheads = 2\n[attention]\nslots = ['v']\nlayers = 'late'\nkind = 'silu-low-rank'\nrank = 2\n"
                .into(),
            "attention.kind",
            "(layer 1, slot v)",
        ),
        ("layers = 2\nheads = 2\nnorm = 'rms-norm'\n".into(), "norm", "\"rms-norm\" beside learned positions"),
        (format!("layers = 2\nheads = 2\n{gated}"), "mlp.block", "\"gated-mlp\" beside learned positions"),
        (format!("{rotary}{gated}"), "norm", "\"layer-norm\" beside rotary positions"),
        (format!("{rotary}norm = 'rms-norm'\n"), "mlp.block", "needs \"gated-mlp\""),
        (
            format!("{rotary}norm = 'rms-norm'\n[attention]\nwindow = [0, 3]\n{gated}"),
            "attention.window",
            "Llama has no windows",
        ),
        ("layers = 2\nheads = 2\n[attention]\nwindow = [2, 3]\n".into(), "attention.window", "windows of 2 and of 3"),
        (
            "layers = 2\nheads = 2\n[attention]\nwindow = 2\nbias = 'all'\n".into(),
            "attention.bias",
            "GPT-Neo, which has windows, has none there",
        ),
        ("layers = 2\nheads = 2\n[mlp]\ninner = [8, 16]\n".into(), "mlp.inner", "layer 1 has another than layer 0"),
        (
            "layers = 2\nheads = 2\n[mlp]\nactivation = ['gelu', 'relu']\n".into(),
            "mlp.activation",
            "layer 1 has another",
        ),
    ] {
        let spec = spec(&format!("{SIZES}{lines}")).unwrap_or_else(|error| panic!("{lines}: {error}"));
        let error = export(&Model::new(&spec, 11, 0), &Tokens { rows: 11, ..Tokens::default() }).err().expect(&lines);
        assert!(error.key == key && error.message.contains(said), "{lines}: {error}");
    }
}
