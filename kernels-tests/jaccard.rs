//! jaccard: 1 - log J or 1 - J.

use crate::harness::{Rng, check};
use crate::overlap_loss::{Spec, Which, jaccard as loss_of};
use wgvision::ops::overlap_loss::Overlap;

struct Jaccard;

impl Which for Jaccard {
    const NAME: &'static str = "jaccard";

    fn overlap(rng: &mut Rng) -> Overlap {
        Overlap::Jaccard { log: rng.coin() }
    }

    fn value(overlap: Overlap, eps: f64, sums: [f64; 4], _: f64) -> f64 {
        let Overlap::Jaccard { log } = overlap else { unreachable!() };
        loss_of(log, eps, sums)
    }
}

#[test]
fn jaccard() {
    check::<Spec<Jaccard>>();
}
