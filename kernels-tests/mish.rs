//! mish: x * tanh(softplus(x)).

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, mish::Mish};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "mish";
    const ROUNDINGS: f64 = 40.0;

    fn attrs(_: &mut Rng) {}

    fn op(_: &()) -> OpRef {
        Arc::new(Mish)
    }

    fn f(_: &(), x: f64) -> f64 {
        x * x.exp().ln_1p().tanh()
    }

    fn x(_: &(), rng: &mut Rng, shape: Shape) -> Tensor {
        rng.tensor_in(shape, -6.0, 6.0)
    }
}

#[test]
fn mish() {
    check::<Spec>();
}

#[test]
fn mish_refuses_integers() {
    refuses(&Mish, &[TensorType::i32([3])], "mish 'node': x: expected f32, got i32(3)");
    refuses(&Mish, &[], "expected x, got 0");
}
