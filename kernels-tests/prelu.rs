//! prelu: x where positive, weight * x elsewhere.

use crate::harness::broadcast::combine;
use crate::harness::{Array, Expected, OpSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::{OpRef, prelu::Prelu};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "prelu";

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        let cases: [(&[usize], usize); 8] = [
            (&[1], 1),
            (&[255], 1),
            (&[256], 256),
            (&[257], 1),
            (&[2, 13, 7, 5], 5),
            (&[2, 13, 7, 8], 8),
            (&[2, 13, 7, 8], 1),
            (&[3, 1031], 1031),
        ];
        cases.iter().map(|&(shape, weights)| ((), vec![rng.tensor_off_zero(shape), rng.tensor([weights])])).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 5)).collect();
        let weights = if rng.coin() { 1 } else { shape[shape.len() - 1] };
        ((), vec![rng.tensor_off_zero(shape), rng.tensor([weights])])
    }

    fn op(_: &()) -> OpRef {
        Arc::new(Prelu)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        vec![Expected::exact(combine(&inputs[0], &inputs[1], |x, w| if x > 0.0 { x } else { w * x }))]
    }
}

#[test]
fn prelu() {
    check::<Spec>();
}

#[test]
fn prelu_refuses_other_weights() {
    let x = TensorType::f32([2, 3]);
    refuses(&Prelu, &[x.clone(), TensorType::f32([2])], "prelu 'node': weight: expected f32(1) or f32(3), got f32(2)");
    refuses(&Prelu, &[x.clone(), TensorType::i32([3])], "got i32(3)");
    refuses(&Prelu, &[x], "expected x and weight, got 1");
}
