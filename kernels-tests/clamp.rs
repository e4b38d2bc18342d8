//! clamp: min(max(x, low), high).

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, clamp::Clamp};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = Clamp;
    const NAME: &'static str = "clamp";

    fn attrs(rng: &mut Rng) -> Clamp {
        Clamp { min: rng.float(-1.0, 0.0), max: rng.float(0.1, 1.0) }
    }

    fn op(s: &Clamp) -> OpRef {
        Arc::new(*s)
    }

    fn f(s: &Clamp, x: f64) -> f64 {
        x.max(f64::from(s.min)).min(f64::from(s.max))
    }

    fn x(s: &Clamp, rng: &mut Rng, shape: Shape) -> Tensor {
        let clear = |v: f32| if (v - s.min).abs() < 1e-3 || (v - s.max).abs() < 1e-3 { v + 4e-3 } else { v };
        let data = rng.tensor_in(shape.clone(), -2.0, 2.0).as_f32().iter().map(|&v| clear(v)).collect();
        Tensor::f32(shape, data)
    }
}

#[test]
fn clamp() {
    check::<Spec>();
}

#[test]
fn clamp_refuses_integers() {
    refuses(&Clamp { min: 0.0, max: 1.0 }, &[TensorType::i32([3])], "clamp 'node': x: expected f32, got i32(3)");
    refuses(&Clamp { min: 0.0, max: 1.0 }, &[], "expected x, got 0");
}
