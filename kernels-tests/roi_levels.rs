//! roi_levels: the level of a pyramid that a region belongs to.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, roi_levels::RoiLevels};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

fn case(rng: &mut Rng, op: RoiLevels, n: usize, count: usize) -> (RoiLevels, Vec<Tensor>) {
    let mut data = Vec::new();
    for _ in 0..n * count {
        let (x, y) = (rng.float(-20.0, 500.0), rng.float(-20.0, 500.0));
        let side = |rng: &mut Rng| rng.float(-2.0, 11.0).exp2();
        data.extend(match rng.range(0, 9) {
            0 => [0.0; 4],
            1 => [x, y, x, y + 5.0],
            _ => [x, y, x + side(rng), y + side(rng)],
        });
    }
    (op, vec![Tensor::f32([n, count, 4], data)])
}

impl OpSpec for Spec {
    type Attrs = RoiLevels;
    const NAME: &'static str = "roi_levels";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(RoiLevels, Vec<Tensor>)> {
        [[1, 1], [1, 255], [2, 128], [1, 257], [3, 1031]].map(|[n, c]| case(rng, RoiLevels::default(), n, c)).into()
    }

    fn random(rng: &mut Rng) -> (RoiLevels, Vec<Tensor>) {
        let min = rng.range(0, 5) as u32;
        let op = RoiLevels {
            min,
            max: min + rng.range(0, 5) as u32,
            canonical_scale: rng.float(50.0, 400.0),
            canonical_level: rng.range(0, 7) as u32,
        };
        let (n, count) = (rng.range(1, 3), rng.range(1, 40));
        case(rng, op, n, count)
    }

    fn op(attrs: &RoiLevels) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &RoiLevels, inputs: &[Array]) -> Vec<Expected> {
        let rois = &inputs[0];
        let level = |at: &[usize]| {
            let [x0, y0, x1, y1] = [0, 1, 2, 3].map(|i| rois.get(&[at[0], at[1], i]));
            if [x0, y0, x1, y1] == [0.0; 4] {
                return -1.0;
            }
            let side = ((x1 - x0) * (y1 - y0)).sqrt();
            let level = (f64::from(op.canonical_level) + (side / f64::from(op.canonical_scale)).log2() + 1e-6).floor();
            level.clamp(f64::from(op.min), f64::from(op.max)) - f64::from(op.min)
        };
        vec![Expected::exact(Array::from_fn(&rois.shape[..2], level))]
    }
}

#[test]
fn roi_levels() {
    check::<Spec>();
}

/// Squares whose side is a power of two times the canonical side begin a level; those a pixel smaller do not.
#[test]
fn roi_levels_begin_where_the_formula_says() {
    let sides = [56.0, 111.0, 112.0, 223.0, 224.0, 447.0, 448.0, 895.0, 896.0];
    let rois = Tensor::f32([1, 9, 4], sides.iter().flat_map(|s| [10.0, 20.0, 10.0 + s, 20.0 + s]).collect());
    let levels = run_op(gpu(), Arc::new(RoiLevels::default()), &[&rois]).expect("runs").remove(0);
    assert_eq!(levels.as_i32(), [0, 0, 1, 1, 2, 2, 3, 3, 3]);
}

#[test]
fn roi_levels_refuses_what_it_cannot_use() {
    let rois = TensorType::f32([2, 5, 4]);
    let op = RoiLevels { min: 5, max: 2, ..RoiLevels::default() };
    refuses(&op, std::slice::from_ref(&rois), "levels must be up to 16 within 0 to 30, got 5 to 2");
    let op = RoiLevels { canonical_scale: 0.0, ..RoiLevels::default() };
    refuses(&op, &[rois], "canonical_scale must be above 0 and at most 1e6, got 0");
    refuses(&RoiLevels::default(), &[TensorType::f32([2, 5])], "rois: expected f32(2, R, 4), got f32(2, 5)");
}
