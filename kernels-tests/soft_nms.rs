//! soft_nms: one choice after another, in float64. Cases in which two scores, or a score and the threshold, come so close that rounding
//! could swap them are drawn again.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use crate::nms::boxes;
use std::sync::Arc;
use wgvision::ops::OpRef;
use wgvision::ops::soft_nms::{Decay, SoftNms};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Distance of two numbers, relative, below which their order is left to rounding. Equal ones come of equal arithmetic.
const CLOSE: f64 = 2e-6;

fn close(a: f64, b: f64) -> bool {
    a != b && (a - b).abs() < CLOSE * a.abs().max(b.abs())
}

fn iou(a: &[f64], b: &[f64]) -> f64 {
    let area = |b: &[f64]| (b[2] - b[0]) * (b[3] - b[1]);
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    if w * h > 0.0 { w * h / (area(a) + area(b) - w * h) } else { 0.0 }
}

/// The choices of a row, (index, score), and whether all of them were clear.
fn soft(
    op: &SoftNms,
    boxes: &[f64],
    scores: &[f64],
    limit: usize,
    group: impl Fn(usize) -> f64,
) -> (Vec<(usize, f64)>, bool) {
    let threshold = f64::from(op.score_threshold);
    let mut left: Vec<(usize, f64)> =
        scores.iter().copied().enumerate().take(limit).filter(|&(_, s)| !s.is_nan() && s > threshold).collect();
    let (mut chosen, mut clear) = (Vec::new(), true);
    while chosen.len() < op.max_out && !left.is_empty() {
        let best = left.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a }).expect("some are left");
        clear &= !left.iter().any(|&(_, s)| close(s, best.1));
        chosen.push(best);
        left.retain(|&(i, _)| i != best.0);
        for (i, score) in &mut left {
            if group(*i) != group(best.0) {
                continue;
            }
            let overlap = iou(&boxes[4 * best.0..][..4], &boxes[4 * *i..][..4]);
            match op.decay {
                Decay::Linear { iou_threshold: t } => {
                    clear &= !close(overlap, t);
                    *score *= if overlap > t { 1.0 - overlap } else { 1.0 };
                }
                Decay::Gaussian { sigma } => *score *= (-overlap * overlap / f64::from(sigma)).exp(),
            }
            clear &= !close(*score, threshold);
        }
        left.retain(|&(_, s)| s > threshold);
    }
    (chosen, clear)
}

fn rows(op: &SoftNms, inputs: &[Array]) -> Vec<(Vec<(usize, f64)>, bool)> {
    let (n, k) = (inputs[1].shape[0], inputs[1].shape[1]);
    let row = |row: usize| {
        let limit = if op.counted { inputs.last().expect("counts").data[row].max(0.0) as usize } else { k };
        let group = |i: usize| if op.grouped { inputs[2].data[row * k + i] } else { 0.0 };
        soft(op, &inputs[0].data[row * k * 4..][..4 * k], &inputs[1].data[row * k..][..k], limit, group)
    };
    (0..n).map(row).collect()
}

fn case(rng: &mut Rng, op: SoftNms, kinds: [usize; 2], [n, k]: [usize; 2]) -> (SoftNms, Vec<Tensor>) {
    for _ in 0..100 {
        let all = (0..n).flat_map(|_| boxes(rng, kinds[0], k)).collect();
        let scores = (0..n).flat_map(|_| crate::nms::scores(rng, kinds[1], k)).collect();
        let mut inputs = vec![Tensor::f32([n, k, 4], all), Tensor::f32([n, k], scores)];
        if op.grouped {
            inputs.push(rng.indices([n, k], 0, 3));
        }
        if op.counted {
            inputs.push(rng.indices([n], -1, k as i32 + 2));
        }
        let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
        if rows(&op, &arrays).iter().all(|r| r.1) {
            return (op, inputs);
        }
    }
    panic!("no clear case in 100 of {op:?}, {n} x {k}");
}

impl OpSpec for Spec {
    type Attrs = SoftNms;
    const NAME: &'static str = "soft_nms";
    const RANDOM: usize = 40;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(SoftNms, Vec<Tensor>)> {
        let linear = Decay::Linear { iou_threshold: 0.31 };
        let gaussian = Decay::Gaussian { sigma: 0.5 };
        let plain = SoftNms { decay: linear, score_threshold: 0.01, max_out: 1, grouped: false, counted: false };
        let mut cases = Vec::new();
        for (i, k) in [1, 31, 255, 256, 257].into_iter().enumerate() {
            let decay = [linear, gaussian][i % 2];
            cases.push(case(rng, SoftNms { decay, max_out: k.min(60), ..plain }, [0, 0], [2, k]));
            // Equal scores that nothing weakens: by index. Boxes without overlap: sorted. All alike.
            cases.push(case(rng, SoftNms { decay, max_out: k, ..plain }, [1, 2], [1, k]));
            cases.push(case(rng, SoftNms { decay: linear, max_out: k, ..plain }, [2, 1], [1, k]));
        }
        for decay in [linear, gaussian] {
            cases.push(case(rng, SoftNms { decay, max_out: 30, grouped: true, ..plain }, [0, 0], [1, 10_000]));
        }
        // Several launches: every box is chosen.
        cases.push(case(rng, SoftNms { max_out: 10_000, ..plain }, [1, 1], [1, 10_000]));
        cases
    }

    fn random(rng: &mut Rng) -> (SoftNms, Vec<Tensor>) {
        let k = rng.range(1, 70);
        let decay = match rng.coin() {
            true => Decay::Linear { iou_threshold: f64::from(rng.float(0.0, 0.8)) },
            false => Decay::Gaussian { sigma: rng.float(0.1, 1.0) },
        };
        let op = SoftNms {
            decay,
            score_threshold: rng.pick(&[0.0, 0.001, 0.2, -0.5]),
            max_out: if rng.coin() { k } else { rng.range(1, 90) },
            grouped: rng.coin(),
            counted: rng.coin(),
        };
        let (kinds, n) = ([rng.range(0, 2), [0, 3][rng.range(0, 1)]], rng.range(1, 3));
        case(rng, op, kinds, [n, k])
    }

    fn op(attrs: &SoftNms) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &SoftNms, inputs: &[Array]) -> Vec<Expected> {
        let n = inputs[1].shape[0];
        let mut keep = Array { shape: vec![n, op.max_out], data: vec![-1.0; n * op.max_out] };
        let mut scores = Array::zeros(&[n, op.max_out]);
        let mut count = Array::zeros(&[n]);
        for (row, (chosen, _)) in rows(op, inputs).into_iter().enumerate() {
            count.data[row] = chosen.len() as f64;
            for (place, (i, score)) in chosen.into_iter().enumerate() {
                keep.data[row * op.max_out + place] = i as f64;
                scores.data[row * op.max_out + place] = score;
            }
        }
        // Some ten roundings for each of the boxes that weaken it, twice that in an exponential; a score is weakened by few dozens.
        vec![Expected::exact(keep), Expected::exact(scores).wider(600.0), Expected::exact(count)]
    }
}

#[test]
fn soft_nms() {
    check::<Spec>();
}

#[test]
fn soft_nms_refuses_what_it_cannot_use() {
    let decay = Decay::Gaussian { sigma: 0.0 };
    let op = SoftNms { decay, score_threshold: 0.0, max_out: 3, grouped: true, counted: false };
    let [boxes, scores] = [TensorType::f32([2, 8, 4]), TensorType::f32([2, 8])];
    let good = [boxes.clone(), scores.clone(), TensorType::i32([2, 8])];
    refuses(&op, &good, "sigma must be above 0, got 0");
    refuses(
        &op,
        &[boxes, scores, TensorType::f32([2, 8])],
        "soft_nms 'node': groups: expected i32(2, 8), got f32(2, 8)",
    );
}
