//! mask_targets: the mask of each region's true box, cropped to the region.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use crate::roi_align::{mean, regions, samples};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, mask_targets::MaskTargets};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Masks with a round blob each, in pictures of `height` x 32 `words`.
fn masks(rng: &mut Rng, [n, truths, height, words]: [usize; 4]) -> Tensor {
    let mut data = Vec::new();
    for _ in 0..n * truths {
        let (y, x) = (rng.range(0, height) as i32, rng.range(0, 32 * words) as i32);
        let reach = rng.range(1, height * 8) as i32;
        for row in 0..height as i32 {
            for word in 0..words as i32 {
                let inside = |bit: &i32| (row - y).pow(2) + (32 * word + bit - x).pow(2) < reach;
                data.push((0..32).filter(inside).fold(0u32, |w, bit| w | 1 << bit));
            }
        }
    }
    Tensor::u32([n, truths, height, words], data)
}

fn case(rng: &mut Rng, size: usize, shape: [usize; 4], count: usize, sized: bool) -> (MaskTargets, Vec<Tensor>) {
    let [n, truths, height, words] = shape;
    let rois = regions(rng, n, count, [height as f32, 32.0 * words as f32], false);
    let matched = rng.indices([n, count], -2, truths as i32 + 1);
    let mut inputs = vec![masks(rng, shape), rois, matched];
    if sized {
        let sizes = (0..n).flat_map(|_| [rng.range(1, height) as f32, rng.range(1, 32 * words) as f32]);
        inputs.push(Tensor::f32([n, 2], sizes.collect()));
    }
    (MaskTargets { size, sized }, inputs)
}

impl OpSpec for Spec {
    type Attrs = MaskTargets;
    const NAME: &'static str = "mask_targets";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(MaskTargets, Vec<Tensor>)> {
        vec![
            case(rng, 1, [1, 1, 1, 1], 1, false),
            case(rng, 28, [1, 3, 40, 2], 9, true),
            case(rng, 16, [2, 5, 67, 1], 4, false),
            case(rng, 15, [3, 2, 20, 3], 7, true),
        ]
    }

    fn random(rng: &mut Rng) -> (MaskTargets, Vec<Tensor>) {
        let shape = [rng.range(1, 2), rng.range(1, 4), rng.range(1, 50), rng.range(1, 2)];
        let (size, count, sized) = (rng.range(1, 9), rng.range(1, 6), rng.coin());
        case(rng, size, shape, count, sized)
    }

    fn op(attrs: &MaskTargets) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &MaskTargets, inputs: &[Array]) -> Vec<Expected> {
        let [masks, rois, matched] = [&inputs[0], &inputs[1], &inputs[2]];
        let (n, count) = (rois.shape[0], rois.shape[1]);
        let mut magnitude = Vec::new();
        let mut terms = 0;
        let value = Array::from_fn(&[n * count, op.size, op.size, 1], |at| {
            let (picture, roi) = (at[0] / count, at[0] % count);
            let corners = [0, 1, 2, 3].map(|i| rois.get(&[picture, roi, i]));
            let truth = matched.get(&[picture, roi]);
            if truth < 0.0 || truth >= masks.shape[1] as f64 || corners == [0.0; 4] {
                magnitude.push(0.0);
                return 0.0;
            }
            let extents = match inputs.get(3) {
                Some(sizes) => [0, 1].map(|i| sizes.get(&[picture, i]) as usize),
                None => [masks.shape[2], 32 * masks.shape[3]],
            };
            let bit = |r: usize, c: usize| {
                let word = masks.get(&[picture, truth as usize, r, c / 32]) as u32;
                f64::from(word >> (c % 32) & 1)
            };
            let [x0, y0, x1, y1] = corners;
            let ys = samples(y0, y1, op.size, at[1], 0, false);
            let xs = samples(x0, x1, op.size, at[2], 0, false);
            let (value, _) = mean(&ys, &xs, extents, bit);
            // Where a mask ends, a neighbour that weighs almost nothing may be all there is.
            let (_, size) = mean(&ys, &xs, extents, |_, _| 1.0);
            terms = terms.max(4 * ys.len() * xs.len());
            magnitude.push(size);
            value
        });
        vec![Expected::sum(value, magnitude, terms)]
    }
}

#[test]
fn mask_targets() {
    check::<Spec>();
}

/// A region of whole pixels at the masks' own resolution gives the mask itself, half a pixel off as RoIAlign without alignment is.
#[test]
fn mask_targets_read_the_right_bits() {
    let mut words = vec![0u32; 8 * 2];
    words[3 * 2] = 1 << 31;
    words[3 * 2 + 1] = 1;
    let masks = Tensor::u32([1, 1, 8, 2], words);
    let rois = Tensor::f32([1, 1, 4], vec![30.5, 2.5, 34.5, 6.5]);
    let op = MaskTargets { size: 4, sized: false };
    let y = run_op(gpu(), Arc::new(op), &[&masks, &rois, &Tensor::i32([1, 1], vec![0])]).expect("runs").remove(0);
    let mut want = vec![0.0; 16];
    want[..2].fill(1.0);
    assert_eq!(y.as_f32(), want);
}

#[test]
fn mask_targets_refuses_what_it_cannot_use() {
    let op = MaskTargets { size: 28, sized: true };
    let (masks, rois) = (TensorType::u32([2, 3, 40, 2]), TensorType::f32([2, 5, 4]));
    let (matched, sizes) = (TensorType::i32([2, 5]), TensorType::f32([2, 2]));
    let plain = MaskTargets { sized: false, ..op };
    refuses(
        &op,
        std::slice::from_ref(&masks),
        "mask_targets 'node': inputs: expected 4 (gt_masks, rois, matched, ...), got 1",
    );
    let three = [TensorType::f32([2, 3, 40, 2]), rois.clone(), matched.clone()];
    refuses(&plain, &three, "gt_masks: expected u32(N, T, H, words), got f32(2, 3, 40, 2)");
    let three = [masks.clone(), rois.clone(), TensorType::i32([2, 6])];
    refuses(&plain, &three, "matched: expected i32(2, 5), got i32(2, 6)");
    let four = [masks.clone(), rois.clone(), matched.clone(), TensorType::f32([3, 2])];
    refuses(&op, &four, "image_sizes: expected f32(2, 2), got f32(3, 2)");
    let none = MaskTargets { size: 0, ..op };
    refuses(&none, &[masks, rois, matched, sizes], "size: expected 1 to 1024 each way, got [0, 0]");
}
