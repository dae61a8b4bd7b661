//! Sample texts: what the model makes of some prompts while it is trained.

use lrx_layers::{OptionError, Progress};
use lrx_model::{Model, Sampling, generate_at};

/// Prompts unless the config has its own.
const PROMPT: &str = "Once upon a time";
/// Tokens that are added to each unless the config says otherwise.
const TOKENS: usize = 64;
/// How they are drawn: as `lrx generate` does unless it is told otherwise.
const TEMPERATURE: f32 = 0.8;
const TOP_K: usize = 40;

/// Which texts are sampled, and when: after every so many steps, and after the last.
///
/// They change nothing of what is trained, and are no part of what a run is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Steps between two times.
    pub every: usize,
    /// What the model is given.
    pub prompts: Vec<String>,
    /// Tokens that it adds, at most.
    pub tokens: usize,
}

impl Samples {
    /// Those of `sample_every`, `prompts` and `sample_tokens`; none where no step is.
    ///
    /// # Errors
    /// An empty prompt, or one of the others without `sample_every`; the key is relative to `[train]`.
    pub(crate) fn resolve(
        every: Option<usize>,
        prompts: Option<Vec<String>>,
        tokens: Option<usize>,
    ) -> Result<Option<Self>, OptionError> {
        let Some(every) = every else {
            let alone = prompts.map(|_| "prompts").or(tokens.map(|_| "sample_tokens"));
            return alone.map_or(Ok(None), |key| {
                Err(OptionError::new(
                    key,
                    format!("`{key}` is of no use without `sample_every`, the steps between sample texts"),
                ))
            });
        };
        let prompts = prompts.unwrap_or_else(|| vec![PROMPT.to_string()]);
        if prompts.is_empty() {
            let message = "`prompts` is an empty list; expected texts to go on with, or no `prompts` for a usual one";
            return Err(OptionError::new("prompts", message));
        }
        if let Some(place) = prompts.iter().position(|prompt| prompt.is_empty()) {
            let message = "a prompt is empty: expected some text to go on with";
            return Err(OptionError::new(format!("prompts.{place}"), message));
        }
        Ok(Some(Self { every, prompts, tokens: tokens.unwrap_or(TOKENS) }))
    }

    /// Whether texts are sampled after `step` updates of `steps`.
    pub fn are_due(&self, step: usize, steps: usize) -> bool {
        step == steps || step.is_multiple_of(self.every)
    }

    /// What the model, so far in its training, makes of a prompt's tokens: these and what it adds, without the token that ends a
    /// text. It depends on the model, the prompt and the seed alone.
    ///
    /// # Panics
    /// When the prompt has no token.
    pub fn text(
        &self,
        model: &Model,
        progress: Progress,
        prompt: &[u32],
        end_of_text: Option<u32>,
        seed: u64,
    ) -> Vec<u32> {
        let sampling = Sampling { temperature: TEMPERATURE, top_k: TOP_K, seed };
        let mut tokens = prompt.to_vec();
        let add = |token| tokens.extend(Some(token).filter(|_| Some(token) != end_of_text));
        generate_at(progress, model, prompt, self.tokens, end_of_text, &sampling, add);
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_due_every_so_often_and_at_the_end() {
        let samples = Samples::resolve(Some(4), None, None).unwrap().unwrap();
        let due: Vec<usize> = (1..=10).filter(|step| samples.are_due(*step, 10)).collect();
        assert_eq!((due, samples.prompts, samples.tokens), (vec![4, 8, 10], vec!["Once upon a time".to_string()], 64));
        assert_eq!(Samples::resolve(None, None, None), Ok(None));
    }

    #[test]
    fn what_is_of_no_use_is_told() {
        let key = |every, prompts: Option<&[&str]>, tokens| {
            let prompts = prompts.map(|prompts| prompts.iter().map(|prompt| prompt.to_string()).collect());
            Samples::resolve(every, prompts, tokens).unwrap_err().key
        };
        assert_eq!(key(None, Some(&["a"]), None), "prompts");
        assert_eq!(key(None, None, Some(3)), "sample_tokens");
        assert_eq!(key(Some(3), Some(&[]), None), "prompts");
        assert_eq!(key(Some(3), Some(&["a", ""]), None), "prompts.1");
    }
}
