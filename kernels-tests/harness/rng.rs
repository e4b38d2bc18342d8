//! Seeded random cases. `WGVISION_SEED` replays a run.

use wgvision::tensor::{Shape, Tensor};

/// A small deterministic generator (SplitMix64: Steele, Lea, Flood, 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for one test, from the seed of the run and the test's name.
    pub fn for_test(name: &str) -> Self {
        let start = Self(seed());
        name.bytes().fold(start, |rng, b| Self(rng.0.wrapping_mul(31).wrapping_add(u64::from(b))))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number in `low..=high`.
    pub fn range(&mut self, low: usize, high: usize) -> usize {
        low + (self.bits() % (high - low + 1) as u64) as usize
    }

    /// One of `items`.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.range(0, items.len() - 1)].clone()
    }

    /// True one time in two.
    pub fn coin(&mut self) -> bool {
        self.bits() & 1 == 1
    }

    /// A float in [low, high).
    pub fn float(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.bits() >> 40) as f32 / (1u64 << 24) as f32)
    }

    /// A tensor of floats in [-1, 1).
    pub fn tensor(&mut self, shape: impl Into<Shape>) -> Tensor {
        self.tensor_in(shape, -1.0, 1.0)
    }

    /// A tensor of floats in [low, high).
    pub fn tensor_in(&mut self, shape: impl Into<Shape>, low: f32, high: f32) -> Tensor {
        let shape = shape.into();
        let data = (0..shape.elements()).map(|_| self.float(low, high)).collect();
        Tensor::f32(shape, data)
    }

    /// Floats of both signs with |v| in [0.05, 2): away from a kink at zero.
    pub fn tensor_off_zero(&mut self, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        let data =
            (0..shape.elements()).map(|_| self.float(0.05, 2.0) * if self.coin() { 1.0 } else { -1.0 }).collect();
        Tensor::f32(shape, data)
    }

    /// Distinct floats at least 0.01 apart, shuffled: no ties for a maximum to break.
    pub fn tensor_distinct(&mut self, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        let n = shape.elements();
        let mut data: Vec<f32> = (0..n).map(|i| (i as f32 - n as f32 / 2.0) * 0.0125).collect();
        for i in (1..n).rev() {
            data.swap(i, self.range(0, i));
        }
        Tensor::f32(shape, data)
    }

    /// A tensor of i32 in `low..high`.
    pub fn indices(&mut self, shape: impl Into<Shape>, low: i32, high: i32) -> Tensor {
        let shape = shape.into();
        let data = (0..shape.elements()).map(|_| low + self.range(0, (high - low - 1) as usize) as i32).collect();
        Tensor::i32(shape, data)
    }
}

/// The seed of this run: `WGVISION_SEED`, or 1.
pub fn seed() -> u64 {
    std::env::var("WGVISION_SEED").ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}
