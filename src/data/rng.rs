//! Random numbers on the host: the same on every machine, and the same whichever worker asks.
//!
//! A generator is a key and a counter, hashed by the finaliser of splitmix64 (Steele, Lea and Flood,
//! "Fast splittable pseudorandom number generators", 2014). A stream is found from its seed and its
//! index alone, so that sample 1000 needs no samples before it. It is not for secrets.

/// A stream of random numbers: a pure function of the seed and the tags it was forked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    key: u64,
    counter: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Rng { key: mix(seed ^ 0x5851_f42d_4c95_7f2d), counter: 0 }
    }

    /// The stream number `tag` under this one. It depends on the key alone, not on how many
    /// numbers were drawn, so that adding a draw to one part of a program leaves the others as they were.
    pub fn fork(&self, tag: u64) -> Self {
        Rng { key: mix(self.key ^ mix(tag.wrapping_add(GOLDEN))), counter: 0 }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(GOLDEN);
        mix(self.key.wrapping_add(self.counter))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..n. Panics if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below(0) has nothing to choose from");
        // The high word of a 128-bit product: the bias is under n / 2^64.
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// One of `items`, each as likely. Panics if there are none.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Standard normal (Box and Muller, 1958).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_numbers_never_change() {
        // A change here changes every run's data and every picture of the demo.
        let mut rng = Rng::new(1).fork(2);
        assert_eq!([rng.next_u64(), rng.next_u64()], [0xe3b6_c1a3_82bd_66bd, 0x6570_4545_3666_7fdd]);
    }

    #[test]
    fn forks_ignore_what_was_drawn() {
        let fresh = Rng::new(7);
        let mut used = fresh.clone();
        used.next_u64();
        assert_eq!(fresh.fork(3), used.fork(3));
        assert_ne!(fresh.fork(3), fresh.fork(4));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(11);
        let n = 20_000;
        let mean = (0..n).map(|_| rng.unit()).sum::<f32>() / n as f32;
        assert!((mean - 0.5).abs() < 0.01, "mean of the uniform: {mean}");
        let draws: Vec<f32> = (0..n).map(|_| rng.normal()).collect();
        let mean = draws.iter().sum::<f32>() / n as f32;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n as f32;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "normal: mean {mean}, variance {variance}");
        let mut counts = [0usize; 7];
        (0..n).for_each(|_| counts[rng.below(7)] += 1);
        assert!(counts.iter().all(|&c| c.abs_diff(n / 7) < 300), "below(7): {counts:?}");
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::new(5).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
