//! split_index: row and column of an index into a table.

use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, split_index::SplitIndex};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = SplitIndex;
    const NAME: &'static str = "split_index";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(SplitIndex, Vec<Tensor>)> {
        let shapes: [&[usize]; 6] = [&[1], &[255], &[256], &[257], &[3, 1031], &[2, 5, 7]];
        let mut cases: Vec<_> = shapes
            .into_iter()
            .map(|shape| (SplitIndex { divisor: 80 }, vec![rng.indices(shape, -5, 851_760)]))
            .collect();
        let ends = vec![i32::MIN, -1, 0, 1, i32::MAX];
        cases.push((SplitIndex { divisor: 1 }, vec![Tensor::i32([5], ends.clone())]));
        cases.push((SplitIndex { divisor: i32::MAX as usize }, vec![Tensor::i32([5], ends)]));
        cases
    }

    fn random(rng: &mut Rng) -> (SplitIndex, Vec<Tensor>) {
        let shape = [rng.range(1, 4), rng.range(1, 50)];
        (SplitIndex { divisor: rng.range(1, 100) }, vec![rng.indices(shape, -50, 5000)])
    }

    fn op(attrs: &SplitIndex) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &SplitIndex, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let divisor = op.divisor as i64;
        let split = |part: fn(i64, i64) -> i64| {
            let one = |&v: &f64| if v < 0.0 { -1.0 } else { part(v as i64, divisor) as f64 };
            Expected::exact(Array { shape: x.shape.clone(), data: x.data.iter().map(one).collect() })
        };
        vec![split(|v, d| v / d), split(|v, d| v % d)]
    }
}

#[test]
fn split_index() {
    check::<Spec>();
}

#[test]
fn split_index_refuses_what_it_cannot_use() {
    refuses(&SplitIndex { divisor: 0 }, &[TensorType::i32([3])], "divisor must be at least 1");
    refuses(&SplitIndex { divisor: 3 }, &[TensorType::f32([3])], "split_index 'node': index: expected i32");
}
