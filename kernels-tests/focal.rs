//! focal: alpha_t (1 - p_t)^gamma BCE.

use crate::harness::{Rng, check};
use crate::pointwise_loss::{Spec, Term};
use wgvision::ops::pointwise_loss::Formula;

struct Focal;

impl Term for Focal {
    const NAME: &'static str = "focal";
    const ROUNDINGS: f64 = 96.0;

    fn formula(rng: &mut Rng) -> Formula {
        Formula::Focal { alpha: rng.pick(&[0.25, 0.6, -1.0]), gamma: rng.pick(&[0.0, 0.5, 1.0, 2.0, 3.5]) }
    }

    fn pair(rng: &mut Rng, _: Formula) -> (f32, f32) {
        let soft = rng.float(0.1, 0.9);
        (rng.float(-8.0, 8.0), rng.pick(&[0.0, 1.0, 0.0, 1.0, soft]))
    }

    fn value(formula: Formula, x: f64, t: f64, _: f64) -> f64 {
        let Formula::Focal { alpha, gamma } = formula else { unreachable!() };
        let (alpha, gamma) = (f64::from(alpha), f64::from(gamma));
        let p = 1.0 / (1.0 + (-x).exp());
        let not_p = 1.0 / (1.0 + x.exp());
        let miss = p * (1.0 - t) + not_p * t;
        let entropy = -(t * p.ln() + (1.0 - t) * not_p.ln());
        let alpha_t = if alpha < 0.0 { 1.0 } else { alpha * t + (1.0 - alpha) * (1.0 - t) };
        alpha_t * miss.powf(gamma) * entropy
    }
}

#[test]
fn focal() {
    check::<Spec<Focal>>();
}
