//! head_decode: the boxes and scores of YOLOv1's, v2's and v3's heads.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::head::{HeadKind, HeadSpec};
use wgvision::ops::head_decode::HeadDecode;
use wgvision::tensor::{Tensor, TensorType};

/// A random head of a kind. Anchors of yolo heads lie beyond those of the mask, and the mask is in no order.
pub fn random_head(rng: &mut Rng, kind: HeadKind, classes: usize, boxes: usize) -> HeadSpec {
    let all = if kind == HeadKind::Yolo { boxes + rng.range(0, 4) } else { boxes };
    let unit = if kind == HeadKind::Yolo { 100.0 } else { 3.0 };
    let anchors = (0..all).map(|_| [rng.float(0.1, 1.0) * unit, rng.float(0.1, 1.0) * unit]).collect();
    let mut mask: Vec<usize> = (0..all).collect();
    if kind == HeadKind::Yolo {
        (1..all).rev().for_each(|i| mask.swap(i, rng.range(0, i)));
        mask.truncate(boxes);
    }
    let input = [32 * rng.range(1, 14), 32 * rng.range(1, 14)];
    let scale_x_y = rng.pick(&[1.0, 1.05, 1.2, 2.0]);
    let (softmax, sqrt) = (kind != HeadKind::Yolo && rng.coin(), rng.coin());
    HeadSpec { kind, anchors, mask, side: 0, num: boxes, classes, scale_x_y, softmax, sqrt, input }
}

/// A raw head of random numbers. A detection head takes `height` as its side.
pub fn raw_head(rng: &mut Rng, head: &mut HeadSpec, n: usize, height: usize, width: usize) -> Tensor {
    let per_box = 5 + head.classes;
    if head.kind == HeadKind::Detection {
        head.side = height;
        return rng.tensor_in([n, height * height * (head.classes + 5 * head.num)], -0.2, 1.2);
    }
    rng.tensor_in([n, height, width, head.mask.len() * per_box], -3.0, 3.0)
}

pub fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

/// The head's numbers by name, from the layouts that its documentation prints.
pub struct Raw<'a> {
    pub head: &'a HeadSpec,
    pub x: &'a Array,
}

impl Raw<'_> {
    /// Pictures, rows, columns, boxes per cell.
    pub fn extents(&self) -> [usize; 4] {
        match self.head.kind {
            HeadKind::Detection => [self.x.shape[0], self.head.side, self.head.side, self.head.num],
            _ => [self.x.shape[0], self.x.shape[1], self.x.shape[2], self.head.mask.len()],
        }
    }

    /// Position of number `k` of box `b` of a cell.
    pub fn position(&self, n: usize, row: usize, column: usize, b: usize, k: usize) -> usize {
        let [_, _, width, boxes] = self.extents();
        let c = self.head.classes;
        if self.head.kind != HeadKind::Detection {
            return self.x.at(&[n, row, column, b * (5 + c) + k]);
        }
        let (cell, cells) = (row * width + column, width * width);
        let within = match k {
            0..=3 => cells * c + cells * boxes + cell * boxes * 4 + b * 4 + k,
            4 => cells * c + cell * boxes + b,
            _ => cell * c + (k - 5),
        };
        self.x.at(&[n, within])
    }

    /// Number `k` of box `b` of a cell.
    pub fn get(&self, n: usize, row: usize, column: usize, b: usize, k: usize) -> f64 {
        self.x.data[self.position(n, row, column, b, k)]
    }

    /// Anchor `i` of all as a share of the input: width, height.
    pub fn anchor(&self, i: usize) -> [f64; 2] {
        let [_, height, width, _] = self.extents();
        let [w, h] = self.head.anchors[i].map(f64::from);
        match self.head.kind {
            HeadKind::Yolo => [w / self.head.input[1] as f64, h / self.head.input[0] as f64],
            _ => [w / width as f64, h / height as f64],
        }
    }

    /// Centre x, y, width, height of a predicted box in shares of the input.
    pub fn share(&self, n: usize, row: usize, column: usize, b: usize) -> [f64; 4] {
        let [_, height, width, _] = self.extents();
        let raw = [0, 1, 2, 3].map(|k| self.get(n, row, column, b, k));
        let (centre, size) = if self.head.kind == HeadKind::Detection {
            let power = if self.head.sqrt { 2 } else { 1 };
            ([raw[0], raw[1]], [raw[2].powi(power), raw[3].powi(power)])
        } else {
            let s = if self.head.kind == HeadKind::Yolo { f64::from(self.head.scale_x_y) } else { 1.0 };
            let anchor = self.anchor(self.head.mask[b]);
            let stretched = |v: f64| s * sigmoid(v) - (s - 1.0) / 2.0;
            let grown = |v: f64, a: f64| v.clamp(-30.0, 30.0).exp() * a;
            ([stretched(raw[0]), stretched(raw[1])], [grown(raw[2], anchor[0]), grown(raw[3], anchor[1])])
        };
        [(column as f64 + centre[0]) / width as f64, (row as f64 + centre[1]) / height as f64, size[0], size[1]]
    }

    /// Probabilities of a cell's or box's classes.
    pub fn classes(&self, n: usize, row: usize, column: usize, b: usize) -> Vec<f64> {
        let raw: Vec<f64> = (0..self.head.classes).map(|c| self.get(n, row, column, b, 5 + c)).collect();
        if self.head.softmax && self.head.kind != HeadKind::Yolo {
            let sum: f64 = raw.iter().map(|v| v.exp()).sum();
            return raw.iter().map(|v| v.exp() / sum).collect();
        }
        match self.head.kind {
            HeadKind::Detection => raw,
            _ => raw.into_iter().map(sigmoid).collect(),
        }
    }
}

struct Spec;

fn case(rng: &mut Rng, kind: HeadKind, shape: [usize; 3], boxes: usize, classes: usize) -> (HeadSpec, Vec<Tensor>) {
    let mut head = random_head(rng, kind, classes, boxes);
    let x = raw_head(rng, &mut head, shape[0], shape[1], shape[2]);
    (head, vec![x])
}

impl OpSpec for Spec {
    type Attrs = HeadSpec;
    const NAME: &'static str = "head_decode";
    const RANDOM: usize = 36;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(HeadSpec, Vec<Tensor>)> {
        let mut cases = Vec::new();
        for kind in [HeadKind::Yolo, HeadKind::Region, HeadKind::Detection] {
            for (shape, boxes, classes) in [
                ([1, 1, 1], 1, 1),
                ([1, 5, 17], 3, 2),
                ([1, 16, 16], 1, 3),
                ([1, 1, 257], 1, 1),
                ([3, 13, 7], 5, 20),
                ([2, 7, 7], 2, 20),
            ] {
                cases.push(case(rng, kind, shape, boxes, classes));
            }
        }
        cases
    }

    fn random(rng: &mut Rng) -> (HeadSpec, Vec<Tensor>) {
        let kind = rng.pick(&[HeadKind::Yolo, HeadKind::Region, HeadKind::Detection]);
        let shape = [rng.range(1, 3), rng.range(1, 6), rng.range(1, 6)];
        let (boxes, classes) = (rng.range(1, 5), rng.range(1, 9));
        case(rng, kind, shape, boxes, classes)
    }

    fn op(head: &HeadSpec) -> OpRef {
        Arc::new(HeadDecode { head: head.clone() })
    }

    fn reference(head: &HeadSpec, inputs: &[Array]) -> Vec<Expected> {
        let raw = Raw { head, x: &inputs[0] };
        let [pictures, height, width, boxes] = raw.extents();
        let places = height * width * boxes;
        let place = |m: usize| (m / boxes / width, m / boxes % width, m % boxes);
        let size = [head.input[1] as f64, head.input[0] as f64];
        let mut magnitude = Vec::new();
        let corners = Array::from_fn(&[pictures, places, 4], |i| {
            let (row, column, b) = place(i[1]);
            let [x, y, w, h] = raw.share(i[0], row, column, b);
            let (centre, extent) = if i[2] % 2 == 0 { (x, w) } else { (y, h) };
            let s = size[i[2] % 2];
            // Terms of the centre that cancel are at most the cell's number and the stretch.
            let cells = [width, height][i[2] % 2] as f64;
            magnitude.push((centre.abs() + 4.0 / cells + extent.abs() / 2.0) * s);
            if i[2] < 2 { (centre - extent / 2.0) * s } else { (centre + extent / 2.0) * s }
        });
        let scores = Array::from_fn(&[pictures, places, head.classes], |i| {
            let (row, column, b) = place(i[1]);
            let objectness = raw.get(i[0], row, column, b, 4);
            let objectness = if head.kind == HeadKind::Detection { objectness } else { sigmoid(objectness) };
            objectness * raw.classes(i[0], row, column, b)[i[2]]
        });
        let path = if head.softmax { head.classes as f64 } else { 0.0 };
        vec![Expected::sum(corners, magnitude, 0).wider(40.0), Expected::exact(scores).wider(64.0 + path)]
    }
}

#[test]
fn head_decode() {
    check::<Spec>();
}

#[test]
fn head_decode_stays_finite_far_out() {
    let mut rng = Rng::for_test("far out");
    for kind in [HeadKind::Yolo, HeadKind::Region] {
        let head = random_head(&mut rng, kind, 2, 1);
        let x = Tensor::f32([1, 1, 2, 7], [[1000.0f32; 7], [-1000.0; 7]].concat());
        let made = run_op(gpu(), Arc::new(HeadDecode { head }), &[&x]).expect("runs");
        assert!(made.iter().flat_map(Tensor::as_f32).all(|v| v.is_finite()), "{kind:?}: {made:?}");
        assert_eq!(made[1].as_f32()[2..], [0.0, 0.0], "{kind:?}");
    }
}

#[test]
fn head_decode_refuses_what_is_no_head() {
    let mut rng = Rng::for_test("refused");
    let head = random_head(&mut rng, HeadKind::Yolo, 4, 3);
    let wrong = [TensorType::f32([2, 3, 3, 26])];
    refuses(&HeadDecode { head: head.clone() }, &wrong, "x: expected f32 (N, H, W, 27), got f32(2, 3, 3, 26)");
    let mask = HeadSpec { mask: vec![90], ..head.clone() };
    refuses(&HeadDecode { head: mask }, &wrong, "attribute 'mask' names anchor 90 of");
    let anchors = HeadSpec { anchors: vec![[1.0, -2.0]; 9], ..head };
    refuses(&HeadDecode { head: anchors }, &wrong, "attribute 'anchors' must be positive, got -2");
    let first = HeadSpec { side: 7, num: 2, classes: 20, ..random_head(&mut rng, HeadKind::Detection, 20, 2) };
    refuses(&HeadDecode { head: first }, &[TensorType::f32([2, 1471])], "x: expected f32 (N, 1470)");
}
