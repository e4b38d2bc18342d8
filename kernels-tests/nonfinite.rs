//! nonfinite: number of NaNs and infinities.

use crate::harness::{Array, Expected, OpSpec, Rng, check};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, nonfinite::NonFinite};
use wgvision::tensor::Tensor;

struct Spec;

const BROKEN: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

fn case(rng: &mut Rng, shape: &[usize]) -> ((), Vec<Tensor>) {
    let mut data = rng.tensor(shape).as_f32().to_vec();
    for _ in 0..rng.range(0, 5) {
        let i = rng.range(0, data.len() - 1);
        data[i] = rng.pick(&BROKEN);
    }
    // The largest float, a zero and the smallest normal float are whole.
    for v in [f32::MAX, -0.0, f32::MIN_POSITIVE] {
        let i = rng.range(0, data.len() - 1);
        data[i] = v;
    }
    ((), vec![Tensor::f32(shape, data)])
}

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "nonfinite";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        let shapes: [&[usize]; 9] =
            [&[1], &[255], &[256], &[257], &[4095], &[4097], &[2, 3, 5, 7], &[3, 1031], &[131, 8011]];
        shapes.into_iter().map(|s| case(rng, s)).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 20), rng.range(1, 20), rng.range(1, 20)];
        case(rng, &shape)
    }

    fn op(_: &()) -> OpRef {
        Arc::new(NonFinite)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let count = inputs[0].data.iter().filter(|v| !v.is_finite()).count();
        vec![Expected::exact(Array { shape: vec![], data: vec![count as f64] })]
    }
}

#[test]
fn nonfinite() {
    check::<Spec>();
}

#[test]
fn nonfinite_refuses_integers() {
    let x = Tensor::i32([3], vec![1, 2, 3]);
    let why = run_op(crate::harness::gpu(), Arc::new(NonFinite), &[&x]).expect_err("refused").to_string();
    assert!(why.contains("nonfinite") && why.contains("x: expected f32") && why.contains("i32(3)"), "{why}");
}
