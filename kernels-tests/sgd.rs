//! sgd: a step with and without momentum, PyTorch's order of weight decay.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, sgd::Sgd};
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: &[usize]) -> (Sgd, Vec<Tensor>) {
    let op =
        Sgd { momentum: rng.pick(&[0.0, 0.5, 0.9]), nesterov: rng.coin(), weight_decay: rng.pick(&[0.0, 1e-4, 0.2]) };
    let mut inputs = vec![rng.tensor(shape), rng.tensor(shape)];
    if op.momentum != 0.0 {
        inputs.push(rng.tensor(shape));
    }
    let (clip, finite, lr) = (rng.float(0.1, 1.0), rng.pick(&[1.0, 1.0, 1.0, 0.0]), rng.pick(&[1e-3, 0.1]));
    inputs.push(Tensor::f32([8], vec![clip, finite, lr, 0.0, 0.0, 0.0, 0.0, 0.0]));
    (op, inputs)
}

impl OpSpec for Spec {
    type Attrs = Sgd;
    const NAME: &'static str = "sgd";
    const RANDOM: usize = 32;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(Sgd, Vec<Tensor>)> {
        let shapes: [&[usize]; 7] = [&[1], &[255], &[256], &[257], &[3, 3, 5, 7], &[1, 1, 1, 1], &[3, 1031]];
        shapes.into_iter().map(|s| case(rng, s)).collect()
    }

    fn random(rng: &mut Rng) -> (Sgd, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 3), rng.range(1, 9), rng.range(1, 9)];
        case(rng, &shape)
    }

    fn op(op: &Sgd) -> OpRef {
        Arc::new(*op)
    }

    fn reference(op: &Sgd, inputs: &[Array]) -> Vec<Expected> {
        let (param, grad, control) = (&inputs[0], &inputs[1], inputs.last().expect("given"));
        let [clip, finite, lr] = [0, 1, 2].map(|i| control.data[i]);
        let (momentum, decay) = (f64::from(op.momentum), f64::from(op.weight_decay));
        let mut new = param.clone();
        let mut buffer = (op.momentum != 0.0).then(|| inputs[2].clone());
        let (mut size, mut buffer_size) = (vec![2.0; param.data.len()], vec![2.0; param.data.len()]);
        for i in 0..param.data.len() {
            if finite == 0.0 {
                break;
            }
            let g = clip * grad.data[i] + decay * param.data[i];
            let mut direction = g;
            if let Some(b) = &mut buffer {
                b.data[i] = momentum * b.data[i] + g;
                direction = if op.nesterov { g + momentum * b.data[i] } else { b.data[i] };
            }
            new.data[i] -= lr * direction;
            // Every input is below 1 in size, so its terms are.
            (size[i], buffer_size[i]) = (param.data[i].abs() + 4.0 * lr, 3.0);
        }
        let new = Expected::sum(new, size, 2);
        std::iter::once(new).chain(buffer.map(|b| Expected::sum(b, buffer_size, 2))).collect()
    }
}

#[test]
fn sgd() {
    check::<Spec>();
}

#[test]
fn sgd_refuses_a_missing_buffer() {
    let (a, c) = (Tensor::full([3], 0.5), Tensor::full([8], 0.5));
    let op = Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let why = run_op(gpu(), Arc::new(op), &[&a, &a, &c]).expect_err("refused").to_string();
    assert!(why.contains("inputs: expected param, grad, buffer and control, got 3"), "{why}");
}
