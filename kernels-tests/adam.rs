//! adam, and what adamw shares with it: a step from the papers' equations, PyTorch's order of weight decay.

use crate::harness::{Array, Expected, OpSpec, Rng, check};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, adam::Adam};
use wgvision::tensor::Tensor;

/// Adam, or with `DECOUPLED` AdamW.
pub struct Spec<const DECOUPLED: bool>;

/// Clip factor, finite, and the rates of step `t`.
fn control(op: &Adam, clip: f32, finite: f32, lr: f64, t: i32) -> Tensor {
    let step = lr / (1.0 - op.beta1.powi(t));
    let scale = 1.0 / (1.0 - op.beta2.powi(t)).sqrt();
    Tensor::f32([8], vec![clip, finite, lr as f32, step as f32, scale as f32, 0.0, 0.0, 0.0])
}

fn case(rng: &mut Rng, shape: &[usize], decoupled: bool) -> (Adam, Vec<Tensor>) {
    let op = Adam {
        beta1: rng.pick(&[0.9, 0.5, 0.0]),
        beta2: rng.pick(&[0.999, 0.9]),
        eps: rng.pick(&[1e-8, 1e-3]),
        weight_decay: rng.pick(&[0.0, 0.01, 0.3]),
        decoupled,
    };
    let lr = f64::from(rng.pick(&[1e-3f32, 0.1]));
    let (clip, finite) = (rng.float(0.1, 1.0), rng.pick(&[1.0, 1.0, 1.0, 0.0]));
    let t = rng.range(1, 50) as i32;
    let control = control(&op, clip, finite, lr, t);
    let inputs = vec![rng.tensor(shape), rng.tensor(shape), rng.tensor(shape), rng.tensor_in(shape, 0.0, 1.0), control];
    (op, inputs)
}

impl<const DECOUPLED: bool> OpSpec for Spec<DECOUPLED> {
    type Attrs = Adam;
    const NAME: &'static str = if DECOUPLED { "adamw" } else { "adam" };
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(Adam, Vec<Tensor>)> {
        let shapes: [&[usize]; 7] = [&[1], &[255], &[256], &[257], &[3, 3, 5, 7], &[1, 1, 1, 1], &[3, 1031]];
        shapes.into_iter().map(|s| case(rng, s, DECOUPLED)).collect()
    }

    fn random(rng: &mut Rng) -> (Adam, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 3), rng.range(1, 9), rng.range(1, 9)];
        case(rng, &shape, DECOUPLED)
    }

    fn op(op: &Adam) -> OpRef {
        Arc::new(*op)
    }

    fn reference(op: &Adam, inputs: &[Array]) -> Vec<Expected> {
        let [param, grad, m, v, control] = inputs else { unreachable!() };
        let (b1, b2) = (op.beta1, op.beta2);
        let (eps, decay) = (f64::from(op.eps), f64::from(op.weight_decay));
        let [clip, finite, lr, step, scale] = [0, 1, 2, 3, 4].map(|i| control.data[i]);
        let mut out = [param.clone(), m.clone(), v.clone()];
        let mut size = out.clone().map(|a| a.data.iter().map(|v| v.abs()).collect::<Vec<_>>());
        if finite == 1.0 {
            for (i, &old) in param.data.iter().enumerate() {
                let mut p = old;
                let mut g = clip * grad.data[i];
                let mut g_size = g.abs();
                if op.decoupled {
                    p -= lr * decay * p;
                } else {
                    g += decay * p;
                    g_size += (decay * p).abs();
                }
                let m = b1 * m.data[i] + (1.0 - b1) * g;
                let m_size = inputs[2].data[i].abs() + g_size;
                let v = b2 * v.data[i] + (1.0 - b2) * g * g;
                let v_size = b2 * inputs[3].data[i] + (1.0 - b2) * g_size * g_size;
                let denominator = v.sqrt() * scale + eps;
                out[0].data[i] = p - step * m / denominator;
                (out[1].data[i], out[2].data[i]) = (m, v);
                size[0][i] = p.abs() + step * m_size / denominator * (v_size / v.max(1e-30));
                (size[1][i], size[2][i]) = (m_size, v_size);
            }
        }
        out.into_iter().zip(size).map(|(value, size)| Expected::sum(value, size, 8)).collect()
    }
}

#[test]
fn adam() {
    check::<Spec<false>>();
}

#[test]
fn adam_keeps_everything_when_the_gradient_is_broken() {
    let op = Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1, decoupled: false };
    let (kept, broken) = (Tensor::full([300], 0.5), Tensor::full([300], f32::NAN));
    let inputs = [&kept, &broken, &kept, &kept, &control(&op, 0.0, 0.0, 0.1, 3)];
    let out = run_op(crate::harness::gpu(), Arc::new(op), &inputs).expect("runs");
    assert!(out.iter().all(|t| *t == kept), "a NaN got through");
}

#[test]
fn adam_refuses_moments_of_another_shape() {
    let op = Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: true };
    let (a, b, c) = (Tensor::full([3], 0.5), Tensor::full([4], 0.5), Tensor::full([8], 0.5));
    let gpu = crate::harness::gpu();
    let why = run_op(gpu, Arc::new(op), &[&a, &a, &b, &a, &c]).expect_err("refused").to_string();
    assert!(why.contains("adamw") && why.contains("m: expected f32(3), got f32(4)"), "{why}");
    let why = run_op(gpu, Arc::new(op), &[&a, &a, &a, &a, &a]).expect_err("refused").to_string();
    assert!(why.contains("control: expected f32(8), got f32(3)"), "{why}");
}
