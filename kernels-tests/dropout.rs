//! dropout: zeros with probability p, the rest scaled to keep the mean.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, dropout::Dropout};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// The PCG hash of Jarzynski and Olano (2020): one step of the linear generator, then its output permutation RXS-M-XS.
fn pcg(input: u64) -> u64 {
    let modulus = 1u64 << 32;
    let state = (input * 747_796_405 + 2_891_336_453) % modulus;
    let shift = (state >> 28) + 4;
    let word = ((state >> shift) ^ state) * 277_803_737 % modulus;
    (word >> 22) ^ word
}

fn random(seed: u32, step: u64, node: u32, index: u64) -> f64 {
    let hash = [u64::from(seed), step, u64::from(node), index].into_iter().fold(0, |h, counter| pcg(counter ^ h));
    (hash >> 8) as f64 / (1u64 << 24) as f64
}

fn case(rng: &mut Rng, shape: &[usize], p: f32) -> (Dropout, Vec<Tensor>) {
    let attrs = Dropout { p, seed: rng.bits() as u32, node: rng.range(0, 100) as u32 };
    (attrs, vec![rng.tensor(shape), Tensor::u32([1], vec![rng.bits() as u32])])
}

impl OpSpec for Spec {
    type Attrs = Dropout;
    const NAME: &'static str = "dropout";

    fn boundary(rng: &mut Rng) -> Vec<(Dropout, Vec<Tensor>)> {
        let cases: [(&[usize], f32); 7] = [
            (&[1], 0.0),
            (&[255], 0.5),
            (&[256], 0.1),
            (&[257], 0.9),
            (&[300], 1.0),
            (&[2, 13, 7, 5], 0.3),
            (&[3, 1031], 0.7),
        ];
        cases.iter().map(|&(shape, p)| case(rng, shape, p)).collect()
    }

    fn random(rng: &mut Rng) -> (Dropout, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        let p = rng.float(0.0, 0.9);
        case(rng, &shape, p)
    }

    fn op(attrs: &Dropout) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(d: &Dropout, inputs: &[Array]) -> Vec<Expected> {
        let step = inputs[1].data[0] as u64;
        let keep = |i: usize| random(d.seed, step, d.node, i as u64) >= f64::from(d.p);
        let scale = 1.0 / (1.0 - f64::from(d.p));
        let element = |(i, x): (usize, &f64)| if keep(i) { scale * x } else { 0.0 };
        let data = inputs[0].data.iter().enumerate().map(element).collect();
        vec![Expected::exact(Array { shape: inputs[0].shape.clone(), data })]
    }
}

#[test]
fn dropout() {
    check::<Spec>();
}

#[test]
fn dropout_drops_its_share_and_changes_with_every_counter() {
    let n = 40_000;
    let ones = Tensor::full([n], 1.0);
    let mask = |seed: u32, step: u32, node: u32| -> Vec<bool> {
        let op = Arc::new(Dropout { p: 0.3, seed, node });
        let y = run_op(gpu(), op, &[&ones, &Tensor::u32([1], vec![step])]).expect("runs").remove(0);
        y.as_f32().iter().map(|&v| v > 0.0).collect()
    };
    let first = mask(1, 2, 3);
    for other in [mask(2, 2, 3), mask(1, 3, 3), mask(1, 2, 4)] {
        let kept = other.iter().filter(|&&k| k).count() as f64 / n as f64;
        let agree = first.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / n as f64;
        // Five standard deviations of independent draws.
        assert!((kept - 0.7).abs() < 0.0115, "kept {kept}");
        assert!((agree - 0.58).abs() < 0.0125, "agree in {agree}");
    }
}

#[test]
fn dropout_refuses_wrong_probabilities_and_steps() {
    let (x, step) = (TensorType::f32([3]), TensorType::u32([1]));
    let op = |p| Dropout { p, seed: 0, node: 0 };
    refuses(&op(1.5), &[x.clone(), step.clone()], "dropout: 'node': p must lie in [0, 1], got 1.5");
    refuses(&op(f32::NAN), &[x.clone(), step], "got NaN");
    refuses(&op(0.5), &[x, TensorType::u32([2])], "dropout 'node': step: expected u32(1), got u32(2)");
}
