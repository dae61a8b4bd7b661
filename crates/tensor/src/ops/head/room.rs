//! How the vocabulary is divided, and memory for the logits of a block of tokens.

use std::ops::Range;

use crate::Precision;

/// Groups of vocabulary entries that are worked on side by side, each with a dx of its own: few enough to add up.
const GROUPS: usize = 8;
/// Entries of a group at least: some tiles of the matrix products.
const GROUP_AT_LEAST: usize = 128;

/// Vocabulary entries in a part at most: with the logits of a block they fit the cache.
fn part_at_most(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 1024,
        // Blocks have more tokens, and logits are read again when they are packed.
        Precision::Bf16 => 504,
    }
}

/// The entries of each group.
pub(super) fn groups_of(vocabulary: usize) -> Vec<Range<usize>> {
    let group = vocabulary.div_ceil(GROUPS).max(GROUP_AT_LEAST);
    (0..vocabulary).step_by(group).map(|start| start..vocabulary.min(start + group)).collect()
}

/// A group's entries, part by part.
pub(super) fn parts_of(group: Range<usize>, precision: Precision) -> impl Iterator<Item = Range<usize>> {
    let part = group.len().div_ceil(group.len().div_ceil(part_at_most(precision)));
    group.clone().step_by(part).map(move |start| start..group.end.min(start + part))
}

/// Memory for the logits of a block of tokens.
///
/// It is many buffers of a megabyte or two rather than a large one: once they are freed, the gradients of the backward pass
/// settle there, and in the next step they find room where those were.
pub(super) struct Room {
    pub(super) groups: Vec<GroupRoom>,
}

pub(super) struct GroupRoom {
    /// For each part, where logits are kept for the gradients. Empty where they are not, or only packed.
    pub(super) kept: Vec<Vec<f32>>,
    /// For one part after the other, where they are not kept.
    pub(super) passing: Vec<f32>,
}

impl Room {
    pub(super) fn new(tokens: usize, vocabulary: usize, precision: Precision, gradient: bool) -> Self {
        let of_part = |entries: Range<usize>| Vec::with_capacity(entries.len() * tokens);
        let of_group = |entries: Range<usize>| {
            let mut parts = parts_of(entries, precision);
            if gradient && precision == Precision::F32 {
                GroupRoom { kept: parts.map(of_part).collect(), passing: Vec::new() }
            } else {
                // The first is the longest.
                GroupRoom { kept: Vec::new(), passing: parts.next().map(of_part).unwrap_or_default() }
            }
        };
        Self { groups: groups_of(vocabulary).into_iter().map(of_group).collect() }
    }
}

/// The first so many numbers of `buffer`, whatever they are.
pub(super) fn first(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        // By the thread that writes logits there next, and in whose cache they are then.
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
