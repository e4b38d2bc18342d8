//! gather_channels: y[m, h, w] = x[m, h, w, index[m]].

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, gather_channels::GatherChannels};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Indices reach over both ends now and then.
fn case(rng: &mut Rng, shape: [usize; 4]) -> ((), Vec<Tensor>) {
    ((), vec![rng.tensor(shape), rng.indices([shape[0]], -2, shape[3] as i32 + 2)])
}

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "gather_channels";

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        [[1, 1, 1, 1], [5, 16, 16, 3], [2, 15, 17, 4], [1, 1, 257, 7], [7, 28, 28, 91], [31, 3, 2, 5]]
            .map(|shape| case(rng, shape))
            .into()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape = [rng.range(1, 6), rng.range(1, 4), rng.range(1, 4), rng.range(1, 6)];
        case(rng, shape)
    }

    fn op(_: &()) -> OpRef {
        Arc::new(GatherChannels)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let (x, index) = (&inputs[0], &inputs[1]);
        let shape = [x.shape[0], x.shape[1], x.shape[2], 1];
        vec![Expected::exact(Array::from_fn(&shape, |at| {
            let channel = index.get(&at[..1]);
            let outside = channel < 0.0 || channel >= x.shape[3] as f64;
            if outside { 0.0 } else { x.get(&[at[0], at[1], at[2], channel as usize]) }
        }))]
    }
}

#[test]
fn gather_channels() {
    check::<Spec>();
}

#[test]
fn gather_channels_refuses_what_it_cannot_use() {
    let x = TensorType::f32([2, 5, 5, 3]);
    let message = "gather_channels 'node': index: expected i32(2), got i32(3)";
    refuses(&GatherChannels, &[x.clone(), TensorType::i32([3])], message);
    refuses(&GatherChannels, &[TensorType::f32([2, 5]), TensorType::i32([2])], "x: expected f32(M, H, W, C)");
    refuses(&GatherChannels, &[x], "inputs: expected x and index, got 1");
}
