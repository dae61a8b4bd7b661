//! `lrx optimizers`

use std::process::ExitCode;

use clap::Args;
use lrx_layers::{Registry, known_names};
use lrx_train::RegisterOptimizer;

use super::about::print_about;
use crate::failure::Failure;
use crate::terminal::say;

/// `lrx optimizers`
#[derive(Args)]
pub(crate) struct OptimizersArgs {
    /// An optimizer
    name: Option<String>,
}

pub(crate) fn optimizers(args: &OptimizersArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    let optimizers = registry.optimizers();
    let Some(name) = args.name.as_deref() else {
        let width = optimizers.iter().map(|(about, _)| about.name.len()).max().unwrap_or(0);
        for (about, _) in optimizers.iter() {
            say!("{:width$}  {}", about.name, about.summary);
        }
        say!("\nlrx optimizers NAME tells more.");
        return Ok(ExitCode::SUCCESS);
    };
    let Some((about, schema)) = optimizers.iter().find(|(about, _)| about.name == name) else {
        let known: Vec<&str> = optimizers.iter().map(|(about, _)| about.name).collect();
        return Err(Failure::Usage(format!("unknown optimizer \"{name}\"{}", known_names(name, &known))));
    };
    print_about(&about, schema);
    say!("\nIn a config:\n  [train.optimizer]\n  kind = \"{name}\"");
    about.example.lines().for_each(|line| say!("  {line}"));
    say!(
        "\nParameters with settings of their own, later groups above earlier ones:\n  \
         [[train.optimizer.group]]\n  \
         role = \"factor\"         # or bias, scale, norm, embedding; or name = \"*.attn.*\"; or both\n  \
         lr = 0.5                # a factor on their learning rate\n  \
         weight_decay = 0.1      # in the place of that of [train]; and any option above"
    );
    Ok(ExitCode::SUCCESS)
}
