//! group_norm: statistics of each picture's groups of channels.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::segments::{Sets, normalised};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::group_norm::GroupNorm;
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: &[usize], groups: usize, eps: f32, affine: bool) -> (GroupNorm, Vec<Tensor>) {
    let c = *shape.last().expect("rank 2 or 4");
    let mut inputs = vec![rng.tensor_in(shape, -0.7, 1.3)];
    if affine {
        inputs.extend([rng.tensor([c]), rng.tensor([c])]);
    }
    (GroupNorm { groups, eps, affine }, inputs)
}

impl OpSpec for Spec {
    type Attrs = GroupNorm;
    const NAME: &'static str = "group_norm";

    fn boundary(rng: &mut Rng) -> Vec<(GroupNorm, Vec<Tensor>)> {
        let shapes: [(&[usize], usize); 10] = [
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
        ];
        let cases = shapes.iter().flat_map(|&(s, g)| [(s, g, true), (s, g, false)]);
        // Two elements over their spread are signs: only a wide eps gives them a gradient to compare.
        let eps = |s: &[usize]| if *s == [1, 1, 1, 2] { 0.5 } else { 1e-3 };
        let mut cases: Vec<_> = cases.map(|(s, g, affine)| case(rng, s, g, eps(s), affine)).collect();
        let (attrs, mut far) = case(rng, &[2, 30, 20, 6], 2, 1e-5, true);
        far[0] = rng.tensor_in([2, 30, 20, 6], 998.3, 1001.7);
        cases.push((attrs, far));
        cases
    }

    fn random(rng: &mut Rng) -> (GroupNorm, Vec<Tensor>) {
        let (groups, per) = (rng.range(1, 3), rng.range(1, 3));
        let eps = rng.pick(&[1e-5, 1e-3, 0.1]);
        let affine = rng.coin();
        if rng.range(0, 4) == 0 {
            let shape = [rng.range(1, 5), groups * (per + 5)];
            return case(rng, &shape, groups, eps, affine);
        }
        let shape = [rng.range(1, 3), rng.range(2, 5), rng.range(3, 5), groups * per];
        case(rng, &shape, groups, eps, affine)
    }

    fn op(attrs: &GroupNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &GroupNorm, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let (n, c) = (x.shape[0], *x.shape.last().expect("rank 2 or 4"));
        let image = |i: usize| i / (x.data.len() / n);
        let group = |i: usize| i % c / (c / attrs.groups);
        let all = 0..x.data.len();
        let sets = Sets {
            of: all.clone().map(|i| image(i) * attrs.groups + group(i)).collect(),
            weight: all.map(|i| i % c).collect(),
            shape: vec![n, attrs.groups],
        };
        normalised(inputs, &sets, attrs.eps)
    }

    fn gradient_through(_: &GroupNorm, output: usize) -> bool {
        output == 0
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
        let op = GroupNorm { groups, eps: 1e-5, affine: shapes.len() > 1 };
        run_op(gpu(), Arc::new(op), &tensors.iter().collect::<Vec<_>>()).expect_err("refused").to_string()
    };
    let groups = refused(4, &[&[1, 2, 2, 6]]);
    assert!(groups.contains("num_groups: expected a divisor of the 6 channels, got 4"), "{groups}");
    let weight = refused(2, &[&[1, 2, 2, 6], &[5], &[6]]);
    assert!(weight.contains("weight: expected f32(6), got f32(5)"), "{weight}");
    let rank = refused(1, &[&[2, 2, 6]]);
    assert!(rank.contains("x: expected f32(N, H, W, C) or f32(N, C)"), "{rank}");
}
