//! silu: x * sigmoid(x).

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, silu::Silu};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "silu";
    const ROUNDINGS: f64 = 24.0;

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(Silu)
    }

    fn f(_: &(), x: f64) -> f64 {
        x / (1.0 + (-x).exp())
    }

    fn magnitude(_: &(), x: f64) -> f64 {
        x.abs()
    }

    fn x(_: &(), rng: &mut Rng, shape: Shape) -> Tensor {
        rng.tensor_in(shape, -6.0, 6.0)
    }
}

#[test]
fn silu() {
    check::<Spec>();
}

#[test]
fn silu_refuses_integers() {
    refuses(&Silu, &[TensorType::i32([3])], "silu 'node': x: expected f32, got i32(3)");
    refuses(&Silu, &[], "expected x, got 0");
}
