//! drop_small: scores, NaN for boxes that are too small or score too little. The harness lets NaN equal nothing, so the cases are
//! compared here.

use crate::harness::{Rng, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::{Options, run_op_checked};
use wgvision::ops::drop_small::DropSmall;
use wgvision::tensor::{Tensor, TensorType};

/// Boxes with sides around the bound, some of exactly that side, some absent, turned inside out or not finite; scores of few values, some NaN.
fn case(rng: &mut Rng, [n, rows]: [usize; 2]) -> (DropSmall, [Tensor; 2]) {
    let min_size = rng.pick(&[1e-3, 0.01, 0.5, 1.0]);
    let min_score = rng.pick(&[None, Some(0.0), Some(0.5)]);
    let side = |rng: &mut Rng| rng.pick(&[0.0, 0.5, 0.999, 1.0, 1.001, 30.0, -2.0]) * min_size;
    let one = |_| {
        // Corners at 0 keep sides exact; further out they round.
        let [x, y] = if rng.coin() { [0.0; 2] } else { [rng.float(0.0, 50.0), rng.float(0.0, 50.0)] };
        let mut corners = [x, y, x + side(rng), y + side(rng)];
        if rng.range(0, 9) == 0 {
            corners[rng.range(0, 3)] = rng.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        }
        corners
    };
    let boxes = Tensor::f32([n, rows, 4], (0..n * rows).flat_map(one).collect());
    let scores = [0.0, -0.0, 0.25, 0.5, 1.0, -3.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let scores = Tensor::f32([n, rows], (0..n * rows).map(|_| rng.pick(&scores)).collect());
    (DropSmall { min_size, min_score }, [boxes, scores])
}

/// Whether the definition keeps a score, in f32: sides are rounded before they are compared.
fn keeps(op: &DropSmall, corners: &[f32], score: f32) -> bool {
    let [w, h] = [corners[2] - corners[0], corners[3] - corners[1]];
    let large = corners.iter().all(|c| c.is_finite()) && w >= op.min_size && h >= op.min_size;
    large && !score.is_nan() && op.min_score.is_none_or(|low| score >= low)
}

fn kept(op: DropSmall, boxes: &Tensor, scores: &Tensor) -> Vec<f32> {
    let run = |options: Options| {
        let single = run_op_checked(gpu(), Arc::new(op), &[boxes, scores], &[], options).expect("runs");
        assert_eq!(single.damaged, None);
        single.outputs[0].clone()
    };
    let first = run(Options { sentinels: true, no_in_place: true, ..Options::default() });
    assert_eq!(first.bytes(), run(Options::default()).bytes(), "in place");
    first.as_f32().to_vec()
}

#[test]
fn drop_small() {
    let mut rng = Rng::for_test("drop_small");
    let mut sizes = vec![[1, 1], [1, 255], [2, 128], [1, 257], [3, 1031]];
    sizes.extend((0..24).map(|_| [rng.range(1, 3), rng.range(1, 60)]));
    let mut dropped = 0;
    for (i, size) in sizes.into_iter().enumerate() {
        let (op, [boxes, scores]) = case(&mut rng, size);
        let got = kept(op, &boxes, &scores);
        for (j, (&got, &score)) in got.iter().zip(scores.as_f32()).enumerate() {
            let corners = &boxes.as_f32()[4 * j..4 * j + 4];
            let right = if keeps(&op, corners, score) { got.to_bits() == score.to_bits() } else { got.is_nan() };
            assert!(right, "case {i} {op:?}: {got} for box {corners:?} with score {score}");
            dropped += usize::from(got.is_nan());
        }
    }
    assert!(dropped > 1000);
}

#[test]
fn drop_small_keeps_what_torchvision_keeps() {
    // torchvision.ops.remove_small_boxes(boxes, 1e-3) of 0.29 returns [0, 3, 4, 7]; an RPN then keeps scores >= 0.
    let boxes = [
        [0.0, 0.0, 1e-3, 1e-3],
        [0.0, 0.0, 0.000_999, 5.0],
        [0.0, 0.0, 5.0, 0.000_999],
        [10.0, 10.0, 10.002, 10.002],
        [3.0, 4.0, 50.0, 60.0],
        [10.0, 10.0, 10.0, 20.0],
        [5.0, 5.0, 4.0, 9.0],
        [-1.0, -1.0, 1.0, 1.0],
    ];
    let boxes = Tensor::f32([1, 8, 4], boxes.concat());
    let scores = Tensor::f32([1, 8], vec![0.9, 0.8, 0.7, 0.0, -0.1, 0.4, 0.3, 0.2]);
    let stay = |min_score| -> Vec<usize> {
        let got = kept(DropSmall { min_size: 1e-3, min_score }, &boxes, &scores);
        (0..8).filter(|&i| !got[i].is_nan()).collect()
    };
    assert_eq!(stay(None), [0, 3, 4, 7]);
    assert_eq!(stay(Some(0.0)), [0, 3, 7]);
}

#[test]
fn drop_small_refuses_what_it_cannot_use() {
    let op = DropSmall { min_size: 1.0, min_score: None };
    let [boxes, scores] = [TensorType::f32([2, 5, 4]), TensorType::f32([2, 5])];
    refuses(&op, &[scores.clone(), scores.clone()], "drop_small 'node': boxes: expected f32(2, 5, 4), got f32(2, 5)");
    refuses(&op, &[boxes.clone(), TensorType::i32([2, 5])], "scores: expected f32 of rank 2");
    refuses(&DropSmall { min_size: f32::NAN, ..op }, &[boxes, scores], "must be numbers");
}
