//! One kernel alone: a convolution on the GPU, in three lines.
//!
//! `cargo run --release --example one_kernel`

use std::sync::Arc;
use wgvision::gpu::Gpu;
use wgvision::graph::run_op;
use wgvision::ops::conv2d::Conv2d;
use wgvision::tensor::Tensor;

fn main() -> wgvision::Result<()> {
    let (picture, weight) = (Tensor::full([1, 5, 5, 3], 1.0), Tensor::full([3, 3, 3, 2], 0.5));

    let gpu = Gpu::open()?;
    let op = Arc::new(Conv2d { padding: [1; 4], ..Default::default() });
    let y = run_op(&gpu, op, &[&picture, &weight])?.remove(0);

    println!("conv2d on {}: (N, H, W, C) = {}", gpu.facts().name, y.shape());
    for row in y.as_f32().chunks(5 * 2) {
        println!("{:?}", row.iter().step_by(2).collect::<Vec<_>>());
    }
    Ok(())
}
