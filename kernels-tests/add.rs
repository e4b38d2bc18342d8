//! add: a + b, broadcast.

use crate::harness::broadcast::{boundary_pairs, combine, random_pair};
use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, add::Add};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "add";
    const RANDOM: usize = 40;

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        boundary_pairs(rng).into_iter().map(|pair| ((), pair)).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        ((), random_pair(rng))
    }

    fn op(_: &()) -> OpRef {
        Arc::new(Add)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let magnitude = combine(a, b, |p, q| p.abs() + q.abs()).data;
        vec![Expected::sum(combine(a, b, |p, q| p + q), magnitude, 1)]
    }
}

#[test]
fn add() {
    check::<Spec>();
}

#[test]
fn add_refuses_shapes_that_do_not_broadcast() {
    let (a, b) = (TensorType::f32([2, 3]), TensorType::f32([3, 2]));
    refuses(&Add, &[a.clone(), b], "add 'node': b: expected a shape that broadcasts with (2, 3), got f32(3, 2)");
    refuses(&Add, &[a.clone(), TensorType::i32([2, 3])], "b: expected f32");
    refuses(&Add, &[a], "expected a and b, got 1");
}
