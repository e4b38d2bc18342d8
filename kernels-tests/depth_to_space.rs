//! depth_to_space: channels become blocks of pixels, as pixel_shuffle.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, depth_to_space::DepthToSpace};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "depth_to_space";

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        let cases =
            [(1, 1, 1, 1, 1), (1, 3, 5, 7, 2), (2, 1, 1, 1, 1), (2, 1, 17, 15, 1), (3, 2, 5, 3, 7), (4, 1, 3, 2, 4)];
        cases.iter().map(|&(r, n, h, w, c)| (r, vec![rng.tensor([n, h, w, c * r * r])])).collect()
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let r = rng.range(1, 3);
        let (n, h, w, c) = (rng.range(1, 2), rng.range(1, 4), rng.range(1, 4), rng.range(1, 3));
        (r, vec![rng.tensor([n, h, w, c * r * r])])
    }

    fn op(&block: &usize) -> OpRef {
        Arc::new(DepthToSpace { block })
    }

    fn reference(&r: &usize, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let [n, h, w, c] = x.shape[..] else { panic!("rank 4") };
        vec![Expected::exact(Array::from_fn(&[n, h * r, w * r, c / (r * r)], |at| {
            let (row, column, channel) = (at[1], at[2], at[3]);
            x.get(&[at[0], row / r, column / r, channel * r * r + (row % r) * r + column % r])
        }))]
    }
}

#[test]
fn depth_to_space() {
    check::<Spec>();
}

#[test]
fn depth_to_space_refuses_what_does_not_divide() {
    refuses(
        &DepthToSpace { block: 2 },
        &[TensorType::f32([1, 3, 4, 5])],
        "depth_to_space 'node': x: expected (N, H, W, C), channels divisible by 4 (block of 1 to 256), got f32(1, 3, 4, 5)",
    );
    refuses(&DepthToSpace { block: 0 }, &[TensorType::f32([1, 4, 4, 4])], "got f32(1, 4, 4, 4)");
    refuses(&DepthToSpace { block: 2 }, &[TensorType::f32([4, 4])], "got f32(4, 4)");
}
