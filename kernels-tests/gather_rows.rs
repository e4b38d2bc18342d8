//! gather_rows: y[n, k, ...] = x[n, index[n, k], ...].

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, gather_rows::GatherRows};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

fn case(rng: &mut Rng, shape: &[usize], k: usize, fill: f32) -> (GatherRows, Vec<Tensor>) {
    // Indices reach over both ends now and then, and repeat.
    let index = rng.indices([shape[0], k], -2, shape[1] as i32 + 2);
    (GatherRows { fill }, vec![rng.tensor(shape), index])
}

impl OpSpec for Spec {
    type Attrs = GatherRows;
    const NAME: &'static str = "gather_rows";

    fn boundary(rng: &mut Rng) -> Vec<(GatherRows, Vec<Tensor>)> {
        let sizes: [(&[usize], usize); 8] = [
            (&[1, 1], 1),
            (&[1, 255, 1], 256),
            (&[2, 7, 4], 64),
            (&[1, 1031, 4], 257),
            (&[3, 5], 255),
            (&[2, 13, 3, 5], 11),
            (&[4, 100], 1000),
            (&[2, 10_647, 4], 1000),
        ];
        sizes.into_iter().map(|(shape, k)| case(rng, shape, k, 0.0)).collect()
    }

    fn random(rng: &mut Rng) -> (GatherRows, Vec<Tensor>) {
        let mut shape = vec![rng.range(1, 3), rng.range(1, 9)];
        shape.extend((0..rng.range(0, 2)).map(|_| [1, 3, 4][rng.range(0, 2)]));
        let (k, fill) = (rng.range(1, 12), rng.pick(&[0.0, -1.0, 0.5]));
        case(rng, &shape, k, fill)
    }

    fn op(attrs: &GatherRows) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &GatherRows, inputs: &[Array]) -> Vec<Expected> {
        let (x, index) = (&inputs[0], &inputs[1]);
        let shape: Vec<usize> = index.shape.iter().chain(&x.shape[2..]).copied().collect();
        let element = |at: &[usize]| {
            let row = index.get(&at[..2]);
            if row < 0.0 || row >= x.shape[1] as f64 {
                return f64::from(op.fill);
            }
            let mut from = at.to_vec();
            from[1] = row as usize;
            x.get(&from)
        };
        vec![Expected::exact(Array::from_fn(&shape, element))]
    }
}

#[test]
fn gather_rows() {
    check::<Spec>();
}

#[test]
fn gather_rows_copies_integers() {
    let x = Tensor::i32([1, 3], vec![7, -8, 9]);
    let index = Tensor::i32([1, 4], vec![2, -1, 0, 3]);
    let y = run_op(gpu(), Arc::new(GatherRows { fill: -1.0 }), &[&x, &index]).expect("runs");
    assert_eq!(y[0].as_i32(), [9, -1, 7, -1]);
}

#[test]
fn gather_rows_refuses_what_it_cannot_use() {
    let op = GatherRows { fill: 0.0 };
    let x = TensorType::f32([2, 5, 4]);
    refuses(&op, &[x.clone(), TensorType::i32([3, 7])], "gather_rows 'node': index: expected i32 of shape (2, K)");
    refuses(&op, &[x.clone(), TensorType::u32([2, 7])], "expected i32 of shape (2, K), got u32(2, 7)");
    refuses(&op, &[TensorType::f32([5]), TensorType::i32([5, 1])], "x: expected rank 2 or more");
}
