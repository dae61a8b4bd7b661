//! `lrx export RUN DIR`: a folder that `transformers` loads.

use std::path::Path;
use std::process::ExitCode;

use lrx_data::TokenizerFile;
use lrx_layers::Registry;
use lrx_model::Tokens;
use lrx_records::{RunRecord, parse_rows};
use serde_json::{Value, json};

use super::card::{Card, card};
use super::folder::{CARD, CONFIG, GENERATION_CONFIG, MARK, NewFolder, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS};
use crate::failure::Failure;
use crate::progress::thousands;
use crate::results::{RECORD_FILE, RESOLVED_FILE, write_text};
use crate::terminal::say;
use crate::trained::Trained;

/// Which run, and where to.
pub(super) struct ModelExport<'a> {
    pub(super) run: &'a str,
    pub(super) dir: &'a Path,
    pub(super) force: bool,
    pub(super) out: &'a Path,
}

/// Writes a trained run as a folder that `transformers` loads.
///
/// # Errors
/// When the run cannot be used, no architecture of `transformers` computes what it does, something is in the way of the folder,
/// or it cannot be written.
pub(super) fn export_model(args: &ModelExport<'_>, registry: &Registry) -> Result<ExitCode, Failure> {
    let folder = NewFolder::new(args.dir, args.force)?;
    let Trained { folder: run, model, vocabulary, resolved, .. } = Trained::load(args.run, args.out, registry)?;
    let usage = |error: lrx_data::DataError| Failure::Usage(error.to_string());
    let TokenizerFile { json: tokenizer, size, never } = vocabulary.tokenizer_file().map_err(usage)?;
    let end_of_text = vocabulary.end_of_text_name().map_err(usage)?;
    let tokens = Tokens { rows: size, never, end_of_text: vocabulary.end_of_text() };
    let exported = lrx_model::export(&model, &tokens).map_err(|error| {
        let config = run.join(RESOLVED_FILE);
        Failure::Usage(format!("{}: `model.{}`: {}", config.display(), error.key, error.message))
    })?;

    let run_id = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut config = exported.config.clone();
    config[MARK] = json!(run_id);
    write_json(&folder.file(CONFIG), &config)?;
    write_json(&folder.file(GENERATION_CONFIG), &exported.generation_config)?;
    write_json(&folder.file(TOKENIZER_CONFIG), &tokenizer_config(end_of_text.as_deref(), model.context()))?;
    write_text(&folder.file(TOKENIZER), &tokenizer).map_err(Failure::Failed)?;
    exported.write_weights(&folder.file(WEIGHTS)).map_err(|error| Failure::Failed(error.to_string()))?;
    let row = lrx_files::read(&run.join(RECORD_FILE)).ok();
    let row = row.and_then(|text| parse_rows::<RunRecord>(&text, &run.join(RECORD_FILE)).ok()?.into_iter().next());
    let told = Card {
        run_id: &run_id,
        row: row.unwrap_or_default(),
        family: exported.family.name(),
        numbers: exported.numbers(),
        vocabulary: vocabulary.size(),
        on_the_way: size - vocabulary.size(),
        is_compact: vocabulary.full_ids().is_some(),
        remarks: &exported.remarks,
        resolved: &resolved,
    };
    write_text(&folder.file(CARD), &card(&told)).map_err(Failure::Failed)?;
    folder.finish()?;

    let numbers = thousands(exported.numbers() as f64);
    say!("wrote {}: {} of {numbers} numbers, {} tokens", args.dir.display(), exported.family.name(), vocabulary.size());
    for remark in &exported.remarks {
        say!("  {remark}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What makes `AutoTokenizer` take `tokenizer.json` as it is.
fn tokenizer_config(end_of_text: Option<&str>, context: usize) -> Value {
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": false,
        "model_input_names": ["input_ids", "attention_mask"],
    });
    if let Some(end_of_text) = end_of_text {
        for token in ["bos_token", "eos_token", "pad_token"] {
            config[token] = json!(end_of_text);
        }
    }
    config
}

fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
    write_text(path, &format!("{text}\n")).map_err(Failure::Failed)
}
