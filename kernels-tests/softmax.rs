//! softmax: exp(x) / sum of exp(x) along a dimension.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, softmax::Softmax};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "softmax";

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        let cases: [(usize, &[usize]); 12] = [
            (0, &[1]),
            (0, &[255]),
            (0, &[256]),
            (0, &[257]),
            (1, &[256, 3]),
            (1, &[257, 5]),
            (1, &[255, 1]),
            (1, &[3, 1031]),
            (1, &[2, 300, 5]),
            (3, &[2, 13, 7, 21]),
            (1, &[2, 13, 7, 5]),
            (0, &[2, 13, 7, 5]),
        ];
        cases.iter().map(|&(dim, shape)| (dim, vec![rng.tensor_in(shape, -4.0, 4.0)])).collect()
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        (rng.range(0, shape.len() - 1), vec![rng.tensor_in(shape, -4.0, 4.0)])
    }

    fn op(&dim: &usize) -> OpRef {
        Arc::new(Softmax { dim })
    }

    fn reference(&dim: &usize, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let row = |index: &[usize]| -> Vec<f64> {
            let mut index = index.to_vec();
            let element = |k: usize| {
                index[dim] = k;
                x.get(&index)
            };
            (0..x.shape[dim]).map(element).collect()
        };
        let value = Array::from_fn(&x.shape, |i| x.get(i).exp() / row(i).iter().map(|v| v.exp()).sum::<f64>());
        // exp of a difference of up to 8 is good to some 20 units in the last place; its argument is rounded too.
        vec![Expected::exact(value).wider(40.0)]
    }
}

#[test]
fn softmax() {
    check::<Spec>();
}

#[test]
fn softmax_survives_large_logits() {
    let x = Tensor::f32([1, 3], vec![3e38, -3e38, 3e38]);
    let y = run_op(gpu(), Arc::new(Softmax { dim: 1 }), &[&x]).expect("runs").remove(0);
    assert_eq!(y.as_f32(), [0.5, 0.0, 0.5]);
}

#[test]
fn softmax_refuses_what_has_no_such_dimension() {
    refuses(
        &Softmax { dim: 2 },
        &[TensorType::f32([3, 4])],
        "softmax 'node': x: expected an f32 tensor with a dimension 2",
    );
    refuses(&Softmax { dim: 0 }, &[TensorType::i32([3, 4])], "got i32(3, 4)");
}
