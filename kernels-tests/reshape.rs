//! reshape: the same elements under another shape.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, reshape::Reshape};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = Shape;
    const NAME: &'static str = "reshape";

    fn boundary(rng: &mut Rng) -> Vec<(Shape, Vec<Tensor>)> {
        vec![
            (Shape::default(), vec![rng.tensor([1])]),
            ([2, 128].into(), vec![rng.tensor([4, 64])]),
            ([1, 257].into(), vec![rng.tensor([257])]),
            ([2, 15, 7].into(), vec![rng.tensor([2, 3, 5, 7])]),
        ]
    }

    fn random(rng: &mut Rng) -> (Shape, Vec<Tensor>) {
        let mut factors: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        let x = rng.tensor(factors.clone());
        let at = rng.range(0, factors.len() - 1);
        let moved = factors.remove(at);
        if rng.coin() || factors.is_empty() {
            factors.push(moved);
        } else {
            let last = factors.len() - 1;
            factors[last] *= moved;
        }
        (factors.into(), vec![x])
    }

    fn op(shape: &Shape) -> OpRef {
        Arc::new(Reshape { shape: shape.clone() })
    }

    fn reference(shape: &Shape, inputs: &[Array]) -> Vec<Expected> {
        vec![Expected::exact(Array { shape: shape.to_vec(), data: inputs[0].data.clone() })]
    }
}

#[test]
fn reshape() {
    check::<Spec>();
}

#[test]
fn reshape_refuses_another_count() {
    let op = Reshape { shape: [2, 4].into() };
    refuses(
        &op,
        &[TensorType::f32([3, 3])],
        "reshape 'node': x: expected 8 elements for shape (2, 4), got 9 in f32(3, 3)",
    );
}
