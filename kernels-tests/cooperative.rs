//! Cooperative matrices: the convolution made with them against the float64 reference, on devices that offer them; on all others, that
//! asking for them changes nothing and says why. Factors are numbers that halves can hold, so that the usual bounds hold for f16 too.

use crate::conv2d::Case;
use crate::harness::{Array, Rng, compare, gpu};
use half::f16;
use wgvision::gpu::{Gpu, Options};
use wgvision::graph::{Options as Planning, run_op_checked};
use wgvision::ops::conv2d::Variant;
use wgvision::tensor::Tensor;

fn rounded(t: &Tensor) -> Tensor {
    Tensor::f32(t.shape(), t.as_f32().iter().map(|&v| f16::from_f32(v).to_f32()).collect())
}

#[test]
fn cooperative_matrices_compute_convolutions_or_are_refused() {
    let device = Gpu::open_with(&Options { cooperative: Some(true), ..Default::default() }).unwrap();
    println!("cooperative matrices: {}", device.cooperative());
    let Some(form) = device.profile().cooperative else {
        println!("SKIPPED: this device has no cooperative matrices; only the kernels' texts were checked, elsewhere");
        assert!(device.cooperative().starts_with("not used: "), "{}", device.cooperative());
        return;
    };
    assert!(gpu().profile().cooperative.is_none() || std::env::var_os("WGVISION_COOPERATIVE").is_some());
    let (mut rng, mut taken) = (Rng::for_test("cooperative"), 0);
    for transposed in [false, true] {
        let mut cases = Case::boundary(transposed, &mut rng);
        cases.extend((0..24).map(|_| Case::random(transposed, &mut rng)));
        for (i, (case, mut inputs)) in cases.into_iter().enumerate() {
            let case = Case { variant: Some(Variant::Cooperative), ..case };
            inputs.iter_mut().take(2).for_each(|t| *t = rounded(t));
            let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
            let tensors: Vec<&Tensor> = inputs.iter().collect();
            taken += usize::from((inputs[1].shape()[3] / case.groups).is_multiple_of(2));
            let run = || {
                let options = Planning { sentinels: true, ..Planning::default() };
                run_op_checked(&device, case.op(), &tensors, &[], options).expect("runs")
            };
            let made = run();
            assert_eq!(made.damaged, None, "case {i} {case:?}");
            compare(form.name(), &made.outputs[0], &case.reference(&arrays))
                .unwrap_or_else(|e| panic!("case {i} {case:?}: {e}"));
            assert_eq!(made.outputs, run().outputs, "case {i} {case:?}: another run, other bits");
        }
    }
    assert!(taken >= 20, "{taken} cases had channels in pairs");
}
