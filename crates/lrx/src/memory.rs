//! Whether the memory suffices: said before the first hour is spent.

use lrx_records::RunRecord;
use lrx_tensor::ops::LOGITS_AT_ONCE;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::progress::thousands;
use lrx_spec::RunSpec;

/// What a run needs, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Needed {
    /// Weights, gradients and two moments: certain.
    pub(crate) state: f64,
    /// With the activations that the backward pass needs and a block of logits: an estimate.
    pub(crate) about: f64,
}

/// What a run needs.
pub(crate) fn needed(run: &RunSpec, row: &RunRecord) -> Needed {
    // What the backward pass keeps, and as much again of hidden for what comes and goes.
    let values_per_token: usize = run.model.inner_features().map(|inner| 16 * run.model.hidden + inner).sum();
    let activations = batch_tokens(row) * values_per_token as f64;
    let logits = LOGITS_AT_ONCE as f64;
    let state = 16.0 * row.params.unwrap_or(0) as f64;
    Needed { state, about: state + 4.0 * (activations + logits) }
}

/// Tokens of a batch whose activations count: the mean batch, times two for a long one.
fn batch_tokens(row: &RunRecord) -> f64 {
    row.tokens.zip(row.steps).map_or(1024.0, |(tokens, steps)| 2.0 * tokens as f64 / steps.max(1) as f64)
}

/// The memory of this machine, or of the container that this process is confined to, in bytes.
struct Memory {
    total: f64,
    available: f64,
}

impl Memory {
    fn here() -> Self {
        let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(ram);
        let (total, available) = (system.total_memory(), system.available_memory());
        // Of a system that tells nothing, as where there is no /proc, sysinfo must not be asked for limits: it panics.
        let limits = (total > 0).then(|| system.cgroup_limits()).flatten();
        let (total, available) = match limits {
            Some(limits) if limits.total_memory > 0 => {
                (total.min(limits.total_memory), available.min(limits.free_memory))
            }
            _ => (total, available),
        };
        Self { total: total as f64, available: available as f64 }
    }
}

/// What is to be said of runs, `jobs` of them at a time, where the memory may not suffice.
pub(crate) enum Verdict {
    /// It does, or nobody knows.
    Enough,
    /// It may not.
    Doubtful(String),
    /// It cannot.
    Impossible(String),
}

/// Whether the memory suffices for the largest of `runs`, `jobs` at a time; each with how errors call it.
pub(crate) fn check<'r>(runs: impl IntoIterator<Item = (&'r str, Needed)>, jobs: usize) -> Verdict {
    verdict(runs.into_iter().collect(), jobs, &Memory::here())
}

fn verdict(mut runs: Vec<(&str, Needed)>, jobs: usize, memory: &Memory) -> Verdict {
    runs.sort_by(|(_, a), (_, b)| b.about.total_cmp(&a.about));
    runs.truncate(jobs.max(1));
    let Some((largest, _)) = runs.first().filter(|_| memory.total > 0.0) else { return Verdict::Enough };
    let (state, about) = runs.iter().fold((0.0, 0.0), |(state, about), (_, n)| (state + n.state, about + n.about));
    let mb = |bytes: f64| format!("{} MB", thousands((bytes / 1e6).ceil()));
    let who = match runs.len() {
        1 => largest.to_string(),
        several => format!("{largest} and {} other runs beside it", several - 1),
    };
    let remedy = if runs.len() > 1 { "fewer --jobs or smaller models" } else { "a smaller model" };
    if state > memory.total {
        return Verdict::Impossible(format!(
            "not enough memory: weights, gradients and moments of {who} take {}, this machine has {}; it takes {remedy}",
            mb(state),
            mb(memory.total)
        ));
    }
    if about > memory.available {
        return Verdict::Doubtful(format!(
            "the memory may not suffice: {who} will take about {}, {} of {} are free; smaller batches or {remedy} would",
            mb(about),
            mb(memory.available),
            mb(memory.total)
        ));
    }
    Verdict::Enough
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_runs_at_a_time_have_to_fit() {
        let memory = Memory { total: 100e6, available: 60e6 };
        let run = |state: f64| Needed { state: state * 1e6, about: (state + 10.0) * 1e6 };
        let of = |states: &[f64], jobs| verdict(states.iter().map(|&state| ("a", run(state))).collect(), jobs, &memory);
        assert!(matches!(of(&[], 1), Verdict::Enough));
        assert!(matches!(of(&[10.0, 50.0, 20.0], 1), Verdict::Enough));
        assert!(matches!(of(&[51.0], 1), Verdict::Doubtful(_)));
        assert!(matches!(of(&[10.0, 30.0, 20.0], 2), Verdict::Doubtful(_)));
        assert!(matches!(of(&[10.0, 90.0, 20.0], 2), Verdict::Impossible(_)));
        assert!(matches!(of(&[101.0], 1), Verdict::Impossible(_)));
        let unknown = Memory { total: 0.0, available: 0.0 };
        assert!(matches!(verdict(vec![("a", run(1e9))], 1, &unknown), Verdict::Enough));
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = Memory::here();
        assert!(memory.total > 1e8 && (0.0..=memory.total).contains(&memory.available));
    }
}
