//! bce_with_logits: -(p t log s(x) + (1 - t) log(1 - s(x))).

use crate::harness::{Rng, check, gpu};
use crate::pointwise_loss::{Spec, Term};
use std::sync::Arc;
use wgvision::graph::{Options, run_op_checked};
use wgvision::ops::Reduction;
use wgvision::ops::pointwise_loss::{Formula, PointwiseLoss};
use wgvision::tensor::Tensor;

struct Bce;

impl Term for Bce {
    const NAME: &'static str = "bce_with_logits";
    const ROUNDINGS: f64 = 48.0;
    const POS_WEIGHT: bool = true;

    fn formula(_: &mut Rng) -> Formula {
        Formula::Bce
    }

    fn pair(rng: &mut Rng, _: Formula) -> (f32, f32) {
        let reach = rng.pick(&[1.0, 8.0, 16.0]);
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

#[test]
fn bce_with_logits_stays_finite_far_out() {
    let x = Tensor::f32([4], vec![-1000.0, 1000.0, -1000.0, 1000.0]);
    let target = Tensor::f32([4], vec![0.0, 1.0, 1.0, 0.0]);
    let loss = PointwiseLoss::new(Formula::Bce).reduced(Reduction::None);
    let one = Tensor::full([4], 1.0);
    let out = run_op_checked(gpu(), Arc::new(loss), &[&x, &target], &[Some(&one)], Options::default()).expect("runs");
    assert_eq!(out.outputs[0].as_f32(), [0.0, 0.0, 1000.0, 1000.0]);
    assert_eq!(out.grads[0].as_ref().expect("a gradient").as_f32(), [0.0, 0.0, -1.0, 1.0]);
}
