//! hardswish: x * relu6(x + 3) / 6.

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, hardswish::Hardswish};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "hardswish";
    const ROUNDINGS: f64 = 4.0;

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(Hardswish)
    }

    fn f(_: &(), x: f64) -> f64 {
        x * (x + 3.0).clamp(0.0, 6.0) / 6.0
    }

    fn magnitude(_: &(), x: f64) -> f64 {
        x.abs()
    }

    fn x(_: &(), rng: &mut Rng, shape: Shape) -> Tensor {
        let clear = |v: f32| if (v.abs() - 3.0).abs() < 0.05 { v * 1.1 } else { v };
        let data = rng.tensor_in(shape.clone(), -5.0, 5.0).as_f32().iter().map(|&v| clear(v)).collect();
        Tensor::f32(shape, data)
    }
}

#[test]
fn hardswish() {
    check::<Spec>();
}

#[test]
fn hardswish_refuses_integers() {
    refuses(&Hardswish, &[TensorType::i32([3])], "hardswish 'node': x: expected f32, got i32(3)");
    refuses(&Hardswish, &[], "expected x, got 0");
}
