//! relu: max(x, 0).

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, relu::Relu};
use wgvision::tensor::TensorType;

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "relu";

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(Relu)
    }

    fn f(_: &(), x: f64) -> f64 {
        x.max(0.0)
    }
}

#[test]
fn relu() {
    check::<Spec>();
}

#[test]
fn relu_refuses_integers() {
    refuses(&Relu, &[TensorType::u32([3, 4])], "relu 'node': x: expected f32, got u32(3, 4)");
    refuses(&Relu, &[], "expected x, got 0");
}
