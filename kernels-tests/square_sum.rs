//! square_sum: sums of squares of 16384 elements each, put into a vector.

use crate::harness::{Array, Expected, OpSpec, Rng, check};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, square_sum::SquareSum, square_sum::slots};
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: &[usize]) -> (usize, Vec<Tensor>) {
    let first = rng.pick(&[0, 1, 300]);
    let length = first + slots(shape.iter().product()) + rng.pick(&[0, 1, 700]);
    (first, vec![rng.tensor([length]), rng.tensor(shape)])
}

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "square_sum";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        let shapes: [&[usize]; 8] = [&[1], &[255], &[256], &[257], &[16383], &[16384], &[16385], &[3, 3, 64, 101]];
        shapes.into_iter().map(|s| case(rng, s)).collect()
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 40), rng.range(1, 40), rng.range(1, 20)];
        case(rng, &shape)
    }

    fn op(&first: &usize) -> OpRef {
        Arc::new(SquareSum { first })
    }

    fn reference(&first: &usize, inputs: &[Array]) -> Vec<Expected> {
        let mut value = inputs[0].clone();
        for (slot, piece) in inputs[1].data.chunks(16384).enumerate() {
            value.data[first + slot] = piece.iter().map(|v| v * v).sum();
        }
        vec![Expected::exact(value).wider(64.0 + 8.0)]
    }
}

#[test]
fn square_sum() {
    check::<Spec>();
}

#[test]
fn square_sum_turns_nan_where_an_element_is_broken() {
    for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = vec![0.5; 40000];
        data[20000] = broken;
        let inputs = [&Tensor::full([4], 7.0), &Tensor::f32([40000], data)];
        let y = run_op(crate::harness::gpu(), Arc::new(SquareSum { first: 1 }), &inputs).expect("runs").remove(0);
        let y = y.as_f32();
        assert!(y[0] == 7.0 && y[1] == 4096.0 && y[2].is_nan() && y[3] == 1808.0, "{broken}: {y:?}");
    }
}

#[test]
fn square_sum_refuses_a_short_vector() {
    let inputs = [&Tensor::full([2], 0.0), &Tensor::full([16385], 0.0)];
    let op = Arc::new(SquareSum { first: 1 });
    let why = run_op(crate::harness::gpu(), op, &inputs).expect_err("refused").to_string();
    assert!(why.contains("sums: expected f32 vector of at least 3 elements, got f32(2)"), "{why}");
}
