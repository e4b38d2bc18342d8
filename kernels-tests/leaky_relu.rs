//! leaky_relu: max(x, slope * x).

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, leaky_relu::LeakyRelu};
use wgvision::tensor::TensorType;

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = LeakyRelu;
    const NAME: &'static str = "leaky_relu";

    fn attrs(rng: &mut Rng) -> LeakyRelu {
        LeakyRelu { slope: rng.pick(&[0.01, 0.1, 0.0, -0.5, 1.0]) }
    }

    fn op(s: &LeakyRelu) -> OpRef {
        Arc::new(*s)
    }

    fn f(s: &LeakyRelu, x: f64) -> f64 {
        if x > 0.0 { x } else { f64::from(s.slope) * x }
    }
}

#[test]
fn leaky_relu() {
    check::<Spec>();
}

#[test]
fn leaky_relu_refuses_integers() {
    refuses(&LeakyRelu { slope: 0.1 }, &[TensorType::i32([3])], "leaky_relu 'node': x: expected f32, got i32(3)");
    refuses(&LeakyRelu { slope: 0.1 }, &[], "expected x, got 0");
}
