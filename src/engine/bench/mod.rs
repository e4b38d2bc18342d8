//! Times convolution layers as the peers' programs do: forward, and forward with both gradients, on the layers of a JSON list.
//!
//! One pass is everything between handing in the work and holding the sum of each result on the host; beside it stands the time that the
//! convolution's own kernels take on the device, where that keeps time. It measures; what is fast enough is for the reader to say.

mod ceilings;
mod layers;
pub mod nms;
pub mod profile;
mod stats;

pub use ceilings::{Ceilings, Share};
pub use layers::{Layer, built_in_layers, read_layers};
pub use stats::{Times, warm_up};

use crate::Result;
use crate::gpu::{Cost, Gpu, NodeTime};
use crate::graph::{Executable, Graph, Precision, Variables};
use crate::ops::Value;
use crate::ops::add::Add;
use crate::ops::expand::Expand;
use crate::ops::reduce_sum::ReduceSum;
use crate::tensor::{Shape, Tensor, TensorType};
use serde::Serialize;
use std::time::Instant;

/// One measurement. The first six are the peers' words.
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
    /// Fastest of the runs that count, in milliseconds of the host's clock, the sums of the results and their reading included.
    pub best_ms: f64,
    /// Arithmetic rate of the fastest; training counts three times the forward pass.
    pub gflops: f64,
    /// Median of the runs that count.
    pub median_ms: f64,
    /// Time of the convolution's own kernels on the device, where it keeps time.
    pub device: Option<Times>,
    /// Kernels that the convolution and its gradients chose, by label.
    pub kernels: Vec<&'static str>,
    /// What of the device it uses: of the fastest time on the device, or else on the host. Arithmetic is the definition's, bytes are those that
    /// the kernels say they touch.
    pub share: Share,
}

/// How to time layers.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Runs that count, after the first and those that warm up.
    pub runs: usize,
    /// Whether the training pass is timed as well.
    pub train: bool,
    /// What shares are of.
    pub ceilings: Ceilings,
}

/// Times the forward pass of a layer and, if asked for, forward and both gradients. Fails where the device refuses a tensor.
pub fn time_layer(gpu: &Gpu, layer: &Layer, method: &Method) -> Result<Vec<Line>> {
    let mut lines = vec![time_pass(gpu, layer, false, method)?];
    if method.train {
        lines.push(time_pass(gpu, layer, true, method)?);
    }
    Ok(lines)
}

fn time_pass(gpu: &Gpu, layer: &Layer, train: bool, method: &Method) -> Result<Line> {
    let (graph, outputs) = build(layer, train)?;
    let variables = Variables::new(gpu);
    for (name, shape) in [("x", layer.x_shape()), ("weight", layer.weight_shape())] {
        variables.set(name, &pattern(shape))?;
    }
    let named: Vec<(&str, _)> = outputs.iter().map(|(n, v)| (*n, *v)).collect();
    let bias = Tensor::full([layer.co], 0.5);
    let given: &[(&str, &Tensor)] = if train { &[] } else { &[("bias", &bias)] };
    let started = Instant::now();
    let mut executable = if train {
        Executable::new(&graph, &named, &variables)?
    } else {
        Executable::for_inference(&graph, &named, &variables, Precision::F32)?
    };
    executable.run(given)?.wait()?;
    let first_ms = milliseconds(started);
    warm_up(|| executable.run(given)?.wait().map(drop))?;
    let (mut wall, mut device) = (Vec::new(), Vec::new());
    let (mut kernels, mut bytes) = (Vec::new(), 0);
    for _ in 0..method.runs.max(1) {
        let started = Instant::now();
        executable.run(given)?.wait()?;
        wall.push(milliseconds(started));
        if let Some(nodes) = executable.time(given)? {
            let own: Vec<NodeTime> = nodes.into_iter().filter(|n| belongs(&n.node)).collect();
            device.push(own.iter().map(NodeTime::ms).sum());
            (kernels, bytes) = chosen(&own);
        }
    }
    let wall = Times::of(wall);
    let device = (!device.is_empty()).then(|| Times::of(device));
    let flops = 2 * layer.multiply_adds() * if train { 3 } else { 1 };
    let share = method.ceilings.share(Cost { flops, bytes }, device.unwrap_or(wall).best_ms);
    let (pass, gflops) = (if train { "train" } else { "forward" }, flops as f64 / wall.best_ms * 1e-6);
    let Times { best_ms, median_ms } = wall;
    let (peer, layer) = ("wgvision", layer.id.clone());
    Ok(Line { peer, layer, pass, first_ms, best_ms, gflops, median_ms, device, kernels, share })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// What the node of the timed op is called.
const TIMED: &str = "conv";

/// Whether a node is the timed op or of its gradient, and not what feeds it or sums up its results.
fn belongs(node: &str) -> bool {
    node == TIMED || node.starts_with(&format!("grad({TIMED})"))
}

/// Labels of the kernels, each once, and the bytes they touch.
fn chosen(nodes: &[NodeTime]) -> (Vec<&'static str>, u64) {
    let mut labels = Vec::new();
    for launch in nodes.iter().flat_map(|n| &n.launches) {
        if !labels.contains(&launch.kernel) {
            labels.push(launch.kernel);
        }
    }
    (labels, nodes.iter().flat_map(|n| &n.launches).map(|l| l.cost.bytes).sum())
}

/// A graph with all of `layers`, with `train` also their gradients, and what is to be read from it.
pub fn layers_graph(layers: &[Layer], train: bool) -> Result<(Graph, Vec<Value>)> {
    let mut g = Graph::new();
    let mut outputs = Vec::new();
    for layer in layers {
        let made = g.scope(&layer.id, |g| {
            let x = g.parameter("x", TensorType::f32(layer.x_shape()))?;
            let weight = g.parameter("weight", TensorType::f32(layer.weight_shape()))?;
            let y = g.named_all(TIMED, layer.op(false), &[x, weight])?[0];
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
    if !train {
        // As a network that only runs has it: the bias arrives with each run, so that the convolution is computed each time and what
        // depends on the weight alone is not.
        let bias = g.input("bias", TensorType::f32([layer.co]))?;
        let y = g.named_all("conv", layer.op(true), &[x, weight, bias])?[0];
        let sum = g.add(ReduceSum::all(4), &[y])?;
        return Ok((g, vec![("y", sum)]));
    }
    compute_in_every_run(&mut g)?;
    let y = g.named_all(TIMED, layer.op(false), &[x, weight])?[0];
    let mut outputs = vec![("y", g.add(ReduceSum::all(4), &[y])?)];
    // The gradient of a sum: ones.
    let scale = g.constant(Tensor::full([1, 1, 1, 1], 1.0));
    let grad = g.add(Expand { shape: g.shape(y) }, &[scale])?;
    let found = g.gradients_from(&[(y, grad)], &[x, weight])?;
    for (name, grad) in ["grad_x", "grad_weight"].into_iter().zip(found) {
        let grad = grad.expect("the convolution depends on both");
        outputs.push((name, g.add(ReduceSum::all(4), &[grad])?));
    }
    Ok((g, outputs))
}

/// What depends on variables alone is computed when they change: a counter that every run changes makes every run
/// compute everything, on tensors that stay on the device.
pub fn compute_in_every_run(g: &mut Graph) -> Result<()> {
    let runs = g.state("runs", TensorType::f32([1]))?;
    let one = g.constant(Tensor::full([1], 1.0));
    let counted = g.add(Add, &[runs, one])?;
    g.update(runs, counted)
}

/// Numbers without structure to speak of; their values do not matter for time.
pub fn pattern(shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let n: usize = shape.iter().product();
    Tensor::f32(shape, (0..n).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect())
}
