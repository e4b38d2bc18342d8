//! space_to_depth: blocks of pixels become channels, as pixel_unshuffle.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, space_to_depth::SpaceToDepth};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "space_to_depth";

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        let cases =
            [(1, 1, 1, 1, 1), (1, 3, 5, 7, 2), (2, 1, 1, 1, 1), (2, 1, 17, 15, 1), (3, 2, 5, 3, 7), (4, 1, 3, 2, 4)];
        cases.iter().map(|&(r, n, h, w, c)| (r, vec![rng.tensor([n, h * r, w * r, c])])).collect()
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let r = rng.range(1, 3);
        let (n, h, w, c) = (rng.range(1, 2), rng.range(1, 4), rng.range(1, 4), rng.range(1, 3));
        (r, vec![rng.tensor([n, h * r, w * r, c])])
    }

    fn op(&block: &usize) -> OpRef {
        Arc::new(SpaceToDepth { block })
    }

    fn reference(&r: &usize, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let [n, h, w, c] = x.shape[..] else { panic!("rank 4") };
        let mut y = Array::zeros(&[n, h / r, w / r, c * r * r]);
        Array::from_fn(&x.shape, |at| {
            let (row, column, channel) = (at[1], at[2], at[3]);
            let to = [at[0], row / r, column / r, channel * r * r + (row % r) * r + column % r];
            let place = y.at(&to);
            y.data[place] = x.get(at);
            0.0
        });
        vec![Expected::exact(y)]
    }
}

#[test]
fn space_to_depth() {
    check::<Spec>();
}

#[test]
fn space_to_depth_refuses_what_does_not_divide() {
    refuses(
        &SpaceToDepth { block: 2 },
        &[TensorType::f32([1, 3, 4, 5])],
        "space_to_depth 'node': x: expected (N, H, W, C), height and width divisible by 2 (1 to 256), got f32(1, 3, 4, 5)",
    );
    refuses(&SpaceToDepth { block: 0 }, &[TensorType::f32([1, 4, 4, 4])], "got f32(1, 4, 4, 4)");
    refuses(&SpaceToDepth { block: 2 }, &[TensorType::f32([4, 4])], "got f32(4, 4)");
}
