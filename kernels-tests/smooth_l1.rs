//! smooth_l1: d^2 / (2 beta) where |d| < beta, else |d| - beta / 2.

use crate::harness::{Rng, check};
use crate::pointwise_loss::{Spec, Term, off_kink};
use wgvision::ops::pointwise_loss::Formula;

struct SmoothL1;

impl Term for SmoothL1 {
    const NAME: &'static str = "smooth_l1";
    const ROUNDINGS: f64 = 8.0;

    fn formula(rng: &mut Rng) -> Formula {
        Formula::SmoothL1 { beta: rng.pick(&[0.0, 0.11, 0.5, 1.0, 2.5]) }
    }

    fn pair(rng: &mut Rng, formula: Formula) -> (f32, f32) {
        let Formula::SmoothL1 { beta } = formula else { unreachable!() };
        off_kink(rng, beta)
    }

    fn value(formula: Formula, x: f64, t: f64, _: f64) -> f64 {
        let Formula::SmoothL1 { beta } = formula else { unreachable!() };
        let (d, beta) = ((x - t).abs(), f64::from(beta));
        if d < beta { d * d / (2.0 * beta) } else { d - beta / 2.0 }
    }
}

#[test]
fn smooth_l1() {
    check::<Spec<SmoothL1>>();
}
