//! box_decode: centre and sides of a box moved and scaled.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, box_decode::BoxDecode};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Boxes with positive sides around a picture of 400, one in six absent.
pub fn boxes(rng: &mut Rng, n: usize, rows: usize) -> Tensor {
    let one = |_| {
        let [x, y] = [0; 2].map(|_| rng.float(-20.0, 380.0));
        let [w, h] = [0; 2].map(|_| rng.float(2.0, 150.0));
        if rng.range(0, 5) == 0 { [0.0; 4] } else { [x, y, x + w, y + h] }
    };
    Tensor::f32([n, rows, 4], (0..n * rows).flat_map(one).collect())
}

/// `alike`: one set of boxes for all pictures.
fn case(rng: &mut Rng, [n, rows, classes]: [usize; 3], alike: bool, sized: bool) -> (BoxDecode, Vec<Tensor>) {
    let weights = rng.pick(&[[1.0; 4], [10.0, 10.0, 5.0, 5.0], [0.5, 2.0, 3.0, 1.5]]);
    let max_ratio = rng.pick(&[BoxDecode::MAX_RATIO, 0.5, 80.0]);
    // One growth in eight lies beyond the bound, none near it.
    let mut one = |i: usize| {
        let scaled = match (i % 4 >= 2, rng.range(0, 7)) {
            (true, 0) if max_ratio < 10.0 => max_ratio + rng.float(0.1, 3.0),
            (true, _) => rng.float(-4.0, max_ratio.min(3.0) - 0.1),
            (false, _) => rng.float(-1.5, 1.5),
        };
        scaled * weights[i % 4]
    };
    let deltas = Tensor::f32([n, rows, 4 * classes], (0..n * rows * 4 * classes).map(&mut one).collect());
    let mut inputs = vec![deltas, boxes(rng, if alike { 1 } else { n }, rows)];
    if sized {
        inputs.push(rng.tensor_in([n, 2], 100.0, 400.0));
    }
    (BoxDecode { weights, max_ratio, sized }, inputs)
}

impl OpSpec for Spec {
    type Attrs = BoxDecode;
    const NAME: &'static str = "box_decode";
    const RANDOM: usize = 40;

    fn boundary(rng: &mut Rng) -> Vec<(BoxDecode, Vec<Tensor>)> {
        let sizes = [[1, 1, 1], [1, 255, 1], [2, 64, 2], [1, 257, 1], [3, 31, 7], [2, 1031, 1], [1, 20, 91]];
        let mut cases = Vec::new();
        for (i, size) in sizes.into_iter().enumerate() {
            for j in 0..2 {
                cases.push(case(rng, size, (i + j) % 2 == 0, j == 0));
            }
        }
        cases
    }

    fn random(rng: &mut Rng) -> (BoxDecode, Vec<Tensor>) {
        let size = [rng.range(1, 3), rng.range(1, 8), rng.range(1, 4)];
        let (alike, sized) = (rng.coin(), rng.coin());
        case(rng, size, alike, sized)
    }

    fn op(attrs: &BoxDecode) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &BoxDecode, inputs: &[Array]) -> Vec<Expected> {
        let (deltas, boxes) = (&inputs[0], &inputs[1]);
        let [n, rows, classes] = [deltas.shape[0], deltas.shape[1], deltas.shape[2] / 4];
        let mut magnitude = Vec::new();
        let value = Array::from_fn(&[n, rows * classes, 4], |at| {
            let [picture, place, c] = [at[0], at[1], at[2]];
            let (row, class) = (place / classes, place % classes);
            let owner = if boxes.shape[0] == 1 { 0 } else { picture };
            let corner = |c: usize| boxes.get(&[owner, row, c]);
            if (0..4).all(|c| corner(c) == 0.0) {
                magnitude.push(0.0);
                return 0.0;
            }
            // x or y, and which end of it.
            let (axis, end) = (c % 2, c / 2);
            let delta = |c: usize| deltas.get(&[picture, row, 4 * class + c]) / f64::from(op.weights[c]);
            let side = corner(axis + 2) - corner(axis);
            let centre = corner(axis) + side / 2.0 + delta(axis) * side;
            let half = delta(axis + 2).min(f64::from(op.max_ratio)).exp() * side / 2.0;
            let made = if end == 0 { centre - half } else { centre + half };
            magnitude.push(corner(axis).abs() + side + (delta(axis) * side).abs() + half);
            if op.sized { made.clamp(0.0, inputs[2].get(&[picture, 1 - axis])) } else { made }
        });
        // exp, the growth that goes into it (whose rounding it multiplies by up to 4) and the sums of the corners.
        vec![Expected::sum(value, magnitude, 4).wider(8.0)]
    }

    fn gradient_into(_: &BoxDecode, input: usize) -> bool {
        input == 0
    }
}

#[test]
fn box_decode() {
    check::<Spec>();
}

#[test]
fn box_decode_keeps_its_digits_for_any_growth() {
    // Boxes from 0 to 2 with weights of 1: x1 - 1 is exp(dw).
    let growths: Vec<f32> = (0..4000).map(|i| -86.0 + i as f32 * 0.041_5).collect();
    let deltas = growths.iter().flat_map(|&g| [0.5, 0.5, g, g]).collect();
    let inputs = [
        Tensor::f32([1, growths.len(), 4], deltas),
        Tensor::f32([1, growths.len(), 4], [-2.0, -2.0, 0.0, 0.0].repeat(growths.len())),
    ];
    let op = BoxDecode { weights: [1.0; 4], max_ratio: 80.0, sized: false };
    let y = run_op(gpu(), Arc::new(op), &[&inputs[0], &inputs[1]]).expect("runs").remove(0);
    for (corners, growth) in y.as_f32().chunks(4).zip(growths) {
        // The centre is 0.
        let off = f64::from(corners[2]) / f64::from(growth).exp() - 1.0;
        assert!(off.abs() < 3.0 * 2f64.powi(-24), "exp({growth}) is off by {off:e}");
    }
}

#[test]
fn box_decode_refuses_what_it_cannot_use() {
    let op = BoxDecode { weights: [1.0; 4], max_ratio: BoxDecode::MAX_RATIO, sized: true };
    let [deltas, boxes, sizes] = [TensorType::f32([2, 5, 8]), TensorType::f32([1, 5, 4]), TensorType::f32([2, 2])];
    let with = |d: &TensorType, b: &TensorType, s: &TensorType| [d.clone(), b.clone(), s.clone()];
    refuses(
        &op,
        &with(&TensorType::f32([2, 5, 6]), &boxes, &sizes),
        "box_decode 'node': deltas: expected f32 of shape (N, R, 4 * classes), got f32(2, 5, 6)",
    );
    refuses(&op, &with(&deltas, &TensorType::f32([3, 5, 4]), &sizes), "boxes: expected f32(2 or 1, 5, 4)");
    refuses(&op, &with(&deltas, &boxes, &boxes), "image_sizes: expected f32(2, 2), got f32(1, 5, 4)");
    refuses(&op, &[deltas.clone(), boxes.clone()], "expected 3 (deltas, boxes, ...), got 2");
    let good = with(&deltas, &boxes, &sizes);
    refuses(&BoxDecode { weights: [1.0, 0.0, 1.0, 1.0], ..op }, &good, "weights must be positive");
    refuses(&BoxDecode { max_ratio: 90.0, ..op }, &good, "max_ratio must be at most 80, got 90");
}
