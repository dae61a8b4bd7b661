//! What attention needs to know beside its inputs.

/// Heads, and what they see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of the keys and values: a divisor of `heads`. Each serves the next `heads / key_value_heads` heads of queries
    /// (grouped queries, Ainslie et al. 2023; with one, Shazeer's multi-query attention).
    pub key_value_heads: usize,
    /// What the scores are multiplied by: 1 in GPT-Neo, 1 / √head size in most others.
    pub scale: f32,
    /// `Some(w)`: a token sees itself and the w − 1 tokens before it (GPT-Neo's local attention). `None`: all before it.
    pub window: Option<usize>,
}

impl AttentionShape {
    /// GPT-Neo's global attention: keys and values for each head, scores as they are, no window.
    pub fn new(heads: usize) -> Self {
        Self { heads, key_value_heads: heads, scale: 1.0, window: None }
    }

    /// Features of a head, from those of queries and those of keys.
    pub(super) fn head_size(&self, features: usize, key_value_features: usize) -> usize {
        let &Self { heads, key_value_heads, window, .. } = self;
        assert!(heads > 0 && features.is_multiple_of(heads), "{heads} heads divide {features} features");
        assert!(
            key_value_heads > 0 && heads.is_multiple_of(key_value_heads),
            "{key_value_heads} heads of keys and values for {heads} heads"
        );
        let head_size = features / heads;
        assert_eq!(
            key_value_features,
            key_value_heads * head_size,
            "features of {key_value_heads} heads of keys and values of {head_size}"
        );
        assert!(window != Some(0), "a window of at least one token");
        head_size
    }
}
