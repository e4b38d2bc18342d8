//! weighted_sum: w1 x1 + w2 x2 + ...

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, weighted_sum::WeightedSum};
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, count: usize) -> (Vec<f32>, Vec<Tensor>) {
    let weights = (0..count).map(|_| rng.float(-3.0, 3.0)).collect();
    let shapes: [&[usize]; 3] = [&[], &[1], &[1, 1]];
    (
        weights,
        (0..count)
            .map(|_| {
                let shape = rng.pick(&shapes);
                rng.tensor(shape)
            })
            .collect(),
    )
}

impl OpSpec for Spec {
    type Attrs = Vec<f32>;
    const NAME: &'static str = "weighted_sum";

    fn boundary(rng: &mut Rng) -> Vec<(Vec<f32>, Vec<Tensor>)> {
        (1..=7).map(|count| case(rng, count)).collect()
    }

    fn random(rng: &mut Rng) -> (Vec<f32>, Vec<Tensor>) {
        let count = rng.range(1, 7);
        case(rng, count)
    }

    fn op(weights: &Vec<f32>) -> OpRef {
        Arc::new(WeightedSum { weights: weights.clone() })
    }

    fn reference(weights: &Vec<f32>, inputs: &[Array]) -> Vec<Expected> {
        let terms: Vec<f64> = weights.iter().zip(inputs).map(|(w, x)| f64::from(*w) * x.data[0]).collect();
        let value = Array { shape: vec![], data: vec![terms.iter().sum()] };
        vec![Expected::sum(value, vec![terms.iter().map(|t| t.abs()).sum()], terms.len())]
    }
}

#[test]
fn weighted_sum() {
    check::<Spec>();
}

#[test]
fn weighted_sum_refuses_tensors_and_crowds() {
    let (one, two) = (Tensor::full([1], 1.0), Tensor::full([2], 1.0));
    let run = |count: usize, inputs: &[&Tensor]| {
        let op = Arc::new(WeightedSum { weights: vec![1.0; count] });
        run_op(gpu(), op, inputs).expect_err("refused").to_string()
    };
    let why = run(2, &[&one, &two]);
    assert!(why.contains("x2: expected one f32, got f32(2)"), "{why}");
    let why = run(8, &[&one; 8]);
    assert!(why.contains("1 to 7, got 8"), "{why}");
    let why = run(2, &[&one]);
    assert!(why.contains("as many as weights (2)"), "{why}");
}
