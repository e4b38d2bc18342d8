//! hardsigmoid: min(max(x + 3, 0), 6) / 6.

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, hardsigmoid::HardSigmoid};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "hardsigmoid";

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(HardSigmoid)
    }

    fn f(_: &(), x: f64) -> f64 {
        match x {
            x if x <= -3.0 => 0.0,
            x if x >= 3.0 => 1.0,
            x => x / 6.0 + 0.5,
        }
    }

    fn magnitude(_: &(), x: f64) -> f64 {
        (x.abs() + 3.0) / 6.0
    }

    fn x(_: &(), rng: &mut Rng, shape: Shape) -> Tensor {
        // Both flat sides and the slope, away from the kinks at -3 and 3.
        let data = (0..shape.elements()).map(|_| {
            let side = if rng.coin() { 1.0 } else { -1.0 };
            side * if rng.range(0, 2) == 0 { rng.float(3.05, 8.0) } else { rng.float(0.0, 2.95) }
        });
        let data = data.collect();
        Tensor::f32(shape, data)
    }
}

#[test]
fn hardsigmoid() {
    check::<Spec>();
}

#[test]
fn hardsigmoid_refuses_integers() {
    refuses(&HardSigmoid, &[TensorType::i32([3])], "hardsigmoid 'node': x: expected f32, got i32(3)");
}
