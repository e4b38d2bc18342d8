//! Times 3x3 convolutions as they are defined and by Winograd's F(2x2, 3x3) and F(4x4, 3x3): forward with the weight prepared, as inference has it;
//! forward with the weight transformed in each run, as training has it; and the input gradient. `cargo bench --bench winograd [LAYER...]`.
//! Rounds alternate between the ways, so that a busy machine disturbs all alike. A pass includes the sum of the result and its way to the host.

use std::sync::Arc;
use std::time::Instant;
use wgvision::engine::bench::{compute_in_every_run, pattern};
use wgvision::gpu::{DeviceKind, Gpu};
use wgvision::graph::{Executable, Graph, Precision, Variables};
use wgvision::ops::conv2d::{Conv2d, Variant};
use wgvision::ops::reduce_sum::ReduceSum;
use wgvision::tensor::{Tensor, TensorType};

const ROUNDS: usize = 7;

/// Name, pictures, input channels, height and width, output channels.
const LAYERS: [(&str, [usize; 4], usize); 14] = [
    ("yolo-c3", [1, 104, 104, 32], 64),
    ("yolo-c6", [1, 13, 13, 256], 512),
    ("r50-3x3", [1, 28, 28, 128], 128),
    ("r50-c5", [1, 7, 7, 512], 512),
    ("fpn-p3", [1, 40, 40, 256], 256),
    ("unet-enc1", [1, 128, 128, 64], 64),
    ("mask-head", [100, 14, 14, 256], 256),
    ("box-head", [100, 7, 7, 256], 256),
    ("p4", [1, 20, 20, 256], 256),
    ("p5", [1, 10, 10, 256], 256),
    ("p6", [1, 5, 5, 256], 256),
    ("narrow-16", [1, 64, 64, 16], 16),
    ("narrow-32", [1, 64, 64, 32], 32),
    ("uneven", [1, 57, 61, 48], 64),
];

#[derive(Clone, Copy)]
enum Pass {
    Inference,
    Forward,
    InputGrad,
}

fn main() -> wgvision::Result<()> {
    let gpu = Gpu::open()?;
    let direct = if gpu.profile().kind == DeviceKind::Software { Variant::Subgroup } else { Variant::Tiled };
    let ways = [("direct", direct), ("F(2,3)", Variant::Winograd2), ("F(4,3)", Variant::Winograd4)];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    println!("fastest of {ROUNDS}, ms: direct, F(2,3), F(4,3) for inference; forward; input gradient");
    for (name, x, outputs) in LAYERS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let mut line = format!("| {name} |");
        for pass in [Pass::Inference, Pass::Forward, Pass::InputGrad] {
            let mut all = Vec::new();
            for (_, variant) in ways {
                all.push((build(&gpu, pass, x, outputs, variant)?, f64::MAX));
            }
            for round in 0..=ROUNDS {
                for (exec, best) in &mut all {
                    let bias = Tensor::full([outputs], round as f32);
                    let given = [("bias", &bias)];
                    let started = Instant::now();
                    exec.run(&given[..if matches!(pass, Pass::Inference) { 1 } else { 0 }])?.wait()?;
                    if round > 0 {
                        *best = best.min(started.elapsed().as_secs_f64() * 1e3);
                    }
                }
            }
            for (_, best) in all {
                line += &format!(" {best:.1} |");
            }
        }
        println!("{line}");
    }
    Ok(())
}

fn build(gpu: &Gpu, pass: Pass, x: [usize; 4], outputs: usize, variant: Variant) -> wgvision::Result<Executable> {
    let conv = Conv2d { padding: [1; 4], variant: Some(variant), ..Conv2d::default() };
    let [n, h, w, inputs] = x;
    let y = [n, h, w, outputs];
    let variables = Variables::new(gpu);
    let mut g = Graph::new();
    let parameter = |g: &mut Graph, name: &str, shape: [usize; 4]| {
        variables.set(name, &pattern(shape))?;
        g.parameter(name, TensorType::f32(shape))
    };
    let x = parameter(&mut g, "x", x)?;
    let weight = parameter(&mut g, "weight", [3, 3, inputs, outputs])?;
    if matches!(pass, Pass::Inference) {
        let bias = g.input("bias", TensorType::f32([outputs]))?;
        let y = g.add(Conv2d { bias: true, ..conv }, &[x, weight, bias])?;
        let sum = g.add(ReduceSum::all(4), &[y])?;
        return Executable::for_inference(&g, &[("sum", sum)], &variables, Precision::F32);
    }
    let grad = parameter(&mut g, "grad", y)?;
    compute_in_every_run(&mut g)?;
    let y = g.named_all("conv", Arc::new(conv), &[x, weight])?[0];
    let made = match pass {
        Pass::InputGrad => g.gradients_from(&[(y, grad)], &[x])?[0].expect("y depends on x"),
        _ => y,
    };
    let sum = g.add(ReduceSum::all(4), &[made])?;
    Executable::new(&g, &[("sum", sum)], &variables)
}
