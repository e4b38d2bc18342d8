//! mask_paste: masks resized to their boxes, in pictures.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, mask_paste::MaskPaste};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// Boxes whose grown corners lie between whole pixels, also outside the picture and turned round; some are absent.
fn case(rng: &mut Rng, [n, k, side]: [usize; 3], size: [usize; 2]) -> (MaskPaste, Vec<Tensor>) {
    let growth = (side + 2) as f32 / side as f32;
    let mut data = Vec::new();
    for _ in 0..n * k {
        let mut span = |extent: usize| {
            let low = rng.range(0, 2 * extent) as f32 - extent as f32 / 2.0;
            let high = low.floor() + rng.range(0, extent) as f32 + 0.625;
            let (low, high) =
                if rng.range(0, 9) == 0 { (high, low.floor() + 0.25) } else { (low.floor() + 0.25, high) };
            let (centre, half) = ((high + low) / 2.0, (high - low) / 2.0 / growth);
            [centre - half, centre + half]
        };
        let ([x0, x1], [y0, y1]) = (span(size[1]), span(size[0]));
        data.extend(if rng.range(0, 9) == 0 { [0.0; 4] } else { [x0, y0, x1, y1] });
    }
    (MaskPaste { size }, vec![rng.tensor_in([n, k, side, side], 0.0, 1.0), Tensor::f32([n, k, 4], data)])
}

/// The two elements of a bordered mask of `side` (border included) that pixel `at` of `extent` reads, with weights.
fn taps(at: f64, extent: f64, side: usize) -> [(usize, f64); 2] {
    let place = ((at + 0.5) * side as f64 / extent - 0.5).max(0.0);
    let low = (place.floor() as usize).min(side - 1);
    let weight = place - low as f64;
    [(low, 1.0 - weight), ((low + 1).min(side - 1), weight)]
}

impl OpSpec for Spec {
    type Attrs = MaskPaste;
    const NAME: &'static str = "mask_paste";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(MaskPaste, Vec<Tensor>)> {
        vec![
            case(rng, [1, 1, 1], [1, 1]),
            case(rng, [1, 5, 28], [40, 255]),
            case(rng, [2, 3, 7], [31, 257]),
            case(rng, [3, 9, 14], [64, 64]),
            case(rng, [1, 2, 3], [600, 9]),
        ]
    }

    fn random(rng: &mut Rng) -> (MaskPaste, Vec<Tensor>) {
        let sizes = [rng.range(1, 2), rng.range(1, 5), rng.range(1, 9)];
        let size = [rng.range(1, 30), rng.range(1, 30)];
        case(rng, sizes, size)
    }

    fn op(attrs: &MaskPaste) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &MaskPaste, inputs: &[Array]) -> Vec<Expected> {
        let (masks, boxes) = (&inputs[0], &inputs[1]);
        let side = masks.shape[2];
        let mut magnitude = Vec::new();
        let value = Array::from_fn(&[masks.shape[0], masks.shape[1], op.size[0], op.size[1]], |at| {
            let corners = [0, 1, 2, 3].map(|i| boxes.get(&[at[0], at[1], i]));
            let grown = |low: f64, high: f64| {
                let half = (high - low) / 2.0 * (side + 2) as f64 / side as f64;
                let centre = (high + low) / 2.0;
                [(centre - half).trunc(), (centre + half).trunc()]
            };
            let ([x0, x1], [y0, y1]) = (grown(corners[0], corners[2]), grown(corners[1], corners[3]));
            let (y, x) = (at[2] as f64, at[3] as f64);
            if y < y0 || y > y1 || x < x0 || x > x1 || corners == [0.0; 4] {
                magnitude.push(0.0);
                return 0.0;
            }
            let mut sum = 0.0;
            for (r, v) in taps(y - y0, (y1 - y0 + 1.0).max(1.0), side + 2) {
                for (c, u) in taps(x - x0, (x1 - x0 + 1.0).max(1.0), side + 2) {
                    if (1..=side).contains(&r) && (1..=side).contains(&c) {
                        sum += v * u * masks.get(&[at[0], at[1], r - 1, c - 1]);
                    }
                }
            }
            // Probabilities are up to 1; where they are read is known to a rounding of the place, up to side + 2 each way.
            magnitude.push(1.0 + 2.0 * (side + 2) as f64);
            sum
        });
        vec![Expected::sum(value, magnitude, 4)]
    }
}

#[test]
fn mask_paste() {
    check::<Spec>();
}

/// A mask that needs no resizing once it has its border: half a side of 0.75 grows to 1.5, so corners are cut to 1 and 4, four pixels for the
/// mask's two and its border.
#[test]
fn mask_paste_puts_pixels_where_they_belong() {
    let masks = Tensor::f32([1, 1, 2, 2], vec![0.1, 0.2, 0.3, 0.4]);
    let boxes = Tensor::f32([1, 1, 4], vec![2.0, 2.0, 3.5, 3.5]);
    let y = run_op(gpu(), Arc::new(MaskPaste { size: [6, 6] }), &[&masks, &boxes]).expect("runs").remove(0);
    let mut want = vec![0.0; 36];
    for (place, v) in [(14, 0.1), (15, 0.2), (20, 0.3), (21, 0.4)] {
        want[place] = v;
    }
    assert_eq!(y.as_f32(), want);
}

#[test]
fn mask_paste_refuses_what_it_cannot_use() {
    let op = MaskPaste { size: [40, 50] };
    let masks = TensorType::f32([2, 3, 28, 28]);
    let boxes = TensorType::f32([2, 3, 4]);
    refuses(&op, std::slice::from_ref(&masks), "mask_paste 'node': inputs: expected masks and boxes, got 1");
    refuses(&op, &[TensorType::f32([2, 3, 28, 27]), boxes.clone()], "masks: expected f32(N, K, M, M)");
    refuses(&op, &[masks.clone(), TensorType::f32([2, 4, 4])], "boxes: expected f32(2, 3, 4), got f32(2, 4, 4)");
    refuses(&MaskPaste { size: [0, 5] }, &[masks, boxes], "size must be 1 to 65535 each way, got [0, 5]");
}
