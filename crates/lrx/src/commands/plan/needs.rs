//! What the tasks of a scheduler's array are to be given.

use std::path::Path;

use lrx_data::Corpus;
use lrx_spec::Experiment;

use super::estimate::{Estimator, Planned, finished};
use crate::corpus::{Corpora, Starts, vocabulary};
use crate::failure::Failure;
use crate::memory::needed;
use crate::planned::{evaluations, record};

/// What the largest of some tasks is estimated to need.
#[derive(Default)]
pub(crate) struct Needs {
    /// From its first run to its last, on as many threads as this process computes on; none where that is not known.
    pub(crate) seconds: Option<f64>,
    pub(crate) bytes: f64,
}

/// What the largest of `tasks` tasks needs, which take the runs in turns.
///
/// # Errors
/// All that is wrong with the runs' data.
pub(crate) fn needs(experiments: &[Experiment], out: &Path, tasks: usize) -> Result<Needs, Failure> {
    let usage = |error: lrx_spec::ConfigError| Failure::Usage(error.to_string());
    let (mut corpora, mut starts, estimator) =
        (Corpora::to_look_at(), Starts::default(), Estimator::new(&finished(out)));
    let mut seconds = vec![Some(0.0); tasks];
    let mut bytes: f64 = 0.0;
    for (index, run) in experiments.iter().flat_map(|experiment| &experiment.runs).enumerate() {
        let corpus = corpora.of(run, out)?;
        let size = vocabulary(run, &corpus).map_err(usage)?;
        starts.check(run, size, Some(&corpus.vocabulary)).map_err(usage)?;
        let row = record(run, size, Some(&corpus));
        let (count, targets) = evaluations(run, &corpus);
        let planned = Planned {
            row: &row,
            evaluations: count as f64,
            eval_targets: targets as f64,
            features: (run.model.hidden * run.model.layers.len()) as f64,
        };
        let sum = &mut seconds[index % tasks];
        *sum = sum.zip(estimator.of(&planned)).map(|(sum, estimate)| sum + estimate.seconds);
        bytes = bytes.max(needed(run, &row).about + held(&corpus));
    }
    let longest = seconds.into_iter().collect::<Option<Vec<f64>>>().map(|all| all.into_iter().fold(0.0, f64::max));
    Ok(Needs { seconds: longest, bytes })
}

/// Bytes of the stories' tokens in memory, and what finds them.
fn held(corpus: &Corpus) -> f64 {
    let stories = [&corpus.train, &corpus.valid];
    stories.into_iter().map(|part| 4.0 * part.targets(usize::MAX) as f64 + 32.0 * part.len() as f64).sum()
}
