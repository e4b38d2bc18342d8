//! instance_norm: statistics of each picture's channel.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::segments::{Sets, normalised};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::instance_norm::InstanceNorm;
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: [usize; 4], eps: f32, affine: bool) -> (InstanceNorm, Vec<Tensor>) {
    let mut inputs = vec![rng.tensor_in(shape, -0.7, 1.3)];
    if affine {
        inputs.extend([rng.tensor([shape[3]]), rng.tensor([shape[3]])]);
    }
    (InstanceNorm { eps, affine }, inputs)
}

impl OpSpec for Spec {
    type Attrs = InstanceNorm;
    const NAME: &'static str = "instance_norm";

    fn boundary(rng: &mut Rng) -> Vec<(InstanceNorm, Vec<Tensor>)> {
        let shapes = [[1, 255, 1, 1], [1, 16, 16, 1], [2, 1, 257, 3], [3, 31, 37, 5], [2, 3, 5, 257], [2, 90, 70, 4]];
        let cases = shapes.iter().flat_map(|&s| [(s, true), (s, false)]);
        cases.map(|(s, affine)| case(rng, s, 1e-5, affine)).collect()
    }

    fn random(rng: &mut Rng) -> (InstanceNorm, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(2, 6), rng.range(3, 6), rng.range(1, 4)];
        let (eps, affine) = (rng.pick(&[1e-5, 1e-3, 0.1]), rng.coin());
        case(rng, shape, eps, affine)
    }

    fn op(attrs: &InstanceNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &InstanceNorm, inputs: &[Array]) -> Vec<Expected> {
        let [n, h, w, c] = inputs[0].shape[..].try_into().expect("rank 4");
        let all = 0..n * h * w * c;
        let sets = Sets {
            of: all.clone().map(|i| i / (h * w * c) * c + i % c).collect(),
            weight: all.map(|i| i % c).collect(),
            shape: vec![n, c],
        };
        normalised(inputs, &sets, attrs.eps)
    }

    fn gradient_through(_: &InstanceNorm, output: usize) -> bool {
        output == 0
    }
}

#[test]
fn instance_norm() {
    check::<Spec>();
}

#[test]
fn instance_norm_refuses_what_does_not_fit() {
    let refused = |shapes: &[&[usize]]| {
        let tensors: Vec<Tensor> = shapes.iter().map(|s| Tensor::full(*s, 1.0)).collect();
        let op = InstanceNorm { eps: 1e-5, affine: shapes.len() > 1 };
        run_op(gpu(), Arc::new(op), &tensors.iter().collect::<Vec<_>>()).expect_err("refused").to_string()
    };
    let one = refused(&[&[2, 1, 1, 6]]);
    assert!(one.contains("x: expected more than one element for each channel"), "{one}");
    let bias = refused(&[&[1, 2, 2, 6], &[6], &[1]]);
    assert!(bias.contains("bias: expected f32(6), got f32(1)"), "{bias}");
    let rank = refused(&[&[2, 6]]);
    assert!(rank.contains("x: expected f32(N, H, W, C), got (2, 6)"), "{rank}");
}
