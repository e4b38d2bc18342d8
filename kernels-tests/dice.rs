//! dice: 1 - (2 sum p t + eps) / (sum p + sum t + eps).

use crate::harness::{Rng, check};
use crate::overlap_loss::{Spec, Which};
use wgvision::ops::overlap_loss::Overlap;

struct Dice;

impl Which for Dice {
    const NAME: &'static str = "dice";

    fn overlap(_: &mut Rng) -> Overlap {
        Overlap::Dice
    }

    fn value(_: Overlap, eps: f64, sums: [f64; 4], _: f64) -> f64 {
        1.0 - (2.0 * sums[0] + eps) / (sums[1] + sums[2] + eps)
    }
}

#[test]
fn dice() {
    check::<Spec<Dice>>();
}
