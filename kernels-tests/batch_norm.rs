//! batch_norm: statistics of the batch with their running means, and the evaluation form.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::gpu::Pace;
use wgvision::graph::{Executable, Graph, Options, Variables, run_op};
use wgvision::ops::OpRef;
use wgvision::ops::batch_norm::{BatchNorm, BatchNormEval};
use wgvision::tensor::{Tensor, TensorType};

/// Mean and sum of squared deviations of each channel, straight from the definition.
fn moments(x: &Array) -> (Vec<f64>, Vec<f64>, Vec<f64>, f64) {
    let channels = *x.shape.last().expect("rank 2 or 4");
    let rows = (x.data.len() / channels) as f64;
    let (mut mean, mut size, mut m2) = (vec![0.0; channels], vec![0.0; channels], vec![0.0; channels]);
    for (i, v) in x.data.iter().enumerate() {
        mean[i % channels] += v / rows;
        size[i % channels] += v.abs() / rows;
    }
    for (i, v) in x.data.iter().enumerate() {
        m2[i % channels] += (v - mean[i % channels]).powi(2);
    }
    (mean, size, m2, rows)
}

/// y and the size of its terms from means and 1 / standard deviations.
fn normalised(x: &Array, w: &Array, b: &Array, mean: &[f64], size: &[f64], rstd: &[f64]) -> Expected {
    let channels = mean.len();
    let mut value = x.clone();
    let mut magnitude = vec![0.0; x.data.len()];
    for (i, v) in x.data.iter().enumerate() {
        let c = i % channels;
        value.data[i] = (v - mean[c]) * rstd[c] * w.data[c] + b.data[c];
        magnitude[i] = (v.abs() + size[c]) * rstd[c] * w.data[c].abs() + b.data[c].abs();
    }
    Expected { value, magnitude, terms: 16.0 }
}

fn vector(data: Vec<f64>) -> Array {
    Array { shape: vec![data.len()], data }
}

fn inputs(rng: &mut Rng, shape: &[usize], mean: f32, spread: f32) -> Vec<Tensor> {
    let c = *shape.last().expect("rank 2 or 4");
    let x = rng.tensor_in(shape, mean - spread, mean + spread);
    vec![x, rng.tensor([c]), rng.tensor([c]), rng.tensor([c]), rng.tensor_in([c], 0.2, 2.0)]
}

fn sizes() -> Vec<[usize; 4]> {
    vec![
        [1, 1, 2, 1],
        [2, 1, 1, 1],
        [1, 17, 15, 1],
        [1, 16, 16, 1],
        [1, 257, 1, 3],
        [3, 31, 37, 3],
        [2, 7, 5, 64],
        [2, 3, 5, 65],
        [1, 5, 3, 255],
        [2, 1, 3, 257],
        [1, 2, 2, 513],
        [2, 67, 131, 5],
        [4, 90, 110, 17],
    ]
}

fn random_shape(rng: &mut Rng) -> Vec<usize> {
    if rng.range(0, 3) == 0 {
        return vec![rng.range(5, 40), rng.range(1, 9)];
    }
    vec![rng.range(1, 3), rng.range(3, 6), rng.range(2, 7), rng.range(1, 4)]
}

struct Training;

impl OpSpec for Training {
    type Attrs = BatchNorm;
    const NAME: &'static str = "batch_norm_training";

    fn boundary(rng: &mut Rng) -> Vec<(BatchNorm, Vec<Tensor>)> {
        let plain = BatchNorm::default();
        // With two rows y is a sign and its gradient a difference of equal numbers: such sizes want a wide eps.
        let wide = BatchNorm { eps: 0.5, ..plain };
        let mut cases: Vec<_> = sizes().iter().map(|s| (wide, inputs(rng, s, 0.2, 1.0))).collect();
        cases.push((plain, inputs(rng, &[300, 7], -0.5, 2.0)));
        // A large mean beside a small spread.
        cases.push((plain, inputs(rng, &[2, 40, 50, 6], 1000.0, 1.7)));
        cases.push((plain, inputs(rng, &[1, 33, 29, 70], -1000.0, 1.7)));
        // The first value of each channel far from all others.
        let mut outlier = inputs(rng, &[2, 40, 50, 6], 1000.0, 1.7);
        let mut data = outlier[0].as_f32().to_vec();
        data[..6].fill(0.0);
        outlier[0] = Tensor::f32([2, 40, 50, 6], data);
        cases.push((plain, outlier));
        cases
    }

    fn random(rng: &mut Rng) -> (BatchNorm, Vec<Tensor>) {
        let eps = rng.pick(&[1e-5, 1e-3, 0.05]);
        let attrs = BatchNorm { eps, momentum: rng.pick(&[0.0, 0.1, 0.37, 1.0]), unbiased: rng.coin() };
        let shape = random_shape(rng);
        (attrs, inputs(rng, &shape, 0.3, 1.0))
    }

    fn op(attrs: &BatchNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &BatchNorm, inputs: &[Array]) -> Vec<Expected> {
        let (mean, size, m2, rows) = moments(&inputs[0]);
        let eps = f64::from(attrs.eps);
        let rstd: Vec<f64> = m2.iter().map(|m| 1.0 / (m / rows + eps).sqrt()).collect();
        let y = normalised(&inputs[0], &inputs[1], &inputs[2], &mean, &size, &rstd);
        let momentum = f64::from(attrs.momentum);
        let divisor = if attrs.unbiased { rows - 1.0 } else { rows };
        let moved = |old: &[f64], new: &[f64], size: &[f64]| {
            let value = old.iter().zip(new).map(|(o, n)| (1.0 - momentum) * o + momentum * n).collect();
            let magnitude = old.iter().zip(size).map(|(o, n)| 2.0 * o.abs() + 2.0 * n).collect();
            Expected { value: vector(value), magnitude, terms: 16.0 }
        };
        let variance: Vec<f64> = m2.iter().map(|m| m / divisor).collect();
        let new_mean = moved(&inputs[3].data, &mean, &size);
        let new_var = moved(&inputs[4].data, &variance, &variance);
        let mean = Expected { value: vector(mean), magnitude: size, terms: 16.0 };
        vec![y, mean, Expected::exact(vector(rstd)).wider(16.0), new_mean, new_var]
    }

    fn gradient_through(_: &BatchNorm, output: usize) -> bool {
        output == 0
    }

    fn gradient_into(_: &BatchNorm, input: usize) -> bool {
        input < 3
    }
}

struct Evaluation;

impl OpSpec for Evaluation {
    type Attrs = f32;
    const NAME: &'static str = "batch_norm_evaluation";

    fn boundary(rng: &mut Rng) -> Vec<(f32, Vec<Tensor>)> {
        sizes().iter().map(|s| (1e-5, inputs(rng, s, 0.2, 1.0))).collect()
    }

    fn random(rng: &mut Rng) -> (f32, Vec<Tensor>) {
        let shape = random_shape(rng);
        (rng.pick(&[0.0, 1e-5, 1e-3, 0.3]), inputs(rng, &shape, 0.3, 1.0))
    }

    fn op(eps: &f32) -> OpRef {
        Arc::new(BatchNormEval { eps: *eps })
    }

    fn reference(eps: &f32, inputs: &[Array]) -> Vec<Expected> {
        let rstd: Vec<f64> = inputs[4].data.iter().map(|v| 1.0 / (v + f64::from(*eps)).sqrt()).collect();
        let size: Vec<f64> = inputs[3].data.iter().map(|m| m.abs()).collect();
        vec![normalised(&inputs[0], &inputs[1], &inputs[2], &inputs[3].data, &size, &rstd)]
    }

    fn gradient_into(_: &f32, input: usize) -> bool {
        input < 3
    }
}

#[test]
fn batch_norm_training() {
    check::<Training>();
}

#[test]
fn batch_norm_evaluation() {
    check::<Evaluation>();
}

/// Two steps on one graph: the statistics lie in variables, are moved where they lie, and compound.
#[test]
fn batch_norm_moves_running_statistics_in_place() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([4, 2])).expect("fresh name");
    let ones = graph.constant(Tensor::full([2], 1.0));
    let zeros = graph.constant(Tensor::full([2], 0.0));
    let mean = graph.state("mean", TensorType::f32([2])).expect("fresh name");
    let var = graph.state("var", TensorType::f32([2])).expect("fresh name");
    let op = Arc::new(BatchNorm { momentum: 0.5, ..Default::default() });
    let out = graph.named_all("norm", op, &[x, ones, zeros, mean, var]).expect("shapes fit");
    graph.update(mean, out[3]).expect("same type");
    graph.update(var, out[4]).expect("same type");
    let variables = Variables::new(gpu());
    let mut exec = Executable::with(&graph, &[("y", out[0])], &variables, Options::default(), Pace::new(gpu()))
        .expect("the plan fits");
    variables.set("mean", &Tensor::full([2], 0.0)).expect("same shape");
    variables.set("var", &Tensor::full([2], 1.0)).expect("same shape");
    // Column means 2 and 5, unbiased variances 4 / 3 and 0.
    let batch = Tensor::f32([4, 2], vec![1.0, 5.0, 3.0, 5.0, 1.0, 5.0, 3.0, 5.0]);
    for _ in 0..2 {
        exec.run(&[("x", &batch)]).expect("runs").wait().expect("arrives");
    }
    let close = |got: &Tensor, want: [f32; 2]| got.as_f32().iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6);
    let (mean, var) = (variables.get("mean").expect("exists"), variables.get("var").expect("exists"));
    assert!(close(&mean, [1.5, 3.75]), "{mean:?}");
    assert!(close(&var, [0.25 + 0.75 * 4.0 / 3.0, 0.25]), "{var:?}");
}

#[test]
fn batch_norm_refuses_what_does_not_fit() {
    let mut rng = Rng::for_test("batch_norm_errors");
    let message = |op: OpRef, shape: &[usize], channels: [usize; 4]| {
        let mut tensors = vec![rng.tensor(shape)];
        tensors.extend(channels.iter().map(|&c| Tensor::full([c], 1.0)));
        run_op(gpu(), op, &tensors.iter().collect::<Vec<_>>()).expect_err("refused").to_string()
    };
    let mut message = message;
    let training: OpRef = Arc::new(BatchNorm::default());
    let one = message(training.clone(), &[1, 1, 1, 3], [3; 4]);
    assert!(one.contains("x: expected at least two values per channel"), "{one}");
    let rank = message(Arc::new(BatchNormEval::default()), &[2, 2, 3], [3; 4]);
    assert!(rank.contains("expected f32(N, H, W, C) or f32(N, C), got f32(2, 2, 3)"), "{rank}");
    let bias = message(training, &[4, 3], [3, 2, 3, 3]);
    assert!(bias.contains("bias: expected f32(3), got f32(2)"), "{bias}");
}
