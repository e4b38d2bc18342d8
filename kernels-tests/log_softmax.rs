//! log_softmax: log of softmax along a dimension.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, log_softmax::LogSoftmax};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "log_softmax";

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        let cases: [(usize, &[usize]); 12] = [
            (0, &[1]),
            (0, &[255]),
            (0, &[256]),
            (0, &[257]),
            (1, &[256, 3]),
            (1, &[257, 5]),
            (1, &[255, 1]),
            (1, &[3, 1031]),
            (1, &[2, 300, 5]),
            (3, &[2, 13, 7, 21]),
            (1, &[2, 13, 7, 5]),
            (0, &[2, 13, 7, 5]),
        ];
        cases.iter().map(|&(dim, shape)| (dim, vec![rng.tensor_in(shape, -4.0, 4.0)])).collect()
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        (rng.range(0, shape.len() - 1), vec![rng.tensor_in(shape, -4.0, 4.0)])
    }

    fn op(&dim: &usize) -> OpRef {
        Arc::new(LogSoftmax { dim })
    }

    fn reference(&dim: &usize, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let row = |index: &[usize]| -> Vec<f64> {
            let mut index = index.to_vec();
            let element = |k: usize| {
                index[dim] = k;
                x.get(&index)
            };
            (0..x.shape[dim]).map(element).collect()
        };
        let largest = |i: &[usize]| row(i).into_iter().fold(f64::MIN, f64::max);
        let value = Array::from_fn(&x.shape, |i| {
            let m = largest(i);
            x.get(i) - m - row(i).iter().map(|v| (v - m).exp()).sum::<f64>().ln()
        });
        // x - m and the logarithm are both as large as the row is wide.
        let magnitude = Array::from_fn(&x.shape, |i| x.get(i).abs() + largest(i).abs() + 1.0);
        vec![Expected::sum(value, magnitude.data, 0).wider(16.0)]
    }
}

#[test]
fn log_softmax() {
    check::<Spec>();
}

#[test]
fn log_softmax_refuses_what_has_no_such_dimension() {
    refuses(
        &LogSoftmax { dim: 2 },
        &[TensorType::f32([3, 4])],
        "log_softmax 'node': x: expected an f32 tensor with a dimension 2",
    );
    refuses(&LogSoftmax { dim: 0 }, &[TensorType::i32([3, 4])], "got i32(3, 4)");
}
