//! Statistics against scipy 1.17.1, numpy 2.4.6 and statsmodels 0.15.0; the call that gave each literal stands beside it.

use lrx_analysis::stats::{
    Blocks, Contrast, Interval, bartlett, blocks, contrast, contrast_of_unequal, holm, mean, pooled_spread, ratio,
    sample_sd, t_quantile,
};

const BASELINE: [f64; 5] = [3.216, 3.204, 3.252, 3.294, 3.275];
const OTHER: [f64; 3] = [3.301, 3.262, 3.355];

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

fn ends(found: Interval, low: f64, high: f64) {
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
fn a_difference_with_the_pooled_spread() {
    let spread = pooled_spread([&OTHER[..], &BASELINE]).unwrap();
    let found = contrast(&[(1.0, &OTHER), (-1.0, &BASELINE)], spread, 0.95).unwrap();
    // r = scipy.stats.ttest_ind(m, b); r.confidence_interval(0.95), r.pvalue
    ends(found.interval, -0.01581658551008773, 0.13141658551008922);
    close(found.p, 0.10309577320301423);
    // One new run, its spread that of the baseline: t.ppf(0.975, 4) * b.std(ddof=1) * sqrt(1 + 1/5)
    let spread = pooled_spread([&BASELINE[..]]).unwrap();
    let found = contrast(&[(1.0, &[3.4]), (-1.0, &BASELINE)], spread, 0.95).unwrap();
    close(found.interval.half_width, 0.11602218957812302);
    assert_eq!(contrast(&[(1.0, &[]), (-1.0, &BASELINE)], spread, 0.95), None);
}

#[test]
fn a_difference_with_a_spread_for_each_side() {
    // r = scipy.stats.ttest_ind(m, b, equal_var=False); r.confidence_interval(0.95), (0.99), r.pvalue; 3.63 degrees of freedom
    let parts = [(1.0, &OTHER[..]), (-1.0, &BASELINE)];
    let found = contrast_of_unequal(&parts, 0.95).unwrap();
    ends(found.interval, -0.034454442876803354, 0.15005444287680483);
    close(found.p, 0.15153443319251172);
    ends(contrast_of_unequal(&parts, 0.99).unwrap().interval, -0.09981640771214917, 0.21541640771215065);
    assert_eq!(contrast_of_unequal(&[(1.0, &OTHER), (-1.0, &BASELINE[..1])], 0.95), None);
    assert_eq!(contrast_of_unequal(&[(1.0, &[2.0, 2.0]), (-1.0, &BASELINE)], 0.95), None);
}

#[test]
fn bartletts_test_of_equal_spreads() {
    // scipy.stats.bartlett(b, m).pvalue, bartlett(b, m, c).pvalue
    let wide = [3.1, 3.4, 3.0, 3.6];
    close(bartlett([&BASELINE[..], &OTHER]).unwrap(), 0.7578826497629353);
    close(bartlett([&BASELINE[..], &OTHER, &wide, &[3.0], &[2.0, 2.0]]).unwrap(), 0.003109371124923359);
    assert_eq!(bartlett([&BASELINE[..], &[3.0]]), None);
}

#[test]
fn holms_adjustment() {
    // statsmodels 0.15.0: multipletests([0.01, 0.04, 0.03, 0.005, 0.8], method="holm")[1]
    let found = holm(&[0.01, 0.04, 0.03, 0.005, 0.8]);
    found.iter().zip([0.04, 0.09, 0.09, 0.025, 0.8]).for_each(|(found, expected)| close(*found, expected));
    assert_eq!((holm(&[]), holm(&[0.7, 0.9])), (vec![], vec![1.0, 1.0]));
}

#[test]
fn seeds_as_blocks() {
    // statsmodels: f = ols("y ~ C(row) + C(column)").fit(); anova_lm(f, typ=2), f.mse_resid, f.t_test("C(row)[T.1] = 0")
    let rows: [&[f64]; 3] = [&[3.00, 3.05, 2.98, 3.10], &[3.20, 3.26, 3.17, 3.29], &[3.11, 3.15, 3.10, 3.22]];
    let Blocks { spread, p } = Blocks::of(&rows).unwrap();
    close(spread.sd, 0.00957427107756341);
    assert_eq!(spread.freedom, 6.0);
    close(p, 1.9240590499682567e-05);
    let found = contrast(&[(1.0, rows[1]), (-1.0, rows[0])], spread, 0.95).unwrap();
    assert!((found.interval.low() - 0.18093433).abs() < 1e-8 && (found.interval.high() - 0.21406567).abs() < 1e-8);
    close(found.p, 1.0750673281029903e-07);
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
    close(found.interval.estimate, -0.19791666666666696);
    close(found.interval.half_width, 0.03991248544142425);
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

#[test]
fn losses_that_are_too_large_for_their_squares_have_no_interval() {
    let (huge, usual): ([f64; 2], [f64; 2]) = ([1e200, 2e200], [4.0, 5.0]);
    let spread = pooled_spread([&huge[..], &usual]).unwrap();
    assert_eq!(contrast(&[(1.0, &huge), (-1.0, &usual)], spread, 0.95), None);
    assert_eq!(contrast_of_unequal(&[(1.0, &huge), (-1.0, &usual)], 0.95), None);
    assert_eq!((bartlett([&huge[..], &usual]), Blocks::of(&[&huge, &usual])), (None, None));
}

/// statsmodels 0.15.0: `ttost_ind(a, b, -m, m, usevar="pooled")`, `usevar="unequal"`: the larger p, then each one's.
#[test]
fn equivalence_is_that_of_statsmodels() {
    let (a, b): ([f64; 4], [f64; 4]) = ([3.71, 3.69, 3.70, 3.72], [3.70, 3.705, 3.69, 3.71]);
    let parts: [(f64, &[f64]); 2] = [(1.0, &a), (-1.0, &b)];
    let pooled = contrast(&parts, pooled_spread([&a[..], &b[..]]).unwrap(), 0.95).unwrap();
    let unequal = contrast_of_unequal(&parts, 0.95).unwrap();
    for (contrast, margin, both, above, below) in [
        (pooled, 0.02, 0.04025612679544515, 0.010988226724339578, 0.04025612679544515),
        (pooled, 0.01, 0.22507886874940397, 0.06297878748236792, 0.22507886874940397),
        (unequal, 0.02, 0.04380658122247274, 0.01320618911943149, 0.04380658122247274),
        (unequal, 0.01, 0.2273280072492972, 0.06674333577660627, 0.2273280072492972),
    ] {
        close(contrast.p_equivalent(margin), both);
        close(contrast.p_above(-margin), above);
        close(contrast.p_below(margin), below);
    }
}

#[test]
fn one_sided_tests_are_those_of_statsmodels() {
    let (a, b): ([f64; 4], [f64; 3]) = ([3.0, 3.1, 3.05, 3.02], [3.3, 3.31, 3.28]);
    let spread = pooled_spread([&a[..], &b[..]]).unwrap();
    let contrast = contrast(&[(1.0, &a), (-1.0, &b)], spread, 0.95).unwrap();
    // CompareMeans(DescrStatsW(a), DescrStatsW(b)).ttest_ind(alternative="smaller", value=-0.2), "larger"
    close(contrast.p_below(-0.2), 0.04946020239671253);
    close(contrast.p_above(-0.2), 0.9505397976032874);
    // scipy: t.sf((abs(d) - 0.2) / se, 5) + t.cdf((-abs(d) - 0.2) / se, 5), d and se as above
    close(contrast.p_not_equivalent(0.2), 0.04946670744470042);
    // By definition, what is as likely within as without is at the bound.
    close(contrast.p_below(contrast.interval.estimate), 0.5);
}

#[test]
fn a_ratio_of_sums_over_items() {
    // t, d = [3, 5, 2, 7, 4], [.31, -.2, .5, .05, -.4]; y = d / t repeated t times, in groups of t:
    // r = statsmodels.api.OLS(y, ones).fit(cov_type="cluster", cov_kwds={"groups": g}); r.params, r.bse
    let items = [(0.31, 3.0), (-0.2, 5.0), (0.5, 2.0), (0.05, 7.0), (-0.4, 4.0)];
    let (found, squared) = ratio(&items).unwrap();
    close(found, 0.01238095238095238);
    close(squared.sqrt(), 0.040276555008798606);
    assert_eq!((ratio(&items[..1]), ratio(&[(1.0, 0.0), (2.0, 0.0)])), (None, None));
}

#[test]
fn two_errors_of_one_estimate() {
    let [a, b] = [&[0.0, 0.2, 0.1, 0.3][..], &[0.0, 0.1, 0.5]];
    let error = |values: &[f64]| sample_sd(values).unwrap() / (values.len() as f64).sqrt();
    let one = Contrast::new(mean(a).unwrap() - mean(b).unwrap(), error(a), 3.0, 0.95).unwrap();
    // r = scipy.stats.ttest_ind(a, b, equal_var=False); r.df, r.pvalue, r.confidence_interval(0.95)
    let both = one.and(error(b).powi(2), 2.0);
    close(both.freedom, 2.7202331390507903);
    close(both.p, 0.784581866945394);
    ends(both.interval, -0.609823968335836, 0.5098239683358361);
    // On few degrees of freedom a small further error would make the interval narrower: it does not.
    let few = Contrast::new(0.1, 0.01, 1.0, 0.95).unwrap();
    let still = few.and(0.001_f64.powi(2), 99.0);
    assert!(still.interval.half_width >= few.interval.half_width && still.p >= few.p, "{still:?}");
    let more = few.and(0.003_f64.powi(2), 99.0);
    assert_eq!((more.interval, more.p), (few.interval, few.p));
}
