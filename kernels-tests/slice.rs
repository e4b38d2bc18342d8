//! slice: x[start:end:step, ...].

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, slice::Slice};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

fn case(rng: &mut Rng, shape: &[usize], ranges: &[(usize, usize, usize)]) -> (Slice, Vec<Tensor>) {
    let start = ranges.iter().map(|r| r.0).collect();
    let end = ranges.iter().map(|r| r.1).collect();
    let step = ranges.iter().map(|r| r.2).collect();
    (Slice { start, end, step }, vec![rng.tensor(shape)])
}

impl OpSpec for Spec {
    type Attrs = Slice;
    const NAME: &'static str = "slice";

    fn boundary(rng: &mut Rng) -> Vec<(Slice, Vec<Tensor>)> {
        vec![
            case(rng, &[1], &[(0, 1, 1)]),
            case(rng, &[600], &[(1, 257, 1)]),
            case(rng, &[600], &[(3, 599, 2)]),
            case(rng, &[513, 8], &[(0, 512, 2), (4, 8, 1)]),
            case(rng, &[2, 13, 11, 12], &[(0, 2, 1), (3, 13, 1), (0, 9, 1), (0, 12, 1)]),
            case(rng, &[2, 13, 11, 12], &[(1, 2, 1), (0, 13, 3), (2, 11, 4), (5, 12, 2)]),
            case(rng, &[3, 5, 7, 4], &[(0, 3, 2), (0, 5, 1), (0, 7, 1), (0, 4, 1)]),
        ]
    }

    fn random(rng: &mut Rng) -> (Slice, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 5)).map(|_| rng.range(1, 4)).collect();
        let range = |rng: &mut Rng, &extent: &usize| {
            let start = rng.range(0, extent - 1);
            (start, rng.range(start + 1, extent), rng.range(1, 3))
        };
        let ranges: Vec<_> = shape.iter().map(|e| range(rng, e)).collect();
        case(rng, &shape, &ranges)
    }

    fn op(attrs: &Slice) -> OpRef {
        Arc::new(attrs.clone())
    }

    fn reference(s: &Slice, inputs: &[Array]) -> Vec<Expected> {
        let picked: Vec<Vec<usize>> =
            (0..s.start.len()).map(|d| (s.start[d]..s.end[d]).step_by(s.step[d]).collect()).collect();
        let shape: Vec<usize> = picked.iter().map(Vec::len).collect();
        vec![Expected::exact(Array::from_fn(&shape, |index| {
            let from: Vec<usize> = index.iter().zip(&picked).map(|(&i, p)| p[i]).collect();
            inputs[0].get(&from)
        }))]
    }
}

#[test]
fn slice() {
    check::<Spec>();
}

#[test]
fn slice_refuses_empty_ranges() {
    let op = |start: usize, end: usize, step: usize| Slice { start: vec![start], end: vec![end], step: vec![step] };
    let x = TensorType::f32([5]);
    refuses(
        &op(2, 2, 1),
        std::slice::from_ref(&x),
        "slice 'node': dimension 0: expected a range that is not empty within 0..5",
    );
    refuses(&op(7, 9, 1), std::slice::from_ref(&x), "got 7..5 in steps of 1");
    refuses(&op(0, 2, 0), &[x], "in steps of 0");
    refuses(&op(0, 2, 1), &[TensorType::f32([5, 5])], "x: expected 1 dimensions");
}
