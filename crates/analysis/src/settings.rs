//! What a person may vary from configuration to configuration, beside kinds and ranks.

use lrx_records::{Cell, RunRecord};

use crate::tuning::tuned_keys;

/// One column of `runs.csv` that may differ between configurations.
pub(crate) struct Setting {
    /// What tables call it.
    pub(crate) name: &'static str,
    /// Its value; empty where it is not known.
    pub(crate) value: fn(&RunRecord) -> String,
}

/// The settings, in the order in which tables show them.
pub(crate) const SETTINGS: [Setting; 16] = [
    Setting { name: "hidden", value: |run| run.hidden.write() },
    Setting { name: "layers", value: |run| run.layers.write() },
    Setting { name: "learning rate", value: |run| run.learning_rate.map_or(String::new(), |rate| rate.to_string()) },
    Setting { name: "schedule", value: |run| run.schedule.clone() },
    Setting { name: "warm-up", value: |run| run.warmup_steps.write() },
    Setting { name: "optimizer", value: |run| run.optimizer.clone() },
    Setting { name: "batch", value: |run| run.batch.clone() },
    Setting { name: "precision", value: |run| of_default(&run.precision, "f32") },
    Setting { name: "context", value: |run| run.context.write() },
    Setting { name: "stories", value: |run| run.stories.write() },
    Setting { name: "steps", value: |run| run.steps.write() },
    Setting { name: "started from", value: |run| run.init_from.clone() },
    Setting { name: "init", value: |run| run.init.clone() },
    Setting { name: "rates by", value: |run| run.lr_rule.clone() },
    Setting { name: "decay by", value: |run| run.decay_rule.clone() },
    // Runs of an lrx that computed otherwise: the same seed is another run there.
    Setting { name: "numerics", value: |run| run.numerics.unwrap_or(1).to_string() },
];

/// What a table that has no such column leaves unsaid is the default.
fn of_default(value: &str, default: &str) -> String {
    if value.is_empty() { default } else { value }.to_owned()
}

/// Whether two runs were trained in the same way, whatever their model: on as many stories, for as many steps, by the same
/// optimizer, from the same start.
pub(crate) fn same_training(a: &RunRecord, b: &RunRecord) -> bool {
    trained_otherwise(a, b).is_empty()
}

/// What runs that were trained in the same way have in common; two of one key were, unless both hashes of their training are
/// known and differ ([`training_hash`]). A value that `lrx tune` has chosen for each is the same thing in all.
pub(crate) fn training_key(run: &RunRecord) -> Vec<String> {
    of_training().map(|setting| value_of_training(setting, run)).chain([tuned_keys(run).join(" ")]).collect()
}

/// The value of a setting of training; `tuned` where that was.
fn value_of_training(setting: &Setting, run: &RunRecord) -> String {
    let is_of = |key: &str| {
        matches!(
            (setting.name, key),
            ("learning rate", "train.learning_rate")
                | ("warm-up", "train.warmup_steps")
                | ("batch", "train.batch_stories" | "train.batch_tokens")
        )
    };
    if tuned_keys(run).into_iter().any(is_of) { "tuned".to_owned() } else { (setting.value)(run) }
}

/// The hash of all that training depends on; none where a value of it was tuned, as that is in the hash, too.
pub(crate) fn training_hash(run: &RunRecord) -> &str {
    if run.tuned.is_empty() { &run.training } else { "" }
}

/// The settings of training, whatever the model.
fn of_training() -> impl Iterator<Item = &'static Setting> {
    let of_model = ["hidden", "layers", "init", "rates by", "decay by"];
    SETTINGS.iter().filter(move |setting| !of_model.contains(&setting.name))
}

/// In what the training of two runs differs, whatever their models, by the names that tables have for it.
pub(crate) fn trained_otherwise(a: &RunRecord, b: &RunRecord) -> Vec<&'static str> {
    let differs = |setting: &&Setting| value_of_training(setting, a) != value_of_training(setting, b);
    let mut named: Vec<&'static str> = of_training().filter(differs).map(|setting| setting.name).collect();
    if named.is_empty() && tuned_keys(a) != tuned_keys(b) {
        named.push("what was tuned");
    }
    if named.is_empty() && differ(training_hash(a), training_hash(b)) {
        named.push("settings without a column");
    }
    named
}

/// Whether two runs learned from other amounts of text; no difference of losses between them says anything of their models.
pub(crate) fn other_length(a: &RunRecord, b: &RunRecord) -> bool {
    if let (Some(a), Some(b)) = (a.tokens, b.tokens) {
        // Shuffled otherwise, as many batches hold a few tokens more or less.
        return (a.max(b) - a.min(b)) as f64 > SAME_LENGTH * a.max(b) as f64;
    }
    (a.steps, &a.batch, a.stories) != (b.steps, &b.batch, b.stories)
}

/// Runs whose numbers of tokens differ by a smaller part are equally long.
const SAME_LENGTH: f64 = 0.05;

/// Whether two runs differ in nothing but what stands in their blocks, as far as their rows tell.
pub(crate) fn same_beside_blocks(a: &RunRecord, b: &RunRecord) -> bool {
    same_training(a, b) && (a.hidden, a.layers) == (b.hidden, b.layers) && !differ(&a.frame, &b.frame)
}

/// Whether two hashes differ, where both are known.
fn differ(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty() && a != b
}
