//! expand: x repeated along dimensions of extent 1.

use crate::harness::broadcast::combine;
use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, expand::Expand};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = Shape;
    const NAME: &'static str = "expand";

    fn boundary(rng: &mut Rng) -> Vec<(Shape, Vec<Tensor>)> {
        vec![
            ([1].into(), vec![rng.tensor([])]),
            ([256].into(), vec![rng.tensor([1])]),
            ([255, 3].into(), vec![rng.tensor([3])]),
            ([257, 8].into(), vec![rng.tensor([1, 8])]),
            ([2, 11, 7, 4].into(), vec![rng.tensor([2, 1, 1, 4])]),
            ([2, 11, 7, 4].into(), vec![rng.tensor([2, 11, 7, 1])]),
            ([3, 5].into(), vec![rng.tensor([3, 5])]),
        ]
    }

    fn random(rng: &mut Rng) -> (Shape, Vec<Tensor>) {
        let rank = rng.range(1, 6);
        let whole: Vec<usize> = (0..rank).map(|_| rng.range(1, 3)).collect();
        let own: Vec<usize> = whole.iter().map(|&e| if rng.coin() { 1 } else { e }).collect();
        let first = rng.range(0, rank);
        let x = rng.tensor(&own[first..]);
        (whole.into(), vec![x])
    }

    fn op(shape: &Shape) -> OpRef {
        Arc::new(Expand { shape: shape.clone() })
    }

    fn reference(shape: &Shape, inputs: &[Array]) -> Vec<Expected> {
        vec![Expected::exact(combine(&inputs[0], &Array::zeros(shape), |x, _| x))]
    }
}

#[test]
fn expand() {
    check::<Spec>();
}

#[test]
fn expand_refuses_shapes_that_do_not_broadcast() {
    let op = Expand { shape: [2, 3].into() };
    refuses(
        &op,
        &[TensorType::f32([2, 2])],
        "expand 'node': x: expected a shape that broadcasts to (2, 3), got f32(2, 2)",
    );
    refuses(&op, &[TensorType::f32([1, 2, 3])], "got f32(1, 2, 3)");
}
