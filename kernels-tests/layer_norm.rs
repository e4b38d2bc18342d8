//! layer_norm: statistics over the last dimensions, or over W or H and W of a picture.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::segments::{Sets, gradients_agree, normalised};
use std::collections::BTreeMap;
use std::sync::Arc;
use wgvision::graph::{run_entry, run_op};
use wgvision::ops::OpRef;
use wgvision::ops::layer_norm::{ENTRY, LayerNorm, Over};
use wgvision::tensor::Tensor;

struct Spec;

/// Which dimensions are normalised over.
fn inside(over: Over, rank: usize) -> Vec<bool> {
    (0..rank)
        .map(|d| match over {
            Over::Last(k) => d >= rank - k,
            Over::Width => d == 2,
            Over::Plane => d == 1 || d == 2,
        })
        .collect()
}

fn weight_shape(over: Over, x: &[usize]) -> Vec<usize> {
    x.iter().zip(inside(over, x.len())).filter(|(_, inside)| *inside).map(|(e, _)| *e).collect()
}

/// Position in x, given per-dimension choice, as a flat index over the chosen dimensions.
fn flat(index: usize, shape: &[usize], chosen: &[bool]) -> usize {
    let (mut rest, mut step, mut flat) = (index, 1, 0);
    for d in (0..shape.len()).rev() {
        let i = rest % shape[d];
        rest /= shape[d];
        if chosen[d] {
            flat += i * step;
            step *= shape[d];
        }
    }
    flat
}

fn case(rng: &mut Rng, shape: &[usize], over: Over, eps: f32, affine: bool) -> (LayerNorm, Vec<Tensor>) {
    let mut inputs = vec![rng.tensor_in(shape, -0.7, 1.3)];
    if affine {
        let weight = weight_shape(over, shape);
        inputs.extend([rng.tensor(weight.clone()), rng.tensor(weight)]);
    }
    (LayerNorm { over, eps, affine }, inputs)
}

impl OpSpec for Spec {
    type Attrs = LayerNorm;
    const NAME: &'static str = "layer_norm";
    const RANDOM: usize = 32;

    fn boundary(rng: &mut Rng) -> Vec<(LayerNorm, Vec<Tensor>)> {
        let shapes: [(&[usize], Over); 17] = [
            (&[2], Over::Last(1)),
            (&[3, 255], Over::Last(1)),
            (&[1, 256], Over::Last(1)),
            (&[5, 257], Over::Last(1)),
            (&[1031, 17], Over::Last(1)),
            (&[3, 7, 96], Over::Last(1)),
            (&[2, 11, 13, 96], Over::Last(1)),
            (&[2, 31, 17, 6], Over::Last(3)),
            (&[3, 9, 260], Over::Last(2)),
            (&[2, 31, 17, 6], Over::Plane),
            (&[2, 5, 33, 7], Over::Width),
            (&[1, 3, 257, 2], Over::Width),
            (&[2, 3, 5, 7], Over::Last(4)),
            // Four channels to a lane, each row of a segment with weights of its own.
            (&[2, 3, 5, 8], Over::Last(2)),
            (&[2, 3, 5, 8], Over::Last(3)),
            // One weight for all channels, each a group of one element.
            (&[2, 3, 1, 5], Over::Width),
            (&[3, 1, 1, 4], Over::Plane),
        ];
        let cases = shapes.iter().flat_map(|&(s, over)| [(s, over, true), (s, over, false)]);
        // Two elements over their spread are signs: only a wide eps gives them a gradient to compare.
        let eps = |s: &[usize]| if *s == [2] { 0.5 } else { 1e-3 };
        cases.map(|(s, over, affine)| case(rng, s, over, eps(s), affine)).collect()
    }

    fn random(rng: &mut Rng) -> (LayerNorm, Vec<Tensor>) {
        let over = rng.pick(&[Over::Last(1), Over::Last(2), Over::Last(3), Over::Width, Over::Plane]);
        let shape = [rng.range(1, 2), rng.range(2, 4), rng.range(6, 8), rng.range(5, 7)];
        let (eps, affine) = (rng.pick(&[1e-5, 1e-3, 0.1]), rng.coin());
        case(rng, &shape, over, eps, affine)
    }

    fn op(attrs: &LayerNorm) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &LayerNorm, inputs: &[Array]) -> Vec<Expected> {
        normalised(inputs, &sets(attrs, &inputs[0]), attrs.eps)
    }

    fn gradient_through(_: &LayerNorm, output: usize) -> bool {
        output == 0
    }
}

/// What is normalised together.
fn sets(attrs: &LayerNorm, x: &Array) -> Sets {
    let over = inside(attrs.over, x.shape.len());
    let others: Vec<bool> = over.iter().map(|o| !o).collect();
    let all = 0..x.data.len();
    let c = *x.shape.last().expect("rank above 0");
    let per_set: usize = weight_shape(attrs.over, &x.shape).iter().product();
    let sets = x.data.len() / per_set;
    // The statistics are a matrix: channels last where they are not normalised over.
    let columns = if matches!(attrs.over, Over::Last(_)) { 1 } else { c };
    Sets {
        of: all.clone().map(|i| flat(i, &x.shape, &others)).collect(),
        weight: all.map(|i| flat(i, &x.shape, &over)).collect(),
        shape: vec![sets / columns, columns],
    }
}

#[test]
fn layer_norm() {
    check::<Spec>();
}

#[test]
fn layer_norm_passes_gradients_back_over_many_rows() {
    let mut rng = Rng::for_test("layer_norm_rows");
    for (shape, over) in
        [(&[9000, 3][..], Over::Last(1)), (&[2, 150, 140, 4], Over::Last(3)), (&[2, 150, 140, 3], Over::Plane)]
    {
        let (op, inputs) = case(&mut rng, shape, over, 1e-3, true);
        let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
        gradients_agree(Arc::new(op), &inputs, &sets(&op, &arrays[0]), op.eps, 1.0);
    }
}

/// In PyTorch's order: (N, C, H, W) over (C, H, W), (H, W) and (W), each weight in the order it has there.
#[test]
fn layer_norm_counts_dimensions_as_pytorch() {
    let mut rng = Rng::for_test("layer_norm_pytorch");
    let shape = [2, 3, 4, 5];
    let x = rng.tensor(shape);
    for k in 1..=3 {
        let tail = &shape[4 - k..];
        let (weight, bias) = (rng.tensor(tail), rng.tensor(tail));
        let inputs = [("x", &x), ("weight", &weight), ("bias", &bias)];
        let inputs: BTreeMap<String, Tensor> = inputs.iter().map(|(n, t)| (n.to_string(), (*t).clone())).collect();
        let attrs = serde_json::json!({ "normalized_shape": tail });
        let got = run_entry(gpu(), &ENTRY, &attrs, &inputs, false).expect("runs").remove("y").expect("y");
        let per_set: usize = tail.iter().product();
        let all = 0..120;
        let sets = Sets {
            of: all.clone().map(|i| i / per_set).collect(),
            weight: all.map(|i| i % per_set).collect(),
            shape: vec![120 / per_set],
        };
        let arrays = [&x, &weight, &bias].map(Array::from_tensor);
        let want = &normalised(&arrays, &sets, 1e-5)[0];
        for (i, g) in got.as_f32().iter().enumerate() {
            assert!((f64::from(*g) - want.value.data[i]).abs() <= want.bound(i), "over {tail:?}: element {i}");
        }
    }
}

#[test]
fn layer_norm_refuses_what_does_not_fit() {
    let refused = |over, shapes: &[&[usize]]| {
        let tensors: Vec<Tensor> = shapes.iter().map(|s| Tensor::full(*s, 1.0)).collect();
        let op = LayerNorm { over, eps: 1e-5, affine: shapes.len() > 1 };
        run_op(gpu(), Arc::new(op), &tensors.iter().collect::<Vec<_>>()).expect_err("refused").to_string()
    };
    let rank = refused(Over::Last(3), &[&[2, 6]]);
    assert!(rank.contains("x: expected dimensions for Last(3), got (2, 6)"), "{rank}");
    let weight = refused(Over::Last(2), &[&[2, 3, 4], &[4], &[3, 4]]);
    assert!(weight.contains("weight: expected f32(3, 4), got f32(4)"), "{weight}");
    let plane = refused(Over::Plane, &[&[2, 6, 5]]);
    assert!(plane.contains("dimensions for Plane"), "{plane}");
}
