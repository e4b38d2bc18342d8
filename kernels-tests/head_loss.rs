//! head_loss: assignment, values and gradients of YOLOv1's, v2's and v3's losses.
//!
//! The reference assigns as Darknet's loops do, truth by truth, where the kernel gathers place by place. What the gradient takes for constants
//! (assignment, IoU targets, CIoU's weight) is computed once from the case's inputs, so that differences of the reference take it for
//! constants too. Cases in which rounding could turn a decision are drawn again.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use crate::head_decode::{Raw, random_head, raw_head, sigmoid};
use crate::iou_loss;
use std::collections::BTreeSet;
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::head::{HeadKind, HeadSpec};
use wgvision::ops::head_loss::HeadLoss;
use wgvision::ops::iou_loss::IouKind;
use wgvision::tensor::{Tensor, TensorType};

/// Distance that a decision keeps from its threshold.
const MARGIN: f64 = 2e-5;

/// What is constant at one place.
#[derive(Clone, Debug)]
struct Place {
    found: i64,
    /// Objectness, where a truth was found.
    target: f64,
    alpha: f64,
    classes: BTreeSet<usize>,
}

/// The loss, and what its gradient takes for constants.
#[derive(Clone)]
struct Case {
    loss: HeadLoss,
    places: Vec<Place>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.loss.fmt(f)
    }
}

/// Centre x, y, width, height of truth `t` of picture `n`.
fn truth(boxes: &Array, n: usize, t: usize) -> [f64; 4] {
    [0, 1, 2, 3].map(|k| boxes.get(&[n, t, k]))
}

fn corners([x, y, w, h]: [f64; 4]) -> [f64; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let (p, q) = (corners(a), corners(b));
    let side = |d: usize| (p[d + 2].min(q[d + 2]) - p[d].max(q[d])).max(0.0);
    let both = side(0) * side(1);
    let either = a[2] * a[3] + b[2] * b[3] - both;
    if either > 0.0 { both / either } else { 0.0 }
}

/// IoU of two shapes laid on one centre.
fn shape_iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    iou([0.0, 0.0, a[0], a[1]], [0.0, 0.0, b[0], b[1]])
}

/// The first of the largest; clears `safe` where another comes close.
fn best(values: &[f64], safe: &mut bool) -> usize {
    let top = (0..values.len()).fold(0, |b, i| if values[i] > values[b] { i } else { b });
    *safe &= values.iter().enumerate().all(|(i, v)| i == top || values[top] - v > MARGIN);
    top
}

/// Number of the box of a cell that a truth trains, or all those it trains.
fn trained(loss: &HeadLoss, raw: &Raw, cell: [usize; 3], b: [f64; 4], safe: &mut bool) -> Vec<usize> {
    let [_, _, _, boxes] = raw.extents();
    let size = [b[2], b[3]];
    let predicted = |slot: usize| raw.share(cell[0], cell[1], cell[2], slot);
    match loss.head.kind {
        HeadKind::Yolo => {
            let all: Vec<f64> = (0..loss.head.anchors.len()).map(|a| shape_iou(raw.anchor(a), size)).collect();
            let top = best(&all, safe);
            let limit = f64::from(loss.match_thresh);
            *safe &= all.iter().all(|v| (v - limit).abs() > MARGIN);
            let wanted = |slot: &usize| loss.head.mask[*slot] == top || all[loss.head.mask[*slot]] > limit;
            (0..boxes).filter(wanted).collect()
        }
        HeadKind::Region => {
            let shape = |slot: usize| {
                let [_, _, w, h] = predicted(slot);
                if loss.bias_match { raw.anchor(loss.head.mask[slot]) } else { [w, h] }
            };
            vec![best(&(0..boxes).map(|slot| shape_iou(shape(slot), size)).collect::<Vec<_>>(), safe)]
        }
        HeadKind::Detection => {
            let all: Vec<f64> = (0..boxes).map(|slot| iou(predicted(slot), b)).collect();
            *safe &= all.iter().all(|&v| v == 0.0 || v > MARGIN);
            if all.iter().any(|&v| v > 0.0) {
                return vec![best(&all, safe)];
            }
            let near = |slot: usize| -(0..4).map(|k| (predicted(slot)[k] - b[k]).powi(2)).sum::<f64>().sqrt();
            vec![best(&(0..boxes).map(near).collect::<Vec<_>>(), safe)]
        }
    }
}

/// What every place trains on, and whether no decision is close.
fn assign(loss: &HeadLoss, inputs: &[Array]) -> (Vec<Place>, bool) {
    let raw = Raw { head: &loss.head, x: &inputs[0] };
    let [pictures, height, width, boxes] = raw.extents();
    let first_only = loss.head.kind == HeadKind::Detection;
    let one_class = first_only || (loss.head.softmax && loss.head.kind == HeadKind::Region);
    let background = Place { found: -1, target: 0.0, alpha: 0.0, classes: BTreeSet::new() };
    let mut places = vec![background; pictures * height * width * boxes];
    let at = |n: usize, row: usize, column: usize, slot: usize| ((n * height + row) * width + column) * boxes + slot;
    let mut safe = true;
    let pixels = |b: [f64; 4]| {
        let [h, w] = loss.head.input.map(|v| v as f64);
        let c = corners(b);
        [c[0] * w, c[1] * h, c[2] * w, c[3] * h]
    };
    for n in 0..pictures {
        let mut taken = BTreeSet::new();
        let usable = |t: &usize| {
            let (b, class) = (truth(&inputs[1], n, *t), inputs[2].get(&[n, *t]));
            let inside = (0.0..1.0).contains(&b[0]) && (0.0..1.0).contains(&b[1]);
            b.iter().all(|v| v.is_finite())
                && inside
                && b[2] > 0.0
                && b[3] > 0.0
                && (0.0..loss.head.classes as f64).contains(&class)
        };
        let truths: Vec<usize> = (0..inputs[1].shape[1]).filter(usable).collect();
        for &t in &truths {
            let b = truth(&inputs[1], n, t);
            let class = inputs[2].get(&[n, t]) as usize;
            let (row, column) = ((b[1] * height as f64) as usize, (b[0] * width as f64) as usize);
            let edge = |v: f64| (v - v.round()).abs();
            safe &= edge(b[0] * width as f64) > MARGIN && edge(b[1] * height as f64) > MARGIN;
            if !taken.insert((row, column)) && first_only {
                continue;
            }
            for slot in trained(loss, &raw, [n, row, column], b, &mut safe) {
                let share = raw.share(n, row, column, slot);
                let place = &mut places[at(n, row, column, slot)];
                if one_class {
                    place.classes.clear();
                }
                place.classes.insert(class);
                place.found = t as i64;
                place.target = if loss.rescore { iou(share, b) } else { 1.0 };
                place.alpha = iou_loss::alpha(pixels(share), pixels(b));
            }
        }
        if first_only {
            continue;
        }
        for cell in 0..height * width * boxes {
            let (row, column, slot) = (cell / boxes / width, cell / boxes % width, cell % boxes);
            let share = raw.share(n, row, column, slot);
            let overlap = truths.iter().map(|&t| iou(share, truth(&inputs[1], n, t))).fold(0.0, f64::max);
            let place = &mut places[at(n, row, column, slot)];
            if place.found == -1 {
                let limit = f64::from(loss.ignore_thresh);
                safe &= (overlap - limit).abs() > MARGIN;
                place.found = if overlap > limit { -2 } else { -1 };
            }
        }
    }
    (places, safe)
}

/// A sum, and the sum of how large its terms were before anything cancelled.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    size: f64,
}

impl Sum {
    fn add(&mut self, weight: f64, value: f64, size: f64) {
        self.value += weight * value;
        self.size += weight.abs() * size.abs().max(value.abs());
    }

    /// weight (a - b)^2, where b was made from terms of size `from`.
    fn square(&mut self, weight: f64, a: f64, b: f64, from: f64) {
        self.add(weight, (a - b).powi(2), (a.abs() + b.abs() + from).powi(2));
    }

    /// Cross-entropy of sigmoid(v) against t, which was made from terms of size `from`.
    fn entropy(&mut self, weight: f64, v: f64, t: f64, from: f64) {
        let value = (1.0 - t) * v.exp().ln_1p() + t * (-v).exp().ln_1p();
        self.add(weight, value, value + v.abs() * from);
    }
}

/// Box, objectness and class loss, divided by the pictures.
fn losses(case: &Case, inputs: &[Array]) -> [Sum; 3] {
    let loss = &case.loss;
    let raw = Raw { head: &loss.head, x: &inputs[0] };
    let [pictures, height, width, boxes] = raw.extents();
    let [object, noobject, class_scale, coord, iou_scale] =
        [loss.object_scale, loss.noobject_scale, loss.class_scale, loss.coord_scale, loss.iou_scale].map(f64::from);
    let kind = loss.head.kind;
    let softmax = loss.head.softmax && kind != HeadKind::Yolo;
    let stretch = if kind == HeadKind::Yolo { f64::from(loss.head.scale_x_y) } else { 1.0 };
    let mut parts = [Sum::default(); 3];
    for (i, place) in case.places.iter().enumerate() {
        let (cell, slot) = (i / boxes, i % boxes);
        let (n, row, column) = (cell / width / height, cell / width % height, cell % width);
        let v = |k: usize| raw.get(n, row, column, slot, k);
        let [boxed, objectness, class] = &mut parts;
        // Objectness.
        let (weight, goal) = if place.found >= 0 { (object, place.target) } else { (noobject, 0.0) };
        if place.found != -2 {
            let from = if loss.rescore && place.found >= 0 { 8.0 } else { 0.0 };
            match kind {
                HeadKind::Yolo => objectness.entropy(weight, v(4), goal, from),
                HeadKind::Region => objectness.square(weight / 2.0, sigmoid(v(4)), goal, from),
                HeadKind::Detection => objectness.square(weight, v(4), goal, from),
            }
        }
        if place.found < 0 {
            if loss.prior {
                let prior = inputs[3].data[0] / 2.0;
                for k in 0..2 {
                    boxed.square(prior, sigmoid(v(k)), 0.5, 0.0);
                    boxed.square(prior, v(2 + k), 0.0, 0.0);
                }
            }
            continue;
        }
        // Classes.
        let logits: Vec<f64> = (0..loss.head.classes).map(|c| v(5 + c)).collect();
        if softmax {
            let own = logits[*place.classes.first().expect("one")];
            let whole = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
            class.add(class_scale, whole - own, whole.abs() + own.abs() + 1.0);
        } else {
            for (c, &logit) in logits.iter().enumerate() {
                let goal = f64::from(u8::from(place.classes.contains(&c)));
                match kind {
                    HeadKind::Detection => class.square(class_scale, logit, goal, 0.0),
                    _ => class.entropy(class_scale, logit, goal, 0.0),
                }
            }
        }
        // Coordinates.
        let b = truth(&inputs[1], n, place.found as usize);
        if let Some(kind) = loss.coordinates {
            let [h, w] = loss.head.input.map(|v| v as f64);
            let pixels = |b: [f64; 4]| {
                let c = corners(b);
                [c[0] * w, c[1] * h, c[2] * w, c[3] * h]
            };
            let (p, t) = (pixels(raw.share(n, row, column, slot)), pixels(b));
            boxed.add(iou_scale, iou_loss::loss(kind, p, t, place.alpha), iou_loss::size(p, t));
            continue;
        }
        let within = [b[0] * width as f64 - column as f64, b[1] * height as f64 - row as f64];
        let cells = [width as f64, height as f64];
        let larger = coord * (2.0 - b[2] * b[3]);
        for k in 0..2 {
            match kind {
                HeadKind::Yolo => {
                    let goal = (within[k] + (stretch - 1.0) / 2.0) / stretch;
                    boxed.entropy(larger * stretch, v(k), goal, cells[k]);
                }
                HeadKind::Region => boxed.square(larger / 2.0, sigmoid(v(k)), within[k], cells[k]),
                HeadKind::Detection => boxed.square(coord, v(k), within[k], cells[k]),
            }
            if kind == HeadKind::Detection {
                let goal = if loss.head.sqrt { b[2 + k].sqrt() } else { b[2 + k] };
                boxed.square(coord, v(2 + k), goal, 0.0);
            } else {
                let goal = (b[2 + k] / raw.anchor(loss.head.mask[slot])[k]).ln();
                boxed.square(larger / 2.0, v(2 + k), goal, 1.0);
            }
        }
    }
    parts.map(|s| Sum { value: s.value / pictures as f64, size: s.size / pictures as f64 })
}

/// Random truths: free ones, near ones of a prediction, doubles of another, and such as count for nothing.
fn truths(rng: &mut Rng, head: &HeadSpec, x: &Tensor, count: usize) -> [Tensor; 2] {
    let x = Array::from_tensor(x);
    let raw = Raw { head, x: &x };
    let [pictures, height, width, boxes] = raw.extents();
    let (mut data, mut classes) = (Vec::<f32>::new(), Vec::new());
    for n in 0..pictures {
        for t in 0..count {
            let mut b = [rng.float(0.0, 1.0), rng.float(0.0, 1.0), rng.float(0.05, 0.9), rng.float(0.05, 0.9)];
            let mut class = rng.range(0, head.classes - 1) as i32;
            match rng.range(0, 9) {
                0..=2 => {
                    let place = [rng.range(0, height - 1), rng.range(0, width - 1), rng.range(0, boxes - 1)];
                    let near = raw.share(n, place[0], place[1], place[2]);
                    let close = near.map(|v| v as f32 * rng.float(0.97, 1.03));
                    if close[..2].iter().all(|v| (0.0..1.0).contains(v)) && close[2..].iter().all(|v| *v > 0.02) {
                        b = close;
                    }
                }
                3 if t > 0 => {
                    let other = &data[data.len() - 4..];
                    b = [other[0], other[1], other[2] * rng.float(0.95, 1.05), other[3] * rng.float(0.95, 1.05)];
                }
                4 => class = -1,
                5 => match rng.range(0, 5) {
                    0 => b[rng.range(0, 3)] = f32::NAN,
                    1 => b[2] = 0.0,
                    2 => b[3] = -0.1,
                    3 => b[rng.range(0, 1)] = 1.0,
                    4 => b[2] = f32::INFINITY,
                    _ => class = head.classes as i32,
                },
                _ => {}
            }
            data.extend(b);
            classes.push(class);
        }
    }
    [Tensor::f32([pictures, count, 4], data), Tensor::i32([pictures, count], classes)]
}

fn case(rng: &mut Rng, kind: HeadKind, shape: [usize; 3], dims: [usize; 3]) -> (Case, Vec<Tensor>) {
    let [boxes, classes, count] = dims;
    for _ in 0..200 {
        let mut head = random_head(rng, kind, classes, boxes);
        let wide = raw_head(rng, &mut head, shape[0], shape[1], shape[2]);
        // Boxes that are neither dots nor larger than everything.
        let half = if kind == HeadKind::Detection { 1.0 } else { 0.5 };
        let x = Tensor::f32(wide.shape().clone(), wide.as_f32().iter().map(|v| v * half).collect());
        let [truth_boxes, truth_classes] = truths(rng, &head, &x, count);
        let prior = kind == HeadKind::Region && rng.coin();
        let loss = HeadLoss {
            coordinates: rng.pick(&[
                None,
                None,
                Some(IouKind::Iou),
                Some(IouKind::Giou),
                Some(IouKind::Diou),
                Some(IouKind::Ciou),
            ]),
            ignore_thresh: rng.float(0.3, 0.8),
            match_thresh: rng.pick(&[1.0, 1.0, 0.4]),
            bias_match: rng.coin(),
            rescore: rng.coin(),
            object_scale: rng.float(0.5, 5.0),
            noobject_scale: rng.float(0.2, 1.0),
            class_scale: rng.float(0.5, 2.0),
            coord_scale: rng.float(0.5, 5.0),
            iou_scale: rng.float(0.3, 2.0),
            prior,
            head,
        };
        let mut inputs = vec![x, truth_boxes, truth_classes];
        if prior {
            inputs.push(rng.tensor_in([1], 0.01, 0.5));
        }
        let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
        let (places, safe) = assign(&loss, &arrays);
        let raw = Raw { head: &loss.head, x: &arrays[0] };
        let [_, height, width, boxes] = raw.extents();
        // Predictions of a detection head may be slivers, on which an IoU loss says nothing that f32 could hold.
        let solid = places.iter().enumerate().filter(|(_, p)| p.found >= 0).all(|(i, _)| {
            let (cell, slot) = (i / boxes, i % boxes);
            let [_, _, w, h] = raw.share(cell / width / height, cell / width % height, cell % width, slot);
            w > 0.02 && h > 0.02
        });
        if safe && (solid || loss.coordinates.is_none()) {
            return (Case { loss, places }, inputs);
        }
    }
    panic!("no case without close decisions in 200");
}

struct Spec;

const KINDS: [HeadKind; 3] = [HeadKind::Yolo, HeadKind::Region, HeadKind::Detection];

impl OpSpec for Spec {
    type Attrs = Case;
    const NAME: &'static str = "head_loss";
    const RANDOM: usize = 60;
    // IoU losses chain some forty operations on coordinates up to fifty times the shortest side.
    const GRADIENT_ROUNDINGS: f64 = 400.0;

    fn boundary(rng: &mut Rng) -> Vec<(Case, Vec<Tensor>)> {
        let mut cases = Vec::new();
        for kind in KINDS {
            for (shape, dims) in [
                ([1, 1, 1], [1, 1, 1]),
                ([1, 5, 17], [3, 2, 3]),
                ([1, 16, 16], [1, 1, 5]),
                ([2, 7, 7], [2, 20, 4]),
                ([3, 13, 5], [5, 4, 7]),
                ([1, 2, 2], [2, 3, 61]),
            ] {
                cases.push(case(rng, kind, shape, dims));
            }
        }
        cases
    }

    fn random(rng: &mut Rng) -> (Case, Vec<Tensor>) {
        let kind = rng.pick(&KINDS);
        let shape = [rng.range(1, 2), rng.range(1, 3), rng.range(1, 3)];
        let dims = [rng.range(1, 3), rng.range(1, 5), rng.range(1, 8)];
        case(rng, kind, shape, dims)
    }

    fn op(case: &Case) -> OpRef {
        Arc::new(case.loss.clone())
    }

    fn reference(case: &Case, inputs: &[Array]) -> Vec<Expected> {
        let parts = losses(case, inputs);
        let scalar = |s: Sum| {
            let value = Array { shape: vec![], data: vec![s.value] };
            // The longest path: a loss of some forty operations, a tree of eight, the pieces and their tree.
            Expected::sum(value, vec![s.size], case.places.len().div_ceil(65536) + 64)
        };
        let total = parts.iter().fold(Sum::default(), |a, b| Sum { value: a.value + b.value, size: a.size + b.size });
        let found: Vec<f64> = case.places.iter().map(|p| p.found as f64).collect();
        let pictures = inputs[0].shape[0];
        let found = Array { shape: vec![pictures, found.len() / pictures], data: found };
        let [boxed, objectness, class] = parts.map(scalar);
        vec![scalar(total), boxed, objectness, class, Expected::exact(found)]
    }

    fn gradient_through(_: &Case, output: usize) -> bool {
        output == 0
    }

    fn gradient_into(_: &Case, input: usize) -> bool {
        input == 0
    }
}

#[test]
fn head_loss() {
    check::<Spec>();
}

/// The cases must hold what they are for: every kind of place, doubles, several classes at one place.
#[test]
fn head_loss_cases_cover_every_kind_of_place() {
    let mut rng = Rng::for_test(Spec::NAME);
    let mut cases = Spec::boundary(&mut rng);
    cases.extend((0..Spec::RANDOM).map(|_| Spec::random(&mut rng)));
    let places = |kind: HeadKind| cases.iter().filter(move |c| c.0.loss.head.kind == kind).flat_map(|c| &c.0.places);
    for kind in KINDS {
        let count = |wanted: &dyn Fn(&&Place) -> bool| places(kind).filter(wanted).count();
        assert!(count(&|p| p.found >= 0) > 50, "{kind:?}: places with a truth");
        assert!(count(&|p| p.found == -1) > 200, "{kind:?}: background");
        let ignored = count(&|p| p.found == -2);
        assert_eq!(ignored > 0, kind != HeadKind::Detection, "{kind:?}: {ignored} ignored");
        let several = count(&|p| p.classes.len() > 1);
        assert_eq!(several > 0, kind != HeadKind::Detection, "{kind:?}: {several} with several classes");
    }
}

/// YOLOv3's three heads share the truths among them: each box trains one place of one head, that of the best of the nine anchors.
#[test]
fn head_loss_gives_each_truth_to_one_of_three_heads() {
    let anchors: Vec<[f32; 2]> = [10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326]
        .map(|v| v as f32)
        .as_chunks()
        .0
        .to_vec();
    let mut rng = Rng::for_test("three heads");
    let (count, mut data) = (27, Vec::new());
    for t in 0..count {
        // One box of about each anchor's shape, three times, all in cells of their own.
        let [w, h] = anchors[t % 9].map(|v| v * rng.float(0.98, 1.02) / 416.0);
        data.extend([(t % 6) as f32 / 6.0 + 0.08, (t / 6) as f32 / 6.0 + 0.08, w, h]);
    }
    let (boxes, classes) = (Tensor::f32([1, count, 4], data), rng.indices([1, count], 0, 3));
    let mut seen = vec![0; count];
    for (first, grid) in [(6, 13), (3, 26), (0, 52)] {
        let base = random_head(&mut rng, HeadKind::Yolo, 3, 3);
        let mask: Vec<usize> = (first..first + 3).collect();
        let head = HeadSpec { anchors: anchors.clone(), mask, input: [416, 416], ..base };
        let x = rng.tensor([1, grid, grid, 24]);
        let made = run_op(gpu(), Arc::new(HeadLoss::new(head)), &[&x, &boxes, &classes]).expect("runs");
        for (place, &t) in made[4].as_i32().iter().enumerate().filter(|(_, t)| **t >= 0) {
            assert_eq!(t as usize % 9, first + place % 3, "truth {t} at the anchor it was made from");
            seen[t as usize] += 1;
        }
    }
    assert_eq!(seen, vec![1; count]);
}

#[test]
fn head_loss_stays_finite_far_out() {
    let mut rng = Rng::for_test("far out");
    for kind in [HeadKind::Yolo, HeadKind::Region] {
        for coordinates in [None, Some(IouKind::Ciou)] {
            let head = random_head(&mut rng, kind, 2, 1);
            let x = Tensor::f32([1, 1, 2, 7], [[500.0f32; 7], [-500.0; 7]].concat());
            let boxes = Tensor::f32([1, 2, 4], vec![0.2, 0.5, 0.3, 0.3, 0.7, 0.5, 0.3, 0.3]);
            let op = HeadLoss { coordinates, ..HeadLoss::new(head) };
            let made = run_op(gpu(), Arc::new(op), &[&x, &boxes, &Tensor::i32([1, 2], vec![0, 1])]).expect("runs");
            assert!(made[..4].iter().all(|v| v.scalar().is_finite()), "{kind:?} {coordinates:?}: {made:?}");
        }
    }
}

#[test]
fn head_loss_refuses_what_does_not_fit() {
    let mut rng = Rng::for_test("refused");
    let op = HeadLoss::new(random_head(&mut rng, HeadKind::Yolo, 4, 3));
    let (x, boxes, classes) = (TensorType::f32([2, 3, 3, 27]), TensorType::f32([2, 5, 4]), TensorType::i32([2, 5]));
    let some = TensorType::f32([3, 5, 4]);
    refuses(&op, &[x.clone(), some, classes.clone()], "truth_boxes: expected f32 (2, T, 4), got f32(3, 5, 4)");
    let floats = TensorType::f32([2, 5]);
    refuses(&op, &[x.clone(), boxes.clone(), floats], "truth_classes: expected i32(2, 5), got f32(2, 5)");
    let with_prior = HeadLoss { prior: true, ..op };
    let inputs = [x, boxes, classes, TensorType::f32([1])];
    refuses(&with_prior, &inputs, "only a region head has a prior");
}
