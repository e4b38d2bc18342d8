//! max_pool2d_with_indices: maxima and their places. Ties are tested beside max_pool2d's.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::max_pool2d::maxima;
use crate::pooling::{boundary, random};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::ops::max_pool2d::Window;
use wgvision::ops::max_pool2d_with_indices::MaxPool2dWithIndices;
use wgvision::tensor::Tensor;

struct Spec;

impl OpSpec for Spec {
    type Attrs = Window;
    const NAME: &'static str = "max_pool2d_with_indices";

    fn boundary(rng: &mut Rng) -> Vec<(Window, Vec<Tensor>)> {
        boundary().into_iter().map(|(w, s)| (w, vec![rng.tensor_distinct(s)])).collect()
    }

    fn random(rng: &mut Rng) -> (Window, Vec<Tensor>) {
        let (window, shape) = random(rng, true);
        (window, vec![rng.tensor_distinct(shape)])
    }

    fn op(window: &Window) -> OpRef {
        Arc::new(MaxPool2dWithIndices(*window))
    }

    fn reference(window: &Window, inputs: &[Array]) -> Vec<Expected> {
        let (values, places) = maxima(window, &inputs[0]);
        vec![Expected::exact(values), Expected::exact(places)]
    }

    fn gradient_through(_: &Window, output: usize) -> bool {
        output == 0
    }
}

#[test]
fn max_pool2d_with_indices() {
    check::<Spec>();
}

#[test]
fn max_pool2d_with_indices_refuses_what_does_not_fit() {
    let op: OpRef = Arc::new(MaxPool2dWithIndices(Window::square(3, 1, 0)));
    let x = Tensor::full([1, 2, 5, 1], 1.0);
    let small = run_op(gpu(), op.clone(), &[&x]).expect_err("refused").to_string();
    assert!(small.contains("padded height of at least 3"), "{small}");
    let whole = Tensor::i32([1, 3, 3, 1], vec![1; 9]);
    let dtype = run_op(gpu(), op.clone(), &[&whole]).expect_err("refused").to_string();
    assert!(dtype.contains("x: expected f32(N, H, W, C), got i32(1, 3, 3, 1)"), "{dtype}");
    let (x, seed) = (Tensor::full([1, 3, 3, 1], 1.0), Tensor::i32([1, 1, 1, 1], vec![1]));
    let gradient = run_op_checked(gpu(), op, &[&x], &[None, Some(&seed)], Options::default());
    let gradient = gradient.expect_err("refused").to_string();
    assert!(gradient.contains("only y carries a gradient"), "{gradient}");
}
