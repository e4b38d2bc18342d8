//! group_norm: statistics of each picture's groups of channels.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::segments::{Sets, gradients_agree, normalised};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::group_norm::GroupNorm;
use wgvision::ops::{Activation, OpRef};
use wgvision::tensor::Tensor;

struct Spec;

/// Drawn until nothing that is rectified lies at the kink, where differences mean nothing. Large cases are not differentiated.
fn case(rng: &mut Rng, shape: &[usize], op: GroupNorm) -> (GroupNorm, Vec<Tensor>) {
    let c = *shape.last().expect("rank 2 or 4");
    let inputs = loop {
        let mut inputs = vec![rng.tensor_in(shape, -0.7, 1.3)];
        if op.affine {
            inputs.extend([rng.tensor([c]), rng.tensor([c])]);
        }
        let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
        let plain = Spec::reference(&GroupNorm { activation: Activation::None, ..op }, &arrays);
        let near = plain[0].value.data.iter().any(|v| v.abs() < 1e-3);
        if op.activation == Activation::None || arrays[0].data.len() > 600 || !near {
            break inputs;
        }
    };
    (op, inputs)
}

fn any_activation(rng: &mut Rng) -> Activation {
    rng.pick(&[Activation::None, Activation::Relu, Activation::Leaky(0.1)])
}

impl OpSpec for Spec {
    type Attrs = GroupNorm;
    const NAME: &'static str = "group_norm";

    fn boundary(rng: &mut Rng) -> Vec<(GroupNorm, Vec<Tensor>)> {
        let shapes: [(&[usize], usize); 12] = [
            (&[1, 1, 1, 2], 1),
            (&[1, 16, 16, 1], 1),
            (&[2, 255, 1, 4], 2),
            (&[1, 1, 257, 6], 3),
            (&[3, 31, 37, 12], 4),
            (&[2, 7, 5, 64], 32),
            (&[1, 3, 5, 130], 13),
            (&[5, 257], 1),
            (&[301, 512], 2),
            (&[2, 90, 70, 10], 5),
            (&[2, 67, 31, 24], 3),
            (&[2, 9, 1, 256], 32),
        ];
        // Two elements over their spread are signs: only a wide eps gives them a gradient to compare.
        let eps = |s: &[usize]| if *s == [1, 1, 1, 2] { 0.5 } else { 1e-3 };
        let activations = [Activation::None, Activation::Relu, Activation::Leaky(0.1)];
        let mut cases = Vec::new();
        for (i, &(shape, groups)) in shapes.iter().enumerate() {
            for affine in [true, false] {
                let activation = activations[(i + usize::from(affine)) % 3];
                cases.push(case(rng, shape, GroupNorm { groups, eps: eps(shape), affine, activation }));
            }
        }
        let plain = GroupNorm { groups: 2, eps: 1e-5, affine: true, activation: Activation::None };
        let (attrs, mut far) = case(rng, &[2, 30, 20, 6], plain);
        far[0] = rng.tensor_in([2, 30, 20, 6], 998.3, 1001.7);
        cases.push((attrs, far));
        cases
    }

    fn random(rng: &mut Rng) -> (GroupNorm, Vec<Tensor>) {
        let (groups, per) = (rng.range(1, 3), rng.range(1, 4));
        let eps = rng.pick(&[1e-5, 1e-3, 0.1]);
        let op = GroupNorm { groups, eps, affine: rng.coin(), activation: any_activation(rng) };
        if rng.range(0, 4) == 0 {
            let shape = [rng.range(1, 5), groups * (per + 5)];
            return case(rng, &shape, op);
        }
        let shape = [rng.range(1, 3), rng.range(2, 5), rng.range(3, 5), groups * per];
        case(rng, &shape, op)
    }

    fn op(attrs: &GroupNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &GroupNorm, inputs: &[Array]) -> Vec<Expected> {
        let mut made = normalised(inputs, &sets(attrs, &inputs[0]), attrs.eps);
        let slope = leak(attrs);
        for value in made[0].value.data.iter_mut().filter(|v| **v <= 0.0) {
            *value *= slope;
        }
        made[0].terms += 2.0;
        made
    }

    fn gradient_through(_: &GroupNorm, output: usize) -> bool {
        output == 0
    }
}

/// What is normalised together.
fn sets(attrs: &GroupNorm, x: &Array) -> Sets {
    let (n, c) = (x.shape[0], *x.shape.last().expect("rank 2 or 4"));
    let image = |i: usize| i / (x.data.len() / n);
    let group = |i: usize| i % c / (c / attrs.groups);
    let all = 0..x.data.len();
    Sets {
        of: all.clone().map(|i| image(i) * attrs.groups + group(i)).collect(),
        weight: all.map(|i| i % c).collect(),
        shape: vec![n, attrs.groups],
    }
}

/// The slope below zero.
fn leak(attrs: &GroupNorm) -> f64 {
    match attrs.activation {
        Activation::Relu => 0.0,
        Activation::Leaky(slope) => f64::from(slope),
        _ => 1.0,
    }
}

#[test]
fn group_norm_passes_gradients_back_over_many_rows() {
    let mut rng = Rng::for_test("group_norm_rows");
    for (shape, groups) in [(&[2, 150, 140, 4][..], 1), (&[2, 150, 140, 6], 3), (&[9000, 4], 2)] {
        for activation in [Activation::None, Activation::Relu, Activation::Leaky(0.1)] {
            let op = GroupNorm { groups, eps: 1e-3, affine: true, activation };
            let (op, inputs) = case(&mut rng, shape, op);
            let x = Array::from_tensor(&inputs[0]);
            gradients_agree(Arc::new(op), &inputs, &sets(&op, &x), op.eps, leak(&op));
        }
    }
}

#[test]
fn group_norm() {
    check::<Spec>();
}

#[test]
fn group_norm_refuses_what_does_not_fit() {
    let refused = |groups, shapes: &[&[usize]]| {
        let tensors: Vec<Tensor> = shapes.iter().map(|s| Tensor::full(*s, 1.0)).collect();
        let op = GroupNorm { groups, eps: 1e-5, affine: shapes.len() > 1, activation: Activation::None };
        run_op(gpu(), Arc::new(op), &tensors.iter().collect::<Vec<_>>()).expect_err("refused").to_string()
    };
    let groups = refused(4, &[&[1, 2, 2, 6]]);
    assert!(groups.contains("num_groups: expected a divisor of the 6 channels, got 4"), "{groups}");
    let weight = refused(2, &[&[1, 2, 2, 6], &[5], &[6]]);
    assert!(weight.contains("weight: expected f32(6), got f32(5)"), "{weight}");
    let rank = refused(1, &[&[2, 2, 6]]);
    assert!(rank.contains("x: expected f32(N, H, W, C) or f32(N, C)"), "{rank}");
    for activation in [Activation::Silu, Activation::Leaky(0.0), Activation::Leaky(f32::NAN)] {
        let op = GroupNorm { groups: 1, eps: 1e-5, affine: false, activation };
        let message =
            run_op(gpu(), Arc::new(op), &[&Tensor::full([1, 2, 2, 2], 1.0)]).expect_err("refused").to_string();
        assert!(message.contains("activation must be none, ReLU or leaky ReLU"), "{message}");
    }
}
