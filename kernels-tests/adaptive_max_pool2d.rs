//! adaptive_max_pool2d: maxima of windows that divide the picture, and their places; size 1 is global.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::pooling::{adaptive, adaptive_boundary};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::ops::adaptive_max_pool2d::AdaptiveMaxPool2d;
use wgvision::tensor::Tensor;

/// Values and places of the maxima, the first of equals.
fn maxima(size: [usize; 2], x: &Array) -> (Array, Array) {
    let (shape, windows) = adaptive(size, x);
    let (mut values, mut places) = (Array::zeros(&shape), Array::zeros(&shape));
    for (i, p) in windows.iter().enumerate() {
        let at = |[row, column]: [usize; 2]| x.get(&[p.index[0], row, column, p.index[3]]);
        let best = p.inside.iter().copied().reduce(|best, place| if at(place) > at(best) { place } else { best });
        let best = best.expect("no window is empty");
        values.data[i] = at(best);
        places.data[i] = (best[0] * x.shape[2] + best[1]) as f64;
    }
    (values, places)
}

struct Spec;

impl OpSpec for Spec {
    type Attrs = [usize; 2];
    const NAME: &'static str = "adaptive_max_pool2d";

    fn boundary(rng: &mut Rng) -> Vec<([usize; 2], Vec<Tensor>)> {
        adaptive_boundary().into_iter().map(|(size, shape)| (size, vec![rng.tensor_distinct(shape)])).collect()
    }

    fn random(rng: &mut Rng) -> ([usize; 2], Vec<Tensor>) {
        let shape = [rng.range(1, 2), rng.range(1, 9), rng.range(1, 9), rng.range(1, 3)];
        let size = if rng.range(0, 4) == 0 { [1, 1] } else { [rng.range(1, 6), rng.range(1, 6)] };
        (size, vec![rng.tensor_distinct(shape)])
    }

    fn op(size: &[usize; 2]) -> OpRef {
        Arc::new(AdaptiveMaxPool2d { output_size: *size })
    }

    fn reference(size: &[usize; 2], inputs: &[Array]) -> Vec<Expected> {
        let (values, places) = maxima(*size, &inputs[0]);
        vec![Expected::exact(values), Expected::exact(places)]
    }

    fn gradient_through(_: &[usize; 2], output: usize) -> bool {
        output == 0
    }
}

#[test]
fn adaptive_max_pool2d() {
    check::<Spec>();
}

/// Few distinct values: values, places and gradients where windows hold several maxima.
#[test]
fn adaptive_max_pool2d_gives_ties_to_the_first() {
    let mut rng = Rng::for_test("adaptive_max_pool2d_ties");
    for (size, shape) in adaptive_boundary() {
        let n: usize = shape.iter().product();
        let x = Tensor::f32(shape, (0..n).map(|_| rng.range(0, 2) as f32 - 1.0).collect());
        let (values, places) = maxima(size, &Array::from_tensor(&x));
        let seed = Tensor::f32(&values.shape[..], (0..values.data.len()).map(|_| rng.range(1, 9) as f32).collect());
        let mut want = Array::zeros(&shape);
        let columns = values.shape[1] * values.shape[2];
        for (i, (place, g)) in places.data.iter().zip(seed.as_f32()).enumerate() {
            let (image, place) = (i / shape[3] / columns, *place as usize);
            let at = want.at(&[image, place / shape[2], place % shape[2], i % shape[3]]);
            want.data[at] += f64::from(*g);
        }
        let op = Arc::new(AdaptiveMaxPool2d { output_size: size });
        let got = run_op_checked(gpu(), op, &[&x], &[Some(&seed), None], Options::default()).expect("runs");
        assert_eq!(Array::from_tensor(&got.outputs[0]).data, values.data, "{size:?} {shape:?}");
        assert_eq!(Array::from_tensor(&got.outputs[1]).data, places.data, "{size:?} {shape:?}");
        let grad = got.grads[0].as_ref().expect("a gradient");
        assert_eq!(Array::from_tensor(grad).data, want.data, "{size:?} {shape:?}");
    }
}

#[test]
fn adaptive_max_pool2d_refuses_what_does_not_fit() {
    let refused = |size, shape: &[usize]| {
        let x = Tensor::full(shape, 1.0);
        let op = AdaptiveMaxPool2d { output_size: size };
        run_op(gpu(), Arc::new(op), &[&x]).expect_err("refused").to_string()
    };
    let empty = refused([3, 0], &[1, 4, 4, 1]);
    assert!(empty.contains("output_size: expected 1 to 32768 each way, got [3, 0]"), "{empty}");
    let rank = refused([1, 1], &[4, 1]);
    assert!(rank.contains("x: expected f32(N, H, W, C), got f32(4, 1)"), "{rank}");
}
