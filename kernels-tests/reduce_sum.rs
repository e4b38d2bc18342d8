//! reduce_sum: sums and means over dimensions.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, reduce_sum::ReduceSum};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

fn case(rng: &mut Rng, shape: &[usize], dims: &[usize], mean: bool) -> (ReduceSum, Vec<Tensor>) {
    (ReduceSum { dims: dims.to_vec(), keepdim: rng.coin(), mean }, vec![rng.tensor(shape)])
}

impl OpSpec for Spec {
    type Attrs = ReduceSum;
    const NAME: &'static str = "reduce_sum";
    const RANDOM: usize = 40;

    fn boundary(rng: &mut Rng) -> Vec<(ReduceSum, Vec<Tensor>)> {
        vec![
            case(rng, &[1], &[0], false),
            case(rng, &[255], &[0], true),
            case(rng, &[256], &[0], false),
            case(rng, &[257], &[0], false),
            case(rng, &[65537], &[0], true),
            case(rng, &[65536], &[0], false),
            case(rng, &[2, 31, 33, 5], &[0, 1, 2], false),
            case(rng, &[2, 31, 33, 8], &[0, 1, 2], true),
            case(rng, &[2, 31, 33, 8], &[2, 1], true),
            case(rng, &[3, 129, 260], &[2], false),
            case(rng, &[3, 7, 5, 9], &[1, 3], false),
            case(rng, &[70, 20000], &[0], false),
            case(rng, &[3, 5], &[], true),
        ]
    }

    fn random(rng: &mut Rng) -> (ReduceSum, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 5)).map(|_| rng.range(1, 4)).collect();
        let dims: Vec<usize> = (0..shape.len()).rev().filter(|_| rng.coin()).collect();
        let mean = rng.coin();
        case(rng, &shape, &dims, mean)
    }

    fn op(attrs: &ReduceSum) -> OpRef {
        Arc::new(attrs.clone())
    }

    fn reference(r: &ReduceSum, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let reduced = |d: usize| r.dims.contains(&d);
        let kept: Vec<usize> = (0..x.shape.len()).map(|d| if reduced(d) { 1 } else { x.shape[d] }).collect();
        let terms: usize = r.dims.iter().map(|&d| x.shape[d]).product();
        let scale = if r.mean { 1.0 / terms as f64 } else { 1.0 };
        let (mut sum, mut magnitude) = (Array::zeros(&kept), Array::zeros(&kept));
        Array::from_fn(&x.shape, |index| {
            let to: Vec<usize> = index.iter().enumerate().map(|(d, &i)| if reduced(d) { 0 } else { i }).collect();
            let at = sum.at(&to);
            sum.data[at] += scale * x.get(index);
            magnitude.data[at] += scale * x.get(index).abs();
            0.0
        });
        if !r.keepdim {
            sum.shape = (0..kept.len()).filter(|&d| !reduced(d)).map(|d| kept[d]).collect();
        }
        // Chunked sums: far fewer roundings on a path than terms.
        vec![Expected::sum(sum, magnitude.data, terms.min(200))]
    }
}

#[test]
fn reduce_sum() {
    check::<Spec>();
}

#[test]
fn reduce_sum_refuses_wrong_dimensions() {
    let op = |dims: &[usize]| ReduceSum { dims: dims.to_vec(), keepdim: false, mean: false };
    let x = TensorType::f32([2, 3]);
    refuses(
        &op(&[2]),
        std::slice::from_ref(&x),
        "reduce_sum 'node': dim: expected dimensions of f32(2, 3), each once, got [2]",
    );
    refuses(&op(&[1, 1]), &[x], "got [1, 1]");
    refuses(&op(&[0]), &[TensorType::u32([2, 3])], "x: expected f32");
}
