//! fold_batch_norm: weight and bias with the norm folded in.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::fold_batch_norm::FoldBatchNorm;
use wgvision::tensor::Tensor;

struct Spec;

fn inputs(rng: &mut Rng, weight: &[usize], has_bias: bool) -> Vec<Tensor> {
    let o = *weight.last().expect("a weight");
    let mut tensors = vec![rng.tensor(weight)];
    tensors.extend((0..3 + usize::from(has_bias)).map(|_| rng.tensor([o])));
    tensors.push(rng.tensor_in([o], 0.1, 2.0));
    tensors
}

impl OpSpec for Spec {
    type Attrs = FoldBatchNorm;
    const NAME: &'static str = "fold_batch_norm";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(FoldBatchNorm, Vec<Tensor>)> {
        let shapes: [&[usize]; 7] = [
            &[1, 1, 1, 1],
            &[1, 1, 5, 51],
            &[1, 1, 1, 255],
            &[1, 256],
            &[3, 3, 7, 257],
            &[5, 3, 2, 31],
            &[3, 3, 64, 64],
        ];
        let cases = shapes.iter().flat_map(|s| [(*s, true), (*s, false)]);
        cases.map(|(s, has_bias)| (FoldBatchNorm { eps: 1e-5, has_bias }, inputs(rng, s, has_bias))).collect()
    }

    fn random(rng: &mut Rng) -> (FoldBatchNorm, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 3), rng.range(1, 9), rng.range(1, 40)];
        let has_bias = rng.coin();
        (FoldBatchNorm { eps: rng.pick(&[0.0, 1e-5, 1e-3, 0.5]), has_bias }, inputs(rng, &shape, has_bias))
    }

    fn op(attrs: &FoldBatchNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &FoldBatchNorm, inputs: &[Array]) -> Vec<Expected> {
        let zeros = Array::zeros(&inputs[inputs.len() - 1].shape);
        let bias = if attrs.has_bias { &inputs[1] } else { &zeros };
        let [gamma, beta, mean, variance] = &inputs[1 + usize::from(attrs.has_bias)..] else { panic!("four vectors") };
        let o = gamma.data.len();
        let scale: Vec<f64> =
            (0..o).map(|c| gamma.data[c] / (variance.data[c] + f64::from(attrs.eps)).sqrt()).collect();
        let mut weight = inputs[0].clone();
        weight.data.iter_mut().enumerate().for_each(|(i, w)| *w *= scale[i % o]);
        let folded = (0..o).map(|c| (bias.data[c] - mean.data[c]) * scale[c] + beta.data[c]).collect();
        let size = |c: usize| (bias.data[c].abs() + mean.data[c].abs()) * scale[c].abs() + beta.data[c].abs();
        let folded = Array { shape: vec![o], data: folded };
        vec![Expected::exact(weight), Expected::sum(folded, (0..o).map(size).collect(), 2)]
    }
}

#[test]
fn fold_batch_norm() {
    check::<Spec>();
}

#[test]
fn fold_batch_norm_refuses_what_does_not_fit() {
    let refused = |has_bias, channels: &[usize]| {
        let mut tensors = vec![Tensor::full([1, 1, 2, 3], 1.0)];
        tensors.extend(channels.iter().map(|&c| Tensor::full([c], 1.0)));
        let op = FoldBatchNorm { eps: 1e-5, has_bias };
        run_op(gpu(), Arc::new(op), &tensors.iter().collect::<Vec<_>>()).expect_err("refused").to_string()
    };
    let bias = refused(true, &[2, 3, 3, 3, 3]);
    assert!(bias.contains(": bias: expected f32(3), got f32(2)"), "{bias}");
    let mean = refused(false, &[3, 3, 4, 3]);
    assert!(mean.contains("running_mean: expected f32(3), got f32(4)"), "{mean}");
    let count = refused(true, &[3, 3, 3, 3]);
    assert!(count.contains("inputs: expected 6, got 5"), "{count}");
}
