//! relu: max(x, 0).

use crate::harness::{Array, Expected, OpSpec, Rng, check};
use std::sync::Arc;
use wgvision::ops::{OpRef, relu::Relu};
use wgvision::tensor::Tensor;

struct Spec;

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "relu";

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        let shapes: [&[usize]; 7] = [&[1], &[255], &[256], &[257], &[2, 3, 5, 7], &[1, 1, 1, 1], &[3, 1031]];
        shapes.iter().map(|&s| ((), vec![rng.tensor_off_zero(s)])).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 9), rng.range(1, 9), rng.range(1, 5)];
        ((), vec![rng.tensor_off_zero(shape)])
    }

    fn op(_: &()) -> OpRef {
        Arc::new(Relu)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let data = inputs[0].data.iter().map(|v| v.max(0.0)).collect();
        vec![Expected::exact(Array { shape: inputs[0].shape.clone(), data })]
    }
}

#[test]
fn relu() {
    check::<Spec>();
}
