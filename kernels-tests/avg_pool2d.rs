//! avg_pool2d: means of windows under PyTorch's divisors.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::pooling::{boundary, pooled, random};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::avg_pool2d::AvgPool2d;
use wgvision::ops::max_pool2d::Window;
use wgvision::tensor::Tensor;

struct Spec;

impl OpSpec for Spec {
    type Attrs = AvgPool2d;
    const NAME: &'static str = "avg_pool2d";
    const RANDOM: usize = 40;

    fn boundary(rng: &mut Rng) -> Vec<(AvgPool2d, Vec<Tensor>)> {
        let both = boundary().into_iter().flat_map(|(w, s)| [(w, s, true), (w, s, false)]);
        both.map(|(window, shape, count_include_pad)| {
            (AvgPool2d { window, count_include_pad, divisor: None }, vec![rng.tensor(shape)])
        })
        .collect()
    }

    fn random(rng: &mut Rng) -> (AvgPool2d, Vec<Tensor>) {
        let (window, shape) = random(rng, false);
        let divisor = rng.pick(&[None, None, Some(1), Some(7)]);
        (AvgPool2d { window, count_include_pad: rng.coin(), divisor }, vec![rng.tensor(shape)])
    }

    fn op(attrs: &AvgPool2d) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(attrs: &AvgPool2d, inputs: &[Array]) -> Vec<Expected> {
        let (shape, windows) = pooled(&attrs.window, &inputs[0]);
        let mut value = Array::zeros(&shape);
        let mut magnitude = vec![0.0; windows.len()];
        for (i, p) in windows.iter().enumerate() {
            let counted = if attrs.count_include_pad { p.padded } else { p.inside.len() };
            let divisor = attrs.divisor.unwrap_or(counted) as f64;
            for [y, x] in &p.inside {
                let v = inputs[0].get(&[p.index[0], *y, *x, p.index[3]]) / divisor;
                value.data[i] += v;
                magnitude[i] += v.abs();
            }
        }
        let [h, w] = attrs.window.kernel;
        vec![Expected::sum(value, magnitude, h * w)]
    }
}

#[test]
fn avg_pool2d() {
    check::<Spec>();
}

#[test]
fn avg_pool2d_refuses_what_does_not_fit() {
    let refused = |window: Window, divisor| {
        let x = Tensor::full([1, 4, 3, 1], 1.0);
        let op = AvgPool2d { window, count_include_pad: true, divisor };
        run_op(gpu(), Arc::new(op), &[&x]).expect_err("refused").to_string()
    };
    let small = refused(Window::square(4, 1, 0), None);
    assert!(small.contains("padded width of at least 4, the reach of the kernel, got 3"), "{small}");
    let dilated = refused(Window { dilation: [2, 1], ..Window::square(2, 1, 0) }, None);
    assert!(dilated.contains("dilation 1, divisor not 0"), "{dilated}");
    let zero = refused(Window::square(2, 1, 0), Some(0));
    assert!(zero.contains("divisor Some(0)"), "{zero}");
}
