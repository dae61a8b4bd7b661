//! Random numbers fixed by this file and the definition of ChaCha8, never by a library's choice of algorithm.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `numbers` (a seed, an epoch, …) for one `purpose`. Streams of different purposes or numbers are
    /// independent: the ChaCha8 key is BLAKE3's key derivation from the purpose over the numbers in little endian.
    pub(crate) fn new(purpose: &str, numbers: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Uniform over `0..n`: the next 64-bit word that lies below the largest multiple of `n`, modulo `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        let excess = (u64::MAX % n + 1) % n;
        loop {
            let word = self.0.next_u64();
            if word <= u64::MAX - excess {
                return word % n;
            }
        }
    }

    /// One of `items`, each as likely.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// The numbers `0..n` in random order, each order as likely: Fisher and Yates' shuffle of the ascending numbers,
    /// from the last position down, each swapped with one at or before it.
    pub(crate) fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for last in (1..order.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_each_number_once() {
        for n in [0, 1, 2, 3, 1000] {
            let mut order = Random::new("test", &[7]).permutation(n);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn streams_differ_by_purpose_and_number() {
        let order = |purpose, numbers: &[u64]| Random::new(purpose, numbers).permutation(100);
        assert_eq!(order("a", &[1, 2]), order("a", &[1, 2]));
        assert_ne!(order("a", &[1, 2]), order("b", &[1, 2]));
        assert_ne!(order("a", &[1, 2]), order("a", &[2, 1]));
    }

    /// Guards every split and every order of an epoch that results were measured with. The literal comes from a
    /// program of its own, in Python: ChaCha8 and the shuffle written out, the key from the package `blake3`.
    #[test]
    fn the_stream_is_pinned() {
        assert_eq!(Random::new("test", &[0]).permutation(10), [1, 2, 3, 6, 9, 7, 5, 8, 0, 4]);
    }

    #[test]
    fn every_number_below_is_about_as_likely() {
        let mut random = Random::new("test", &[0]);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // The standard deviation of a count is 93.
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }
}
