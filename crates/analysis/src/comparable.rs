//! Which losses can be compared: those on the same held-out stories in the same vocabulary.

use lrx_records::RunRecord;

/// Why the losses of two runs cannot be compared; `None` where they can, as far as their rows tell.
///
/// Rows of an earlier lrx do not name their held-out stories and vocabulary. There, other numbers of stories, or of rows
/// of the embeddings, are taken for others.
pub(crate) fn apart(a: &RunRecord, b: &RunRecord) -> Option<Apart> {
    if known(&a.vocabulary, &b.vocabulary) {
        if a.vocabulary != b.vocabulary {
            return Some(Apart::Vocabulary);
        }
    } else if differ(embedding_rows(a), embedding_rows(b)) {
        return Some(Apart::Embedding);
    }
    if known(&a.eval_data, &b.eval_data) {
        return (a.eval_data != b.eval_data).then_some(Apart::HeldOut);
    }
    differ(a.stories, b.stories).then_some(Apart::Stories)
}

/// In what runs lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    Vocabulary,
    Embedding,
    HeldOut,
    Stories,
}

impl Apart {
    /// Why losses cannot be compared, as the end of a sentence.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Vocabulary => "their vocabularies differ",
            Self::Embedding => "their embeddings have other numbers of rows, so vocabulary or context differ",
            Self::HeldOut => "they were evaluated on other stories",
            Self::Stories => {
                "they have other numbers of stories, and the files do not tell whether those held out are the same"
            }
        }
    }

    /// What sets a run apart, in a word or two: `50 stories`.
    fn title(self, run: &RunRecord) -> String {
        match self {
            Self::Vocabulary => format!("vocabulary {}", run.vocabulary),
            Self::Embedding => {
                let rows = embedding_rows(run).map_or("?".to_owned(), |rows| format!("{rows:.0}"));
                format!("embeddings of {rows} rows")
            }
            Self::HeldOut => format!("held-out stories {}", run.eval_data),
            Self::Stories => run.stories.map_or("stories unknown".to_owned(), |stories| format!("{stories} stories")),
        }
    }
}

/// Rows of the token and the position embedding together.
fn embedding_rows(run: &RunRecord) -> Option<f64> {
    let rest = || run.params?.checked_sub(run.params_body?);
    let embedding = run.params_embedding.or_else(rest)?;
    run.hidden.filter(|hidden| *hidden > 0).map(|hidden| embedding as f64 / hidden as f64)
}

fn known(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty()
}

fn differ<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a != b)
}

/// A part of an experiment whose losses cannot be compared with those of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What sets it apart: `50 stories`.
    pub title: String,
    /// Why its losses cannot be compared with those of the other parts, as the end of a sentence.
    pub reason: &'static str,
    /// Whether that is their vocabulary: bits per byte of text can then be looked at side by side, though not judged.
    pub is_by_vocabulary: bool,
}

/// Runs in groups whose losses can be compared, in the order in which they first occur, those that count deciding. One
/// group, and no part, where all can be.
pub(crate) fn parts(runs: &[RunRecord]) -> Vec<(Option<Part>, Vec<RunRecord>)> {
    let mut groups: Vec<Vec<RunRecord>> = Vec::new();
    let (counting, others): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.final_loss().is_some());
    for run in counting {
        match groups.iter_mut().find(|group| apart(&group[0], run).is_none()) {
            Some(group) => group.push(run.clone()),
            None => groups.push(vec![run.clone()]),
        }
    }
    if groups.is_empty() {
        groups.push(Vec::new());
    }
    for run in others {
        // What does not count is nowhere wrong.
        let fits = |group: &Vec<RunRecord>| group.first().is_none_or(|first| apart(first, run).is_none());
        let index = groups.iter().position(fits).unwrap_or(0);
        groups[index].push(run.clone());
    }
    let firsts: Vec<RunRecord> = groups.iter().filter_map(|group| group.first().cloned()).collect();
    let part = |group: &[RunRecord]| {
        let own = group.first().filter(|_| firsts.len() > 1)?;
        let reasons: Vec<Apart> = firsts.iter().filter_map(|other| apart(own, other)).collect();
        let reason = *reasons.first()?;
        // A number of stories says more to a person than a hash does, where no other part has it.
        let stories_tell = firsts.iter().filter(|other| other.stories == own.stories).count() == 1;
        let title = if stories_tell { Apart::Stories } else { reason }.title(own);
        let is_by_vocabulary = reasons.contains(&Apart::Vocabulary);
        Some(Part { title, reason: reason.reason(), is_by_vocabulary })
    };
    groups.iter().map(|group| part(group)).collect::<Vec<_>>().into_iter().zip(groups).collect()
}
