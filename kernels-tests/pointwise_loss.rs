//! What the losses of one term for each pair have in common: shapes, weights, reductions. The formula comes from each op's own file.

use crate::harness::{Array, Expected, OpSpec, Rng};
use std::marker::PhantomData;
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::pointwise_loss::{Formula, PointwiseLoss};
use wgvision::ops::{OpRef, Reduction};
use wgvision::tensor::Tensor;

/// One formula.
pub trait Term {
    /// The op's name.
    const NAME: &'static str;
    /// Roundings of one term: transcendentals widen it.
    const ROUNDINGS: f64;
    /// Only BCE has `pos_weight`.
    const POS_WEIGHT: bool = false;
    /// Random constants.
    fn formula(rng: &mut Rng) -> Formula;
    /// A prediction and a target away from the formula's kinks.
    fn pair(rng: &mut Rng, formula: Formula) -> (f32, f32);
    /// The loss of a pair, `p` being the weight of positive targets.
    fn value(formula: Formula, x: f64, t: f64, p: f64) -> f64;
}

/// The harness's view of a formula.
pub struct Spec<T>(PhantomData<T>);

fn case<T: Term>(rng: &mut Rng, shape: &[usize], loss: PointwiseLoss, map: bool) -> (PointwiseLoss, Vec<Tensor>) {
    let n = shape.iter().product();
    let (x, t) = (0..n).map(|_| T::pair(rng, loss.formula)).unzip();
    let mut inputs = vec![Tensor::f32(shape, x), Tensor::f32(shape, t)];
    let channels = *shape.last().expect("no scalars here");
    if loss.weight {
        let mut shape = shape.to_vec();
        if map {
            *shape.last_mut().expect("no scalars here") = 1;
        }
        inputs.push(rng.tensor_in(shape, 0.1, 3.0));
    }
    if loss.pos_weight {
        let n = rng.pick(&[1, channels]);
        inputs.push(rng.tensor_in([n], 0.2, 4.0));
    }
    (loss, inputs)
}

impl<T: Term> OpSpec for Spec<T> {
    type Attrs = PointwiseLoss;
    const NAME: &'static str = T::NAME;
    const RANDOM: usize = 32;

    fn boundary(rng: &mut Rng) -> Vec<(PointwiseLoss, Vec<Tensor>)> {
        let shapes: [&[usize]; 12] = [
            &[1],
            &[255],
            &[256],
            &[257],
            &[4095],
            &[4096],
            &[4097],
            &[2, 3, 5, 7],
            &[3, 1031],
            &[1, 1, 1, 1],
            &[2, 67, 41, 3],
            &[131, 8011],
        ];
        let mut cases = Vec::new();
        for (i, shape) in shapes.into_iter().enumerate() {
            let reduction = [Reduction::Mean, Reduction::Sum, Reduction::None][i % 3];
            let loss = PointwiseLoss::new(T::formula(rng)).reduced(reduction);
            let loss = PointwiseLoss { weight: i % 2 == 1, pos_weight: T::POS_WEIGHT && i % 4 < 2, ..loss };
            cases.push(case::<T>(rng, shape, loss, i % 4 == 3));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (PointwiseLoss, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 6), rng.range(1, 6), rng.range(1, 4)];
        let reduction = rng.pick(&[Reduction::Mean, Reduction::Sum, Reduction::None]);
        let loss = PointwiseLoss {
            formula: T::formula(rng),
            reduction,
            weight: rng.coin(),
            pos_weight: T::POS_WEIGHT && rng.coin(),
        };
        let map = rng.coin();
        let dropped = rng.range(0, 2);
        case::<T>(rng, &shape[dropped..], loss, map)
    }

    fn op(loss: &PointwiseLoss) -> OpRef {
        Arc::new(*loss)
    }

    fn reference(loss: &PointwiseLoss, inputs: &[Array]) -> Vec<Expected> {
        let (x, t) = (&inputs[0], &inputs[1]);
        let channels = *x.shape.last().expect("no scalars here");
        let weight = |i: usize| {
            let Some(w) = inputs.get(2).filter(|_| loss.weight) else { return 1.0 };
            if w.data.len() == x.data.len() { w.data[i] } else { w.data[i / channels] }
        };
        let positive = |i: usize| {
            let Some(p) = inputs.last().filter(|_| loss.pos_weight) else { return 1.0 };
            if p.data.len() == 1 { p.data[0] } else { p.data[i % channels] }
        };
        let n = x.data.len();
        let term = |i: usize| weight(i) * T::value(loss.formula, x.data[i], t.data[i], positive(i));
        let terms: Vec<f64> = (0..n).map(term).collect();
        if loss.reduction == Reduction::None {
            return vec![Expected::exact(Array { shape: x.shape.clone(), data: terms }).wider(T::ROUNDINGS)];
        }
        let divisor = if loss.reduction == Reduction::Mean { n as f64 } else { 1.0 };
        let total = terms.iter().sum::<f64>() / divisor;
        let size = terms.iter().map(|v| v.abs()).sum::<f64>() / divisor;
        // The longest path: 16 terms, a tree of 8, then the same over the 4096-element pieces.
        let path = 16 + 8 + n.div_ceil(4096 * 256) + 8;
        vec![Expected::sum(Array { shape: vec![], data: vec![total] }, vec![size], path).wider(T::ROUNDINGS)]
    }

    fn gradient_into(_: &PointwiseLoss, input: usize) -> bool {
        input == 0
    }
}

/// A prediction whose difference to the target keeps clear of 0 and of `kink`.
pub fn off_kink(rng: &mut Rng, kink: f32) -> (f32, f32) {
    loop {
        let (x, t) = (rng.float(-2.0, 2.0), rng.float(-2.0, 2.0));
        let d = (x - t).abs();
        if d > 0.02 && (d - kink).abs() > 0.02 {
            return (x, t);
        }
    }
}

#[test]
fn pointwise_losses_refuse_what_does_not_fit() {
    let gpu = crate::harness::gpu();
    let zeros = |shape: &[usize]| Tensor::f32(shape, vec![0.0; shape.iter().product()]);
    let (x, other, weight) = (zeros(&[2, 3]), zeros(&[3, 2]), zeros(&[2]));
    let message =
        |loss: PointwiseLoss, inputs: &[&Tensor]| run_op(gpu, Arc::new(loss), inputs).expect_err("refused").to_string();
    let bce = PointwiseLoss::new(Formula::Bce);
    let target = message(bce, &[&x, &other]);
    assert!(
        target.contains("bce_with_logits") && target.contains("target: expected f32(2, 3), got f32(3, 2)"),
        "{target}"
    );
    let weighted = message(bce.weighted(), &[&x, &x, &weight]);
    assert!(weighted.contains("weight: expected f32(2, 3), or the same with one channel"), "{weighted}");
    let positive = message(PointwiseLoss { pos_weight: true, ..bce }, &[&x, &x, &weight]);
    assert!(positive.contains("pos_weight: expected f32 with 1 or 3 elements, got f32(2)"), "{positive}");
}
