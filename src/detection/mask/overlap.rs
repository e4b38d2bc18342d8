//! What two masks of one picture share, from their runs alone.

use super::{Mask, Runs};

impl Mask {
    /// What is set in either. Panics if the sizes differ.
    pub fn union(&self, other: &Self) -> Self {
        let mut runs = Runs::new();
        stretches(self, other, |length, a, b| runs.push(a || b, length));
        runs.finish(self.size())
    }

    /// Pixels set in both. Panics if the sizes differ.
    pub fn intersection(&self, other: &Self) -> u64 {
        let mut both = 0;
        stretches(self, other, |length, a, b| both += if a && b { u64::from(length) } else { 0 });
        both
    }

    /// Intersection over union with a true object; with a crowd, the share of this mask that lies in it. 0 where
    /// nothing is shared. Panics if the sizes differ.
    pub fn iou(&self, truth: &Self, crowd: bool) -> f64 {
        let both = self.intersection(truth);
        if both == 0 {
            return 0.0;
        }
        let of = if crowd { self.area() } else { self.area() + truth.area() - both };
        both as f64 / of as f64
    }
}

/// Calls `visit` with the length of each stretch in which neither mask changes, and whether each is set in it.
fn stretches(a: &Mask, b: &Mask, mut visit: impl FnMut(u32, bool, bool)) {
    assert_eq!(a.size(), b.size(), "masks of one picture");
    let (mut i, mut j, mut rest_a, mut rest_b) = (0, 0, 0, 0);
    loop {
        while rest_a == 0 && i < a.counts.len() {
            (rest_a, i) = (a.counts[i], i + 1);
        }
        while rest_b == 0 && j < b.counts.len() {
            (rest_b, j) = (b.counts[j], j + 1);
        }
        let length = rest_a.min(rest_b);
        if length == 0 {
            return;
        }
        // `i` and `j` are one behind the run at hand.
        visit(length, i % 2 == 0, j % 2 == 0);
        rest_a -= length;
        rest_b -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rng::Rng;

    #[test]
    fn overlaps_are_those_of_the_pixels() {
        let mut rng = Rng::new(2);
        for _ in 0..200 {
            let size = [1 + rng.below(30) as u32, 1 + rng.below(30) as u32];
            let mut bits = || {
                let density = rng.unit();
                (0..size[0] * size[1]).map(|_| u8::from(rng.chance(density))).collect::<Vec<u8>>()
            };
            let (a, b) = (bits(), bits());
            let (first, second) = (Mask::encode(&a, size), Mask::encode(&b, size));
            let either: Vec<u8> = a.iter().zip(&b).map(|(a, b)| a | b).collect();
            let both = a.iter().zip(&b).filter(|(a, b)| **a & **b == 1).count();
            assert_eq!(first.union(&second), Mask::encode(&either, size));
            assert_eq!(first.intersection(&second), both as u64);
            let (own, all) = (a.iter().filter(|v| **v == 1).count(), either.iter().filter(|v| **v == 1).count());
            let share = |of: usize| if both == 0 { 0.0 } else { both as f64 / of as f64 };
            assert_eq!(first.iou(&second, false), share(all));
            assert_eq!(first.iou(&second, true), share(own));
        }
    }

    #[test]
    fn empty_runs_change_nothing() {
        let odd = Mask::from_counts([4, 3], vec![2, 0, 1, 3, 0, 2, 4, 0]).unwrap();
        let plain = Mask::encode(&odd.decode(), [4, 3]);
        assert_eq!(plain.counts(), [3, 5, 4]);
        assert_eq!(odd.union(&odd), plain);
        assert_eq!((odd.intersection(&plain), odd.iou(&plain, false)), (5, 1.0));
        let nothing = Mask::encode(&[], [0, 5]);
        assert_eq!(nothing.union(&nothing), nothing);
    }
}
