//! resize: nearest and bilinear, with PyTorch's coordinates.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::OpRef;
use wgvision::ops::resize::{Mode, Resize, Target};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

const MODES: [Mode; 4] = [Mode::Nearest, Mode::NearestExact, Mode::Bilinear, Mode::BilinearAlignCorners];

/// The source pixels of output pixel `i` and their weights.
fn taps(resize: &Resize, axis: usize, i: usize, from: usize, to: usize) -> Vec<(usize, f64)> {
    let corners = resize.mode == Mode::BilinearAlignCorners;
    // PyTorch rounds the step and, for nearest, the coordinate to f32.
    let step = match resize.target {
        _ if corners && to == 1 => 0.0,
        _ if corners => (from - 1) as f32 / (to - 1) as f32,
        Target::Factor { factor, recompute: false } => (1.0 / factor[axis]) as f32,
        _ => from as f32 / to as f32,
    };
    let centre = (i as f64 + 0.5) * f64::from(step) - 0.5;
    let source = match resize.mode {
        Mode::Nearest => return vec![((((i as f32) * step).floor() as usize).min(from - 1), 1.0)],
        Mode::NearestExact => return vec![((((i as f32 + 0.5) * step).floor() as usize).min(from - 1), 1.0)],
        Mode::Bilinear => centre.clamp(0.0, (from - 1) as f64),
        Mode::BilinearAlignCorners => (i as f64 * f64::from(step)).clamp(0.0, (from - 1) as f64),
    };
    // A hat around each source pixel.
    (0..from).map(|j| (j, 1.0 - (source - j as f64).abs())).filter(|t| t.1 > 0.0).collect()
}

impl OpSpec for Spec {
    type Attrs = Resize;
    const NAME: &'static str = "resize";
    const RANDOM: usize = 48;

    fn boundary(rng: &mut Rng) -> Vec<(Resize, Vec<Tensor>)> {
        let mut cases = Vec::new();
        for mode in MODES {
            let factor = |factor, recompute| Resize { mode, target: Target::Factor { factor, recompute } };
            cases.push((Resize::to(mode, [1, 1]), vec![rng.tensor([1, 1, 1, 1])]));
            cases.push((Resize::to(mode, [1, 1]), vec![rng.tensor([1, 5, 3, 2])]));
            cases.push((Resize::to(mode, [5, 7]), vec![rng.tensor([2, 1, 1, 3])]));
            cases.push((Resize::to(mode, [16, 16]), vec![rng.tensor([1, 8, 8, 1])]));
            cases.push((Resize::to(mode, [257, 3]), vec![rng.tensor([1, 31, 13, 5])]));
            cases.push((Resize::to(mode, [26, 30]), vec![rng.tensor([2, 13, 11, 8])]));
            cases.push((Resize::to(mode, [7, 5]), vec![rng.tensor([1, 53, 41, 4])]));
            cases.push((factor([2.0, 2.0], false), vec![rng.tensor([1, 7, 9, 4])]));
            cases.push((factor([1.7, 0.6], false), vec![rng.tensor([1, 11, 13, 3])]));
            cases.push((factor([1.7, 0.6], true), vec![rng.tensor([1, 11, 13, 3])]));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (Resize, Vec<Tensor>) {
        let shape = [rng.range(1, 2), rng.range(1, 6), rng.range(1, 6), rng.range(1, 5)];
        let target = match rng.coin() {
            true => Target::Size([rng.range(1, 12), rng.range(1, 12)]),
            false => {
                let factor = [0; 2].map(|_| f64::from(rng.float(1.0, 3.0)));
                Target::Factor { factor, recompute: rng.coin() }
            }
        };
        (Resize { mode: rng.pick(&MODES), target }, vec![rng.tensor(shape)])
    }

    fn op(attrs: &Resize) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(resize: &Resize, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let [n, h, w, c] = x.shape[..] else { panic!("rank 4") };
        let [out_h, out_w] = match resize.target {
            Target::Size(size) => size,
            Target::Factor { factor: [fh, fw], .. } => [(h as f64 * fh) as usize, (w as f64 * fw) as usize],
        };
        let rows: Vec<_> = (0..out_h).map(|i| taps(resize, 0, i, h, out_h)).collect();
        let columns: Vec<_> = (0..out_w).map(|j| taps(resize, 1, j, w, out_w)).collect();
        let value = Array::from_fn(&[n, out_h, out_w, c], |at| {
            let terms = rows[at[1]].iter().flat_map(|&(i, p)| columns[at[2]].iter().map(move |&(j, q)| (i, j, p * q)));
            terms.map(|(i, j, weight)| weight * x.get(&[at[0], i, j, at[3]])).sum()
        });
        // The coordinate is as large as the axis and rounded in f32, so the weights are off by that much, times the values.
        let largest = x.data.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let nearest = matches!(resize.mode, Mode::Nearest | Mode::NearestExact);
        let spread = if nearest { 0.0 } else { 2.0 * (h + w) as f64 };
        let magnitude = vec![largest; value.data.len()];
        vec![Expected::sum(value, magnitude, 0).wider(spread)]
    }
}

#[test]
fn resize() {
    check::<Spec>();
}

#[test]
fn resize_refuses_sizes_it_cannot_make() {
    let x = TensorType::f32([1, 4, 4, 3]);
    let factor = |f| Resize { mode: Mode::Nearest, target: Target::Factor { factor: [f, f], recompute: false } };
    refuses(
        &factor(0.1),
        std::slice::from_ref(&x),
        "resize 'node': size: expected between 1 and 2^24 in each direction, got 0 x 0",
    );
    refuses(&factor(f64::NAN), &[x], "scale_factor: expected between 0 and 65536");
    refuses(
        &Resize::to(Mode::Bilinear, [2, 2]),
        &[TensorType::f32([4, 4])],
        "x: expected f32(N, H, W, C), got f32(4, 4)",
    );
}
