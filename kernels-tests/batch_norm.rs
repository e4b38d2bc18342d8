//! batch_norm: statistics of the batch or of some of its pictures with their running means, and the evaluation form.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::gpu::Pace;
use wgvision::graph::{Executable, Graph, Options, Variables, run_op, run_op_checked};
use wgvision::ops::batch_norm::{BatchNorm, BatchNormCounted, BatchNormEval};
use wgvision::ops::{Activation, OpRef, Value};
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

/// The slope below zero.
fn leak(activation: Activation) -> f64 {
    match activation {
        Activation::Relu => 0.0,
        Activation::Leaky(slope) => f64::from(slope),
        _ => 1.0,
    }
}

/// What is done to the norm before it is stored: the residual added, then rectified.
fn finished(mut norm: Expected, residual: Option<&Array>, activation: Activation) -> Expected {
    for (i, (value, magnitude)) in norm.value.data.iter_mut().zip(&mut norm.magnitude).enumerate() {
        let added = residual.map_or(0.0, |r| r.data[i]);
        *magnitude += added.abs();
        *value += added;
        if *value <= 0.0 {
            *value *= leak(activation);
        }
    }
    norm.terms += 2.0;
    norm
}

fn any_activation(rng: &mut Rng) -> Activation {
    rng.pick(&[Activation::None, Activation::Relu, Activation::Leaky(0.1)])
}

/// Draws until nothing that is rectified lies at the kink, where differences mean nothing. Large cases are not differentiated.
fn off_kink(mut draw: impl FnMut() -> Vec<Tensor>, norm: impl Fn(&[Array]) -> Expected) -> Vec<Tensor> {
    loop {
        let tensors = draw();
        let arrays: Vec<Array> = tensors.iter().map(Array::from_tensor).collect();
        let near = finished(norm(&arrays), arrays.get(5), Activation::None).value.data.iter().any(|v| v.abs() < 1e-3);
        if arrays[0].data.len() > 600 || !near {
            return tensors;
        }
    }
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

/// [`inputs`], and a residual behind them.
fn with_residual(rng: &mut Rng, shape: &[usize], residual: bool) -> Vec<Tensor> {
    let mut all = inputs(rng, shape, 0.2, 1.0);
    all.extend(residual.then(|| rng.tensor(shape)));
    all
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
        // Rectified, with a residual and without, in both widths of lanes.
        for (i, shape) in sizes().iter().chain(&[[2, 33, 40, 128], [1, 70, 90, 12]]).enumerate() {
            let op = BatchNorm { activation: [Activation::Relu, Activation::Leaky(0.3)][i % 2], ..wide };
            let op = BatchNorm { residual: i % 3 != 0, ..op };
            cases.push((op, off_kink(|| with_residual(rng, shape, op.residual), |a| Self::norm(&op, a))));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (BatchNorm, Vec<Tensor>) {
        let eps = rng.pick(&[1e-5, 1e-3, 0.05]);
        let attrs = BatchNorm {
            eps,
            momentum: rng.pick(&[0.0, 0.1, 0.37, 1.0]),
            unbiased: rng.coin(),
            activation: any_activation(rng),
            residual: rng.coin(),
        };
        let shape = random_shape(rng);
        (attrs, off_kink(|| with_residual(rng, &shape, attrs.residual), |a| Self::norm(&attrs, a)))
    }

    fn op(attrs: &BatchNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &BatchNorm, inputs: &[Array]) -> Vec<Expected> {
        let (mean, size, m2, rows) = moments(&inputs[0]);
        let eps = f64::from(attrs.eps);
        let rstd: Vec<f64> = m2.iter().map(|m| 1.0 / (m / rows + eps).sqrt()).collect();
        let y = finished(Self::norm(attrs, inputs), inputs.get(5).filter(|_| attrs.residual), attrs.activation);
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
        input < 3 || input == 5
    }
}

impl Training {
    /// The norm alone.
    fn norm(attrs: &BatchNorm, inputs: &[Array]) -> Expected {
        let (mean, size, m2, rows) = moments(&inputs[0]);
        let rstd: Vec<f64> = m2.iter().map(|m| 1.0 / (m / rows + f64::from(attrs.eps)).sqrt()).collect();
        normalised(&inputs[0], &inputs[1], &inputs[2], &mean, &size, &rstd)
    }
}

struct Counted;

/// Inputs of which the pictures that `counts` names count, by any positive number. The others hold what would show: huge numbers and NaN.
fn counted_inputs(rng: &mut Rng, shape: &[usize], mean: f32, spread: f32, counts: &[bool]) -> Vec<Tensor> {
    let mut all = inputs(rng, shape, mean, spread);
    let size = all[0].shape().elements() / shape[0];
    let mut data = all[0].as_f32().to_vec();
    let mut flags = Vec::new();
    for (picture, &counts) in data.chunks_mut(size).zip(counts) {
        if !counts {
            picture.fill(rng.pick(&[f32::NAN, 1e30, 0.0]));
        }
        flags.push(if counts { rng.pick(&[1.0, 0.25, 7.0]) } else { rng.pick(&[0.0, -1.0]) });
    }
    all[0] = Tensor::f32(shape, data);
    all.push(Tensor::f32([shape[0]], flags));
    all
}

/// Whether each of n pictures counts, by chance.
fn some(rng: &mut Rng, n: usize) -> Vec<bool> {
    (0..n).map(|_| rng.coin()).collect()
}

impl OpSpec for Counted {
    type Attrs = BatchNormCounted;
    const NAME: &'static str = "batch_norm_counted";

    fn boundary(rng: &mut Rng) -> Vec<(BatchNormCounted, Vec<Tensor>)> {
        let plain = BatchNormCounted::default();
        let wide = BatchNormCounted { eps: 0.5, ..plain };
        let biased = BatchNormCounted { unbiased: false, ..wide };
        let (yes, no) = (true, false);
        let mut cases: Vec<_> = [
            // None, one value, two, all.
            (wide, vec![1, 1, 2, 1], vec![no]),
            (plain, vec![3, 2], vec![no; 3]),
            (plain, vec![3, 2], vec![no, yes, no]),
            (biased, vec![3, 1, 1, 257], vec![no, no, yes]),
            (wide, vec![3, 5], vec![yes, no, yes]),
            (wide, vec![2, 1, 2, 1], vec![no, yes]),
            (wide, vec![2, 7, 5, 64], vec![yes; 2]),
        ]
        .into_iter()
        .map(|(op, shape, counts)| (op, counted_inputs(rng, &shape, 0.2, 1.0, &counts)))
        .collect();
        let shapes: [&[usize]; 7] = [
            &[40, 7, 7, 64],
            &[700, 7],
            &[1025, 65],
            &[9, 31, 37, 3],
            &[6, 5, 3, 255],
            &[12, 2, 2, 513],
            &[64, 14, 14, 5],
        ];
        for shape in shapes {
            let counts = some(rng, shape[0]);
            cases.push((plain, counted_inputs(rng, shape, 0.2, 1.0, &counts)));
        }
        // A large mean beside a small spread; only the first, only the last chunk counts.
        for (op, mean, counts) in [(plain, 1000.0, some(rng, 20)), (plain, -1000.0, some(rng, 20))] {
            cases.push((op, counted_inputs(rng, &[20, 11, 13, 6], mean, 1.7, &counts)));
        }
        for kept in [0, 199] {
            let counts: Vec<bool> = (0..200).map(|n| n == kept).collect();
            cases.push((biased, counted_inputs(rng, &[200, 7, 7, 3], 0.5, 1.0, &counts)));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (BatchNormCounted, Vec<Tensor>) {
        let eps = rng.pick(&[1e-5, 1e-3, 0.05]);
        let attrs = BatchNormCounted { eps, momentum: rng.pick(&[0.0, 0.1, 0.37, 1.0]), unbiased: rng.coin() };
        // Of two or three values y is hardly more than a sign; see above.
        if rng.coin() {
            let shape = [rng.range(7, 40), rng.range(1, 8)];
            let mut counts = some(rng, shape[0]);
            counts[1..7].fill(true);
            return (attrs, counted_inputs(rng, &shape, 0.3, 1.0, &counts));
        }
        let shape = [rng.range(1, 5), rng.range(3, 5), rng.range(2, 5), rng.range(1, 4)];
        let counts = some(rng, shape[0]);
        (attrs, counted_inputs(rng, &shape, 0.3, 1.0, &counts))
    }

    fn op(attrs: &BatchNormCounted) -> OpRef {
        Arc::new(*attrs)
    }

    /// Batch norm of the pictures that count, put back in their places.
    fn reference(attrs: &BatchNormCounted, inputs: &[Array]) -> Vec<Expected> {
        let (x, counted) = (&inputs[0], &inputs[5].data);
        let size = x.data.len() / counted.len();
        let kept: Vec<usize> = (0..counted.len()).filter(|&n| counted[n] > 0.0).collect();
        let channels = *x.shape.last().expect("rank 2 or 4");
        let stay = |old: &Array| Expected::exact(old.clone());
        let nothing = |shape: &[usize]| Expected::exact(Array::zeros(shape));
        let still = [stay(&inputs[3]), stay(&inputs[4])];
        if kept.is_empty() {
            return [nothing(&x.shape), nothing(&[channels]), nothing(&[channels])].into_iter().chain(still).collect();
        }
        let mut few = inputs[..5].to_vec();
        few[0].shape[0] = kept.len();
        few[0].data = kept.iter().flat_map(|n| x.data[n * size..][..size].to_vec()).collect();
        let &BatchNormCounted { eps, momentum, unbiased } = attrs;
        let mut all = Training::reference(&BatchNorm { eps, momentum, unbiased, ..Default::default() }, &few);
        let mut y = Expected { magnitude: vec![0.0; x.data.len()], ..nothing(&x.shape) };
        y.terms = all[0].terms;
        for (i, &n) in kept.iter().enumerate() {
            let (from, to) = (i * size..(i + 1) * size, n * size..(n + 1) * size);
            y.value.data[to.clone()].copy_from_slice(&all[0].value.data[from.clone()]);
            y.magnitude[to].copy_from_slice(&all[0].magnitude[from]);
        }
        all[0] = y;
        if few[0].data.len() == channels {
            all.truncate(3);
            all.extend(still);
        }
        all
    }

    fn gradient_through(_: &BatchNormCounted, output: usize) -> bool {
        output == 0
    }

    fn gradient_into(_: &BatchNormCounted, input: usize) -> bool {
        input < 3
    }
}

struct Evaluation;

impl OpSpec for Evaluation {
    type Attrs = BatchNormEval;
    const NAME: &'static str = "batch_norm_evaluation";

    fn boundary(rng: &mut Rng) -> Vec<(BatchNormEval, Vec<Tensor>)> {
        let plain = BatchNormEval::default();
        let mut cases: Vec<_> = sizes().iter().map(|s| (plain, inputs(rng, s, 0.2, 1.0))).collect();
        for (i, shape) in sizes().iter().chain(&[[2, 33, 40, 128], [1, 70, 90, 12]]).enumerate() {
            let op = BatchNormEval { activation: [Activation::Relu, Activation::Leaky(0.3)][i % 2], ..plain };
            let op = BatchNormEval { residual: i % 3 != 0, ..op };
            cases.push((op, off_kink(|| with_residual(rng, shape, op.residual), |a| Self::norm(&op, a))));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (BatchNormEval, Vec<Tensor>) {
        let shape = random_shape(rng);
        let eps = rng.pick(&[0.0, 1e-5, 1e-3, 0.3]);
        let op = BatchNormEval { eps, activation: any_activation(rng), residual: rng.coin() };
        (op, off_kink(|| with_residual(rng, &shape, op.residual), |a| Self::norm(&op, a)))
    }

    fn op(attrs: &BatchNormEval) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &BatchNormEval, inputs: &[Array]) -> Vec<Expected> {
        vec![finished(Self::norm(attrs, inputs), inputs.get(5), attrs.activation)]
    }

    fn gradient_into(_: &BatchNormEval, input: usize) -> bool {
        input < 3 || input == 5
    }
}

impl Evaluation {
    /// The norm alone.
    fn norm(attrs: &BatchNormEval, inputs: &[Array]) -> Expected {
        let rstd: Vec<f64> = inputs[4].data.iter().map(|v| 1.0 / (v + f64::from(attrs.eps)).sqrt()).collect();
        let size: Vec<f64> = inputs[3].data.iter().map(|m| m.abs()).collect();
        normalised(&inputs[0], &inputs[1], &inputs[2], &inputs[3].data, &size, &rstd)
    }
}

/// With constant statistics and nothing trained in the norm, one pass makes x's gradient and the residual's.
#[test]
fn batch_norm_frozen_passes_gradients_on_in_one_pass() {
    let mut rng = Rng::for_test("batch_norm_frozen");
    for (shape, activation, residual) in [
        ([2usize, 9, 7, 12], Activation::Relu, true),
        ([2, 9, 7, 5], Activation::Leaky(0.2), true),
        ([1, 13, 11, 8], Activation::Relu, false),
        ([1, 13, 11, 3], Activation::None, true),
    ] {
        let op = BatchNormEval { activation, residual, ..Default::default() };
        let tensors = off_kink(|| with_residual(&mut rng, &shape, residual), |a| Evaluation::norm(&op, a));
        let mut graph = Graph::new();
        let values: Vec<Value> = tensors.iter().map(|t| graph.constant(t.clone())).collect();
        let x = graph.input("x", tensors[0].ty()).expect("fresh name");
        let r = graph.input("r", tensors[0].ty()).expect("fresh name");
        let mut operands = values.clone();
        operands[0] = x;
        if residual {
            operands[5] = r;
        }
        let y = graph.add(op, &operands).expect("shapes fit");
        let seed = rng.tensor(shape);
        let grad_y = graph.constant(seed.clone());
        let before = graph.nodes().len();
        let found = graph.gradients_from(&[(y, grad_y)], &[x, r]).expect("differentiable");
        assert_eq!(graph.nodes().len() - before, 1, "one node for both gradients");
        let names = ["x", "r"];
        let outputs: Vec<(&str, Value)> = names.into_iter().zip(&found).filter_map(|(n, g)| Some((n, (*g)?))).collect();
        let variables = Variables::new(gpu());
        let mut exec = Executable::new(&graph, &outputs, &variables).expect("the plan fits");
        let added = tensors.get(5).unwrap_or(&tensors[0]);
        let got = exec.run(&[("x", &tensors[0]), ("r", added)]).expect("runs").wait().expect("arrives");
        let arrays: Vec<Array> = tensors.iter().map(Array::from_tensor).collect();
        let norm = finished(Evaluation::norm(&op, &arrays), arrays.get(5), Activation::None);
        for (i, g) in seed.as_f32().iter().enumerate() {
            let c = i % shape[3];
            let g = f64::from(*g) * if norm.value.data[i] > 0.0 { 1.0 } else { leak(activation) };
            let scale = arrays[1].data[c] / (arrays[4].data[c] + 1e-5).sqrt();
            let close = |name: &str, want: f64| {
                let got = f64::from(got[name].as_f32()[i]);
                assert!((got - want).abs() <= 1e-6 * want.abs(), "{name}[{i}]: {got}, expected {want}");
            };
            close("x", g * scale);
            if residual {
                close("r", g);
            }
        }
    }
}

#[test]
fn batch_norm_training() {
    check::<Training>();
}

#[test]
fn batch_norm_counted() {
    check::<Counted>();
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
    let types = |counted: usize| {
        let channels = || TensorType::f32([3]);
        [TensorType::f32([4, 3]), channels(), channels(), channels(), channels(), TensorType::f32([counted])]
    };
    refuses(&BatchNormCounted::default(), &types(3), "counted: expected f32(4), got f32(3)");
    refuses(&BatchNormCounted::default(), &types(4)[..5], "inputs: expected");
}

#[test]
fn a_norm_s_relu_makes_zeros_of_minus_infinity_and_of_any_gradient() {
    for channels in [1, 4] {
        let op = BatchNormEval { eps: 0.0, activation: Activation::Relu, residual: false };
        let x = Tensor::f32([1, 2, 2, channels], [f32::MAX, 1.0, -1.0, f32::NAN].map(|v| vec![v; channels]).concat());
        let vector = |v: f32| Tensor::full([channels], v);
        let (weight, zero, one) = (vector(-10.0), vector(0.0), vector(1.0));
        let g = Tensor::full([1, 2, 2, channels], f32::INFINITY);
        let inputs = [&x, &weight, &zero, &zero, &one];
        let ran = run_op_checked(gpu(), Arc::new(op), &inputs, &[Some(&g)], Options::default()).expect("runs");
        let y = ran.outputs[0].as_f32();
        for (at, wanted) in [0.0, 0.0, 10.0].into_iter().enumerate() {
            assert!(y[at * channels..][..channels].iter().all(|&v| v == wanted), "{y:?}");
        }
        assert!(y[3 * channels..].iter().all(|v| v.is_nan()), "{y:?}");
        let grad = ran.grads[0].as_ref().expect("wanted").as_f32();
        assert!(grad[..2 * channels].iter().all(|&v| v == 0.0), "{grad:?}");
        assert!(grad[2 * channels..3 * channels].iter().all(|&v| v == f32::NEG_INFINITY), "{grad:?}");
    }
}
