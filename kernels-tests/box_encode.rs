//! box_encode: how far a box is from another, in its own sides.

use super::box_decode::boxes;
use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, box_decode::BoxDecode, box_encode::BoxEncode};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

fn case(rng: &mut Rng, [n, rows]: [usize; 2], alike: bool) -> (BoxEncode, Vec<Tensor>) {
    let weights = rng.pick(&[[1.0; 4], [10.0, 10.0, 5.0, 5.0], [0.5, 2.0, 3.0, 1.5]]);
    let (reference, mut own) = (boxes(rng, n, rows), boxes(rng, if alike { 1 } else { n }, rows));
    if rng.coin() && !alike {
        // The same boxes, or nearly: logarithms close to zero.
        let near = reference.as_f32().iter().map(|v| v * if v.to_bits() % 3 == 0 { 1.000_1 } else { 1.0 }).collect();
        own = Tensor::f32([n, rows, 4], near);
    }
    (BoxEncode { weights }, vec![reference, own])
}

impl OpSpec for Spec {
    type Attrs = BoxEncode;
    const NAME: &'static str = "box_encode";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(BoxEncode, Vec<Tensor>)> {
        let sizes = [[1, 1], [1, 255], [2, 128], [1, 257], [3, 1031], [2, 2048]];
        let mut cases: Vec<_> = sizes.into_iter().enumerate().map(|(i, size)| case(rng, size, i % 2 == 0)).collect();
        // Sides that are negative or zero on either side.
        let turned = Tensor::f32([1, 3, 4], vec![5.0, 1.0, 2.0, 9.0, 1.0, 1.0, 4.0, 5.0, 3.0, 3.0, 3.0, 8.0]);
        let plain = Tensor::f32([1, 3, 4], [1.0, 2.0, 8.0, 9.0].repeat(3));
        for inputs in [vec![turned.clone(), plain.clone()], vec![plain, turned]] {
            cases.push((BoxEncode { weights: [1.0; 4] }, inputs));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (BoxEncode, Vec<Tensor>) {
        let size = [rng.range(1, 3), rng.range(1, 60)];
        let alike = rng.coin();
        case(rng, size, alike)
    }

    fn op(attrs: &BoxEncode) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &BoxEncode, inputs: &[Array]) -> Vec<Expected> {
        let (goal, own) = (&inputs[0], &inputs[1]);
        let mut magnitude = Vec::new();
        let value = Array::from_fn(&goal.shape, |at| {
            let [picture, row, c] = [at[0], at[1], at[2]];
            let owner = if own.shape[0] == 1 { 0 } else { picture };
            let side = |of: &Array, n: usize, axis: usize| of.get(&[n, row, axis + 2]) - of.get(&[n, row, axis]);
            let axis = c % 2;
            let (goal_side, own_side) = (side(goal, picture, axis), side(own, owner, axis));
            if (0..2).any(|a| side(goal, picture, a) <= 0.0 || side(own, owner, a) <= 0.0) {
                magnitude.push(0.0);
                return 0.0;
            }
            let weight = f64::from(op.weights[c]);
            if c >= 2 {
                // A side is a difference and the logarithm takes its rounding as it is.
                let log = (goal_side / own_side).ln();
                magnitude.push(weight * (log.abs() + 1.0));
                return weight * log;
            }
            let goal_centre = goal.get(&[picture, row, axis]) + goal_side / 2.0;
            let own_centre = own.get(&[owner, row, axis]) + own_side / 2.0;
            magnitude.push(weight * (goal_centre.abs() + own_centre.abs() + goal_side + own_side) / own_side);
            weight * (goal_centre - own_centre) / own_side
        });
        vec![Expected::sum(value, magnitude, 4).wider(6.0)]
    }
}

#[test]
fn box_encode() {
    check::<Spec>();
}

#[test]
fn box_decode_undoes_box_encode() {
    let mut rng = Rng::for_test("box_decode_undoes_box_encode");
    let [reference, own] = [boxes(&mut rng, 2, 300), boxes(&mut rng, 2, 300)];
    let weights = [10.0, 10.0, 5.0, 5.0];
    let code = run_op(gpu(), Arc::new(BoxEncode { weights }), &[&reference, &own]).expect("runs").remove(0);
    let op = BoxDecode { weights, max_ratio: 10.0, sized: false };
    let made = run_op(gpu(), Arc::new(op), &[&code, &own]).expect("runs").remove(0);
    let there = |t: &Tensor, i: usize| t.as_f32()[4 * i..4 * i + 4].iter().any(|&v| v != 0.0);
    let mut compared = 0;
    for i in (0..600).filter(|&i| there(&reference, i) && there(&own, i)) {
        let [got, want] = [&made, &reference].map(|t| &t.as_f32()[4 * i..4 * i + 4]);
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-3), "{got:?} for {want:?}");
        compared += 1;
    }
    assert!(compared > 300);
}

#[test]
fn box_encode_refuses_what_it_cannot_use() {
    let op = BoxEncode { weights: [1.0; 4] };
    let reference = TensorType::f32([2, 5, 4]);
    refuses(
        &op,
        &[TensorType::f32([2, 5]), reference.clone()],
        "box_encode 'node': reference: expected f32 of shape (N, R, 4), got f32(2, 5)",
    );
    refuses(&op, &[reference.clone(), TensorType::f32([2, 6, 4])], "boxes: expected f32(2 or 1, 5, 4)");
    refuses(&BoxEncode { weights: [-1.0; 4] }, &[reference.clone(), reference], "weights must be positive");
}
