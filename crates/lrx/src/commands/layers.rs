//! `lrx layers`

use std::process::ExitCode;

use clap::Args;
use lrx_layers::{About, Place, Registry};
use serde_json::Value;

use crate::failure::Failure;
use crate::terminal::say;

/// `lrx layers`
#[derive(Args)]
pub(crate) struct LayersArgs {
    /// A kind
    name: Option<String>,
}

pub(crate) fn layers(args: &LayersArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    match args.name.as_deref() {
        None => list(registry),
        Some(name) => describe(name, registry)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(registry: &Registry) {
    let width = registry.iter().map(|(about, _)| about.name.len()).max().unwrap_or(0);
    for (about, place) in registry.iter() {
        let replaces = match place {
            None => "a matrix",
            Some(Place::Attention) => "the attention",
            Some(Place::Mlp) => "the MLP",
        };
        say!("{:width$}  {}; stands in for {replaces}", about.name, about.summary);
    }
    say!("\nUse one in a config as kind = \"NAME\" in [model.attention] or [model.mlp]; lrx layers NAME tells more.");
}

fn describe(name: &str, registry: &Registry) -> Result<(), Failure> {
    let (About { name, summary, description, example }, schema) =
        registry.describe(name).map_err(|error| Failure::Usage(error.message))?;
    say!("{name}: {summary}\n\n{description}\n\nOptions:");
    let schema = schema.as_value();
    let options = schema["properties"].as_object();
    if options.is_none_or(|options| options.is_empty()) {
        say!("  none");
    }
    for (key, option) in options.into_iter().flatten() {
        let default = match option.get("default") {
            Some(default) => format!("default {default}"),
            None => "required".to_string(),
        };
        let text = option["description"].as_str().unwrap_or("").replace('\n', " ");
        say!("  {key} ({default})  {text}");
        let definition = option["$ref"].as_str().and_then(|reference| schema.pointer(reference.strip_prefix('#')?));
        for (value, text) in variants(definition.unwrap_or(option)) {
            say!("    {value}  {}", text.replace('\n', " "));
        }
    }
    let place = registry.iter().find(|(about, _)| about.name == name).and_then(|(_, place)| place);
    let section = match place {
        None | Some(Place::Attention) => "model.attention",
        Some(Place::Mlp) => "model.mlp",
    };
    say!("\nIn a config:\n  [{section}]\n  kind = \"{name}\"");
    example.lines().for_each(|line| say!("  {line}"));
    say!("\nEach option may be a list with a value for every layer.");
    Ok(())
}

/// The values of an option that has only so many, with their descriptions.
fn variants(schema: &Value) -> Vec<(String, &str)> {
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    variants.map(|variant| (variant["const"].to_string(), variant["description"].as_str().unwrap_or(""))).collect()
}
