//! rmsprop: a step from the definition, PyTorch's order of weight decay and epsilon.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, rmsprop::RmsProp};
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: &[usize]) -> (RmsProp, Vec<Tensor>) {
    let op = RmsProp {
        alpha: rng.pick(&[0.99, 0.9, 0.5]),
        eps: rng.pick(&[1e-8, 1e-3]),
        momentum: rng.pick(&[0.0, 0.9]),
        weight_decay: rng.pick(&[0.0, 0.1]),
    };
    let (clip, finite, lr) = (rng.float(0.1, 1.0), rng.pick(&[1.0, 1.0, 1.0, 0.0]), rng.pick(&[1e-3, 0.1]));
    let control = Tensor::f32([8], vec![clip, finite, lr, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let square = rng.tensor_in(shape, 0.0, 1.0);
    (op, vec![rng.tensor(shape), rng.tensor(shape), square, rng.tensor(shape), control])
}

impl OpSpec for Spec {
    type Attrs = RmsProp;
    const NAME: &'static str = "rmsprop";
    const RANDOM: usize = 32;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(RmsProp, Vec<Tensor>)> {
        let shapes: [&[usize]; 7] = [&[1], &[255], &[256], &[257], &[3, 3, 5, 7], &[1, 1, 1, 1], &[3, 1031]];
        shapes.into_iter().map(|s| case(rng, s)).collect()
    }

    fn random(rng: &mut Rng) -> (RmsProp, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 3), rng.range(1, 9), rng.range(1, 9)];
        case(rng, &shape)
    }

    fn op(op: &RmsProp) -> OpRef {
        Arc::new(*op)
    }

    fn reference(op: &RmsProp, inputs: &[Array]) -> Vec<Expected> {
        let [clip, finite, lr] = [0, 1, 2].map(|i| inputs[4].data[i]);
        let (alpha, eps) = (op.alpha, f64::from(op.eps));
        let (momentum, decay) = (f64::from(op.momentum), f64::from(op.weight_decay));
        let mut out = [inputs[0].clone(), inputs[2].clone(), inputs[3].clone()];
        let mut size = out.clone().map(|a| a.data.iter().map(|v| v.abs()).collect::<Vec<_>>());
        for (i, &p) in inputs[0].data.iter().enumerate() {
            if finite == 0.0 {
                break;
            }
            let grad = inputs[1].data[i];
            let g = clip * grad + decay * p;
            let g_size = (clip * grad).abs() + (decay * p).abs();
            let square = alpha * inputs[2].data[i] + (1.0 - alpha) * g * g;
            let square_size = alpha * inputs[2].data[i] + (1.0 - alpha) * g_size * g_size;
            let root = square.sqrt() + eps;
            out[1].data[i] = square;
            out[2].data[i] = momentum * inputs[3].data[i] + g / root;
            out[0].data[i] = p - lr * out[2].data[i];
            size[1][i] = square_size;
            size[2][i] = (momentum * inputs[3].data[i]).abs() + g_size / root * (square_size / square.max(1e-30));
            size[0][i] = p.abs() + lr * size[2][i];
        }
        out.into_iter().zip(size).map(|(value, size)| Expected::sum(value, size, 8)).collect()
    }
}

#[test]
fn rmsprop() {
    check::<Spec>();
}

#[test]
fn rmsprop_refuses_integers_and_other_shapes() {
    let (a, b, c) = (Tensor::full([3], 0.5), Tensor::full([4], 0.5), Tensor::full([8], 0.5));
    let op = RmsProp { alpha: 0.9, eps: 1e-8, momentum: 0.0, weight_decay: 0.0 };
    let why = run_op(gpu(), Arc::new(op), &[&a, &a, &a, &b, &c]).expect_err("refused").to_string();
    assert!(why.contains("buffer: expected f32(3), got f32(4)"), "{why}");
    let whole = Tensor::i32([3], vec![0; 3]);
    let why = run_op(gpu(), Arc::new(op), &[&whole, &a, &a, &a, &c]).expect_err("refused").to_string();
    assert!(why.contains("param: expected f32"), "{why}");
}
