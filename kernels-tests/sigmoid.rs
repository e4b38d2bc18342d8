//! sigmoid: 1 / (1 + exp(-x)).

use crate::harness::{PointwiseSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, sigmoid::Sigmoid};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "sigmoid";
    const ROUNDINGS: f64 = 24.0;

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(Sigmoid)
    }

    fn f(_: &(), x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    fn x(_: &(), rng: &mut Rng, shape: Shape) -> Tensor {
        // The gradient is made from y, and 1 - y loses digits further out.
        rng.tensor_in(shape, -3.0, 3.0)
    }
}

#[test]
fn sigmoid() {
    check::<Spec>();
}

#[test]
fn sigmoid_keeps_its_digits_far_out() {
    let x = Tensor::f32([4], vec![-1000.0, -60.0, 60.0, 1000.0]);
    let y = run_op(gpu(), Arc::new(Sigmoid), &[&x]).expect("runs").remove(0);
    let small = f64::from(y.as_f32()[1]) / (-60f64).exp();
    assert!((small - 1.0).abs() < 1e-5, "sigmoid(-60) is off by {small}");
    assert_eq!([y.as_f32()[0], y.as_f32()[2], y.as_f32()[3]], [0.0, 1.0, 1.0]);
}

#[test]
fn sigmoid_refuses_integers() {
    refuses(&Sigmoid, &[TensorType::i32([3])], "sigmoid 'node': x: expected f32, got i32(3)");
}
