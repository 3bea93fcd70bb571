//! What a pure evaluation may know of the world: a time and a seed.

use chrono::{DateTime, Utc};

/// The instant and the randomness that a decision is given from outside.
///
/// Evaluating the same thing twice at the same moment gives the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What `$now()` and `$millis()` answer, and what timers are compared with.
    pub now: DateTime<Utc>,
    /// Where `$random()`, `$uuid()`, `$shuffle()` and retry jitter begin.
    pub seed: u64,
}

impl Moment {
    /// A moment out of its two parts.
    pub const fn new(now: DateTime<Utc>, seed: u64) -> Self {
        Self { now, seed }
    }
}

/// A small deterministic generator (SplitMix64). Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose whole sequence follows from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uniform number in [0, 1).
    pub fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_sequence() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        let first: Vec<u64> = (0..10).map(|_| a.next_u64()).collect();
        assert_eq!(first, (0..10).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(first[0], Random::new(8).next_u64());
    }

    #[test]
    fn units_stay_below_one() {
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let unit = random.next_unit();
            assert!((0.0..1.0).contains(&unit));
        }
    }
}
