//! The kernels that measure a device do the work they are timed by: the recurrences' closed form, and every number copied.

use wgvision::engine::bench::Ceilings;
use wgvision::gpu::Gpu;
use wgvision::graph::run_op;
use wgvision::ops::ceiling::{Copy, MultiplyAdd, STEPS};
use wgvision::tensor::Tensor;

#[test]
fn every_multiply_add_counts() {
    let gpu = Gpu::open().expect("an adapter");
    let (a, b) = (0.99_f32, 0.25_f32);
    for (n, rounds) in [(1, 1), (255, 2), (256, 3), (257, 5), (1031, 1), (5, 0)] {
        let op = std::sync::Arc::new(MultiplyAdd { n, rounds });
        let y = run_op(&gpu, op, &[&Tensor::f32([2], vec![a, b])]).expect("runs").remove(0);
        assert_eq!(y.shape().iter().product::<usize>(), n);
        // s after k steps is a^k s + b (1 - a^k) / (1 - a).
        let (a, b) = (f64::from(a), f64::from(b));
        let decay = a.powi((STEPS * rounds) as i32);
        for (i, &got) in y.as_f32().iter().enumerate() {
            let starts = (0..12).map(|c| (i % 1024) as f64 / 1024.0 + f64::from(c));
            let want: f64 = starts.map(|s| decay * s + b * (1.0 - decay) / (1.0 - a)).sum();
            // One step more or less moves the sum by far more.
            assert!(
                (f64::from(got) - want).abs() < 1e-5 * want.abs(),
                "n {n}, rounds {rounds}, {i}: {got}, not {want}"
            );
        }
    }
}

#[test]
fn every_number_is_copied() {
    let gpu = Gpu::open().expect("an adapter");
    for n in [4, 1020, 1024, 4092, 4096, 4100, 12_284, 12_292] {
        let x = Tensor::f32([n], (0..n).map(|i| i as f32 + 0.5).collect());
        let y = run_op(&gpu, std::sync::Arc::new(Copy), &[&x]).expect("runs").remove(0);
        assert_eq!(x.as_f32(), y.as_f32(), "{n}");
    }
}

#[test]
fn ceilings_are_measured() {
    let ceilings = Ceilings::measure(&Gpu::open().expect("an adapter")).expect("measured");
    assert!(ceilings.gflops > 0.1 && ceilings.gflops.is_finite(), "{ceilings:?}");
    assert!(ceilings.gbytes > 0.1 && ceilings.gbytes.is_finite(), "{ceilings:?}");
}
