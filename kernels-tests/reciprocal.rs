//! reciprocal: 1 / x.

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, reciprocal::Reciprocal};
use wgvision::tensor::TensorType;

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "reciprocal";

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(Reciprocal)
    }

    fn f(_: &(), x: f64) -> f64 {
        1.0 / x
    }
}

#[test]
fn reciprocal() {
    check::<Spec>();
}

#[test]
fn reciprocal_refuses_integers() {
    refuses(&Reciprocal, &[TensorType::i32([3])], "reciprocal 'node': x: expected f32, got i32(3)");
}
