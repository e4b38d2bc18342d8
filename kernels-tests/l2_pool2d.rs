//! l2_pool2d: the square root of the sum of squares of each window.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::pooling::{boundary, pooled, random};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::ops::l2_pool2d::L2Pool2d;
use wgvision::ops::max_pool2d::Window;
use wgvision::tensor::Tensor;

struct Spec;

impl OpSpec for Spec {
    type Attrs = Window;
    const NAME: &'static str = "l2_pool2d";

    fn boundary(rng: &mut Rng) -> Vec<(Window, Vec<Tensor>)> {
        boundary().into_iter().map(|(w, s)| (w, vec![rng.tensor_off_zero(s)])).collect()
    }

    fn random(rng: &mut Rng) -> (Window, Vec<Tensor>) {
        let (window, shape) = random(rng, true);
        (window, vec![rng.tensor_off_zero(shape)])
    }

    fn op(window: &Window) -> OpRef {
        Arc::new(L2Pool2d(*window))
    }

    fn reference(window: &Window, inputs: &[Array]) -> Vec<Expected> {
        let (shape, windows) = pooled(window, &inputs[0]);
        let norm = |p: &crate::pooling::Pooled| {
            let square = |[y, x]: &[usize; 2]| inputs[0].get(&[p.index[0], *y, *x, p.index[3]]).powi(2);
            p.inside.iter().map(square).sum::<f64>().sqrt()
        };
        let value = Array { shape, data: windows.iter().map(norm).collect() };
        let [h, w] = window.kernel;
        vec![Expected::exact(value).wider((h * w) as f64)]
    }
}

#[test]
fn l2_pool2d() {
    check::<Spec>();
}

#[test]
fn l2_pool2d_of_zeros_has_gradient_zero() {
    let (x, seed) = (Tensor::full([1, 4, 4, 4], 0.0), Tensor::full([1, 2, 2, 4], 1.0));
    let op = Arc::new(L2Pool2d(Window::square(2, 2, 0)));
    let got = run_op_checked(gpu(), op, &[&x], &[Some(&seed)], Options::default()).expect("runs");
    assert!(got.grads[0].as_ref().expect("a gradient").as_f32().iter().all(|&g| g == 0.0));
}

#[test]
fn l2_pool2d_refuses_what_does_not_fit() {
    let refused = |window: Window| {
        let x = Tensor::full([1, 4, 3, 1], 1.0);
        run_op(gpu(), Arc::new(L2Pool2d(window)), &[&x]).expect_err("refused").to_string()
    };
    let small = refused(Window { dilation: [1, 3], ..Window::square(2, 1, 0) });
    assert!(small.contains("padded width of at least 4, the reach of the kernel, got 3"), "{small}");
    let kernel = refused(Window::square(0, 1, 0));
    assert!(kernel.contains("kernel_size: expected height of 1"), "{kernel}");
}
