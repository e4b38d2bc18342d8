//! box_iou: shared area over joint area of every pair.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, box_iou::BoxIou};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Boxes of which many overlap, some alike, some without area.
fn boxes(rng: &mut Rng, n: usize, count: usize) -> Tensor {
    let mut data = Vec::new();
    for _ in 0..n * count {
        let (x, y) = (rng.float(0.0, 60.0), rng.float(0.0, 60.0));
        let (w, h) = if rng.range(0, 9) == 0 { (0.0, 5.0) } else { (rng.float(1.0, 50.0), rng.float(1.0, 50.0)) };
        let other = if rng.range(0, 9) == 0 { [5.0, 6.0, 20.0, 30.0] } else { [x, y, x + w, y + h] };
        data.extend(other);
    }
    Tensor::f32([n, count, 4], data)
}

fn case(rng: &mut Rng, n: usize, a: usize, b: usize) -> ((), Vec<Tensor>) {
    ((), vec![boxes(rng, n, a), boxes(rng, n, b)])
}

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "box_iou";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        [[1, 1, 1], [1, 255, 3], [2, 3, 256], [1, 5, 257], [3, 31, 1031], [1, 1000, 20]]
            .map(|[n, a, b]| case(rng, n, a, b))
            .into()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let (n, a, b) = (rng.range(1, 3), rng.range(1, 20), rng.range(1, 20));
        case(rng, n, a, b)
    }

    fn op(_: &()) -> OpRef {
        Arc::new(BoxIou)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let side = |x: &Array, n: usize, i: usize| [0, 1, 2, 3].map(|c| x.get(&[n, i, c]));
        let area = |p: [f64; 4]| (p[2] - p[0]) * (p[3] - p[1]);
        let value = Array::from_fn(&[a.shape[0], a.shape[1], b.shape[1]], |at| {
            let (p, q) = (side(a, at[0], at[1]), side(b, at[0], at[2]));
            let w = (p[2].min(q[2]) - p[0].max(q[0])).max(0.0);
            let h = (p[3].min(q[3]) - p[1].max(q[1])).max(0.0);
            let all = area(p) + area(q) - w * h;
            if all > 0.0 { w * h / all } else { 0.0 }
        });
        // Differences, products and sums on both sides of the quotient.
        vec![Expected::exact(value).wider(12.0)]
    }
}

#[test]
fn box_iou() {
    check::<Spec>();
}

#[test]
fn box_iou_refuses_what_it_cannot_use() {
    let a = TensorType::f32([2, 5, 4]);
    refuses(&BoxIou, &[a.clone(), TensorType::f32([3, 5, 4])], "box_iou 'node': b: expected 2 pictures");
    refuses(&BoxIou, &[a, TensorType::f32([2, 5, 5])], "b: expected f32 of shape (N, boxes, 4), got f32(2, 5, 5)");
}
