//! concat: parts one after the other along a dimension.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, concat::Concat};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Parts of `shape` with these extents along `dim`.
fn parts(rng: &mut Rng, shape: &[usize], dim: usize, extents: &[usize]) -> (usize, Vec<Tensor>) {
    let part = |rng: &mut Rng, &extent: &usize| {
        let mut shape = shape.to_vec();
        shape[dim] = extent;
        rng.tensor(shape)
    };
    (dim, extents.iter().map(|e| part(rng, e)).collect())
}

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "concat";

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        vec![
            parts(rng, &[1], 0, &[1]),
            parts(rng, &[1], 0, &[255, 257]),
            parts(rng, &[256, 4], 0, &[256, 3]),
            parts(rng, &[2, 13, 7, 1], 3, &[64, 32]),
            parts(rng, &[2, 13, 7, 1], 3, &[5, 1, 3]),
            parts(rng, &[2, 1, 7, 8], 1, &[4, 4, 5]),
            parts(rng, &[3, 17, 1, 5], 2, &[11, 2]),
        ]
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let rank = rng.range(1, 5);
        let shape: Vec<usize> = (0..rank).map(|_| rng.range(1, 4)).collect();
        let dim = rng.range(0, rank - 1);
        let extents: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        parts(rng, &shape, dim, &extents)
    }

    fn op(&dim: &usize) -> OpRef {
        Arc::new(Concat { dim })
    }

    fn reference(&dim: &usize, inputs: &[Array]) -> Vec<Expected> {
        let mut shape = inputs[0].shape.clone();
        shape[dim] = inputs.iter().map(|x| x.shape[dim]).sum();
        vec![Expected::exact(Array::from_fn(&shape, |index| {
            let mut index = index.to_vec();
            let owner = inputs.iter().find(|x| {
                let inside = index[dim] < x.shape[dim];
                if !inside {
                    index[dim] -= x.shape[dim];
                }
                inside
            });
            owner.expect("inside one of the parts").get(&index)
        }))]
    }
}

#[test]
fn concat() {
    check::<Spec>();
}

#[test]
fn concat_refuses_parts_that_do_not_fit() {
    let ty = |shape: [usize; 2]| TensorType::f32(shape);
    refuses(&Concat { dim: 1 }, &[ty([2, 3]), ty([3, 3])], "concat 'node': x1: expected f32(2, 3) but for dimension 1");
    refuses(&Concat { dim: 2 }, &[ty([2, 3])], "x0: expected a dimension 2");
    refuses(&Concat { dim: 0 }, &[ty([2, 3]), TensorType::i32([2, 3])], "got i32(2, 3)");
}
