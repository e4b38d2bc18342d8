//! pad: margins of a constant, of the mirrored tensor, of its border.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::OpRef;
use wgvision::ops::pad::{Mode, Pad};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

const BORDERS: [Mode; 2] = [Mode::Reflect, Mode::Replicate];

/// The element of a padded axis of `extent` that lies at `at` (which may be outside).
fn source(mode: Mode, at: i64, extent: i64) -> Option<usize> {
    let inside = |at: i64| (0..extent).contains(&at).then_some(at as usize);
    match mode {
        Mode::Constant(_) => inside(at),
        Mode::Replicate => inside(at.clamp(0, extent - 1)),
        // The axis there and back, without its ends twice, is one period.
        Mode::Reflect if extent == 1 => Some(0),
        Mode::Reflect => {
            let period = 2 * (extent - 1);
            let phase = at.rem_euclid(period);
            inside(if phase < extent { phase } else { period - phase })
        }
    }
}

impl OpSpec for Spec {
    type Attrs = Pad;
    const NAME: &'static str = "pad";
    const RANDOM: usize = 48;

    fn boundary(rng: &mut Rng) -> Vec<(Pad, Vec<Tensor>)> {
        let mut cases = Vec::new();
        for mode in [Mode::Constant(0.0), Mode::Constant(-1.5), Mode::Reflect, Mode::Replicate] {
            cases.push((Pad { sides: vec![[0, 0]], mode }, vec![rng.tensor([1])]));
            cases.push((Pad { sides: vec![[1, 1]], mode }, vec![rng.tensor([255])]));
            cases.push((Pad { sides: vec![[3, 2]], mode }, vec![rng.tensor([256])]));
            cases.push((Pad::image([1, 2, 3, 0], mode), vec![rng.tensor([2, 7, 5, 8])]));
            cases.push((Pad::image([1, 2, 3, 4], mode), vec![rng.tensor([2, 13, 11, 3])]));
            cases.push((Pad { sides: vec![[1, 0], [2, 1], [0, 2], [3, 1]], mode }, vec![rng.tensor([2, 3, 5, 4])]));
        }
        let cut = Pad { sides: vec![[-1, 2], [-2, -3], [1, -1], [-4, 4]], mode: Mode::Constant(2.0) };
        cases.push((cut, vec![rng.tensor([2, 9, 5, 8])]));
        cases
    }

    fn random(rng: &mut Rng) -> (Pad, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        let constant = Mode::Constant(rng.float(-1.0, 1.0));
        let mode = if rng.coin() { constant } else { rng.pick(&BORDERS) };
        let side = |rng: &mut Rng, extent: usize| match mode {
            Mode::Constant(_) => rng.range(0, 3) as i64 - i64::from(extent > 2),
            Mode::Reflect => rng.range(0, extent - 1) as i64,
            Mode::Replicate => rng.range(0, 4) as i64,
        };
        let sides = shape.iter().map(|&e| [side(rng, e), side(rng, e)]).collect();
        (Pad { sides, mode }, vec![rng.tensor(shape)])
    }

    fn op(attrs: &Pad) -> OpRef {
        Arc::new(attrs.clone())
    }

    fn reference(pad: &Pad, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let extents: Vec<i64> = x.shape.iter().map(|&e| e as i64).collect();
        let shape: Vec<usize> = extents.iter().zip(&pad.sides).map(|(e, s)| (s[0] + e + s[1]) as usize).collect();
        vec![Expected::exact(Array::from_fn(&shape, |index| {
            let from = |d: usize| source(pad.mode, index[d] as i64 - pad.sides[d][0], extents[d]);
            let at: Option<Vec<usize>> = (0..extents.len()).map(from).collect();
            match (at, pad.mode) {
                (Some(at), _) => x.get(&at),
                (None, Mode::Constant(value)) => f64::from(value),
                (None, mode) => unreachable!("{mode:?} always finds a source"),
            }
        }))]
    }
}

#[test]
fn pad() {
    check::<Spec>();
}

#[test]
fn pad_refuses_margins_it_cannot_fill() {
    let op = |mode, before, after| Pad { sides: vec![[before, after]], mode };
    let x = TensorType::f32([3]);
    let message =
        "pad 'node': pad of dimension 0 (3 elements): expected between 0 and 2, leaving something, got 3 and 0";
    refuses(&op(Mode::Reflect, 3, 0), std::slice::from_ref(&x), message);
    refuses(&op(Mode::Replicate, -1, 0), std::slice::from_ref(&x), "got -1 and 0");
    refuses(&op(Mode::Constant(0.0), -2, -1), &[x], "got -2 and -1");
    refuses(&op(Mode::Reflect, 1, 1), &[TensorType::f32([3, 3])], "x: expected 1 dimensions");
}
