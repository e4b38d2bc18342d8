//! l1: |x - t|.

use crate::harness::{Rng, check};
use crate::pointwise_loss::{Spec, Term, off_kink};
use wgvision::ops::pointwise_loss::Formula;

struct L1;

impl Term for L1 {
    const NAME: &'static str = "l1";
    const ROUNDINGS: f64 = 8.0;

    fn formula(_: &mut Rng) -> Formula {
        Formula::L1
    }

    fn pair(rng: &mut Rng, _: Formula) -> (f32, f32) {
        off_kink(rng, 0.0)
    }

    fn value(_: Formula, x: f64, t: f64, _: f64) -> f64 {
        (x - t).abs()
    }
}

#[test]
fn l1() {
    check::<Spec<L1>>();
}
