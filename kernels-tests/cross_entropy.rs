//! cross_entropy: -log softmax(x)_y with class weights, ignored targets, smoothing, a weight map.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::{Options, run_entry, run_op, run_op_checked};
use wgvision::ops::cross_entropy::CrossEntropy;
use wgvision::ops::{OpRef, Reduction, entry};
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: &[usize], op: CrossEntropy) -> (CrossEntropy, Vec<Tensor>) {
    let (&channels, pixels) = shape.split_last().expect("classes");
    let n: usize = pixels.iter().product();
    let mut truth: Vec<i32> = (0..n).map(|_| rng.range(0, channels - 1) as i32).collect();
    for t in &mut truth[1..] {
        if rng.range(0, 4) == 0 {
            *t = op.ignore_index;
        }
    }
    let reach = rng.pick(&[1.0, 5.0, 20.0]);
    let mut inputs = vec![rng.tensor_in(shape, -reach, reach), Tensor::i32(pixels, truth)];
    if op.weight {
        inputs.push(rng.tensor_in([channels], 0.2, 3.0));
    }
    if op.weight_map {
        inputs.push(rng.tensor_in(pixels, 0.1, 4.0));
    }
    (op, inputs)
}

fn attributes(rng: &mut Rng) -> CrossEntropy {
    CrossEntropy {
        reduction: rng.pick(&[Reduction::Mean, Reduction::Sum, Reduction::None]),
        ignore_index: rng.pick(&[-100, 255]),
        label_smoothing: rng.pick(&[0.0, 0.0, 0.1, 1.0]),
        weight: rng.coin(),
        weight_map: rng.coin(),
    }
}

impl OpSpec for Spec {
    type Attrs = CrossEntropy;
    const NAME: &'static str = "cross_entropy";
    const RANDOM: usize = 40;

    fn boundary(rng: &mut Rng) -> Vec<(CrossEntropy, Vec<Tensor>)> {
        let shapes: [&[usize]; 12] = [
            &[1, 1],
            &[1, 2],
            &[255, 3],
            &[256, 2],
            &[257, 4],
            &[1023, 2],
            &[1024, 1],
            &[1025, 3],
            &[3, 1000],
            &[2, 3, 5, 7],
            &[2, 67, 41, 5],
            &[1, 523, 521, 2],
        ];
        let mut cases: Vec<_> = shapes
            .into_iter()
            .map(|shape| {
                let op = attributes(rng);
                case(rng, shape, op)
            })
            .collect();
        cases.push(case(rng, &[2, 67, 41, 21], CrossEntropy { weight: true, ..CrossEntropy::default() }));
        cases
    }

    fn random(rng: &mut Rng) -> (CrossEntropy, Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 6), rng.range(1, 6), rng.range(1, 5)];
        let dropped = rng.pick(&[0, 2]);
        let op = attributes(rng);
        case(rng, &shape[dropped..], op)
    }

    fn op(op: &CrossEntropy) -> OpRef {
        Arc::new(*op)
    }

    fn reference(op: &CrossEntropy, inputs: &[Array]) -> Vec<Expected> {
        let (x, truth) = (&inputs[0], &inputs[1]);
        let channels = *x.shape.last().expect("classes");
        let smoothing = f64::from(op.label_smoothing);
        let class_weight = |c: usize| if op.weight { inputs[2].data[c] } else { 1.0 };
        let map = |i: usize| if op.weight_map { inputs.last().expect("given").data[i] } else { 1.0 };
        let n = truth.data.len();
        let (mut losses, mut divisor) = (Array::zeros(&truth.shape), 0.0);
        let mut sizes = vec![0.0; n];
        for (i, &y) in truth.data.iter().enumerate() {
            if y == f64::from(op.ignore_index) {
                continue;
            }
            let logits = &x.data[i * channels..][..channels];
            // -log softmax = log(1 + sum over the others of exp(x_k - x_c)).
            let others = |c: usize| (0..channels).filter(move |&k| k != c).map(move |k| (logits[k] - logits[c]).exp());
            let loss_of = |c: usize| others(c).sum::<f64>().ln_1p();
            let y = y as usize;
            let spread: f64 = (0..channels).map(|c| class_weight(c) * loss_of(c)).sum();
            losses.data[i] =
                map(i) * ((1.0 - smoothing) * class_weight(y) * loss_of(y) + smoothing / channels as f64 * spread);
            divisor += class_weight(y);
            // Rounding of a difference of logits is multiplied by that difference in its exponential.
            let reach = logits.iter().fold(0.0f64, |m, v| m.max((v - logits[y]).abs()));
            sizes[i] = losses.data[i] * (1.0 + reach / 16.0);
        }
        if op.reduction == Reduction::None {
            return vec![Expected::sum(losses, sizes, channels).wider(64.0)];
        }
        let total: f64 = losses.data.iter().sum();
        let size: f64 = sizes.iter().sum();
        let by = if op.reduction == Reduction::Mean { divisor } else { 1.0 };
        let path = channels + 4 + 8 + n.div_ceil(1024 * 256) + 8;
        let scalar = |v: f64| Array { shape: vec![], data: vec![v] };
        vec![
            Expected::sum(scalar(total / by), vec![size / by], path).wider(64.0),
            Expected::sum(Array { shape: vec![2], data: vec![total, divisor] }, vec![size, divisor], path).wider(64.0),
        ]
    }

    fn gradient_through(_: &CrossEntropy, output: usize) -> bool {
        output == 0
    }

    fn gradient_into(_: &CrossEntropy, input: usize) -> bool {
        input == 0
    }
}

#[test]
fn cross_entropy() {
    check::<Spec>();
}

#[test]
fn cross_entropy_without_a_target_that_counts_is_zero_and_flat() {
    let x = Tensor::f32([2, 3], vec![1.0, 2.0, 3.0, -1.0, 0.0, 1.0]);
    let truth = Tensor::i32([2], vec![-100, -100]);
    let one = Tensor::full([0; 0], 1.0);
    let op = Arc::new(CrossEntropy::default());
    let out = run_op_checked(gpu(), op, &[&x, &truth], &[Some(&one), None], Options::default()).expect("runs");
    assert_eq!(out.outputs[0].as_f32(), [0.0]);
    assert_eq!(out.grads[0].as_ref().expect("a gradient").as_f32(), [0.0; 6]);
}

#[test]
fn cross_entropy_turns_nan_where_a_target_is_no_class() {
    let x = Tensor::full([2, 3], 0.5);
    for wrong in [-1, 3, i32::MAX] {
        let truth = Tensor::i32([2], vec![1, wrong]);
        let out = run_op(gpu(), Arc::new(CrossEntropy::default()), &[&x, &truth]).expect("runs");
        assert!(out[0].scalar().is_nan(), "{wrong} went through");
    }
}

#[test]
fn cross_entropy_refuses_what_does_not_fit() {
    let (x, truth) = (Tensor::full([2, 3], 0.0), Tensor::i32([3], vec![0; 3]));
    let why = run_op(gpu(), Arc::new(CrossEntropy::default()), &[&x, &truth]).expect_err("refused").to_string();
    assert!(why.contains("target: expected i32(2), got i32(3)"), "{why}");
    let op = CrossEntropy { weight: true, ..CrossEntropy::default() };
    let (truth, weight) = (Tensor::i32([2], vec![0; 2]), Tensor::full([2], 1.0));
    let why = run_op(gpu(), Arc::new(op), &[&x, &truth, &weight]).expect_err("refused").to_string();
    assert!(why.contains("weight: expected f32(3), got f32(2)"), "{why}");
    let attrs = serde_json::json!({"label_smoothing": 1.5});
    let inputs = [("x".to_string(), x), ("target".to_string(), truth)].into();
    let entry = entry("cross_entropy").expect("registered");
    let why = run_entry(gpu(), entry, &attrs, &inputs, false).expect_err("refused").to_string();
    assert!(why.contains("attribute 'label_smoothing' must be between 0 and 1, got 1.5"), "{why}");
}
