//! `lrx generate`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lrx_data::Vocabulary;
use lrx_layers::{OptionError, Registry, deserialize};
use lrx_model::{Model, ModelConfig, ModelSpec, Sampling, load_weights};
use lrx_train::WEIGHTS_FILE;
use toml::{Table, Value};

use crate::failure::Failure;
use crate::find::find_run;
use crate::results::{RESOLVED_FILE, VOCABULARY_FILE, about};
use crate::runs::check_files;
use crate::terminal::{say, tell, write_data};
use crate::threads::use_threads;

/// `lrx generate`
#[derive(Args)]
pub(crate) struct GenerateArgs {
    /// The folder of a run, or its run_id (or the beginning of it) in --out
    pub(crate) run: String,
    /// Text to continue
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) prompt: String,
    /// Tokens to add at most
    #[arg(long, default_value_t = 200)]
    pub(crate) tokens: usize,
    /// Below 1 sharper, above 1 flatter; 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.8)]
    pub(crate) temperature: f32,
    /// Draw from the K likeliest tokens only; 0 for all
    #[arg(long, value_name = "K", default_value_t = 40)]
    pub(crate) top_k: usize,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
    /// Threads to compute on [default: all cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

pub(crate) fn generate(args: &GenerateArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    if !(args.temperature >= 0.0 && args.temperature.is_finite()) {
        return Err(Failure::Usage(format!("--temperature {}: expected a number of at least 0", args.temperature)));
    }
    use_threads(args.threads)?;
    let folder = find_run(&args.run, &args.out).map_err(Failure::Usage)?;
    let weights = folder.join(WEIGHTS_FILE);
    if !weights.exists() {
        let message = format!("{} has no {WEIGHTS_FILE}: the run is not finished", folder.display());
        return Err(Failure::Usage(message));
    }
    // Text from what is not the run's would be worse than none.
    check_files(&folder, &[RESOLVED_FILE, VOCABULARY_FILE, WEIGHTS_FILE])
        .map_err(|damage| Failure::Usage(format!("{}: {damage}", folder.display())))?;
    let vocabulary =
        Vocabulary::load(&folder.join(VOCABULARY_FILE)).map_err(|error| Failure::Usage(error.to_string()))?;

    let resolved = folder.join(RESOLVED_FILE);
    let text = lrx_files::read_to_string(&resolved).map_err(|error| Failure::Usage(about(&resolved)(error)))?;
    let spec =
        model_spec(&text, registry).map_err(|error| Failure::Usage(format!("{}: {error}", resolved.display())))?;
    let mut model = Model::new(&spec, vocabulary.size(), 0);
    load_weights(&mut model, &weights).map_err(|error| Failure::Usage(error.to_string()))?;

    let prompt = vocabulary.encode(&args.prompt).map_err(|error| Failure::Usage(error.to_string()))?;
    if prompt.is_empty() {
        return Err(Failure::Usage("--prompt is empty: expected some text to continue".into()));
    }
    if prompt.len() >= model.context() {
        let (tokens, context) = (prompt.len(), model.context());
        return Err(Failure::Usage(format!("--prompt has {tokens} tokens; the context of the model is {context}")));
    }
    let sampling = Sampling { temperature: args.temperature, top_k: args.top_k, seed: args.seed };
    let mut tokens = prompt.clone();
    let mut shown = String::new();
    let mut print = |tokens: &[u32]| {
        // A character may take several tokens: what is not whole yet shows as U+FFFD at the end and waits.
        let text = vocabulary.decode(tokens).unwrap_or_default();
        let whole = text.trim_end_matches('\u{fffd}');
        if let Some(new) = whole.strip_prefix(shown.as_str()) {
            write_data(new);
            shown = whole.to_string();
        }
    };
    print(&tokens);
    let end = vocabulary.end_of_text();
    let mut is_ended = false;
    lrx_model::generate(&model, &prompt, args.tokens, end, &sampling, |token| {
        if Some(token) == end {
            is_ended = true;
        } else {
            tokens.push(token);
            print(&tokens);
        }
    });
    say!("");
    let added = tokens.len() - prompt.len();
    if !is_ended && added < args.tokens {
        let context = model.context();
        tell!(
            "note: stopped after {added} of {} tokens: the context of the model is full, at {context} tokens",
            args.tokens
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The model of a resolved config.
fn model_spec(resolved: &str, registry: &Registry) -> Result<ModelSpec, OptionError> {
    let error = |message: String| OptionError::new("model", message);
    let mut config: Table = resolved.parse().map_err(|e: toml::de::Error| error(e.message().to_string()))?;
    let Some(Value::Table(mut model)) = config.remove("model") else {
        return Err(error("the section is missing".into()));
    };
    model.remove("init_from"); // The weights that follow replace it.
    deserialize::<ModelConfig>(model)?.resolve(registry, &|_, written| Ok(written.into()))
}
