//! iou_loss: 1 - IoU, GIoU, DIoU and CIoU of pairs of boxes.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::f64::consts::PI;
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::iou_loss::{IouKind, IouLoss};
use wgvision::tensor::{Tensor, TensorType};

const EPS: f64 = 1e-7;

/// 4/pi^2 times the squared difference of the angles of two boxes' diagonals.
fn aspect(p: [f64; 4], t: [f64; 4]) -> f64 {
    let angle = |b: [f64; 4]| ((b[2] - b[0]) / (b[3] - b[1])).atan();
    4.0 / PI.powi(2) * (angle(t) - angle(p)).powi(2)
}

/// Areas of intersection and union.
fn areas(p: [f64; 4], t: [f64; 4]) -> (f64, f64) {
    let side = |low: usize, high: usize| (p[high].min(t[high]) - p[low].max(t[low])).max(0.0);
    let both = side(0, 2) * side(1, 3);
    let area = |b: [f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    (both, area(p) + area(t) - both)
}

/// CIoU's weight of the aspect.
pub fn alpha(p: [f64; 4], t: [f64; 4]) -> f64 {
    let (both, either) = areas(p, t);
    let v = aspect(p, t);
    v / (1.0 - both / (either + EPS) + v + EPS)
}

/// The loss of a pair of boxes by corners, with CIoU's weight given, so that differences take it for a constant.
pub fn loss(kind: IouKind, p: [f64; 4], t: [f64; 4], alpha: f64) -> f64 {
    let (both, either) = areas(p, t);
    let plain = 1.0 - both / (either + EPS);
    let hull = [0, 1].map(|d| p[d + 2].max(t[d + 2]) - p[d].min(t[d]));
    let apart: f64 = (0..2).map(|d| ((p[d] + p[d + 2]) / 2.0 - (t[d] + t[d + 2]) / 2.0).powi(2)).sum();
    let distance = apart / (hull[0].powi(2) + hull[1].powi(2) + EPS);
    match kind {
        IouKind::Iou => plain,
        IouKind::Giou => plain + (hull[0] * hull[1] - either) / (hull[0] * hull[1] + EPS),
        IouKind::Diou => plain + distance,
        IouKind::Ciou => plain + distance + alpha * aspect(p, t),
    }
}

/// How far rounded coordinates move the loss: by their size over the shorter sides, for each of the four edges.
pub fn size(p: [f64; 4], t: [f64; 4]) -> f64 {
    let furthest = p.iter().chain(&t).fold(0.0f64, |a, v| a.max(v.abs()));
    let shortest = |d: usize| (p[d + 2] - p[d]).min(t[d + 2] - t[d]);
    2.0 + 4.0 * furthest * (1.0 / shortest(0) + 1.0 / shortest(1))
}

/// The loss, and CIoU's weights at the inputs of the case.
#[derive(Clone, Debug)]
struct Case {
    kind: IouKind,
    alpha: Vec<f64>,
}

struct Spec;

fn pair(x: &Array, t: &Array, i: usize) -> [[f64; 4]; 2] {
    [x, t].map(|a| a.data[4 * i..][..4].try_into().expect("four"))
}

fn case(rng: &mut Rng, shape: &[usize]) -> (Case, Vec<Tensor>) {
    let kind = rng.pick(&[IouKind::Iou, IouKind::Giou, IouKind::Diou, IouKind::Ciou]);
    let unit = rng.pick(&[1.0, 20.0]);
    let n: usize = shape.iter().product();
    let boxes = |rng: &mut Rng| {
        let one = |rng: &mut Rng| {
            let [x, y] = [0, 1].map(|_| rng.float(0.0, 1.0));
            [x, y, x + rng.float(0.2, 1.0), y + rng.float(0.2, 1.0)].map(|v| v * unit)
        };
        let data: Vec<f32> = (0..n).flat_map(|_| one(rng)).collect();
        Tensor::f32([shape, &[4]].concat(), data)
    };
    let inputs = vec![boxes(rng), boxes(rng)];
    let [x, t] = [0, 1].map(|i| Array::from_tensor(&inputs[i]));
    let weight = |i| {
        let [p, t] = pair(&x, &t, i);
        alpha(p, t)
    };
    (Case { kind, alpha: (0..n).map(weight).collect() }, inputs)
}

impl OpSpec for Spec {
    type Attrs = Case;
    const NAME: &'static str = "iou_loss";
    const RANDOM: usize = 40;
    // Some fifteen quotients and products of differences of coordinates up to ten times the shortest side.
    const GRADIENT_ROUNDINGS: f64 = 200.0;

    fn boundary(rng: &mut Rng) -> Vec<(Case, Vec<Tensor>)> {
        [vec![1], vec![255], vec![256], vec![257], vec![2, 3, 5, 7], vec![3, 1031]].map(|s| case(rng, &s)).into()
    }

    fn random(rng: &mut Rng) -> (Case, Vec<Tensor>) {
        let shape = [rng.range(1, 5), rng.range(1, 7)];
        let first = rng.range(0, 1);
        case(rng, &shape[first..])
    }

    fn op(case: &Case) -> OpRef {
        Arc::new(IouLoss { kind: case.kind })
    }

    fn reference(case: &Case, inputs: &[Array]) -> Vec<Expected> {
        let shape = &inputs[0].shape[..inputs[0].shape.len() - 1];
        let pairs: Vec<_> = (0..case.alpha.len()).map(|i| pair(&inputs[0], &inputs[1], i)).collect();
        let data = pairs.iter().zip(&case.alpha).map(|(&[p, t], &alpha)| loss(case.kind, p, t, alpha)).collect();
        let magnitude = pairs.iter().map(|&[p, t]| size(p, t)).collect();
        vec![Expected::sum(Array { shape: shape.to_vec(), data }, magnitude, 0).wider(16.0)]
    }
}

#[test]
fn iou_loss() {
    check::<Spec>();
}

#[test]
fn iou_loss_of_equal_touching_and_flat_boxes_is_finite() {
    let x = Tensor::f32([4, 4], vec![0., 0., 2., 1., 0., 0., 1., 1., 3., 3., 3., 3., 0., 0., 4., 4.]);
    let t = Tensor::f32([4, 4], vec![0., 0., 2., 1., 1., 0., 2., 1., 3., 3., 3., 3., 1., 1., 2., 2.]);
    for (kind, want) in [(IouKind::Iou, [0.0, 1.0, 1.0, 0.9375]), (IouKind::Giou, [0.0, 1.0, 1.0, 0.9375])] {
        let y = run_op(gpu(), Arc::new(IouLoss { kind }), &[&x, &t]).expect("runs").remove(0);
        let off = y.as_f32().iter().zip(want).map(|(y, w): (&f32, f32)| (y - w).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "{kind:?}: {y:?}");
    }
    for kind in [IouKind::Diou, IouKind::Ciou] {
        let y = run_op(gpu(), Arc::new(IouLoss { kind }), &[&x, &t]).expect("runs").remove(0);
        assert!(y.as_f32().iter().all(|v| v.is_finite()), "{kind:?}: {y:?}");
    }
}

#[test]
fn iou_loss_refuses_what_are_no_boxes() {
    let op = IouLoss { kind: IouKind::Iou };
    let boxes = TensorType::f32([5, 4]);
    refuses(&op, &[TensorType::f32([5, 3]), boxes.clone()], "iou_loss 'node': x: expected f32 (..., 4), got f32(5, 3)");
    refuses(&op, &[boxes, TensorType::f32([4, 4])], "target: expected f32(5, 4), got f32(4, 4)");
}
