//! `lrx rules`

use std::process::ExitCode;

use clap::Args;
use lrx_layers::rules::RuleOf;
use lrx_layers::{Registry, known_names};

use super::about::print_about;
use crate::failure::Failure;
use crate::terminal::say;

/// `lrx rules`
#[derive(Args)]
pub(crate) struct RulesArgs {
    /// A rule
    name: Option<String>,
}

pub(crate) fn rules(args: &RulesArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    match args.name.as_deref() {
        None => list(registry),
        Some(name) => describe(name, registry)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(registry: &Registry) {
    let width = registry.rules().iter().map(|(_, about, _)| about.name.len()).max().unwrap_or(0);
    for of in RuleOf::ALL {
        let what = match of {
            RuleOf::Init => "How parameters start",
            RuleOf::LearningRate => "How fast they learn",
            RuleOf::Decay => "How they decay",
        };
        say!("{what}: {} = \"NAME\"", of.key());
        for (_, about, _) in registry.rules().iter().filter(|(is, ..)| *is == of) {
            say!("  {:width$}  {}", about.name, about.summary);
        }
        say!("");
    }
    say!("They stand in [model.attention], [model.mlp], or the table of a slot; lrx rules NAME tells more.");
}

fn describe(name: &str, registry: &Registry) -> Result<(), Failure> {
    let named: Vec<_> = registry.rules().iter().filter(|(_, about, _)| about.name == name).collect();
    if named.is_empty() {
        let known: Vec<&str> = registry.rules().iter().map(|(_, about, _)| about.name).collect();
        return Err(Failure::Usage(format!("unknown rule \"{name}\"{}", known_names(name, &known))));
    }
    for (i, (of, about, schema)) in named.into_iter().enumerate() {
        if i > 0 {
            say!("");
        }
        print_about(&about, schema);
        say!("\nIn a config:\n  [model.mlp]");
        let key = of.key();
        if about.example.is_empty() {
            say!("  {key} = \"{name}\"");
        } else {
            say!("  {key} = {{ rule = \"{name}\", {} }}", about.example.replace('\n', ", "));
        }
        say!("  c_proj = {{ {key} = \"{name}\" }}          # for one slot");
    }
    Ok(())
}
