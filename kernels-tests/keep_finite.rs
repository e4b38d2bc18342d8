//! keep_finite: the new value of a finite step, the old one of any other.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, keep_finite::KeepFinite};
use wgvision::tensor::Tensor;

struct Spec;

fn control(finite: f32) -> Tensor {
    Tensor::f32([8], vec![0.25, finite, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0])
}

fn case(rng: &mut Rng, shape: &[usize]) -> ((), Vec<Tensor>) {
    let finite = rng.pick(&[1.0, 0.0]);
    let (old, mut new) = (rng.tensor(shape), rng.tensor(shape).as_f32().to_vec());
    if finite == 0.0 {
        let i = rng.range(0, new.len() - 1);
        new[i] = rng.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    }
    ((), vec![old, Tensor::f32(shape, new), control(finite)])
}

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "keep_finite";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        let shapes: [&[usize]; 7] = [&[1], &[255], &[256], &[257], &[3, 3, 5, 7], &[1, 1, 1, 1], &[3, 1031]];
        shapes.into_iter().map(|s| case(rng, s)).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 9)).collect();
        case(rng, &shape)
    }

    fn op(_: &()) -> OpRef {
        Arc::new(KeepFinite)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        vec![Expected::exact(inputs[usize::from(inputs[2].data[1] == 1.0)].clone())]
    }
}

#[test]
fn keep_finite() {
    check::<Spec>();
}

#[test]
fn keep_finite_keeps_every_bit_of_every_type() {
    let (old, new) = (Tensor::i32([3], vec![i32::MIN, -1, 7]), Tensor::i32([3], vec![0x7fc0_0001, 0x7f80_0000, 1]));
    for (finite, kept) in [(0.0, &old), (1.0, &new)] {
        let y = run_op(gpu(), Arc::new(KeepFinite), &[&old, &new, &control(finite)]).unwrap();
        assert_eq!(&y[0], kept);
    }
}

#[test]
fn keep_finite_refuses_another_type() {
    let (a, b, c) = (Tensor::full([3], 0.5), Tensor::i32([3], vec![1; 3]), Tensor::full([8], 0.5));
    let why = run_op(gpu(), Arc::new(KeepFinite), &[&a, &b, &c]).expect_err("refused").to_string();
    assert!(why.contains("new: expected f32(3)") && why.contains("got i32(3)"), "{why}");
    let why = run_op(gpu(), Arc::new(KeepFinite), &[&a, &a, &a]).expect_err("refused").to_string();
    assert!(why.contains("control: expected f32(8), got f32(3)"), "{why}");
}
