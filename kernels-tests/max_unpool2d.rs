//! max_unpool2d: elements at the places their indices name.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::ops::max_pool2d::Window;
use wgvision::ops::max_pool2d_with_indices::MaxPool2dWithIndices;
use wgvision::ops::max_unpool2d::MaxUnpool2d;
use wgvision::tensor::Tensor;

struct Spec;

fn case(rng: &mut Rng, shape: [usize; 4], size: [usize; 2]) -> ([usize; 2], Vec<Tensor>) {
    // A little outside on both ends, and often several of one place.
    let indices = rng.indices(shape, -1, (size[0] * size[1]) as i32 + 1);
    (size, vec![rng.tensor_off_zero(shape), indices])
}

impl OpSpec for Spec {
    type Attrs = [usize; 2];
    const NAME: &'static str = "max_unpool2d";

    fn boundary(rng: &mut Rng) -> Vec<([usize; 2], Vec<Tensor>)> {
        let sizes = [
            ([1, 1, 1, 1], [1, 1]),
            ([1, 17, 15, 1], [34, 30]),
            ([1, 16, 16, 1], [33, 31]),
            ([2, 1, 1, 257], [2, 3]),
            ([3, 7, 11, 5], [14, 22]),
            ([1, 30, 40, 3], [5, 5]),
        ];
        sizes.iter().map(|&(shape, size)| case(rng, shape, size)).collect()
    }

    fn random(rng: &mut Rng) -> ([usize; 2], Vec<Tensor>) {
        let shape = [rng.range(1, 3), rng.range(1, 6), rng.range(1, 6), rng.range(1, 4)];
        let size = [rng.range(1, 9), rng.range(1, 9)];
        case(rng, shape, size)
    }

    fn op(size: &[usize; 2]) -> OpRef {
        Arc::new(MaxUnpool2d { output_size: *size })
    }

    fn reference(size: &[usize; 2], inputs: &[Array]) -> Vec<Expected> {
        let [n, h, w, c] = inputs[0].shape[..].try_into().expect("rank 4");
        let mut y = Array::zeros(&[n, size[0], size[1], c]);
        for (i, (v, &place)) in inputs[0].data.iter().zip(&inputs[1].data).enumerate() {
            if (0.0..(size[0] * size[1]) as f64).contains(&place) {
                let (place, image) = (place as usize, i / c / (h * w));
                let at = y.at(&[image, place / size[1], place % size[1], i % c]);
                y.data[at] = *v;
            }
        }
        vec![Expected::exact(y)]
    }
}

#[test]
fn max_unpool2d() {
    check::<Spec>();
}

/// Pooling and unpooling keep each window's maximum where it was, and its gradient.
#[test]
fn max_unpool2d_undoes_max_pool2d_with_indices() {
    let mut rng = Rng::for_test("max_unpool2d_round");
    let distinct = rng.tensor_distinct([2, 8, 6, 3]);
    // Zero marks what unpooling left empty.
    let x = Tensor::f32([2, 8, 6, 3], distinct.as_f32().iter().map(|v| v + 0.003).collect());
    let pool = Arc::new(MaxPool2dWithIndices(Window::square(2, 2, 0)));
    let pooled = run_op(gpu(), pool, &[&x]).expect("runs");
    let seed = rng.tensor([2, 8, 6, 3]);
    let unpool = Arc::new(MaxUnpool2d { output_size: [8, 6] });
    let inputs = [&pooled[0], &pooled[1]];
    let got = run_op_checked(gpu(), unpool, &inputs, &[Some(&seed)], Options::default()).expect("runs");
    let kept = got.outputs[0].as_f32();
    assert!(kept.iter().zip(x.as_f32()).all(|(k, x)| *k == 0.0 || k == x));
    let sum = |t: &Tensor| t.as_f32().iter().map(|&v| f64::from(v)).sum::<f64>();
    assert!((sum(&got.outputs[0]) - sum(&pooled[0])).abs() < 1e-4);
    let chosen: f64 = kept.iter().zip(seed.as_f32()).filter(|(k, _)| **k != 0.0).map(|(_, g)| f64::from(*g)).sum();
    assert!((sum(got.grads[0].as_ref().expect("a gradient")) - chosen).abs() < 1e-4);
}

#[test]
fn max_unpool2d_refuses_what_does_not_fit() {
    let refused = |size, indices: Tensor| {
        let x = Tensor::full([1, 2, 2, 1], 1.0);
        run_op(gpu(), Arc::new(MaxUnpool2d { output_size: size }), &[&x, &indices]).expect_err("refused").to_string()
    };
    let shape = refused([4, 4], Tensor::i32([1, 2, 1, 1], vec![0, 1]));
    assert!(shape.contains("indices: expected i32(1, 2, 2, 1), got i32(1, 2, 1, 1)"), "{shape}");
    let dtype = refused([4, 4], Tensor::full([1, 2, 2, 1], 0.0));
    assert!(dtype.contains("got f32(1, 2, 2, 1)"), "{dtype}");
    let size = refused([0, 4], Tensor::i32([1, 2, 2, 1], vec![0; 4]));
    assert!(size.contains("output_size: expected 1 to 2^31 places, got [0, 4]"), "{size}");
}
