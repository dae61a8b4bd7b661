//! The law of dense models' losses, against scipy 1.17.1:
//! `least_squares(lambda p: sqrt(n) * (p[0] + p[1] * (C / u) ** -p[2] - L), …, bounds=([0, 0, 0.01], [9, 9, 5]))`, the best of several
//! beginnings, with xtol, ftol and gtol of 1e-15; u = exp(log(C).mean()).

use lrx_analysis::scaling::{Curve, PowerLaw, Sized};
use lrx_analysis::stats::Spread;

fn sizes(of: &[(f64, f64, usize)]) -> Vec<Sized> {
    of.iter().map(|&(size, loss, runs)| Sized { size, loss, runs }).collect()
}

const DENSE: [(f64, f64, usize); 5] =
    [(0.4e6, 4.48, 2), (0.9e6, 4.17, 3), (2.2e6, 3.89, 2), (5e6, 3.80, 3), (7.1e6, 3.785, 5)];

#[track_caller]
fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() < within, "{found} is not {expected}");
}

#[test]
fn the_law_is_that_of_least_squares() {
    let law = PowerLaw::fit(&sizes(&DENSE)).unwrap();
    close(law.unit, 1948905.166573665, 1e-6);
    close(law.floor, 3.6347382284338545, 1e-6);
    close(law.above, 0.3154217547838595, 1e-6);
    close(law.exponent, 0.6291589035508058, 1e-6);
    close(law.at(3.3e6), 3.8611966026204527, 1e-6);
}

/// Losses that fall ever faster would have a floor below zero.
#[test]
fn the_floor_is_not_below_zero_and_more_is_never_worse() {
    let law = PowerLaw::fit(&sizes(&[(1.0, 4.0, 1), (10.0, 3.5, 1), (100.0, 2.9, 1), (1000.0, 2.2, 1)])).unwrap();
    assert_eq!(law.floor, 0.0);
    close(law.above, 3.083857000433433, 1e-6);
    close(law.exponent, 0.08131193628404232, 1e-6);
    let rising = PowerLaw::fit(&sizes(&[(1.0, 3.0, 1), (10.0, 3.1, 2), (100.0, 3.2, 1), (1000.0, 3.4, 1)])).unwrap();
    assert_eq!(rising.above, 0.0);
    close(rising.at(5.0), (3.0 + 2.0 * 3.1 + 3.2 + 3.4) / 5.0, 1e-12);
}

#[test]
fn what_is_no_curve_has_none() {
    assert_eq!(PowerLaw::fit(&sizes(&DENSE[..2])), None);
    assert_eq!(PowerLaw::fit(&sizes(&[DENSE[0], DENSE[1], (0.0, 3.0, 1)])), None);
    assert_eq!(PowerLaw::fit(&sizes(&[DENSE[0], DENSE[1], (1e6, f64::NAN, 1)])), None);
    assert!(Curve::new(sizes(&DENSE[..3]), Spread { sd: 0.01, freedom: 9.0 }).is_none(), "three sizes fit any curve");
}

#[test]
fn a_curve_tells_whether_it_fits() {
    // f.sf(0.005195888800154368 / 2 / 0.012 ** 2, 2, 10)
    let curve = Curve::new(sizes(&DENSE), Spread { sd: 0.012, freedom: 10.0 }).unwrap();
    close(curve.p, 0.00048119040793222846, 1e-8);
    assert!(!curve.fits());
    assert!(Curve::new(sizes(&DENSE), Spread { sd: 0.04, freedom: 10.0 }).unwrap().fits());
}

/// The derivatives of what scipy's law says of 3.3e6 by each mean loss, by differences of 1e-5.
#[test]
fn the_weights_of_a_curve_are_derivatives() {
    let curve = Curve::new(sizes(&DENSE), Spread { sd: 0.012, freedom: 10.0 }).unwrap();
    let expected = [-0.09021663316, 0.28908710510, 0.22759684044, 0.24800949556, 0.32558189285];
    for (found, expected) in curve.weights(3.3e6).unwrap().into_iter().zip(expected) {
        close(found, expected, 1e-4);
    }
}

/// Simulated: true laws are within their intervals in about 95 % of the cases, with the spread estimated as in a report.
#[test]
fn the_intervals_of_a_law_hold_the_truth() {
    let truth = PowerLaw { floor: 3.4, above: 0.4, exponent: 0.5, unit: 2e6 };
    let (mut state, mut held) = (5_u64, [0; 3]);
    let mut uniform = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 11) as f64 / (1u64 << 53) as f64).max(1e-300)
    };
    let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    const TIMES: usize = 300;
    for _ in 0..TIMES {
        let groups: Vec<(f64, Vec<f64>)> = [0.25e6, 0.5e6, 1e6, 2e6, 4e6, 8e6, 16e6]
            .map(|size| (size, (0..4).map(|_| truth.at(size) + 0.01 * normal()).collect()))
            .into();
        let spread = lrx_analysis::stats::pooled_spread(groups.iter().map(|(_, losses)| &losses[..])).unwrap();
        let of =
            |(size, losses): &(f64, Vec<f64>)| Sized { size: *size, loss: losses.iter().sum::<f64>() / 4.0, runs: 4 };
        let curve = Curve::new(groups.iter().map(of).collect(), spread).unwrap();
        // The error at a size between, to first order, as a twin's interval has it.
        let weights = curve.weights(3e6).unwrap();
        let error = spread.sd * (weights.iter().map(|weight| weight.powi(2) / 4.0).sum::<f64>()).sqrt();
        let half = lrx_analysis::stats::t_quantile(0.95, spread.freedom) * error;
        held[0] += usize::from((curve.floor[0]..=curve.floor[1]).contains(&truth.floor));
        held[1] += usize::from((curve.exponent[0]..=curve.exponent[1]).contains(&truth.exponent));
        held[2] += usize::from((curve.law.at(3e6) - truth.at(3e6)).abs() <= half);
    }
    let held = held.map(|count| count as f64 / TIMES as f64);
    println!("E, α, the curve between: {held:?}");
    assert!(held.iter().all(|share| (0.92..=0.98).contains(share)), "{held:?}");
}
