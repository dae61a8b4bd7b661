//! The model card: what the run was, in figures, and how to load what came of it.

use lrx_records::{RunRecord, visible};
use toml::Table;

use crate::progress::thousands;

/// What a card tells.
pub(super) struct Card<'c> {
    pub(super) run_id: &'c str,
    /// The run's row; empty where it cannot be read.
    pub(super) row: RunRecord,
    /// The architecture, as its authors call it.
    pub(super) family: &'static str,
    /// How many numbers the weights are.
    pub(super) numbers: usize,
    /// Tokens of the model.
    pub(super) vocabulary: usize,
    /// Tokens of the tokenizer that are on the way to others.
    pub(super) on_the_way: usize,
    pub(super) is_compact: bool,
    /// What was done to the model.
    pub(super) remarks: &'c [String],
    /// The run's config with every default filled in.
    pub(super) resolved: &'c Table,
}

/// The text of the card.
pub(super) fn card(card: &Card<'_>) -> String {
    let Card { run_id, row, family, vocabulary, .. } = card;
    let label = if row.label.is_empty() { run_id } else { row.label.as_str() };
    let mut text =
        String::from("---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- lrx\n---\n\n");
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line(&format!("# {}\n", in_markdown(label)));
    line(&format!(
        "The run `{run_id}` of [lrx](https://crates.io/crates/lrx), as a {family} of `transformers`. It computes what the run's model \
         does: factors of low-rank and other structured matrices are multiplied out.\n"
    ));
    line("```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n");
    line(
        "model = AutoModelForCausalLM.from_pretrained(\"this folder\")\ntokenizer = AutoTokenizer.from_pretrained(\"this folder\")\n```\n",
    );
    line("| | |\n|---|---|");
    for (what, value) in figures(card) {
        line(&format!("| {what} | {} |", in_markdown(&value)));
    }
    line("");
    if card.is_compact {
        line(&format!(
            "The tokenizer has the {} tokens that the model was trained with, under the model's own numbers. A text of these has the \
             same tokens as in training.{}\n",
            thousands(*vocabulary as f64),
            on_the_way(card)
        ));
    }
    for remark in card.remarks {
        line(&format!("- In the exported weights, {remark}."));
    }
    if !card.remarks.is_empty() {
        line("");
    }
    line(
        "## Config\n\nEvery default filled in, as `lrx run` takes it; files are named with the hash of their content.\n",
    );
    let fence = "`".repeat(4);
    line(&format!("{fence}toml\n{}\n{fence}", card.resolved.to_string().trim_end()));
    text
}

fn on_the_way(card: &Card<'_>) -> String {
    if card.on_the_way == 0 {
        return String::new();
    }
    format!(
        " It also needs {} tokens on the way to these, with the ids from {} on. Only a text with a token that the model does not know can \
         end with one; their rows of the embedding are that of a byte which no text has. `generation_config.json` keeps them from being \
         drawn; a loss over all logits is higher by what they have, so take `logits[..., :{}]` for one.",
        thousands(card.on_the_way as f64),
        card.vocabulary,
        card.vocabulary
    )
}

/// The figures of the run, those that are known.
fn figures(card: &Card<'_>) -> Vec<(&'static str, String)> {
    let row = &card.row;
    let count = |number: Option<u64>| number.map(|number| thousands(number as f64));
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let loss = |loss: Option<f64>| loss.map(|loss| format!("{loss:.4} nats per token"));
    let all = [
        ("evaluation loss", loss(row.eval_loss)),
        ("bits per byte", row.bits_per_byte.map(|bits| format!("{bits:.4}"))),
        ("last training loss", loss(row.train_loss)),
        ("layers", count(row.layers)),
        ("hidden", count(row.hidden)),
        ("context", count(row.context)),
        ("tokens in the vocabulary", Some(thousands(card.vocabulary as f64))),
        ("matrices in training", text(&row.slots)),
        ("parameters in training", count(row.params)),
        ("of these in embeddings", count(row.params_embedding)),
        ("numbers in this folder's weights", Some(thousands(card.numbers as f64))),
        ("trained on", count(row.tokens).map(|tokens| format!("{tokens} tokens"))),
        ("steps", count(row.steps)),
        ("batch", text(&row.batch)),
        ("optimizer", text(&row.optimizer)),
        ("learning rate", row.learning_rate.map(|rate| format!("{rate}, {}", row.schedule))),
        ("started from", text(&row.init_from)),
        ("seed", row.seed.map(|seed| seed.to_string())),
        ("configuration", text(&row.configuration)),
    ];
    all.into_iter().filter_map(|(what, value)| Some((what, value?))).collect()
}

/// Text that means nothing else in Markdown, on one line.
fn in_markdown(text: &str) -> String {
    let special = |c: char| matches!(c, '|' | '*' | '_' | '`' | '<' | '[' | '\\' | '#');
    let escaped = |c: char| match c {
        '\n' | '\r' => " ".to_owned(),
        c if special(c) => format!("\\{c}"),
        c => c.to_string(),
    };
    visible(text).chars().map(escaped).collect()
}
