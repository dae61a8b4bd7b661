//! `lrx generate`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lrx_layers::Registry;
use lrx_model::Sampling;

use crate::failure::Failure;
use crate::terminal::{say, tell, write_data};
use crate::threads::use_threads;
use crate::trained::Trained;

/// `lrx generate`
#[derive(Args)]
pub(crate) struct GenerateArgs {
    /// The folder of a run, or its run_id in --out, or the beginning of it or of its hash
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
    let Trained { model, vocabulary, .. } = Trained::load(&args.run, &args.out, registry)?;
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
