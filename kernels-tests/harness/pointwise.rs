//! [`PointwiseSpec`]: cases for functions of one number, so that a test file need only say the function.

use super::{Array, Expected, OpSpec, Rng};
use std::fmt::Debug;
use wgvision::ops::OpRef;
use wgvision::tensor::{Shape, Tensor};

/// A function applied to every element of one tensor.
pub trait PointwiseSpec {
    /// The op's attributes as the reference reads them.
    type Attrs: Clone + Debug;
    /// Name of the op and of the test.
    const NAME: &'static str;
    /// Roundings of the kernel beyond a few: what transcendental functions add.
    const ROUNDINGS: f64 = 0.0;

    /// Random attributes.
    fn attrs(rng: &mut Rng) -> Self::Attrs;
    /// The op.
    fn op(attrs: &Self::Attrs) -> OpRef;
    /// The definition.
    fn f(attrs: &Self::Attrs, x: f64) -> f64;
    /// What the rounding is relative to: the result, or larger where the definition subtracts.
    fn magnitude(attrs: &Self::Attrs, x: f64) -> f64 {
        Self::f(attrs, x).abs()
    }
    /// Inputs away from kinks.
    fn x(_attrs: &Self::Attrs, rng: &mut Rng, shape: Shape) -> Tensor {
        rng.tensor_off_zero(shape)
    }
}

impl<P: PointwiseSpec> OpSpec for P {
    type Attrs = P::Attrs;
    const NAME: &'static str = P::NAME;

    fn boundary(rng: &mut Rng) -> Vec<(P::Attrs, Vec<Tensor>)> {
        let shapes: [&[usize]; 9] =
            [&[1], &[255], &[256], &[257], &[1020], &[1024], &[1028], &[2, 13, 7, 5], &[3, 1031]];
        let case = |shape: &[usize]| {
            let attrs = P::attrs(rng);
            let x = P::x(&attrs, rng, shape.into());
            (attrs, vec![x])
        };
        shapes.into_iter().map(case).collect()
    }

    fn random(rng: &mut Rng) -> (P::Attrs, Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 5)).map(|_| rng.range(1, 4)).collect();
        let attrs = P::attrs(rng);
        let x = P::x(&attrs, rng, shape.into());
        (attrs, vec![x])
    }

    fn op(attrs: &P::Attrs) -> OpRef {
        P::op(attrs)
    }

    fn reference(attrs: &P::Attrs, inputs: &[Array]) -> Vec<Expected> {
        let x = &inputs[0];
        let value = Array { shape: x.shape.clone(), data: x.data.iter().map(|&v| P::f(attrs, v)).collect() };
        let magnitude = x.data.iter().map(|&v| P::magnitude(attrs, v)).collect();
        vec![Expected::sum(value, magnitude, 0).wider(P::ROUNDINGS)]
    }
}
