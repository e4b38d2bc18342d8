//! gather: elements along a dimension, chosen by index.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, gather::Gather};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

fn case(rng: &mut Rng, dim: usize, x: &[usize], index: &[usize]) -> (usize, Vec<Tensor>) {
    (dim, vec![rng.tensor(x), rng.indices(index, 0, x[dim] as i32)])
}

impl OpSpec for Spec {
    type Attrs = usize;
    const NAME: &'static str = "gather";
    const RANDOM: usize = 32;

    fn boundary(rng: &mut Rng) -> Vec<(usize, Vec<Tensor>)> {
        vec![
            case(rng, 0, &[1], &[1]),
            case(rng, 0, &[255], &[257]),
            case(rng, 0, &[256], &[3]),
            case(rng, 1, &[5, 31], &[5, 53]),
            case(rng, 1, &[300, 7], &[257, 1]),
            case(rng, 3, &[2, 13, 7, 5], &[2, 13, 7, 1]),
            case(rng, 1, &[2, 13, 7, 5], &[1, 20, 6, 4]),
            case(rng, 0, &[97, 3, 4], &[130, 2, 4]),
        ]
    }

    fn random(rng: &mut Rng) -> (usize, Vec<Tensor>) {
        let x: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        let dim = rng.range(0, x.len() - 1);
        let index: Vec<usize> =
            x.iter().enumerate().map(|(d, &e)| if d == dim { rng.range(1, 7) } else { rng.range(1, e) }).collect();
        case(rng, dim, &x, &index)
    }

    fn op(&dim: &usize) -> OpRef {
        Arc::new(Gather { dim })
    }

    fn reference(&dim: &usize, inputs: &[Array]) -> Vec<Expected> {
        let (x, index) = (&inputs[0], &inputs[1]);
        vec![Expected::exact(Array::from_fn(&index.shape, |at| {
            let mut from = at.to_vec();
            from[dim] = index.get(at) as usize;
            x.get(&from)
        }))]
    }
}

#[test]
fn gather() {
    check::<Spec>();
}

#[test]
fn gather_reads_nothing_foreign() {
    let x = Tensor::f32([3], vec![1.0, 2.0, 3.0]);
    let index = Tensor::i32([4], vec![-1, 3, 2, i32::MAX]);
    let y = run_op(gpu(), Arc::new(Gather { dim: 0 }), &[&x, &index]).expect("runs").remove(0);
    assert_eq!(y.as_f32(), [0.0, 0.0, 3.0, 0.0]);
}

#[test]
fn gather_refuses_indices_that_do_not_fit() {
    let x = TensorType::f32([2, 3]);
    let message = "gather 'node': index: expected i32, no larger than (2, 3) but for dimension 1, got i32(3, 3)";
    refuses(&Gather { dim: 1 }, &[x.clone(), TensorType::i32([3, 3])], message);
    refuses(&Gather { dim: 1 }, &[x.clone(), TensorType::f32([2, 3])], "got f32(2, 3)");
    refuses(&Gather { dim: 2 }, &[x, TensorType::i32([2, 3])], "x: expected a dimension 2");
}
