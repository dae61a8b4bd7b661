//! What a person may vary from configuration to configuration, beside kinds and ranks.

use lrx_records::{Cell, RunRecord};

/// One column of `runs.csv` that may differ between configurations.
pub(crate) struct Setting {
    /// What tables call it.
    pub(crate) name: &'static str,
    /// Its value; empty where it is not known.
    pub(crate) value: fn(&RunRecord) -> String,
}

/// The settings, in the order in which tables show them.
pub(crate) const SETTINGS: [Setting; 13] = [
    Setting { name: "hidden", value: |run| run.hidden.write() },
    Setting { name: "layers", value: |run| run.layers.write() },
    Setting { name: "learning rate", value: |run| run.learning_rate.map_or(String::new(), |rate| rate.to_string()) },
    Setting { name: "schedule", value: |run| run.schedule.clone() },
    Setting { name: "warm-up", value: |run| run.warmup_steps.write() },
    Setting { name: "optimizer", value: |run| run.optimizer.clone() },
    Setting { name: "batch", value: |run| run.batch.clone() },
    Setting { name: "context", value: |run| run.context.write() },
    Setting { name: "stories", value: |run| run.stories.write() },
    Setting { name: "steps", value: |run| run.steps.write() },
    Setting { name: "init", value: |run| run.init.clone() },
    Setting { name: "rates by", value: |run| run.lr_rule.clone() },
    Setting { name: "decay by", value: |run| run.decay_rule.clone() },
];

/// Whether two runs were trained in the same way, whatever their model: on as many stories, for as many steps, by the same
/// optimizer.
pub(crate) fn same_training(a: &RunRecord, b: &RunRecord) -> bool {
    let of_training = |setting: &&Setting| {
        let of_model = ["hidden", "layers", "init", "rates by", "decay by"];
        !of_model.contains(&setting.name)
    };
    SETTINGS.iter().filter(of_training).all(|setting| (setting.value)(a) == (setting.value)(b))
}
