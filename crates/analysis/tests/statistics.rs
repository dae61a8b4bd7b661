//! Statistics against scipy 1.17.1 and numpy 2.4.6; the call that gave each literal stands beside it.

use lrx_analysis::stats::{
    Interval, blocks, contrast, mean, paired, pooled_spread, sample_sd, t_quantile, welch, with_spread_of,
};

const BASELINE: [f64; 5] = [3.216, 3.204, 3.252, 3.294, 3.275];
const OTHER: [f64; 3] = [3.301, 3.262, 3.355];

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

fn ends(found: Option<Interval>, low: f64, high: f64) {
    let found = found.expect("an interval");
    close(found.low(), low);
    close(found.high(), high);
    close(found.estimate, (low + high) / 2.0);
}

#[test]
fn mean_and_sample_sd() {
    close(mean(&BASELINE).unwrap(), 3.2482); // b.mean()
    close(sample_sd(&BASELINE).unwrap(), 0.03814708376796308); // b.std(ddof=1)
    assert_eq!((mean(&[]), sample_sd(&[1.0])), (None, None));
}

#[test]
fn quantiles_of_student_t() {
    // scipy.stats.t.ppf(0.975, ν) and ppf(0.995, ν)
    for (freedom, at_95, at_99) in [
        (1.0, 12.706204736174694, 63.656741162871526),
        (2.0, 4.302652729749462, 9.924843200918287),
        (4.0, 2.7764451051977934, 4.604094871349992),
        (7.5, 2.333039626864974, 3.421422688124044),
        (30.0, 2.0422724563012378, 2.7499956535672254),
        (1000.0, 1.9623390808264083, 2.580754698065951),
    ] {
        close(t_quantile(0.95, freedom), at_95);
        close(t_quantile(0.99, freedom), at_99);
    }
}

#[test]
fn prediction_interval_of_one_new_run() {
    let interval = with_spread_of(&BASELINE, &[3.4], &BASELINE, 0.95).unwrap();
    close(interval.half_width, 0.11602218957812302); // t.ppf(0.975, 4) * b.std(ddof=1) * sqrt(1 + 1/5)
    close(interval.estimate, 3.4 - 3.2482);
    let interval = with_spread_of(&BASELINE, &[3.505], &[3.468], 0.95).unwrap();
    close(interval.half_width, 0.14978400267553008); // t.ppf(0.975, 4) * b.std(ddof=1) * sqrt(2)
    assert_eq!(with_spread_of(&[3.2], &[3.4], &BASELINE, 0.95), None);
    assert_eq!(with_spread_of(&BASELINE, &[], &BASELINE, 0.95), None);
}

#[test]
fn paired_t() {
    let differences: Vec<_> = OTHER.iter().zip(BASELINE).map(|(a, b)| a - b).collect();
    // scipy.stats.ttest_rel(m, b[:3]).confidence_interval(0.95)
    ends(paired(&differences, 0.95), 0.025735514685617578, 0.13826448531438243);
    assert_eq!(paired(&differences[..1], 0.95), None);
}

#[test]
fn welch_t() {
    // scipy.stats.ttest_ind(m, b, equal_var=False).confidence_interval(0.95), then (0.99); 3.63 degrees of freedom
    ends(welch(&OTHER, &BASELINE, 0.95), -0.034454442876803354, 0.15005444287680483);
    ends(welch(&OTHER, &BASELINE, 0.99), -0.09981640771214917, 0.21541640771215065);
    assert_eq!(welch(&OTHER, &BASELINE[..1], 0.95), None);
    assert_eq!(welch(&[2.0, 2.0], &[1.0, 1.0], 0.95), Some(Interval { estimate: 1.0, half_width: 0.0 }));
}

#[test]
fn a_contrast_with_the_pooled_spread() {
    let groups = [&[3.80, 3.78, 3.77][..], &[3.90, 3.93], &[4.00, 4.03, 3.98], &[3.75]];
    // ss = sum((len(x) - 1) * x.var(ddof=1)); df = 5; sd = sqrt(ss / df)
    let spread = pooled_spread(groups).unwrap();
    close(spread.sd, 0.020896570691543385);
    assert_eq!(spread.freedom, 5.0);
    // w = [1, -1/4, -3/4]; stats.t.ppf(0.975, 5) * sd * sqrt(sum(w**2 / n))
    let found = contrast(&[(1.0, groups[0]), (-0.25, groups[1]), (-0.75, groups[2])], spread, 0.95).unwrap();
    close(found.estimate, -0.19791666666666696);
    close(found.half_width, 0.03991248544142425);
    assert_eq!(pooled_spread([&[3.75][..], &[]]), None);
}

#[test]
fn what_blocks_share_is_no_spread() {
    // Least squares with an indicator for each row and column, in exact fractions (Python's fractions.Fraction): 3 degrees of
    // freedom, s² = 1/128, the variance of a difference 1/128; times scipy.stats.t.ppf(0.975, 3) = 3.182446305284263.
    let rows: [&[f64]; 4] = [&[3.0, 3.2], &[3.1, 3.35], &[3.6, 3.7], &[4.0, 4.4]];
    close(blocks(&rows, 0.95).unwrap(), 0.281291170403572);
    // A seed that is harder for all changes nothing.
    let harder: Vec<Vec<f64>> = rows.iter().map(|row| vec![row[0], row[1] + 7.0]).collect();
    close(blocks(&harder.iter().map(Vec::as_slice).collect::<Vec<_>>(), 0.95).unwrap(), 0.281291170403572);
    for unknown in [&rows[..1], &[&[1.0], &[2.0]], &[&[1.0, 2.0], &[1.0]], &[&[1.0, 1.2], &[2.0, 2.2]], &[]] {
        assert_eq!(blocks(unknown, 0.95), None, "{unknown:?}");
    }
}
