//! local_response_norm: x / (k + alpha / size * sum of x^2 over neighbouring channels)^beta.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, local_response_norm::LocalResponseNorm};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = LocalResponseNorm;
    const NAME: &'static str = "local_response_norm";
    const GRADIENT_ROUNDINGS: f64 = 64.0;

    fn boundary(rng: &mut Rng) -> Vec<(LocalResponseNorm, Vec<Tensor>)> {
        // Elements around the workgroup; windows of one channel, even ones, and wider than there are channels.
        let cases = [
            ([1, 1, 1, 1], 1),
            ([1, 1, 1, 1], 5),
            ([1, 5, 17, 3], 2),
            ([1, 4, 8, 8], 8),
            ([1, 1, 257, 1], 3),
            ([1, 3, 5, 17], 40),
            ([2, 13, 7, 5], 5),
            ([1, 2, 3, 96], 5),
        ];
        let op = |size| LocalResponseNorm { size, alpha: 1e-4, beta: 0.75, k: 2.0 };
        cases.map(|(shape, size)| (op(size), vec![rng.tensor_in(shape, -30.0, 30.0)])).into()
    }

    fn random(rng: &mut Rng) -> (LocalResponseNorm, Vec<Tensor>) {
        let shape = [rng.range(1, 2), rng.range(1, 4), rng.range(1, 4), rng.range(1, 9)];
        let op = LocalResponseNorm {
            size: rng.range(1, 7),
            alpha: rng.float(0.0, 2.0),
            beta: rng.pick(&[0.5, 0.75, 1.0, -0.5, 2.0]),
            k: rng.float(0.3, 3.0),
        };
        (op, vec![rng.tensor_in(shape, -2.0, 2.0)])
    }

    fn op(attrs: &LocalResponseNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &LocalResponseNorm, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let channels = x.shape[3] as i64;
        let value = Array::from_fn(&x.shape, |at| {
            let first = at[3] as i64 - (op.size / 2) as i64;
            let window = (first..first + op.size as i64).filter(|c| (0..channels).contains(c));
            let squares: f64 = window.map(|c| x.get(&[at[0], at[1], at[2], c as usize]).powi(2)).sum();
            let mean = squares / op.size as f64;
            x.get(at) / (f64::from(op.k) + f64::from(op.alpha) * mean).powf(f64::from(op.beta))
        });
        // The sum is of squares, so nothing cancels; the power adds the roundings of a logarithm and an exponential.
        let magnitude = value.data.iter().map(|v| v.abs()).collect();
        vec![Expected::sum(value, magnitude, op.size).wider(16.0)]
    }
}

#[test]
fn local_response_norm() {
    check::<Spec>();
}

#[test]
fn local_response_norm_refuses_what_it_cannot_use() {
    let op = LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 };
    refuses(&op, &[TensorType::f32([3])], "local_response_norm 'node': x: expected f32 of rank 4, got f32(3)");
    let picture = [TensorType::f32([1, 2, 2, 3])];
    refuses(&LocalResponseNorm { size: 0, ..op }, &picture, "size must be at least 1");
    refuses(&LocalResponseNorm { k: 0.0, ..op }, &picture, "k must be positive, got 0");
    refuses(&LocalResponseNorm { alpha: f32::NAN, ..op }, &picture, "alpha must not be negative");
}
