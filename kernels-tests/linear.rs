//! linear: sum over i of x[..., i] weight[i, o] + bias[o]; every kernel.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::linear::Linear;
use wgvision::ops::matmul::Variant;
use wgvision::tensor::Tensor;

/// The definition and the cases.
pub struct Spec;

const VARIANTS: [Option<Variant>; 4] = [None, Some(Variant::Registers), Some(Variant::Subgroup), Some(Variant::Tiled)];

fn case(rng: &mut Rng, rows: &[usize], inputs: usize, outputs: usize, op: Linear) -> (Linear, Vec<Tensor>) {
    let mut tensors = vec![rng.tensor([rows, &[inputs]].concat()), rng.tensor([inputs, outputs])];
    if op.bias {
        tensors.push(rng.tensor([outputs]));
    }
    (op, tensors)
}

impl OpSpec for Spec {
    type Attrs = Linear;
    const NAME: &'static str = "linear";
    const RANDOM: usize = 32;

    fn boundary(rng: &mut Rng) -> Vec<(Linear, Vec<Tensor>)> {
        let sizes: [(&[usize], usize, usize); 10] = [
            (&[1], 1, 1),
            (&[], 5, 3),
            (&[4], 16, 32),
            (&[65], 63, 64),
            (&[63], 64, 65),
            (&[3, 7], 17, 33),
            (&[2, 3, 5], 31, 12),
            (&[1], 1031, 10),
            (&[257], 3, 129),
            (&[2], 4099, 3),
        ];
        let mut cases = Vec::new();
        for (i, (rows, inputs, outputs)) in sizes.into_iter().enumerate() {
            for variant in [Some(Variant::Registers), Some(Variant::Subgroup), Some(Variant::Tiled)] {
                cases.push(case(rng, rows, inputs, outputs, Linear { bias: i % 3 != 1, variant }));
            }
        }
        cases
    }

    fn random(rng: &mut Rng) -> (Linear, Vec<Tensor>) {
        let rows = [rng.range(1, 3), rng.range(1, 4), rng.range(1, 3)];
        let dropped = rng.range(0, 3);
        let op = Linear { bias: rng.coin(), variant: rng.pick(&VARIANTS) };
        let (inputs, outputs) = (rng.range(1, 9), rng.range(1, 9));
        case(rng, &rows[dropped..], inputs, outputs, op)
    }

    fn op(op: &Linear) -> OpRef {
        Arc::new(*op)
    }

    fn reference(op: &Linear, inputs: &[Array]) -> Vec<Expected> {
        let (x, weight) = (&inputs[0], &inputs[1]);
        let [channels, outputs] = weight.shape[..] else { unreachable!() };
        let mut shape = x.shape.clone();
        *shape.last_mut().expect("channels") = outputs;
        let mut value = Array::zeros(&shape);
        let mut magnitude = vec![0.0; value.data.len()];
        for (i, y) in value.data.iter_mut().enumerate() {
            let (row, o) = (i / outputs, i % outputs);
            let mut terms: Vec<f64> =
                (0..channels).map(|c| x.data[row * channels + c] * weight.data[c * outputs + o]).collect();
            if op.bias {
                terms.push(inputs[2].data[o]);
            }
            *y = terms.iter().sum();
            magnitude[i] = terms.iter().map(|t| t.abs()).sum();
        }
        vec![Expected::sum(value, magnitude, channels + 1)]
    }
}

#[test]
fn linear() {
    check::<Spec>();
}

#[test]
fn linear_refuses_what_does_not_fit() {
    let (x, weight, bias) = (Tensor::full([2, 3], 1.0), Tensor::full([4, 5], 1.0), Tensor::full([4], 1.0));
    let why = run_op(gpu(), Arc::new(Linear::default()), &[&x, &weight]).expect_err("refused").to_string();
    assert!(
        why.contains("weight: expected f32 or f16 with 3 input channels, as x f32(2, 3) has, got f32(4, 5)"),
        "{why}"
    );
    let op = Linear { bias: true, variant: None };
    let weight = Tensor::full([3, 5], 1.0);
    let why = run_op(gpu(), Arc::new(op), &[&x, &weight, &bias]).expect_err("refused").to_string();
    assert!(why.contains("bias: expected f32(5), got f32(4)"), "{why}");
}
