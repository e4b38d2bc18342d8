//! add: a + b.

use crate::harness::{Array, Expected, OpSpec, Rng, check};
use std::sync::Arc;
use wgvision::ops::{OpRef, add::Add};
use wgvision::tensor::Tensor;

struct Spec;

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "add";

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        let shapes: [&[usize]; 6] = [&[1], &[255], &[256], &[257], &[2, 3, 5, 7], &[3, 1031]];
        shapes.iter().map(|&s| ((), vec![rng.tensor(s), rng.tensor(s)])).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 9), rng.range(1, 9), rng.range(1, 4)];
        ((), vec![rng.tensor(shape), rng.tensor(shape)])
    }

    fn op(_: &()) -> OpRef {
        Arc::new(Add)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let pairs = || inputs[0].data.iter().zip(&inputs[1].data);
        let value = Array { shape: inputs[0].shape.clone(), data: pairs().map(|(a, b)| a + b).collect() };
        vec![Expected::sum(value, pairs().map(|(a, b)| a.abs() + b.abs()).collect(), 1)]
    }
}

#[test]
fn add() {
    check::<Spec>();
}
