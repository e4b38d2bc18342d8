//! max_pool2d: the largest element of each window, ties to the first.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use crate::pooling::{boundary, pooled, random};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::ops::max_pool2d::{MaxPool2d, Window};
use wgvision::ops::max_pool2d_with_indices::MaxPool2dWithIndices;
use wgvision::tensor::Tensor;

/// Values of the maxima and their places h * W + w, the first of equals.
pub fn maxima(w: &Window, x: &Array) -> (Array, Array) {
    let (shape, windows) = pooled(w, x);
    let (mut values, mut places) = (Array::zeros(&shape), Array::zeros(&shape));
    for (i, p) in windows.iter().enumerate() {
        let at = |[y, column]: [usize; 2]| x.get(&[p.index[0], y, column, p.index[3]]);
        let mut best = p.inside[0];
        for &place in &p.inside {
            if at(place) > at(best) {
                best = place;
            }
        }
        values.data[i] = at(best);
        places.data[i] = (best[0] * x.shape[2] + best[1]) as f64;
    }
    (values, places)
}

struct Spec;

impl OpSpec for Spec {
    type Attrs = Window;
    const NAME: &'static str = "max_pool2d";
    const RANDOM: usize = 40;

    fn boundary(rng: &mut Rng) -> Vec<(Window, Vec<Tensor>)> {
        let mut cases: Vec<_> = boundary().into_iter().map(|(w, s)| (w, vec![rng.tensor_distinct(s)])).collect();
        // Every window of negative numbers only: the padding must not win.
        cases.push((Window::square(3, 2, 1), vec![rng.tensor_in([1, 21, 9, 3], -9.0, -8.0)]));
        cases
    }

    fn random(rng: &mut Rng) -> (Window, Vec<Tensor>) {
        let (window, shape) = random(rng, true);
        (window, vec![rng.tensor_distinct(shape)])
    }

    fn op(window: &Window) -> OpRef {
        Arc::new(MaxPool2d(*window))
    }

    fn reference(window: &Window, inputs: &[Array]) -> Vec<Expected> {
        vec![Expected::exact(maxima(window, &inputs[0]).0)]
    }
}

#[test]
fn max_pool2d() {
    check::<Spec>();
}

/// Few distinct values make many ties; each window's gradient goes to its first maximum. Whole numbers sum exactly.
#[test]
fn max_pool2d_gradient_goes_to_the_first_of_equals() {
    let mut rng = Rng::for_test("max_pool2d_ties");
    let mut cases: Vec<_> = (0..40).map(|_| random(&mut rng, true)).collect();
    cases.extend(boundary());
    let mut ties = 0;
    for (window, shape) in cases {
        let n: usize = shape.iter().product();
        let x = Tensor::f32(shape, (0..n).map(|_| rng.range(0, 2) as f32 - 1.0).collect());
        let array = Array::from_tensor(&x);
        let (y, places) = maxima(&window, &array);
        let grad_y = Tensor::f32(&y.shape[..], (0..y.data.len()).map(|_| rng.range(1, 9) as f32).collect());
        let mut want = Array::zeros(&shape);
        for (p, (place, g)) in pooled(&window, &array).1.iter().zip(places.data.iter().zip(grad_y.as_f32())) {
            let place = *place as usize;
            let at = want.at(&[p.index[0], place / shape[2], place % shape[2], p.index[3]]);
            want.data[at] += f64::from(*g);
            let equal = |[r, c]: &[usize; 2]| array.get(&[p.index[0], *r, *c, p.index[3]]) == array.data[at];
            ties += usize::from(p.inside.iter().filter(|place| equal(place)).count() > 1);
        }
        let with_indices: OpRef = Arc::new(MaxPool2dWithIndices(window));
        for op in [Arc::new(MaxPool2d(window)), with_indices] {
            let seeds = [Some(&grad_y), None];
            let seeds = &seeds[..if op.name() == "max_pool2d" { 1 } else { 2 }];
            let got = run_op_checked(gpu(), op, &[&x], seeds, Options::default()).expect("runs");
            assert_eq!(Array::from_tensor(&got.outputs[0]).data, y.data, "{window:?} {shape:?}");
            let grad = got.grads[0].as_ref().expect("a gradient");
            assert_eq!(Array::from_tensor(grad).data, want.data, "{window:?} {shape:?}");
            if let Some(indices) = got.outputs.get(1) {
                assert_eq!(Array::from_tensor(indices).data, places.data, "{window:?} {shape:?}");
            }
        }
    }
    assert!(ties > 100, "only {ties} windows had ties");
}

#[test]
fn max_pool2d_refuses_what_does_not_fit() {
    let refused = |window: Window, shape: &[usize]| {
        let x = Tensor::full(shape, 1.0);
        run_op(gpu(), Arc::new(MaxPool2d(window)), &[&x]).expect_err("refused").to_string()
    };
    let small = refused(Window::square(5, 1, 1), &[1, 4, 2, 1]);
    assert!(small.contains("padded width of at least 5, the reach of the kernel, got 4"), "{small}");
    let outside = refused(Window::square(2, 1, 2), &[1, 4, 4, 1]);
    assert!(outside.contains("window 0 of the height wholly outside"), "{outside}");
    let stride = refused(Window::square(2, 0, 0), &[1, 4, 4, 1]);
    assert!(stride.contains("stride: expected height of 1 to 32768, got 0"), "{stride}");
    let rank = refused(Window::square(2, 2, 0), &[4, 4, 1]);
    assert!(rank.contains("x: expected f32(N, H, W, C), got f32(4, 4, 1)"), "{rank}");
}
