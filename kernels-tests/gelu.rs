//! gelu: x * P(N <= x).

use crate::harness::{PointwiseSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, gelu::Gelu};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = Gelu;
    const NAME: &'static str = "gelu";
    const ROUNDINGS: f64 = 8.0;

    fn attrs(rng: &mut Rng) -> Gelu {
        Gelu { approximate: rng.coin() }
    }

    fn op(s: &Gelu) -> OpRef {
        Arc::new(*s)
    }

    fn f(s: &Gelu, x: f64) -> f64 {
        if s.approximate {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        } else {
            0.5 * x * (1.0 + erf(x / 2f64.sqrt()))
        }
    }

    fn magnitude(_: &Gelu, x: f64) -> f64 {
        x.abs()
    }

    fn x(_: &Gelu, rng: &mut Rng, shape: Shape) -> Tensor {
        rng.tensor_in(shape, -3.0, 3.0)
    }
}

/// The error function from its Maclaurin series. Terms reach e^(x^2), so it is good to 1e-10 for |x| < 3.6.
fn erf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn gelu_keeps_its_bound_along_the_axis() {
    let x: Vec<f32> = (0..=40_000).map(|i| (i as f32 - 20_000.0) * 2.5e-4).collect();
    let y = run_op(gpu(), Arc::new(Gelu { approximate: false }), &[&Tensor::f32([x.len()], x.clone())]).expect("runs");
    let error = |(&x, &y): (&f32, &f32)| {
        let x = f64::from(x);
        (f64::from(y) - 0.5 * x * (1.0 + erf(x / 2f64.sqrt()))).abs() / x.abs().max(1e-30)
    };
    let worst = x.iter().zip(y[0].as_f32()).map(error).fold(0.0, f64::max);
    assert!(worst < 4e-7, "the error of gelu reaches {worst:.2e} |x|");
}

#[test]
fn gelu() {
    check::<Spec>();
}

#[test]
fn gelu_refuses_integers() {
    refuses(&Gelu { approximate: false }, &[TensorType::i32([3])], "gelu 'node': x: expected f32, got i32(3)");
    refuses(&Gelu { approximate: false }, &[], "expected x, got 0");
}
