//! bce_jaccard: alpha BCE + (1 - alpha) Jaccard.

use crate::harness::{Rng, check};
use crate::overlap_loss::{Spec, Which, jaccard};
use wgvision::ops::overlap_loss::Overlap;

struct BceJaccard;

impl Which for BceJaccard {
    const NAME: &'static str = "bce_jaccard";

    fn overlap(rng: &mut Rng) -> Overlap {
        Overlap::BceJaccard { alpha: rng.pick(&[0.0, 0.3, 0.5, 1.0]), log: rng.coin() }
    }

    fn value(overlap: Overlap, eps: f64, sums: [f64; 4], n: f64) -> f64 {
        let Overlap::BceJaccard { alpha, log } = overlap else { unreachable!() };
        let alpha = f64::from(alpha);
        alpha * sums[3] / n + (1.0 - alpha) * jaccard(log, eps, sums)
    }
}

#[test]
fn bce_jaccard() {
    check::<Spec<BceJaccard>>();
}
