//! Sizes that are divided into equal parts.

use std::num::NonZeroUsize;

use toml::Table;

use crate::OptionError;

/// `count`, where each of `features` (a number and what it counts) can be divided into so many parts.
///
/// # Errors
/// At `key`, with the nearest number of parts that all can be divided into.
pub(super) fn checked_parts(key: &str, count: NonZeroUsize, features: &[(usize, &str)]) -> Result<usize, OptionError> {
    let count = count.get();
    let Some((number, what)) = features.iter().find(|(number, _)| number % count != 0) else { return Ok(count) };
    let possible = common_divisors(&features.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    let nearest = nearest(&possible, count);
    let message = format!("`{key}` is {count}, which does not divide the {number} {what}; {nearest}");
    Err(OptionError::new(key, message))
}

/// The numbers that divide `number`, rising.
pub(super) fn divisors(number: usize) -> Vec<usize> {
    (1..=number).filter(|divisor| number.is_multiple_of(*divisor)).collect()
}

/// The numbers that divide each of `numbers`, rising.
pub(super) fn common_divisors(numbers: &[usize]) -> Vec<usize> {
    divisors(numbers.iter().fold(0, |divisor, number| gcd(divisor, *number)))
}

/// The options that say how large a layer is, as a table.
pub(super) fn sizes<const N: usize>(sizes: [(&str, usize); N]) -> Table {
    sizes.into_iter().map(|(key, size)| (key.to_string(), (size as i64).into())).collect()
}

/// The divisor of `number` that is nearest to its root, the larger one where there are two.
pub(super) fn near_root(number: usize) -> NonZeroUsize {
    let nearest = divisors(number).into_iter().rev().min_by_key(|divisor| (*divisor).max(number / divisor));
    nearest.and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
}

/// The other factor of `number`: the divisor that is nearest to its root and at most as large.
pub(super) fn near_root_below(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number / near_root(number)).unwrap_or(NonZeroUsize::MIN)
}

fn gcd(a: usize, b: usize) -> usize {
    if a == 0 { b } else { gcd(b % a, a) }
}

/// "the nearest that do are 4 and 6"
fn nearest(possible: &[usize], count: usize) -> String {
    let below = possible.iter().rev().find(|&&possible| possible < count);
    let above = possible.iter().find(|&&possible| possible > count);
    match (below, above) {
        (Some(below), Some(above)) => format!("the nearest that do are {below} and {above}"),
        (Some(one), None) | (None, Some(one)) => format!("the nearest that does is {one}"),
        (None, None) => "none does".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_divide_are_refused_with_the_nearest_that_do() {
        let parts = |count: usize| {
            let sizes = [(384, "inputs"), (1536, "outputs")];
            checked_parts("blocks", NonZeroUsize::new(count).unwrap(), &sizes).map_err(|error| error.message)
        };
        assert_eq!(parts(8), Ok(8));
        let message = "`blocks` is 5, which does not divide the 384 inputs; the nearest that do are 4 and 6";
        assert_eq!(parts(5).unwrap_err(), message);
        let message = "`blocks` is 1000, which does not divide the 384 inputs; the nearest that does is 384";
        assert_eq!(parts(1000).unwrap_err(), message);
    }

    #[test]
    fn roots_by_hand() {
        let roots = [(1, 1), (2, 2), (7, 7), (8, 4), (12, 4), (16, 4), (384, 24), (1536, 48), (768, 32)];
        for (number, root) in roots {
            assert_eq!(near_root(number).get(), root, "{number}");
            assert_eq!(near_root_below(number).get(), number / root, "{number}");
        }
    }
}
