//! l2_norm: each pixel's channels over their Euclidean norm, scaled by channel.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::ops::l2_norm::L2Norm;
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: &[usize], eps: f32) -> (f32, Vec<Tensor>) {
    let c = *shape.last().expect("rank 2 or 4");
    (eps, vec![rng.tensor_off_zero(shape), rng.tensor_in([c], -20.0, 20.0)])
}

impl OpSpec for Spec {
    type Attrs = f32;
    const NAME: &'static str = "l2_norm";

    fn boundary(rng: &mut Rng) -> Vec<(f32, Vec<Tensor>)> {
        let shapes: [&[usize]; 9] = [
            &[1, 1, 1, 1],
            &[1, 17, 15, 1],
            &[1, 16, 16, 3],
            &[1, 1, 257, 2],
            &[2, 5, 3, 255],
            &[3, 256],
            &[2, 1, 3, 513],
            &[2, 31, 37, 12],
            &[1, 38, 38, 512],
        ];
        // One channel over its own norm is a sign: only a wide eps gives it a gradient to compare.
        let eps = |s: &[usize]| if s.ends_with(&[1]) { 0.5 } else { 1e-10 };
        shapes.iter().map(|s| case(rng, s, eps(s))).collect()
    }

    fn random(rng: &mut Rng) -> (f32, Vec<Tensor>) {
        let shape = [rng.range(1, 2), rng.range(1, 5), rng.range(1, 5), rng.range(2, 9)];
        let eps = rng.pick(&[0.0, 1e-10, 1e-3, 0.5]);
        case(rng, &shape, eps)
    }

    fn op(eps: &f32) -> OpRef {
        Arc::new(L2Norm { eps: *eps })
    }

    fn reference(eps: &f32, inputs: &[Array]) -> Vec<Expected> {
        let (x, weight) = (&inputs[0], &inputs[1]);
        let c = weight.data.len();
        let norms: Vec<f64> = x.data.chunks(c).map(|p| p.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
        let mut y = x.clone();
        for (i, v) in y.data.iter_mut().enumerate() {
            *v *= weight.data[i % c] / (norms[i / c] + f64::from(*eps));
        }
        let mut shape = x.shape.clone();
        *shape.last_mut().expect("rank 2 or 4") = 1;
        vec![Expected::exact(y).wider(24.0), Expected::exact(Array { shape, data: norms }).wider(24.0)]
    }

    fn gradient_through(_: &f32, output: usize) -> bool {
        output == 0
    }
}

#[test]
fn l2_norm() {
    check::<Spec>();
}

#[test]
fn l2_norm_of_zeros_has_a_finite_gradient() {
    let x = Tensor::full([1, 1, 2, 3], 0.0);
    let weight = Tensor::full([3], 2.0);
    let seed = Tensor::full([1, 1, 2, 3], 1.0);
    let op = Arc::new(L2Norm { eps: 0.5 });
    let got = run_op_checked(gpu(), op, &[&x, &weight], &[Some(&seed), None], Options::default()).expect("runs");
    assert_eq!(got.grads[0].as_ref().expect("a gradient").as_f32(), [4.0; 6]);
    assert_eq!(got.grads[1].as_ref().expect("a gradient").as_f32(), [0.0; 3]);
}

#[test]
fn l2_norm_refuses_what_does_not_fit() {
    let refused = |x: &[usize], c: usize| {
        let (x, weight) = (Tensor::full(x, 1.0), Tensor::full([c], 1.0));
        run_op(gpu(), Arc::new(L2Norm { eps: 0.0 }), &[&x, &weight]).expect_err("refused").to_string()
    };
    let weight = refused(&[1, 2, 2, 3], 4);
    assert!(weight.contains("weight: expected f32(3), got f32(4)"), "{weight}");
    let rank = refused(&[2, 2, 3], 3);
    assert!(rank.contains("x: expected f32(N, H, W, C) or f32(N, C), got f32(2, 2, 3)"), "{rank}");
}
