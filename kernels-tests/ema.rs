//! ema: (1 - share) shadow + share param.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, ema::Ema};
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: &[usize]) -> ((), Vec<Tensor>) {
    let (finite, share) = (rng.pick(&[1.0, 1.0, 0.0]), rng.pick(&[0.0, 0.5, 0.001, 1.0]));
    let control = Tensor::f32([8], vec![1.0, finite, 0.0, 0.0, 0.0, share, 0.0, 0.0]);
    ((), vec![rng.tensor(shape), rng.tensor(shape), control])
}

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "ema";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        let shapes: [&[usize]; 7] = [&[1], &[255], &[256], &[257], &[3, 3, 5, 7], &[1, 1, 1, 1], &[3, 1031]];
        shapes.into_iter().map(|s| case(rng, s)).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 3), rng.range(1, 9), rng.range(1, 9)];
        case(rng, &shape)
    }

    fn op(_: &()) -> OpRef {
        Arc::new(Ema)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let (finite, share) = (inputs[2].data[1], inputs[2].data[5]);
        let pairs = || inputs[0].data.iter().zip(&inputs[1].data);
        let next = |(s, p): (&f64, &f64)| if finite == 1.0 { (1.0 - share) * s + share * p } else { *s };
        let value = Array { shape: inputs[0].shape.clone(), data: pairs().map(next).collect() };
        vec![Expected::sum(value, pairs().map(|(s, p)| s.abs() + p.abs()).collect(), 2)]
    }
}

#[test]
fn ema() {
    check::<Spec>();
}

#[test]
fn ema_refuses_another_shape() {
    let (a, b, c) = (Tensor::full([3], 0.5), Tensor::full([4], 0.5), Tensor::full([8], 0.5));
    let why = run_op(gpu(), Arc::new(Ema), &[&a, &b, &c]).expect_err("refused").to_string();
    assert!(why.contains("param: expected f32(3), got f32(4)"), "{why}");
}
