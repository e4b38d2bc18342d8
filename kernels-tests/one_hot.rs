//! one_hot: a one at the index, zeros elsewhere.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, one_hot::OneHot};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Indices of which some lie outside the classes, on either side.
fn case(rng: &mut Rng, shape: &[usize], classes: usize) -> (OneHot, Vec<Tensor>) {
    (OneHot { classes }, vec![rng.indices(shape, -3, classes as i32 + 3)])
}

impl OpSpec for Spec {
    type Attrs = OneHot;
    const NAME: &'static str = "one_hot";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(OneHot, Vec<Tensor>)> {
        let cases: [(&[usize], usize); 7] =
            [(&[1], 1), (&[1], 255), (&[256], 1), (&[257], 3), (&[2, 513], 91), (&[3, 7, 5, 2], 21), (&[2, 2000], 2)];
        cases.iter().map(|&(shape, classes)| case(rng, shape, classes)).collect()
    }

    fn random(rng: &mut Rng) -> (OneHot, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 6)).collect();
        let classes = rng.range(1, 30);
        case(rng, &shape, classes)
    }

    fn op(attrs: &OneHot) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &OneHot, inputs: &[Array]) -> Vec<Expected> {
        let shape: Vec<usize> = inputs[0].shape.iter().copied().chain([op.classes]).collect();
        let mut y = Array::zeros(&shape);
        for (row, &index) in inputs[0].data.iter().enumerate() {
            if (0.0..op.classes as f64).contains(&index) {
                y.data[row * op.classes + index as usize] = 1.0;
            }
        }
        vec![Expected::exact(y)]
    }
}

#[test]
fn one_hot() {
    check::<Spec>();
}

#[test]
fn one_hot_refuses_what_it_cannot_use() {
    let op = OneHot { classes: 3 };
    refuses(&op, &[TensorType::f32([3])], "one_hot 'node': index: expected i32 with elements, got f32(3)");
    refuses(&op, &[], "expected index, got 0");
    refuses(&OneHot { classes: 0 }, &[TensorType::i32([3])], "classes must be at least 1");
}
