//! bce_with_logits: -(p t log s(x) + (1 - t) log(1 - s(x))).

use crate::harness::{Rng, check};
use crate::pointwise_loss::{Spec, Term};
use wgvision::ops::pointwise_loss::Formula;

struct Bce;

impl Term for Bce {
    const NAME: &'static str = "bce_with_logits";
    const ROUNDINGS: f64 = 24.0;
    const POS_WEIGHT: bool = true;

    fn formula(_: &mut Rng) -> Formula {
        Formula::Bce
    }

    fn pair(rng: &mut Rng, _: Formula) -> (f32, f32) {
        let reach = rng.pick(&[1.0, 8.0, 8.0, 40.0]);
        let soft = rng.float(0.0, 1.0);
        (rng.float(-reach, reach), rng.pick(&[0.0, 1.0, soft]))
    }

    fn value(_: Formula, x: f64, t: f64, p: f64) -> f64 {
        let log_s = -(-x).exp().ln_1p();
        let log_not_s = -x.exp().ln_1p();
        -(p * t * log_s + (1.0 - t) * log_not_s)
    }
}

#[test]
fn bce_with_logits() {
    check::<Spec<Bce>>();
}
