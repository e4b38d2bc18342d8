//! darknet_reorg: the order of elements of Darknet's reorg layer.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, darknet_reorg::DarknetReorg};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Position of an NCHW index in a flat buffer.
fn flat([_, c, h, w]: [usize; 4], [b, k, j, i]: [usize; 4]) -> usize {
    i + w * (j + h * (k + c * b))
}

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "darknet_reorg";

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        let cases: [(usize, [usize; 4]); 7] = [
            (1, [1, 1, 1, 1]),
            (1, [1, 5, 3, 257]),
            (2, [1, 2, 2, 4]),
            (2, [2, 26, 10, 8]),
            (2, [1, 4, 6, 64]),
            (3, [2, 6, 9, 9]),
            (4, [1, 4, 8, 16]),
        ];
        cases.iter().map(|&(stride, shape)| (stride, vec![rng.tensor(shape)])).collect()
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let s = rng.range(1, 2);
        let shape = [rng.range(1, 2), s * rng.range(1, 3), s * rng.range(1, 3), s * s * rng.range(1, 4)];
        (s, vec![rng.tensor(shape)])
    }

    fn op(&stride: &usize) -> OpRef {
        Arc::new(DarknetReorg { stride })
    }

    /// Channel k of the result holds, of the picture read as c / s^2 planes of h * s rows of w * s pixels, plane k mod (c / s^2)
    /// at the offset (k / (c / s^2)) within each block of s by s.
    fn reference(&s: &usize, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let [n, h, w, c] = x.shape[..] else { panic!("rank 4") };
        let mut source = vec![0.0; x.data.len()];
        Array::from_fn(&x.shape, |at| {
            source[flat([n, c, h, w], [at[0], at[3], at[1], at[2]])] = x.get(at);
            0.0
        });
        let planes = c / (s * s);
        let mut made = vec![0.0; source.len()];
        for (b, k, j, i) in
            (0..n).flat_map(|b| (0..c).flat_map(move |k| (0..h).flat_map(move |j| (0..w).map(move |i| (b, k, j, i)))))
        {
            let offset = k / planes;
            let from = [b, k % planes, j * s + offset / s, i * s + offset % s];
            made[flat([n, c, h, w], [b, k, j, i])] = source[flat([n, planes, h * s, w * s], from)];
        }
        let taken = [n, c * s * s, h / s, w / s];
        vec![Expected::exact(Array::from_fn(&[n, h / s, w / s, c * s * s], |at| {
            made[flat(taken, [at[0], at[3], at[1], at[2]])]
        }))]
    }
}

#[test]
fn darknet_reorg() {
    check::<Spec>();
}

#[test]
fn darknet_reorg_refuses_what_does_not_divide() {
    let message = "darknet_reorg 'node': x: expected (N, H, W, C), H and W divisible by the stride 2, C by 4, got f32(1, 4, 4, 6)";
    refuses(&DarknetReorg { stride: 2 }, &[TensorType::f32([1, 4, 4, 6])], message);
    refuses(&DarknetReorg { stride: 0 }, &[TensorType::f32([1, 4, 4, 4])], "got f32(1, 4, 4, 4)");
}
