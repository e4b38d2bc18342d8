//! huber: d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2).

use crate::harness::{Rng, check};
use crate::pointwise_loss::{Spec, Term, off_kink};
use wgvision::ops::pointwise_loss::Formula;

struct Huber;

impl Term for Huber {
    const NAME: &'static str = "huber";
    const ROUNDINGS: f64 = 8.0;

    fn formula(rng: &mut Rng) -> Formula {
        Formula::Huber { delta: rng.pick(&[0.11, 0.5, 1.0, 2.5]) }
    }

    fn pair(rng: &mut Rng, formula: Formula) -> (f32, f32) {
        let Formula::Huber { delta } = formula else { unreachable!() };
        off_kink(rng, delta)
    }

    fn value(formula: Formula, x: f64, t: f64, _: f64) -> f64 {
        let Formula::Huber { delta } = formula else { unreachable!() };
        let (d, delta) = ((x - t).abs(), f64::from(delta));
        if d <= delta { d * d / 2.0 } else { delta * (d - delta / 2.0) }
    }
}

#[test]
fn huber() {
    check::<Spec<Huber>>();
}
