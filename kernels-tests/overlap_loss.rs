//! What the overlap losses have in common: sums over batch or picture, weights, the outputs. Each op's own file names its loss.

use crate::harness::{Array, Expected, OpSpec, Rng};
use std::marker::PhantomData;
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::overlap_loss::{Overlap, OverlapLoss};
use wgvision::tensor::Tensor;

/// One of the losses.
pub trait Which {
    /// The op's name.
    const NAME: &'static str;
    /// Random constants.
    fn overlap(rng: &mut Rng) -> Overlap;
    /// The loss of one row of `n` elements from its sums of p t, p, t and weighted cross-entropy.
    fn value(overlap: Overlap, eps: f64, sums: [f64; 4], n: f64) -> f64;
}

/// The harness's view of a loss.
pub struct Spec<W>(PhantomData<W>);

fn case<W: Which>(rng: &mut Rng, shape: &[usize]) -> (OverlapLoss, Vec<Tensor>) {
    let overlap = W::overlap(rng);
    let weight = matches!(overlap, Overlap::BceJaccard { .. }) && rng.coin();
    let loss = OverlapLoss { overlap, eps: rng.pick(&[1.0, 0.25, 1e-3]), per_picture: rng.coin(), weight };
    let n = shape.iter().product();
    let soft = rng.coin();
    let target = |rng: &mut Rng| if soft { rng.float(0.0, 1.0) } else { rng.pick(&[0.0, 1.0]) };
    let truth = (0..n).map(|_| target(rng)).collect();
    let mut inputs = vec![rng.tensor_in(shape, -6.0, 6.0), Tensor::f32(shape, truth)];
    if weight {
        let mut shape = shape.to_vec();
        if rng.coin() {
            *shape.last_mut().expect("no scalars here") = 1;
        }
        inputs.push(rng.tensor_in(shape, 0.1, 3.0));
    }
    (loss, inputs)
}

/// Soft Jaccard loss from the sums of p t, p and t.
pub fn jaccard(log: bool, eps: f64, sums: [f64; 4]) -> f64 {
    let j = (sums[0] + eps) / (sums[1] + sums[2] - sums[0] + eps);
    if log { 1.0 - j.ln() } else { 1.0 - j }
}

impl<W: Which> OpSpec for Spec<W> {
    type Attrs = OverlapLoss;
    const NAME: &'static str = W::NAME;
    const RANDOM: usize = 32;

    fn boundary(rng: &mut Rng) -> Vec<(OverlapLoss, Vec<Tensor>)> {
        let shapes: [&[usize]; 11] = [
            &[1],
            &[255],
            &[256],
            &[257],
            &[1, 4095],
            &[2, 4097],
            &[2, 3, 5, 7],
            &[3, 1031],
            &[1, 1, 1, 1],
            &[3, 67, 41, 2],
            &[1, 131, 8011],
        ];
        shapes.into_iter().map(|shape| case::<W>(rng, shape)).collect()
    }

    fn random(rng: &mut Rng) -> (OverlapLoss, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 6), rng.range(1, 6), rng.range(1, 4)];
        case::<W>(rng, &shape)
    }

    fn op(loss: &OverlapLoss) -> OpRef {
        Arc::new(*loss)
    }

    fn reference(loss: &OverlapLoss, inputs: &[Array]) -> Vec<Expected> {
        let (x, t) = (&inputs[0], &inputs[1]);
        let rows = if loss.per_picture { x.shape[0] } else { 1 };
        let row = x.data.len() / rows;
        let channels = *x.shape.last().expect("no scalars here");
        let weight = |i: usize| match inputs.get(2) {
            None => 1.0,
            Some(w) if w.data.len() == x.data.len() => w.data[i],
            Some(w) => w.data[i / channels],
        };
        let with_entropy = matches!(loss.overlap, Overlap::BceJaccard { .. });
        let mut sums = Array::zeros(&[rows, 4]);
        let mut total = 0.0;
        for r in 0..rows {
            let mut s = [0.0; 4];
            for i in r * row..(r + 1) * row {
                let (x, t) = (x.data[i], t.data[i]);
                let p = 1.0 / (1.0 + (-x).exp());
                let entropy = t * (-x).exp().ln_1p() + (1.0 - t) * x.exp().ln_1p();
                s[0] += p * t;
                s[1] += p;
                s[2] += t;
                s[3] += if with_entropy { weight(i) * entropy } else { 0.0 };
            }
            sums.data[r * 4..][..4].copy_from_slice(&s);
            total += W::value(loss.overlap, f64::from(loss.eps), s, row as f64) / rows as f64;
        }
        // The longest path: 16 terms, a tree of 8, then the same over the 4096-element pieces, and a sigmoid.
        let path = 24.0 + row.div_ceil(4096 * 256) as f64 + 8.0 + 16.0;
        // 1 - J loses what J is close to 1; relative errors of J turn absolute under the logarithm.
        let magnitude = vec![total.abs() + 2.0];
        let y = Expected::sum(Array { shape: vec![], data: vec![total] }, magnitude, rows).wider(path);
        vec![y, Expected::exact(sums).wider(path)]
    }

    fn gradient_through(_: &OverlapLoss, output: usize) -> bool {
        output == 0
    }

    fn gradient_into(_: &OverlapLoss, input: usize) -> bool {
        input == 0
    }
}

#[test]
fn overlap_losses_refuse_what_does_not_fit() {
    let gpu = crate::harness::gpu();
    let zeros = |shape: &[usize]| Tensor::f32(shape, vec![0.0; shape.iter().product()]);
    let (x, other) = (zeros(&[2, 3]), zeros(&[3, 2]));
    let message =
        |loss: OverlapLoss, inputs: &[&Tensor]| run_op(gpu, Arc::new(loss), inputs).expect_err("refused").to_string();
    let jaccard = OverlapLoss::new(Overlap::Jaccard { log: true });
    let target = message(jaccard, &[&x, &other]);
    assert!(target.contains("jaccard") && target.contains("target: expected f32(2, 3), got f32(3, 2)"), "{target}");
    let both = OverlapLoss { weight: true, ..OverlapLoss::new(Overlap::BceJaccard { alpha: 0.5, log: false }) };
    let weight = message(both, &[&x, &x, &other]);
    assert!(weight.contains("weight: expected f32(2, 3), or the same with one channel"), "{weight}");
    let attrs = serde_json::json!({"eps": 0});
    let inputs = [("x".to_string(), x.clone()), ("target".to_string(), x)].into();
    let entry = wgvision::ops::entry("jaccard").expect("registered");
    let eps = wgvision::graph::run_entry(gpu, entry, &attrs, &inputs, false).expect_err("refused").to_string();
    assert!(eps.contains("attribute 'eps' must be positive, got 0"), "{eps}");
}
