//! top_k: the k largest of each row, by sorting all of it.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, top_k::TopK};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Rows of one kind: distinct, of few values (ties), all equal, with NaN, infinities and both zeros, descending, ascending.
fn row(rng: &mut Rng, kind: usize, m: usize) -> Vec<f32> {
    match kind {
        0 => rng.tensor_distinct([m]).as_f32().to_vec(),
        1 => (0..m).map(|_| rng.range(0, 4) as f32 / 4.0).collect(),
        2 => vec![0.25; m],
        3 => {
            let odd = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MIN_POSITIVE];
            (0..m).map(|_| if rng.range(0, 3) == 0 { rng.pick(&odd) } else { rng.float(-1.0, 1.0) }).collect()
        }
        4 => (0..m).map(|i| -(i as f32)).collect(),
        5 => (0..m).map(|i| i as f32).collect(),
        _ => vec![f32::NAN; m],
    }
}

fn case(rng: &mut Rng, kind: usize, [n, m, k]: [usize; 3], threshold: Option<f32>) -> (TopK, Vec<Tensor>) {
    let data = (0..n).flat_map(|_| row(rng, kind, m)).collect();
    (TopK { k, threshold }, vec![Tensor::f32([n, m], data)])
}

impl OpSpec for Spec {
    type Attrs = TopK;
    const NAME: &'static str = "top_k";
    const RANDOM: usize = 32;

    fn boundary(rng: &mut Rng) -> Vec<(TopK, Vec<Tensor>)> {
        // One, around the invocations and the sorted run, around the length from which on elements are selected, long.
        let sizes = [
            [1, 1, 1],
            [1, 255, 255],
            [2, 256, 7],
            [1, 257, 256],
            [3, 1023, 1023],
            [1, 1024, 1024],
            [2, 1025, 1025],
            [1, 3001, 2999],
            [2, 8192, 8192],
            [2, 8193, 1],
            [2, 8193, 8193],
            [1, 12289, 4097],
        ];
        let mut cases = Vec::new();
        for (i, size) in sizes.into_iter().enumerate() {
            // Small ones are differentiated, which wants distinct values away from the threshold.
            let small = size[0] * size[1] <= Self::GRADIENT_LIMIT;
            for kind in if small { [0, 4 + i % 2] } else { [i % 2, 2 + i % 5] } {
                // The threshold is one of the values now and then: strictly above it.
                let threshold = if small { None } else { [None, Some(0.25), Some(-0.5)][(i + kind) % 3] };
                cases.push(case(rng, kind, size, threshold));
            }
        }
        // YOLOv3's scores: few above the threshold, and more than k of them.
        for threshold in [0.999, 0.5] {
            let x = rng.tensor_in([1, 851_760], 0.0, 1.0);
            cases.push((TopK { k: 1000, threshold: Some(threshold) }, vec![x]));
        }
        cases.push(case(rng, 3, [1, 100_003, 50_021], None));
        cases.push(case(rng, 1, [2, 30_011, 10_007], None));
        cases.push(case(rng, 2, [1, 30_011, 10_007], None));
        cases
    }

    fn random(rng: &mut Rng) -> (TopK, Vec<Tensor>) {
        let (n, m) = (rng.range(1, 3), rng.range(1, 150));
        let k = rng.range(1, m);
        let threshold = rng.coin().then(|| rng.float(-1.0, 1.0));
        // Distinct values: the gradient is checked by moving them.
        case(rng, 0, [n, m, k], threshold)
    }

    fn op(attrs: &TopK) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &TopK, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let (n, m) = (x.shape[0], x.shape[1]);
        let mut values = Array::zeros(&[n, op.k]);
        let mut indices = Array { shape: vec![n, op.k], data: vec![-1.0; n * op.k] };
        let mut count = Array::zeros(&[n]);
        for row in 0..n {
            let at = |i: usize| x.data[row * m + i];
            let above = |v: f64| !v.is_nan() && op.threshold.is_none_or(|t| v > f64::from(t));
            let mut order: Vec<usize> = (0..m).filter(|&i| above(at(i))).collect();
            order.sort_by(|&a, &b| at(b).partial_cmp(&at(a)).expect("no NaN").then(a.cmp(&b)));
            order.truncate(op.k);
            count.data[row] = order.len() as f64;
            for (place, &i) in order.iter().enumerate() {
                values.data[row * op.k + place] = at(i);
                indices.data[row * op.k + place] = i as f64;
            }
        }
        [values, indices, count].map(Expected::exact).into()
    }

    fn gradient_through(_: &TopK, output: usize) -> bool {
        output == 0
    }
}

#[test]
fn top_k() {
    check::<Spec>();
}

#[test]
fn top_k_refuses_what_it_cannot_use() {
    let op = TopK { k: 5, threshold: None };
    refuses(&op, &[TensorType::f32([2, 4])], "top_k 'node': k: expected 1 to 4 of f32(2, 4), got 5");
    refuses(&op, &[TensorType::f32([8])], "x: expected f32 of rank 2");
    refuses(&op, &[TensorType::i32([2, 8])], "x: expected f32 of rank 2");
    refuses(&TopK { k: 1, threshold: Some(f32::NAN) }, &[TensorType::f32([2, 4])], "threshold is NaN");
}
