//! What differences the planned seeds can find, by the spread of runs that are finished.

use std::collections::HashMap;

use lrx_analysis::stats::{Spread, pooled_spread};
use lrx_analysis::{detectable, seeds_for};
use lrx_records::RunRecord;

use crate::progress::duration;

/// The probability of finding a difference that is asked for.
const POWER: f64 = 0.8;
/// Differences that people ask about, nats per token: what a good idea brings, and half of that.
const ASKED: [f64; 2] = [0.02, 0.01];
/// More seeds nobody trains.
const MOST: usize = 1000;

/// One experiment that compares configurations, as planned.
pub(super) struct Design<'r> {
    /// A row of each of its runs.
    pub(super) runs: Vec<&'r RunRecord>,
    /// How long all of them take, as far as that is known.
    pub(super) seconds: Option<f64>,
}

/// What stands in the plan: which difference its seeds find, and how many seeds find 0.02 and 0.01; nothing where a single
/// configuration is compared with none, or no finished runs on the same held-out stories tell of a spread.
pub(super) fn told(design: &Design<'_>, finished: &[RunRecord]) -> Option<String> {
    let mut seeds: HashMap<&str, usize> = HashMap::new();
    design.runs.iter().for_each(|run| *seeds.entry(&run.configuration).or_default() += 1);
    let fewest = *seeds.values().min().filter(|_| seeds.len() > 1)?;
    let spread = spread(design.runs[0], finished)?;
    let found = match fewest {
        1 => "one seed each has no spread to judge by".to_owned(),
        _ => format!(
            "{fewest} each find a difference of {} nats with a probability of {:.0} %",
            two_digits(detectable(fewest, spread.sd, POWER)),
            100.0 * POWER
        ),
    };
    let runs = design.runs.len() as f64 / fewest as f64;
    let takes = |difference: f64| {
        let needed = seeds_for(difference, spread.sd, POWER, MOST)?;
        let time = design.seconds.filter(|seconds| *seconds > 0.0).map_or(String::new(), |seconds| {
            let each = seconds / design.runs.len() as f64;
            format!(", about {} in all", duration(each * runs * needed as f64))
        });
        (needed > fewest).then(|| format!("{difference} takes {needed} each{time}"))
    };
    let takes: Vec<String> = ASKED.into_iter().filter_map(takes).collect();
    let more = if takes.is_empty() { String::new() } else { format!("; {}", takes.join("; ")) };
    Some(format!(
        "seeds: {found}{more} (by finished runs on the same held-out stories: sd {:.4} on {:.0} degrees of freedom)",
        spread.sd, spread.freedom
    ))
}

/// `0.036`, `0.0041`, `2`.
fn two_digits(x: f64) -> String {
    format!("{x:.*}", (1.0 - x.log10().floor()).max(0.0) as usize)
}

/// Over seeds, pooled over the configurations that were evaluated on the same stories in the same vocabulary.
fn spread(planned: &RunRecord, finished: &[RunRecord]) -> Option<Spread> {
    let is_alike = |run: &&RunRecord| {
        !planned.eval_data.is_empty()
            && (&run.eval_data, &run.vocabulary, run.tokens)
                == (&planned.eval_data, &planned.vocabulary, planned.tokens)
    };
    let mut losses: HashMap<&str, HashMap<u64, f64>> = HashMap::new();
    for run in finished.iter().filter(is_alike) {
        if let (Some(seed), Some(loss)) = (run.seed, run.final_loss()) {
            losses.entry(&run.configuration).or_default().insert(seed, loss);
        }
    }
    let mut groups: Vec<Vec<f64>> = losses.into_values().map(|seeds| seeds.into_values().collect()).collect();
    // One order of sums, whatever that of the tables.
    groups.iter_mut().for_each(|group| group.sort_by(f64::total_cmp));
    groups.sort_by(|a, b| a[0].total_cmp(&b[0]));
    pooled_spread(groups.iter().map(Vec::as_slice)).filter(|spread| spread.sd > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lrx_records::Status;

    fn run(configuration: &str, seed: u64, loss: Option<f64>) -> RunRecord {
        RunRecord {
            configuration: configuration.into(),
            seed: Some(seed),
            eval_loss: loss,
            status: if loss.is_some() { Status::Finished } else { Status::Planned },
            eval_data: "e".into(),
            ..RunRecord::default()
        }
    }

    #[test]
    fn a_plan_says_what_its_seeds_can_find() {
        // Two groups with a spread of 0.0116 each: ± 0.0116 / √2 around their means.
        let half = 0.0116 / 2f64.sqrt();
        let finished: Vec<_> = [("a", 3.0), ("b", 3.5)]
            .into_iter()
            .flat_map(|(of, mean)| [run(of, 0, Some(mean - half)), run(of, 1, Some(mean + half))])
            .collect();
        let planned: Vec<_> =
            ["c", "d"].into_iter().flat_map(|of| (0..3).map(move |seed| run(of, seed, None))).collect();
        let of = |runs: Vec<&RunRecord>, seconds, finished: &[RunRecord]| told(&Design { runs, seconds }, finished);
        // statsmodels: solve_power(nobs1=3, alpha=0.05, power=0.8) = 3.0709; times 0.0116. 7 and 23 seeds: as in `seeds_for`.
        let said = of(planned.iter().collect(), Some(60.0), &finished).unwrap();
        let expected = "seeds: 3 each find a difference of 0.036 nats with a probability of 80 %; 0.02 takes 7 each, about \
            2 min 20 s in all; 0.01 takes 23 each, about 7 min 40 s in all (by finished runs on the same held-out stories: sd \
            0.0116 on 2 degrees of freedom)";
        assert_eq!(said, expected);
        let single = of(vec![&planned[0], &planned[3]], None, &finished).unwrap();
        assert!(
            single.starts_with("seeds: one seed each has no spread to judge by; 0.02 takes 7 each; 0.01"),
            "{single}"
        );
        assert_eq!(of(planned[..3].iter().collect(), None, &finished), None, "one configuration");
        assert_eq!(of(planned.iter().collect(), None, &finished[..1]), None, "no seeds repeated");
        let elsewhere: Vec<_> =
            finished.iter().map(|run| RunRecord { eval_data: "other".into(), ..run.clone() }).collect();
        assert_eq!(of(planned.iter().collect(), None, &elsewhere), None, "other stories");
    }
}
