//! permute: dimensions in another order.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, permute::Permute};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = Vec<usize>;
    const NAME: &'static str = "permute";

    fn boundary(rng: &mut Rng) -> Vec<(Vec<usize>, Vec<Tensor>)> {
        let cases: [(&[usize], &[usize]); 8] = [
            (&[0], &[1]),
            (&[0], &[257]),
            (&[1, 0], &[256, 255]),
            (&[0, 2, 3, 1], &[2, 5, 13, 7]),
            (&[0, 3, 1, 2], &[2, 13, 7, 8]),
            (&[1, 0, 2], &[31, 17, 4]),
            (&[2, 0, 1, 3], &[3, 5, 7, 12]),
            (&[5, 3, 1, 0, 2, 4], &[2, 3, 2, 3, 2, 3]),
        ];
        cases.iter().map(|&(order, shape)| (order.to_vec(), vec![rng.tensor(shape)])).collect()
    }

    fn random(rng: &mut Rng) -> (Vec<usize>, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 6)).map(|_| rng.range(1, 3)).collect();
        let mut order: Vec<usize> = (0..shape.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.range(0, i));
        }
        (order, vec![rng.tensor(shape)])
    }

    fn op(order: &Vec<usize>) -> OpRef {
        Arc::new(Permute { order: order.clone() })
    }

    fn reference(order: &Vec<usize>, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let shape: Vec<usize> = order.iter().map(|&d| x.shape[d]).collect();
        vec![Expected::exact(Array::from_fn(&shape, |index| {
            let mut from = vec![0; index.len()];
            order.iter().zip(index).for_each(|(&d, &i)| from[d] = i);
            x.get(&from)
        }))]
    }
}

#[test]
fn permute() {
    check::<Spec>();
}

#[test]
fn permute_refuses_what_is_no_permutation() {
    let x = TensorType::f32([2, 3]);
    let op = |order: &[usize]| Permute { order: order.to_vec() };
    refuses(
        &op(&[0, 0]),
        std::slice::from_ref(&x),
        "permute 'node': dims: expected each of the 2 dimensions of f32(2, 3) once, got [0, 0]",
    );
    refuses(&op(&[0]), &[x], "got [0]");
}
