//! roi_align: regions of maps as bins of bilinear samples, from one map and from pyramids.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::{OpRef, roi_align::RoiAlign};
use wgvision::tensor::{Tensor, TensorType};

/// What a bilinear sample reads of one axis, (element, weight) twice; nothing if it lies more than one element outside.
fn taps(at: f64, extent: usize) -> Option<[(usize, f64); 2]> {
    if at < -1.0 || at > extent as f64 {
        return None;
    }
    let at = at.max(0.0);
    let low = at.floor() as usize;
    if low >= extent - 1 {
        return Some([(extent - 1, 1.0), (extent - 1, 0.0)]);
    }
    Some([(low, 1.0 - (at - low as f64)), (low + 1, at - low as f64)])
}

/// Where the samples of bin `bin` of `bins` lie on one axis.
pub fn samples(low: f64, high: f64, bins: usize, bin: usize, ratio: usize, aligned: bool) -> Vec<f64> {
    let start = low - if aligned { 0.5 } else { 0.0 };
    let side = if aligned { high - low } else { (high - low).max(1.0) };
    let size = side / bins as f64;
    let count = if ratio > 0 { ratio } else { size.ceil().max(0.0) as usize };
    (0..count).map(|s| start + bin as f64 * size + (s as f64 + 0.5) * size / count as f64).collect()
}

/// The mean over the samples at `ys` by `xs`, and the size of the terms that made it: where a sample lies is known only to a rounding
/// of its coordinates, and its value moves by as much.
pub fn mean(ys: &[f64], xs: &[f64], [height, width]: [usize; 2], map: impl Fn(usize, usize) -> f64) -> (f64, f64) {
    let (mut sum, mut size) = (0.0, 0.0);
    for y in ys {
        for x in xs {
            let (Some(down), Some(across)) = (taps(*y, height), taps(*x, width)) else { continue };
            let doubt = 1.0 + y.abs() + x.abs();
            for (r, v) in down {
                for (c, u) in across {
                    sum += v * u * map(r, c);
                    size += doubt * map(r, c).abs();
                }
            }
        }
    }
    let count = (ys.len() * xs.len()).max(1) as f64;
    (sum / count, size / count)
}

/// Regions of all kinds for maps whose pictures measure `height` x `width`: inside, partly and wholly outside, without area, turned round
/// where `turned`, absent. Coordinates are whole eighths so that scales of powers of two are exact, and off the places where samples
/// begin to count.
pub fn regions(rng: &mut Rng, n: usize, count: usize, [height, width]: [f32; 2], turned: bool) -> Tensor {
    let eighths = |v: f32| (v * 8.0).floor() / 8.0 + 0.03125;
    let mut data = Vec::new();
    for _ in 0..n * count {
        let y = eighths(rng.float(-0.3, 1.1) * height);
        let x = eighths(rng.float(-0.3, 1.1) * width);
        let h = eighths(rng.float(0.0, 0.9) * height);
        let w = eighths(rng.float(0.0, 0.9) * width);
        data.extend(match rng.range(0, 11) {
            0 => [0.0; 4],
            1 => [x, y, x, y + h],
            2 if turned => [x + w, y, x, y + h],
            3 => [x + 3.0 * width, y, x + 3.0 * width + w, y + h],
            _ => [x, y, x + w, y + h],
        });
    }
    Tensor::f32([n, count, 4], data)
}

struct Spec;

/// `maps` gives height and width of each level; the level of a region is drawn, now and then none.
fn case(
    rng: &mut Rng,
    (size, sampling_ratio, aligned): ([usize; 2], usize, bool),
    maps: &[[usize; 2]],
    [n, count, channels]: [usize; 3],
) -> (RoiAlign, Vec<Tensor>) {
    let scales: Vec<f32> = (0..maps.len()).map(|i| 0.5f32.powi(i as i32 + 1)).collect();
    let mut inputs: Vec<Tensor> = maps.iter().map(|&[h, w]| rng.tensor([n, h, w, channels])).collect();
    let picture = maps[0].map(|side| side as f32 * 2.0);
    inputs.push(regions(rng, n, count, picture, aligned));
    if maps.len() > 1 {
        inputs.push(rng.indices([n, count], -1, maps.len() as i32));
    }
    (RoiAlign { size, sampling_ratio, aligned, scales }, inputs)
}

impl OpSpec for Spec {
    type Attrs = RoiAlign;
    const NAME: &'static str = "roi_align";
    const RANDOM: usize = 40;
    // A sample's weights carry the rounding of its coordinate, which is up to 24 here and counts twice.
    const GRADIENT_ROUNDINGS: f64 = 128.0;

    fn boundary(rng: &mut Rng) -> Vec<(RoiAlign, Vec<Tensor>)> {
        vec![
            case(rng, ([1, 1], 1, false), &[[1, 1]], [1, 1, 1]),
            case(rng, ([7, 7], 2, false), &[[13, 17]], [2, 5, 3]),
            case(rng, ([7, 7], 2, false), &[[13, 17]], [1, 33, 4]),
            case(rng, ([3, 5], 0, true), &[[20, 9]], [1, 31, 8]),
            case(rng, ([2, 2], 3, true), &[[16, 16], [8, 8]], [2, 32, 255]),
            case(rng, ([2, 2], 0, false), &[[12, 20], [6, 10]], [1, 65, 256]),
            case(rng, ([1, 3], 2, false), &[[9, 9], [5, 5], [3, 3]], [1, 9, 260]),
            case(rng, ([14, 14], 2, false), &[[25, 19], [13, 10], [7, 5], [4, 3], [2, 2]], [2, 20, 12]),
            case(rng, ([5, 2], 1, true), &[[4, 70]], [1, 129, 5]),
        ]
    }

    fn random(rng: &mut Rng) -> (RoiAlign, Vec<Tensor>) {
        let size = [rng.range(1, 5), rng.range(1, 5)];
        let levels = rng.range(1, 3);
        let maps: Vec<[usize; 2]> = (0..levels).map(|_| [rng.range(1, 9), rng.range(1, 9)]).collect();
        let sizes = [rng.range(1, 2), rng.range(1, 6), rng.pick(&[1, 2, 3, 4])];
        let attrs = (size, rng.range(0, 3), rng.coin());
        case(rng, attrs, &maps, sizes)
    }

    fn op(attrs: &RoiAlign) -> OpRef {
        Arc::new(attrs.clone())
    }

    fn reference(op: &RoiAlign, inputs: &[Array]) -> Vec<Expected> {
        let maps = op.scales.len();
        let rois = &inputs[maps];
        let (n, count, channels) = (rois.shape[0], rois.shape[1], inputs[0].shape[3]);
        let shape = [n * count, op.size[0], op.size[1], channels];
        let mut magnitude = Vec::new();
        let mut terms = 0;
        let value = Array::from_fn(&shape, |at| {
            let (picture, roi) = (at[0] / count, at[0] % count);
            let level = if maps == 1 { 0.0 } else { inputs[maps + 1].get(&[picture, roi]) };
            let corners = [0, 1, 2, 3].map(|i| rois.get(&[picture, roi, i]));
            if level < 0.0 || corners == [0.0; 4] {
                magnitude.push(0.0);
                return 0.0;
            }
            let (map, scale) = (&inputs[level as usize], f64::from(op.scales[level as usize]));
            let [x0, y0, x1, y1] = corners.map(|c| c * scale);
            let ys = samples(y0, y1, op.size[0], at[1], op.sampling_ratio, op.aligned);
            let xs = samples(x0, x1, op.size[1], at[2], op.sampling_ratio, op.aligned);
            let extents = [map.shape[1], map.shape[2]];
            let (value, size) = mean(&ys, &xs, extents, |r, c| map.get(&[picture, r, c, at[3]]));
            terms = terms.max(4 * ys.len() * xs.len());
            magnitude.push(size);
            value
        });
        vec![Expected::sum(value, magnitude, terms)]
    }

    fn gradient_into(op: &RoiAlign, input: usize) -> bool {
        input < op.scales.len()
    }
}

#[test]
fn roi_align() {
    check::<Spec>();
}

/// More regions than a word of the list has bits, on maps of several tiles, and a constant map: each element's gradient is what the samples
/// leave there, and all of it together what the samples inside carry.
#[test]
fn roi_align_gives_back_what_it_took() {
    let mut rng = Rng::for_test("roi_align_total");
    let op = RoiAlign { size: [7, 7], sampling_ratio: 2, aligned: false, scales: vec![0.25, 0.125] };
    let maps = [Tensor::full([2, 33, 41, 4], 1.0), Tensor::full([2, 17, 21, 4], 1.0)];
    let rois = regions(&mut rng, 2, 150, [132.0, 164.0], false);
    let levels = rng.indices([2, 150], -1, 2);
    let seed = rng.tensor_in([300, 7, 7, 4], 0.5, 1.0);
    let inputs = [&maps[0], &maps[1], &rois, &levels];
    let got = run_op_checked(gpu(), Arc::new(op), &inputs, &[Some(&seed)], Options::default()).expect("runs");
    let taken: f64 =
        got.outputs[0].as_f32().iter().zip(seed.as_f32()).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum();
    let given: f64 = got.grads[..2].iter().flatten().flat_map(|t| t.as_f32()).map(|g| f64::from(*g)).sum();
    assert!(taken > 1000.0 && (taken - given).abs() < 1e-5 * taken, "{taken} went in, {given} came back");
}

#[test]
fn roi_align_pools_nothing_of_what_is_no_region() {
    let nan = f32::NAN;
    let wild = [[nan, 0.0, 4.0, 4.0], [0.0, 0.0, f32::INFINITY, 4.0], [0.0; 4], [-3e38, -3e38, 3e38, 3e38]];
    let rois = Tensor::f32([1, 4, 4], wild.concat());
    let x = Tensor::full([1, 5, 5, 1], 1.0);
    for sampling_ratio in [0, 2] {
        let op = RoiAlign { size: [2, 2], sampling_ratio, aligned: false, scales: vec![1.0] };
        let seed = Tensor::full([4, 2, 2, 1], 1.0);
        let got = run_op_checked(gpu(), Arc::new(op), &[&x, &rois], &[Some(&seed)], Options::default()).expect("runs");
        assert_eq!(got.outputs[0].as_f32()[..12], [0.0; 12]);
        let grad = got.grads[0].as_ref().expect("a gradient");
        assert!(got.outputs[0].as_f32()[12..].iter().chain(grad.as_f32()).all(|v| v.is_finite()));
    }
}

/// A level that is none leaves zeros also where the tensor is new memory with something in it.
#[test]
fn roi_align_writes_regions_of_no_level() {
    let x = Tensor::full([1, 4, 4, 4], 2.0);
    let rois = Tensor::f32([1, 3, 4], [[0.0, 0.0, 4.0, 4.0]; 3].concat());
    let levels = Tensor::i32([1, 3], vec![-1, 7, 1]);
    let op = RoiAlign { size: [1, 1], sampling_ratio: 2, aligned: true, scales: vec![1.0, 1.0] };
    let y = run_op(gpu(), Arc::new(op), &[&x, &x, &rois, &levels]).expect("runs").remove(0);
    assert_eq!(y.as_f32(), [[0.0; 4], [0.0; 4], [2.0; 4]].concat());
}

#[test]
fn roi_align_refuses_what_it_cannot_use() {
    let op = |scales: &[f32]| RoiAlign { size: [7, 7], sampling_ratio: 2, aligned: false, scales: scales.to_vec() };
    let map = |n, c| TensorType::f32([n, 8, 8, c]);
    let rois = TensorType::f32([2, 5, 4]);
    let levels = TensorType::i32([2, 5]);
    refuses(&op(&[1.0]), &[map(2, 4)], "roi_align 'node': inputs: expected 2 (1 maps, rois), got 1");
    refuses(&op(&[1.0]), &[map(3, 4), rois.clone()], "rois: expected f32(3, R, 4), got f32(2, 5, 4)");
    refuses(&op(&[1.0]), &[TensorType::f32([8, 8, 4]), rois.clone()], "x: expected f32(N, H, W, C), got f32(8, 8, 4)");
    let two = [map(2, 4), map(2, 5), rois.clone(), levels.clone()];
    refuses(&op(&[1.0, 0.5]), &two, "x1: expected 2 pictures of 4 channels, as x has");
    let late = [map(2, 4), map(2, 4), rois.clone(), TensorType::i32([2, 6])];
    refuses(&op(&[1.0, 0.5]), &late, "levels: expected i32(2, 5), got i32(2, 6)");
    refuses(&op(&[]), std::slice::from_ref(&rois), "scales must be one for each of 1 to 5 levels, got 0");
    refuses(&op(&[-1.0]), &[map(2, 4), rois.clone()], "scale: expected a positive number, got -1");
    let none = RoiAlign { size: [0, 7], ..op(&[1.0]) };
    refuses(&none, &[map(2, 4), rois.clone()], "size: expected 1 to 1024 each way, got [0, 7]");
    let many = RoiAlign { sampling_ratio: 5000, ..op(&[1.0]) };
    refuses(&many, &[map(2, 4), rois], "sampling_ratio: expected at most 1024, got 5000");
}
