//! mse: (x - t)^2.

use crate::harness::{Rng, check};
use crate::pointwise_loss::{Spec, Term, off_kink};
use wgvision::ops::pointwise_loss::Formula;

struct Mse;

impl Term for Mse {
    const NAME: &'static str = "mse";
    const ROUNDINGS: f64 = 8.0;

    fn formula(_: &mut Rng) -> Formula {
        Formula::Mse
    }

    fn pair(rng: &mut Rng, _: Formula) -> (f32, f32) {
        off_kink(rng, 0.0)
    }

    fn value(_: Formula, x: f64, t: f64, _: f64) -> f64 {
        (x - t).powi(2)
    }
}

#[test]
fn mse() {
    check::<Spec<Mse>>();
}
