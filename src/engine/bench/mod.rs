//! Times convolution layers as the peers' programs do: forward, and forward with both gradients, on the layers of a JSON list.
//!
//! One pass is everything between handing in the work and holding the sum of each result on the host. It measures; what
//! is fast enough is for the reader to say.

mod layers;
pub mod nms;

pub use layers::{Layer, built_in_layers, read_layers};

use crate::Result;
use crate::gpu::Gpu;
use crate::graph::{Executable, Graph, Variables};
use crate::ops::Value;
use crate::ops::add::Add;
use crate::ops::expand::Expand;
use crate::ops::reduce_sum::ReduceSum;
use crate::tensor::{Tensor, TensorType};
use serde::Serialize;
use std::time::Instant;

/// Runs after the first, of which the fastest counts.
const REPEATS: usize = 5;

/// One measurement, in the peers' words.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Who was measured.
    pub peer: &'static str,
    /// The layer's id.
    pub layer: String,
    /// `forward` or `train`.
    pub pass: &'static str,
    /// First run, compilation of the kernels included, in milliseconds.
    pub first_ms: f64,
    /// Fastest of five more, in milliseconds.
    pub best_ms: f64,
    /// Arithmetic rate of the fastest; training counts three times the forward pass.
    pub gflops: f64,
}

/// Times the forward pass of a layer and, with `train`, forward and both gradients. Fails where the device refuses a tensor.
pub fn time_layer(gpu: &Gpu, layer: &Layer, train: bool) -> Result<Vec<Line>> {
    let mut lines = vec![time_pass(gpu, layer, false)?];
    if train {
        lines.push(time_pass(gpu, layer, true)?);
    }
    Ok(lines)
}

fn time_pass(gpu: &Gpu, layer: &Layer, train: bool) -> Result<Line> {
    let started = Instant::now();
    let (graph, outputs) = build(layer, train)?;
    let variables = Variables::new(gpu);
    for (name, shape) in [("x", layer.x_shape()), ("weight", layer.weight_shape())] {
        variables.set(name, &pattern(&shape))?;
    }
    let prepared = started.elapsed();
    let named: Vec<(&str, _)> = outputs.iter().map(|(n, v)| (*n, *v)).collect();
    let mut first_ms = 0.0;
    let mut best_ms = f64::MAX;
    let mut executable = None;
    for i in 0..=REPEATS {
        let started = Instant::now();
        let exec = match &mut executable {
            Some(exec) => exec,
            none => none.insert(Executable::new(&graph, &named, &variables)?),
        };
        exec.run(&[])?.wait()?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        if i == 0 {
            first_ms = ms;
        } else {
            best_ms = ms.min(best_ms);
        }
    }
    tracing::debug!("{}: prepared in {prepared:.0?}", layer.id);
    let flops = 2.0 * layer.multiply_adds() as f64 * if train { 3.0 } else { 1.0 };
    let pass = if train { "train" } else { "forward" };
    Ok(Line { peer: "wgvision", layer: layer.id.clone(), pass, first_ms, best_ms, gflops: flops / best_ms * 1e-6 })
}

/// A graph with all of `layers`, with `train` also their gradients, and what is to be read from it.
pub fn layers_graph(layers: &[Layer], train: bool) -> Result<(Graph, Vec<Value>)> {
    let mut g = Graph::new();
    let mut outputs = Vec::new();
    for layer in layers {
        let made = g.scope(&layer.id, |g| {
            let x = g.parameter("x", TensorType::f32(layer.x_shape()))?;
            let weight = g.parameter("weight", TensorType::f32(layer.weight_shape()))?;
            let y = g.named_all("conv", layer.op(), &[x, weight])?[0];
            if !train {
                return Ok(vec![y]);
            }
            let grad = g.parameter("grad_y", g.ty(y))?;
            let found = g.gradients_from(&[(y, grad)], &[x, weight])?;
            Ok(found.into_iter().flatten().chain([y]).collect())
        })?;
        outputs.extend(made);
    }
    Ok((g, outputs))
}

type Named = (&'static str, Value);

fn build(layer: &Layer, train: bool) -> Result<(Graph, Vec<Named>)> {
    let mut g = Graph::new();
    let x = g.parameter("x", TensorType::f32(layer.x_shape()))?;
    let weight = g.parameter("weight", TensorType::f32(layer.weight_shape()))?;
    // What depends on variables alone is computed when they change: a counter that every run changes makes every run
    // compute everything, on tensors that stay on the device.
    let runs = g.state("runs", TensorType::f32([1]))?;
    let one = g.constant(Tensor::full([1], 1.0));
    let counted = g.add(Add, &[runs, one])?;
    g.update(runs, counted)?;
    let y = g.named_all("conv", layer.op(), &[x, weight])?[0];
    let mut outputs = vec![("y", g.add(ReduceSum::all(4), &[y])?)];
    if train {
        // The gradient of a sum: ones.
        let scale = g.constant(Tensor::full([1, 1, 1, 1], 1.0));
        let grad = g.add(Expand { shape: g.shape(y) }, &[scale])?;
        let found = g.gradients_from(&[(y, grad)], &[x, weight])?;
        for (name, grad) in ["grad_x", "grad_weight"].into_iter().zip(found) {
            let grad = grad.expect("the convolution depends on both");
            outputs.push((name, g.add(ReduceSum::all(4), &[grad])?));
        }
    }
    Ok((g, outputs))
}

/// Numbers without structure to speak of; their values do not matter for time.
fn pattern(shape: &[usize; 4]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::f32(*shape, (0..n).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect())
}
