//! tanh: tanh(x).

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, tanh::Tanh};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "tanh";
    const ROUNDINGS: f64 = 16.0;

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(Tanh)
    }

    fn f(_: &(), x: f64) -> f64 {
        x.tanh()
    }

    fn x(_: &(), rng: &mut Rng, shape: Shape) -> Tensor {
        rng.tensor_in(shape, -2.0, 2.0)
    }
}

#[test]
fn tanh() {
    check::<Spec>();
}

#[test]
fn tanh_refuses_integers() {
    refuses(&Tanh, &[TensorType::i32([3])], "tanh 'node': x: expected f32, got i32(3)");
    refuses(&Tanh, &[], "expected x, got 0");
}
