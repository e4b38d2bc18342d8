//! roi_pool: the largest element of each bin of a region.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use crate::roi_align::regions;
use std::ops::Range;
use std::sync::Arc;
use wgvision::graph::{Options, run_op_checked};
use wgvision::ops::{OpRef, roi_pool::RoiPool};
use wgvision::tensor::{Tensor, TensorType};

/// The elements of bin `bin` of a side from `low` to `high`, elements both, that lie on a map of `extent`.
fn bin(low: f64, high: f64, bins: usize, bin: usize, extent: usize) -> Range<usize> {
    // f64::round takes halves away from zero, as C's does.
    let (first, last) = (low.round() as i64, high.round() as i64);
    let (side, bins, bin) = ((last - first + 1).max(1), bins as i64, bin as i64);
    let start = first + (bin * side).div_euclid(bins);
    let end = first - (-(bin + 1) * side).div_euclid(bins);
    let inside = |v: i64| v.clamp(0, extent as i64) as usize;
    inside(start)..inside(end)
}

struct Spec;

fn case(rng: &mut Rng, size: [usize; 2], map: [usize; 4], count: usize) -> (RoiPool, Vec<Tensor>) {
    let [n, h, w, _] = map;
    let rois = regions(rng, n, count, [h as f32 * 4.0, w as f32 * 4.0], true);
    (RoiPool { size, scale: 0.25 }, vec![rng.tensor_distinct(map), rois])
}

impl OpSpec for Spec {
    type Attrs = RoiPool;
    const NAME: &'static str = "roi_pool";
    const RANDOM: usize = 30;

    fn boundary(rng: &mut Rng) -> Vec<(RoiPool, Vec<Tensor>)> {
        vec![
            case(rng, [1, 1], [1, 1, 1, 1], 1),
            case(rng, [7, 7], [2, 13, 17, 3], 5),
            case(rng, [7, 7], [1, 25, 19, 4], 33),
            case(rng, [2, 3], [2, 16, 16, 255], 20),
            case(rng, [3, 2], [1, 9, 12, 260], 31),
            case(rng, [6, 6], [1, 40, 5, 8], 65),
        ]
    }

    fn random(rng: &mut Rng) -> (RoiPool, Vec<Tensor>) {
        let size = [rng.range(1, 8), rng.range(1, 8)];
        let map = [rng.range(1, 2), rng.range(1, 9), rng.range(1, 9), rng.pick(&[1, 2, 4])];
        let count = rng.range(1, 5);
        case(rng, size, map, count)
    }

    fn op(attrs: &RoiPool) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &RoiPool, inputs: &[Array]) -> Vec<Expected> {
        let (map, rois) = (&inputs[0], &inputs[1]);
        let (n, count) = (rois.shape[0], rois.shape[1]);
        let shape = [n * count, op.size[0], op.size[1], map.shape[3]];
        let mut places = Vec::new();
        let value = Array::from_fn(&shape, |at| {
            let (picture, roi) = (at[0] / count, at[0] % count);
            let corners = [0, 1, 2, 3].map(|i| rois.get(&[picture, roi, i]));
            let [x0, y0, x1, y1] = corners.map(|c| c * f64::from(op.scale));
            let rows = bin(y0, y1, op.size[0], at[1], map.shape[1]);
            let columns = bin(x0, x1, op.size[1], at[2], map.shape[2]);
            let cells = rows.flat_map(|r| columns.clone().map(move |c| (r, c)));
            let value = |(r, c): (usize, usize)| map.get(&[picture, r, c, at[3]]);
            let best = cells.reduce(|best, cell| if value(cell) > value(best) { cell } else { best });
            let best = best.filter(|_| corners != [0.0; 4]);
            places.push(best.map_or(-1.0, |(r, c)| (r * map.shape[2] + c) as f64));
            best.map_or(0.0, value)
        });
        vec![Expected::exact(value), Expected::exact(Array { shape: shape.to_vec(), data: places })]
    }

    fn gradient_through(_: &RoiPool, output: usize) -> bool {
        output == 0
    }

    fn gradient_into(_: &RoiPool, input: usize) -> bool {
        input == 0
    }
}

#[test]
fn roi_pool() {
    check::<Spec>();
}

/// A constant map: every bin takes its first element, and all gradients go there.
#[test]
fn roi_pool_gives_ties_to_the_first() {
    let x = Tensor::full([1, 6, 6, 1], 3.0);
    let rois = Tensor::f32([1, 2, 4], vec![1.0, 2.0, 4.0, 5.0, 1.0, 2.0, 4.0, 5.0]);
    let seed = Tensor::f32([2, 2, 2, 1], (1..9).map(|v| v as f32).collect());
    let op = RoiPool { size: [2, 2], scale: 1.0 };
    let got = run_op_checked(gpu(), Arc::new(op), &[&x, &rois], &[Some(&seed), None], Options::default());
    let got = got.expect("runs");
    assert_eq!(got.outputs[1].as_i32(), [13, 15, 25, 27, 13, 15, 25, 27]);
    let mut want = vec![0.0; 36];
    for (place, g) in [(13, 6.0), (15, 8.0), (25, 10.0), (27, 12.0)] {
        want[place] = g;
    }
    assert_eq!(got.grads[0].as_ref().expect("a gradient").as_f32(), want);
}

#[test]
fn roi_pool_takes_nothing_of_what_is_no_region() {
    let x = Tensor::full([1, 3, 3, 1], 1.0);
    let wild = [[f32::NAN, 0.0, 2.0, 2.0], [0.0, f32::NEG_INFINITY, 2.0, 2.0], [0.0; 4], [-3e38, -3e38, 3e38, 3e38]];
    let rois = Tensor::f32([1, 4, 4], wild.concat());
    let op = RoiPool { size: [1, 1], scale: 1.0 };
    let seed = Tensor::full([4, 1, 1, 1], 1.0);
    let got = run_op_checked(gpu(), Arc::new(op), &[&x, &rois], &[Some(&seed), None], Options::default());
    let got = got.expect("runs");
    assert_eq!(got.outputs[0].as_f32(), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(got.outputs[1].as_i32(), [-1, -1, -1, 0]);
}

#[test]
fn roi_pool_refuses_what_it_cannot_use() {
    let op = RoiPool { size: [7, 7], scale: 0.25 };
    let (x, rois) = (TensorType::f32([2, 8, 8, 4]), TensorType::f32([2, 5, 4]));
    refuses(&op, std::slice::from_ref(&x), "roi_pool 'node': inputs: expected x and rois, got 1");
    refuses(&op, &[x.clone(), TensorType::f32([1, 5, 4])], "rois: expected f32(2, R, 4), got f32(1, 5, 4)");
    refuses(&op, &[rois.clone(), rois.clone()], "x: expected f32(N, H, W, C), got f32(2, 5, 4)");
    refuses(&RoiPool { scale: 0.0, ..op }, &[x.clone(), rois.clone()], "scale: expected a positive number, got 0");
    refuses(&RoiPool { size: [7, 0], ..op }, &[x, rois], "size: expected 1 to 1024 each way, got [7, 0]");
}
