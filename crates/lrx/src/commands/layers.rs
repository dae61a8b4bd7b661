//! `lrx layers`

use std::process::ExitCode;

use clap::Args;
use lrx_layers::{Place, Registry};

use super::about::print_about;
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
    let print = |title: &str, place: Option<Place>| {
        say!("{title}");
        for (about, _) in registry.iter().filter(|(_, of)| *of == place) {
            say!("  {:width$}  {}", about.name, about.summary);
        }
    };
    print("Linear kinds, for every slot: kind = \"NAME\"", None);
    print("\nBlocks for [model.attention]: block = \"NAME\"", Some(Place::Attention));
    print("\nBlocks for [model.mlp]: block = \"NAME\"", Some(Place::Mlp));
    say!("\nlrx layers NAME tells more; lrx rules has the rules for how their parameters start, learn and decay.");
}

fn describe(name: &str, registry: &Registry) -> Result<(), Failure> {
    let (about, place, schema) = registry.describe(name).map_err(|error| Failure::Usage(error.message))?;
    print_about(&about, schema);
    let slots = registry.slots(name);
    if !slots.is_empty() {
        say!("\nSlots, for any linear kind: {}", slots.join(", "));
    }
    let (table, key) = match place {
        Some(place) => (place.key(), "block"),
        None => ("attention", "kind"),
    };
    say!("\nIn a config:\n  [model.{table}]\n  {key} = \"{name}\"");
    about.example.lines().for_each(|line| say!("  {line}"));
    if place.is_none() {
        if name != "dense" {
            say!("  # budget = 0.3         # in the place of sizes: at most so much of the dense matrix's numbers");
        }
        say!("  layers = \"late\"        # here only, dense elsewhere: early, late, first, last, even, odd, \"0,2-3\"");
        say!("  slots = [\"q\", \"k\"]     # and in these slots only");
    }
    say!("\nAn option may be a list with a value for every layer.");
    Ok(())
}
