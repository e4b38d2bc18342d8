//! scale: alpha * x + beta.

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, scale::Scale};
use wgvision::tensor::TensorType;

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = Scale;
    const NAME: &'static str = "scale";

    fn attrs(rng: &mut Rng) -> Scale {
        Scale { alpha: rng.float(-3.0, 3.0), beta: rng.pick(&[0.0, 1.0, -0.75]) }
    }

    fn op(attrs: &Scale) -> OpRef {
        Arc::new(*attrs)
    }

    fn f(s: &Scale, x: f64) -> f64 {
        f64::from(s.alpha) * x + f64::from(s.beta)
    }

    fn magnitude(s: &Scale, x: f64) -> f64 {
        (f64::from(s.alpha) * x).abs() + f64::from(s.beta).abs()
    }
}

#[test]
fn scale() {
    check::<Spec>();
}

#[test]
fn scale_refuses_integers() {
    let op = Scale { alpha: 2.0, beta: 0.0 };
    refuses(&op, &[TensorType::i32([3])], "scale 'node': x: expected f32, got i32(3)");
}
