//! clip_guard: global norm, clip factor, test for finiteness, rates passed on.

use crate::harness::{Array, Expected, OpSpec, Rng, check};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, clip_guard::ClipGuard};
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, length: usize) -> (f32, Vec<Tensor>) {
    let max_norm = rng.pick(&[0.0, 0.5, 3.0, 1000.0]);
    let mut inputs = vec![rng.tensor_in([length], 0.0, 2.0), rng.tensor([6])];
    if rng.coin() {
        inputs.push(rng.tensor([1]));
    }
    (max_norm, inputs)
}

impl OpSpec for Spec {
    type Attrs = f32;
    const NAME: &'static str = "clip_guard";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(f32, Vec<Tensor>)> {
        [1, 2, 255, 256, 257, 1031, 5003].into_iter().map(|n| case(rng, n)).collect()
    }

    fn random(rng: &mut Rng) -> (f32, Vec<Tensor>) {
        let length = rng.range(1, 600);
        case(rng, length)
    }

    fn op(&max_norm: &f32) -> OpRef {
        Arc::new(ClipGuard { max_norm, ..Default::default() })
    }

    fn reference(&max_norm: &f32, inputs: &[Array]) -> Vec<Expected> {
        let norm = inputs[0].data.iter().sum::<f64>().sqrt();
        let clip = if max_norm > 0.0 { (f64::from(max_norm) / (norm + 1e-6)).min(1.0) } else { 1.0 };
        let control = [clip, 1.0].into_iter().chain(inputs[1].data.iter().copied()).collect();
        let roundings = 8.0 + inputs[0].data.len().div_ceil(256) as f64;
        vec![
            Expected::exact(Array { shape: vec![8], data: control }).wider(roundings),
            Expected::exact(Array { shape: vec![], data: vec![norm] }).wider(roundings),
        ]
    }
}

#[test]
fn clip_guard() {
    check::<Spec>();
}

#[test]
fn clip_guard_reports_a_broken_norm_or_loss() {
    let hyper = Tensor::full([6], 0.25);
    let run = |sums: &Tensor, loss: f32| {
        let loss = Tensor::full([1], loss);
        let op = Arc::new(ClipGuard { max_norm: 1.0, ..Default::default() });
        let out = run_op(crate::harness::gpu(), op, &[sums, &hyper, &loss]).expect("runs");
        (out[0].as_f32()[..3].to_vec(), out[1].scalar())
    };
    let whole = Tensor::full([300], 1.0);
    assert_eq!(run(&whole, 1.0).0[1..], [1.0, 0.25]);
    for (sums, loss) in [(f32::NAN, 1.0), (f32::INFINITY, 1.0), (3e38, 1.0), (1.0, f32::NAN), (1.0, f32::INFINITY)] {
        let mut data = vec![1.0; 300];
        (data[70], data[299]) = (sums, sums);
        let (control, norm) = run(&Tensor::f32([300], data), loss);
        assert!(control == [0.0, 0.0, 0.25] && norm.is_nan(), "{sums}, {loss}: {control:?}, {norm}");
    }
}

#[test]
fn clip_guard_refuses_other_rates() {
    let inputs = [&Tensor::full([3], 0.0), &Tensor::full([5], 0.0)];
    let op = Arc::new(ClipGuard { max_norm: 0.0, ..Default::default() });
    let why = run_op(crate::harness::gpu(), op, &inputs).expect_err("refused").to_string();
    assert!(why.contains("hyper: expected f32(6), got f32(5)"), "{why}");
}

/// The scale is divided out of norm and clip factor; it is halved by a step that is not finite and doubled after `growth` that are.
#[test]
fn clip_guard_scales_the_loss() {
    let hyper = Tensor::full([6], 0.25);
    let run = |sums: f32, loss: f32, scaling: [f32; 2]| {
        let (sums, loss) = (Tensor::full([4], sums), Tensor::full([1], loss));
        let op = Arc::new(ClipGuard { max_norm: 1.0, growth: 3 });
        let scaling = Tensor::f32([2], scaling.to_vec());
        let out = run_op(crate::harness::gpu(), op, &[&sums, &hyper, &loss, &scaling]).expect("runs");
        (out[0].as_f32()[..2].to_vec(), out[1].scalar(), out[2].as_f32().to_vec())
    };
    // A norm of 8 * 4 * 2 under a scale of 8 is 8, and is clipped to 1.
    let (control, norm, scaling) = run(1024.0, 1.0, [8.0, 0.0]);
    assert!(norm == 8.0 && (control[0] * 64.0 - 1.0).abs() < 1e-5 && control[1] == 1.0, "{control:?} {norm}");
    assert_eq!(scaling, [8.0, 1.0]);
    // A norm of 0.5 is left alone but for the scale.
    assert_eq!(run(4.0, 1.0, [8.0, 1.0]), (vec![0.125, 1.0], 0.5, vec![8.0, 2.0]));
    assert_eq!(run(4.0, 1.0, [8.0, 2.0]).2, [16.0, 0.0]);
    for (sums, loss) in [(f32::INFINITY, 1.0), (f32::NAN, 1.0), (1.0, f32::NAN)] {
        let (control, norm, scaling) = run(sums, loss, [8.0, 2.0]);
        assert!(control == [0.0, 0.0] && norm.is_nan() && scaling == [4.0, 0.0], "{control:?} {norm} {scaling:?}");
    }
    assert_eq!(run(f32::NAN, 1.0, [1.0, 2.0]).2, [1.0, 0.0], "never below 1");
    assert_eq!(run(1.0, 1.0, [16777216.0, 2.0]).2, [16777216.0, 0.0], "nor without bound");
}
