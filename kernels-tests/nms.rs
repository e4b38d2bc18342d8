//! nms: each box in descending order of score against all kept before it, in the f32 arithmetic of torchvision.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, nms::Nms};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Kinds of boxes.
pub const KINDS: usize = 6;

/// `count` boxes: clustered around objects, on a grid without touching, all alike, of small whole numbers (overlaps of exactly 1/2, 1/3
/// and so on), without area or turned inside out, with NaN and infinities.
pub fn boxes(rng: &mut Rng, kind: usize, count: usize) -> Vec<f32> {
    let centres: Vec<[f32; 4]> = (0..1 + count / 20)
        .map(|_| [rng.float(0.0, 500.0), rng.float(0.0, 500.0), rng.float(5.0, 90.0), rng.float(5.0, 90.0)])
        .collect();
    let side = (count as f32).sqrt().ceil() as usize;
    let one = |i: usize| {
        let whole = |rng: &mut Rng, high: usize| rng.range(0, high) as f32;
        match kind {
            0 => {
                let [x, y, w, h] = rng.pick(&centres).map(|v| v + rng.float(-4.0, 4.0));
                [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
            }
            1 => {
                let (x, y) = ((i % side * 10) as f32, (i / side * 10) as f32);
                [x, y, x + rng.float(1.0, 9.5), y + rng.float(1.0, 9.5)]
            }
            2 => [10.0, 20.0, 50.0, 60.0],
            3 => {
                let (x, y) = (whole(rng, 6), whole(rng, 6));
                [x, y, x + 1.0 + whole(rng, 5), y + 1.0 + whole(rng, 5)]
            }
            4 => [0; 4].map(|_| whole(rng, 3)),
            _ => {
                let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, -3e38];
                let (x, y) = (whole(rng, 4), whole(rng, 4));
                [x, y, x + 3.0, y + 3.0].map(|v| if rng.range(0, 15) == 0 { rng.pick(&odd) } else { v })
            }
        }
    };
    (0..count).flat_map(one).collect()
}

/// Scores: distinct, of few values, all equal, some NaN.
pub fn scores(rng: &mut Rng, kind: usize, count: usize) -> Vec<f32> {
    let one = |_| match kind {
        0 => rng.float(0.0, 1.0),
        1 => rng.range(0, 5) as f32 / 5.0,
        2 => 0.5,
        _ => [rng.float(-1.0, 1.0), f32::NAN][usize::from(rng.range(0, 4) == 0)],
    };
    (0..count).map(one).collect()
}

fn case(rng: &mut Rng, op: Nms, kinds: [usize; 2], [n, k]: [usize; 2]) -> (Nms, Vec<Tensor>) {
    let all_boxes = (0..n).flat_map(|_| boxes(rng, kinds[0], k)).collect();
    let all_scores = (0..n).flat_map(|_| scores(rng, kinds[1], k)).collect();
    let mut inputs = vec![Tensor::f32([n, k, 4], all_boxes), Tensor::f32([n, k], all_scores)];
    if op.grouped {
        inputs.push(rng.indices([n, k], -1, 3));
    }
    if op.counted {
        inputs.push(rng.indices([n], -1, k as i32 + 2));
    }
    (op, inputs)
}

impl OpSpec for Spec {
    type Attrs = Nms;
    const NAME: &'static str = "nms";
    const RANDOM: usize = 60;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(Nms, Vec<Tensor>)> {
        // One, around a word, the invocations, the sorted run and the block; several blocks.
        let sizes = [1, 2, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025, 2047, 2049, 3100];
        let mut cases = Vec::new();
        for (i, k) in sizes.into_iter().enumerate() {
            for j in 0..2 {
                let kinds = [(i + 3 * j) % KINDS, (i + j) % 4];
                let iou_threshold = [0.5, 0.45, 0.3, 0.0][(i + j) % 4];
                let op = Nms {
                    iou_threshold,
                    max_out: k,
                    grouped: i % 3 == 1,
                    counted: i % 5 == 4,
                    subgroups: Some(j == 0),
                };
                cases.push(case(rng, op, kinds, [1 + i % 2, k]));
            }
        }
        for kind in 0..3 {
            let op =
                Nms { iou_threshold: 0.5, max_out: 10_000, grouped: false, counted: false, subgroups: Some(kind > 0) };
            cases.push(case(rng, op, [kind, 0], [1, 10_000]));
        }
        // Stops in the second block, and within a word of the first.
        for max_out in [1500, 100] {
            let op = Nms { iou_threshold: 0.5, max_out, grouped: false, counted: false, subgroups: None };
            cases.push(case(rng, op, [1, 1], [2, 5000]));
        }
        for kind in [0, 2] {
            let op = Nms { iou_threshold: 0.2, max_out: 1000, grouped: kind == 0, counted: false, subgroups: None };
            cases.push(case(rng, op, [kind, 3], [1, 100_000]));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (Nms, Vec<Tensor>) {
        let k = rng.range(1, 120);
        let op = Nms {
            iou_threshold: rng.pick(&[0.0, 0.25, 0.3, 1.0 / 3.0, 0.45, 0.5, 0.6, 0.7, 1.0]),
            max_out: if rng.coin() { k } else { rng.range(1, 150) },
            grouped: rng.coin(),
            counted: rng.coin(),
            subgroups: Some(rng.coin()),
        };
        let (kinds, n) = ([rng.range(0, KINDS - 1), rng.range(0, 3)], rng.range(1, 3));
        case(rng, op, kinds, [n, k])
    }

    fn op(attrs: &Nms) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &Nms, inputs: &[Array]) -> Vec<Expected> {
        let (n, k) = (inputs[1].shape[0], inputs[1].shape[1]);
        let mut keep = Array { shape: vec![n, op.max_out], data: vec![-1.0; n * op.max_out] };
        let mut count = Array::zeros(&[n]);
        for row in 0..n {
            let limit = if op.counted { inputs.last().expect("counts").data[row].max(0.0) as usize } else { k };
            let kept =
                suppress(op, &inputs[0].data[row * k * 4..], &inputs[1].data[row * k..(row + 1) * k], limit, |i| {
                    if op.grouped { inputs[2].data[row * k + i] } else { 0.0 }
                });
            count.data[row] = kept.len() as f64;
            for (place, i) in kept.into_iter().enumerate() {
                keep.data[row * op.max_out + place] = i as f64;
            }
        }
        vec![Expected::exact(keep), Expected::exact(count)]
    }
}

/// Intersection over union in f32, in torchvision's order of operations.
pub fn iou(a: &[f32], b: &[f32]) -> f32 {
    let area = |b: &[f32]| (b[2] - b[0]) * (b[3] - b[1]);
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let inter = w * h;
    inter / (area(a) + area(b) - inter)
}

/// Order of the scores that take part: descending, the lower index first.
pub fn order(scores: &[f64], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len().min(limit)).filter(|&i| !scores[i].is_nan()).collect();
    order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).expect("no NaN").then(a.cmp(&b)));
    order
}

fn suppress(op: &Nms, boxes: &[f64], scores: &[f64], limit: usize, group: impl Fn(usize) -> f64) -> Vec<usize> {
    let boxes: Vec<f32> = boxes.iter().map(|&v| v as f32).collect();
    let at = |i: usize| &boxes[4 * i..4 * i + 4];
    let mut kept: Vec<usize> = Vec::new();
    for i in order(scores, limit) {
        let hit = |&j: &usize| group(i) == group(j) && f64::from(iou(at(j), at(i))) > op.iou_threshold;
        if kept.len() < op.max_out && !kept.iter().any(hit) {
            kept.push(i);
        }
    }
    kept
}

#[test]
fn nms() {
    check::<Spec>();
}

#[test]
fn nms_refuses_what_it_cannot_use() {
    let op = Nms { iou_threshold: 0.5, max_out: 3, grouped: false, counted: true, subgroups: None };
    let [boxes, scores] = [TensorType::f32([2, 8, 4]), TensorType::f32([2, 8])];
    let with = |b: &TensorType, s: &TensorType, c: TensorType| [b.clone(), s.clone(), c];
    refuses(
        &op,
        &with(&scores, &scores, TensorType::i32([2])),
        "nms 'node': boxes: expected f32(2, 8, 4), got f32(2, 8)",
    );
    refuses(&op, &with(&boxes, &scores, TensorType::i32([3])), "counts: expected i32(2), got i32(3)");
    refuses(&op, &[boxes.clone(), scores.clone()], "expected 3 (boxes, scores, ...), got 2");
    let good = with(&boxes, &scores, TensorType::i32([2]));
    refuses(&Nms { iou_threshold: -0.1, ..op }, &good, "iou_threshold must be 0 or more");
    refuses(&Nms { max_out: 0, ..op }, &good, "max_out must be at least 1");
}
