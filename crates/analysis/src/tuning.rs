//! How the value of a key was chosen, as the column `tuned` of `runs.csv` tells, and when that forbids a verdict.

use std::fmt;

use lrx_records::RunRecord;

use crate::Configuration;

/// What the column `tuned` tells of a key of a run: `train.learning_rate one of 4 from 0.0005 to 0.004, the highest`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chosen<'a> {
    /// The key, dotted.
    pub(crate) key: &'a str,
    /// Among which values, in words.
    pub(crate) among: &'a str,
    /// At which end of them the value lies: what lies beyond may be better.
    pub(crate) edge: Option<&'a str>,
}

impl<'a> Chosen<'a> {
    /// Those of a run, separated by semicolons; none where all values were written.
    pub(crate) fn all(run: &'a RunRecord) -> Vec<Self> {
        run.tuned.split("; ").filter_map(Self::of).collect()
    }

    fn of(text: &'a str) -> Option<Self> {
        let (key, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (among, edge) = rest.split_once(", the ").map_or((rest, None), |(among, edge)| (among, Some(edge)));
        (!key.is_empty()).then_some(Self { key, among, edge })
    }

    /// The key's last part, in words: `learning rate`.
    pub(crate) fn name(&self) -> String {
        self.key.rsplit('.').next().unwrap_or(self.key).replace('_', " ")
    }

    /// `one of 4 from 0.0005 to 0.004`, with the end where it lies at one.
    pub(crate) fn words(&self) -> String {
        match self.edge {
            None => self.among.to_owned(),
            Some(edge) => format!("{}, the {edge}", self.among),
        }
    }
}

/// The keys that were tuned.
pub(crate) fn tuned_keys(run: &RunRecord) -> Vec<&str> {
    Chosen::all(run).into_iter().map(|chosen| chosen.key).collect()
}

/// Why a difference has no verdict, though chance could be told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Withheld {
    /// The runs are of other lengths.
    Length,
    /// `lrx tune` has chosen the value of a key on one side only.
    OneSideTuned,
    /// What was chosen lies at an end of what was tried: what lies beyond may be better.
    Edge,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Length => "other length",
            Self::OneSideTuned => "one side tuned",
            Self::Edge => "tuned to an edge",
        })
    }
}

/// Whether the way in which values were chosen forbids a verdict on a difference between these.
pub(crate) fn withheld<'a>(sides: impl IntoIterator<Item = &'a Configuration>) -> Option<Withheld> {
    let mut keys = Vec::new();
    let mut is_at_edge = false;
    for run in sides.into_iter().flat_map(|side| &side.runs) {
        keys.push(tuned_keys(run));
        is_at_edge |= Chosen::all(run).iter().any(|chosen| chosen.edge.is_some());
    }
    match keys.windows(2).any(|pair| pair[0] != pair[1]) {
        true => Some(Withheld::OneSideTuned),
        false => is_at_edge.then_some(Withheld::Edge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(tuned: &str) -> Configuration {
        let run = RunRecord { tuned: tuned.into(), ..RunRecord::default() };
        Configuration { name: String::new(), runs: vec![run], repeats: 0, held_out: None }
    }

    #[test]
    fn the_column_says_what_was_chosen_and_among_which() {
        let of = run(
            "train.learning_rate one of 4 from 0.0005 to 0.004, the highest; train.warmup_steps one of 2 from 0 to 40",
        );
        let [chosen, other] = Chosen::all(of.first())[..] else { panic!("two keys") };
        assert_eq!((chosen.key, chosen.name().as_str()), ("train.learning_rate", "learning rate"));
        assert_eq!((chosen.among, chosen.edge), ("one of 4 from 0.0005 to 0.004", Some("highest")));
        assert_eq!(chosen.words(), "one of 4 from 0.0005 to 0.004, the highest");
        assert_eq!((other.name().as_str(), other.edge), ("warmup steps", None));
        assert_eq!(Chosen::all(run("").first()), []);
        // What nobody has written is at least a key.
        assert_eq!(tuned_keys(run("by hand").first()), ["by"]);
    }

    #[test]
    fn tuned_beside_written_and_edges_forbid_a_verdict() {
        let (written, inside) = (run(""), run("train.learning_rate one of 4 from 0.0005 to 0.004"));
        let edge = run("train.learning_rate one of 4 from 0.0005 to 0.004, the lowest");
        let other = run("train.weight_decay one of 4 from 0.0005 to 0.004");
        assert_eq!(withheld([&written, &written]), None);
        assert_eq!(withheld([&inside, &inside]), None);
        assert_eq!(withheld([&inside, &written]), Some(Withheld::OneSideTuned));
        assert_eq!(withheld([&inside, &other]), Some(Withheld::OneSideTuned));
        assert_eq!(withheld([&inside, &edge]), Some(Withheld::Edge));
        assert_eq!(withheld([&edge, &written]), Some(Withheld::OneSideTuned));
        let both = run("train.learning_rate one of 4 from 0.0005 to 0.004; train.warmup_steps one of 2 from 0 to 40");
        assert_eq!((withheld([&both, &both]), withheld([&both, &inside])), (None, Some(Withheld::OneSideTuned)));
    }
}
