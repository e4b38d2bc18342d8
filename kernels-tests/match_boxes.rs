//! match_boxes: the whole table of overlaps in torchvision's f32 arithmetic, and its Matcher on that table.

use super::nms::iou;
use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, match_boxes::MatchBoxes};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// `count` boxes: of whole pixels in a small place (overlaps of 1/2, 7/10 and so on, many alike), anywhere in a picture of 600, on a
/// grid like anchors, or all in one corner, so that nothing else touches them.
fn boxes(rng: &mut Rng, kind: usize, count: usize) -> Vec<f32> {
    let one = |i: usize| {
        let whole = |rng: &mut Rng, high: usize| rng.range(0, high) as f32;
        let [x, y, w, h] = match kind {
            0 => [whole(rng, 20), whole(rng, 20), 1.0 + whole(rng, 10), 1.0 + whole(rng, 10)],
            1 => [rng.float(0.0, 500.0), rng.float(0.0, 500.0), rng.float(3.0, 300.0), rng.float(3.0, 300.0)],
            2 => {
                let side = [32.0, 45.0, 23.0][i % 3];
                [(i / 3 % 40) as f32 * 16.0 - side / 2.0, (i / 120) as f32 * 16.0 - side, side, 2.0 * side]
            }
            _ => [1e6 + whole(rng, 50), 1e6, 8.0, 8.0],
        };
        [x, y, x + w, y + h]
    };
    (0..count).flat_map(one).collect()
}

/// `kinds` of boxes and of true boxes; `gaps` out of ten true boxes are missing; `alike`: one set of boxes for all pictures.
fn case(
    rng: &mut Rng,
    op: MatchBoxes,
    kinds: [usize; 2],
    [n, rows, truths]: [usize; 3],
    (gaps, alike): (usize, bool),
) -> (MatchBoxes, Vec<Tensor>) {
    let owners = if alike { 1 } else { n };
    let mut own: Vec<f32> = (0..owners).flat_map(|_| boxes(rng, kinds[0], rows)).collect();
    for b in own.chunks_mut(4) {
        if rng.range(0, 11) == 0 {
            b.fill(0.0);
        }
    }
    let mut gt: Vec<f32> = (0..n).flat_map(|_| boxes(rng, kinds[1], truths)).collect();
    // A true box now and then is one of the boxes: an overlap of 1. Another lies where nothing is.
    for (i, b) in gt.chunks_mut(4).enumerate() {
        match rng.range(0, 15) {
            0 => b.copy_from_slice(&own[4 * (i % rows)..4 * (i % rows) + 4]),
            1 if rng.range(0, 3) == 0 => b.copy_from_slice(&[-90.0, -90.0, -60.0, -60.0]),
            _ => (),
        }
    }
    let labels = (0..n * truths).map(|_| if rng.range(0, 9) < gaps { -1 } else { rng.range(0, 90) as i32 }).collect();
    let inputs =
        vec![Tensor::f32([owners, rows, 4], own), Tensor::f32([n, truths, 4], gt), Tensor::i32([n, truths], labels)];
    (op, inputs)
}

fn attrs(rng: &mut Rng) -> MatchBoxes {
    let [high, low] = rng.pick(&[[0.7, 0.3], [0.5, 0.4], [0.5, 0.5], [0.25, 0.0], [1.0, 0.5]]);
    MatchBoxes { high, low, low_quality: rng.coin() }
}

/// torchvision's Matcher on one picture: `table[t][r]` for the true boxes of `places`.
fn matcher(op: &MatchBoxes, table: &[Vec<f32>], places: &[usize], absent: &[bool]) -> Vec<f64> {
    let rows = absent.len();
    let largest: Vec<f32> = table.iter().map(|t| t.iter().copied().fold(0.0, f32::max)).collect();
    let one = |r: usize| {
        if absent[r] {
            return -3.0;
        }
        // The first of the largest: strict comparison.
        let mut best: Option<usize> = None;
        for t in 0..table.len() {
            if best.is_none_or(|b| table[t][r] > table[b][r]) {
                best = Some(t);
            }
        }
        let Some(best) = best else { return -1.0 };
        let tied = op.low_quality && (0..table.len()).any(|t| table[t][r] == largest[t]);
        let overlap = table[best][r];
        match () {
            _ if tied || overlap >= op.high => places[best] as f64,
            _ if overlap < op.low => -1.0,
            _ => -2.0,
        }
    };
    (0..rows).map(one).collect()
}

impl OpSpec for Spec {
    type Attrs = MatchBoxes;
    const NAME: &'static str = "match_boxes";
    const RANDOM: usize = 60;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(MatchBoxes, Vec<Tensor>)> {
        // One, around the boxes of a workgroup and its true boxes at once, anchors and proposals as detectors have them.
        let sizes = [
            [1, 1, 1],
            [2, 1, 7],
            [1, 255, 3],
            [2, 257, 255],
            [1, 1023, 256],
            [1, 1024, 257],
            [2, 1025, 600],
            [3, 2100, 100],
            [1, 40_001, 33],
        ];
        let mut cases = Vec::new();
        for (i, size) in sizes.into_iter().enumerate() {
            for j in 0..4 {
                let op = MatchBoxes { low_quality: j % 2 == 0, ..attrs(rng) };
                let kinds = [[0, 0], [1, 1], [2, 1], [2, 0]][(i + j) % 4];
                cases.push(case(rng, op, kinds, size, ([0, 9, 3, 5][(i + j / 2) % 4], i % 2 == 0)));
            }
        }
        // No true box at all, and none that anything touches.
        let op = MatchBoxes { high: 0.7, low: 0.3, low_quality: true };
        cases.push(case(rng, op, [1, 1], [2, 300, 4], (10, false)));
        cases.push(case(rng, op, [1, 3], [2, 300, 4], (2, false)));
        cases.push(case(rng, op, [2, 1], [1, 160_000, 20], (2, true)));
        cases
    }

    fn random(rng: &mut Rng) -> (MatchBoxes, Vec<Tensor>) {
        let size = [rng.range(1, 3), rng.range(1, 200), rng.range(1, 12)];
        let (op, kinds) = (attrs(rng), [rng.range(0, 2), rng.range(0, 1)]);
        let rest = (rng.range(0, 9), rng.coin());
        case(rng, op, kinds, size, rest)
    }

    fn op(attrs: &MatchBoxes) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &MatchBoxes, inputs: &[Array]) -> Vec<Expected> {
        let (n, rows, truths) = (inputs[1].shape[0], inputs[0].shape[1], inputs[1].shape[1]);
        let [own, gt] = [0, 1].map(|i| inputs[i].data.iter().map(|&v| v as f32).collect::<Vec<f32>>());
        let mut matched = Vec::new();
        for picture in 0..n {
            let owner = if inputs[0].shape[0] == 1 { 0 } else { picture };
            let own: Vec<&[f32]> = own[owner * rows * 4..(owner + 1) * rows * 4].chunks(4).collect();
            let places: Vec<usize> = (0..truths).filter(|&t| inputs[2].data[picture * truths + t] >= 0.0).collect();
            let overlap = |t: usize, b: &[f32]| {
                let value = iou(&gt[(picture * truths + t) * 4..][..4], b);
                if value.is_nan() { 0.0 } else { value }
            };
            let table: Vec<Vec<f32>> = places.iter().map(|&t| own.iter().map(|b| overlap(t, b)).collect()).collect();
            let absent: Vec<bool> = own.iter().map(|b| b.iter().all(|&v| v == 0.0)).collect();
            matched.extend(matcher(op, &table, &places, &absent));
        }
        vec![Expected::exact(Array { shape: vec![n, rows], data: matched })]
    }
}

#[test]
fn match_boxes() {
    check::<Spec>();
}

#[test]
fn match_boxes_refuses_what_it_cannot_use() {
    let op = MatchBoxes { high: 0.7, low: 0.3, low_quality: true };
    let [boxes, truths, labels] = [TensorType::f32([1, 9, 4]), TensorType::f32([2, 3, 4]), TensorType::i32([2, 3])];
    let with = |b: &TensorType, t: &TensorType, l: &TensorType| [b.clone(), t.clone(), l.clone()];
    refuses(
        &op,
        &with(&TensorType::f32([3, 9, 4]), &truths, &labels),
        "match_boxes 'node': boxes: expected f32 of shape (2 or 1, R, 4), got f32(3, 9, 4)",
    );
    refuses(&op, &with(&boxes, &boxes, &labels), "gt_boxes: expected f32(2, 3, 4), got f32(1, 9, 4)");
    refuses(&op, &with(&boxes, &truths, &TensorType::f32([2, 3])), "gt_labels: expected i32 of rank 2");
    refuses(&op, &[boxes.clone(), truths.clone()], "expected boxes, gt_boxes and gt_labels, got 2");
    refuses(
        &MatchBoxes { low: 0.8, ..op },
        &with(&boxes, &truths, &labels),
        "low must be at most high, got 0.8 and 0.7",
    );
}
