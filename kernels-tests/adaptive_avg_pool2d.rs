//! adaptive_avg_pool2d: means over windows that divide the picture; size 1 is global.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::pooling::{adaptive, adaptive_boundary};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::adaptive_avg_pool2d::AdaptiveAvgPool2d;
use wgvision::tensor::Tensor;

struct Spec;

impl OpSpec for Spec {
    type Attrs = [usize; 2];
    const NAME: &'static str = "adaptive_avg_pool2d";

    fn boundary(rng: &mut Rng) -> Vec<([usize; 2], Vec<Tensor>)> {
        adaptive_boundary().into_iter().map(|(size, shape)| (size, vec![rng.tensor(shape)])).collect()
    }

    fn random(rng: &mut Rng) -> ([usize; 2], Vec<Tensor>) {
        let shape = [rng.range(1, 2), rng.range(1, 9), rng.range(1, 9), rng.range(1, 3)];
        let size = if rng.range(0, 4) == 0 { [1, 1] } else { [rng.range(1, 6), rng.range(1, 6)] };
        (size, vec![rng.tensor(shape)])
    }

    fn op(size: &[usize; 2]) -> OpRef {
        Arc::new(AdaptiveAvgPool2d { output_size: *size })
    }

    fn reference(size: &[usize; 2], inputs: &[Array]) -> Vec<Expected> {
        let (shape, windows) = adaptive(*size, &inputs[0]);
        let most = windows.iter().map(|p| p.inside.len()).max().unwrap_or(1);
        let mean = |f: fn(f64) -> f64| -> Vec<f64> {
            let at = |p: &crate::pooling::Pooled, [y, x]: &[usize; 2]| inputs[0].get(&[p.index[0], *y, *x, p.index[3]]);
            windows.iter().map(|p| p.inside.iter().map(|i| f(at(p, i))).sum::<f64>() / p.inside.len() as f64).collect()
        };
        vec![Expected::sum(Array { shape, data: mean(|v| v) }, mean(f64::abs), most.min(64))]
    }
}

#[test]
fn adaptive_avg_pool2d() {
    check::<Spec>();
}

#[test]
fn adaptive_avg_pool2d_refuses_what_does_not_fit() {
    let refused = |size, shape: &[usize]| {
        let x = Tensor::full(shape, 1.0);
        let op = AdaptiveAvgPool2d { output_size: size };
        run_op(gpu(), Arc::new(op), &[&x]).expect_err("refused").to_string()
    };
    let empty = refused([0, 2], &[1, 4, 4, 1]);
    assert!(empty.contains("output_size: expected 1 to 32768 each way, got [0, 2]"), "{empty}");
    let rank = refused([1, 1], &[4, 4, 1]);
    assert!(rank.contains("x: expected f32(N, H, W, C), got f32(4, 4, 1)"), "{rank}");
}
