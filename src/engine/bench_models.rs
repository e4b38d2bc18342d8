//! Times whole networks: start to first result, inference and training steps, and where the time goes by node.

use super::train::{TrainSettings, training_graph};
use super::train_segmentation::{add_loss, usual_loss};
use crate::Result;
use crate::gpu::{Gpu, NodeTime};
use crate::graph::{Executable, Graph, Kind, Variables};
use crate::models::unet::UNet;
use crate::nn::{Net, initialise};
use crate::tensor::{Tensor, TensorType};
use serde::Serialize;
use std::time::Instant;

/// What is timed.
#[derive(Clone, Debug, Serialize)]
pub struct ModelCase {
    /// What reports call it.
    pub name: String,
    /// The network.
    pub unet: UNet,
    /// Pictures in a batch.
    pub batch: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// A training step, or inference.
    pub train: bool,
}

/// How long it took.
#[derive(Clone, Debug, Serialize)]
pub struct ModelTime {
    /// What was timed.
    #[serde(flatten)]
    pub case: ModelCase,
    /// Building, planning, compiling and the first run.
    pub first_ms: f64,
    /// Median of the later runs, wall time with the read-back of one number.
    pub median_ms: f64,
    /// Bytes of shared memory planned.
    pub planned_bytes: u64,
    /// Largest sum of live tensors.
    pub lower_bound_bytes: u64,
    /// Dispatches and copies in a run.
    pub commands: usize,
    /// The slowest nodes, where the device has timestamps.
    pub slowest: Vec<NodeTime>,
}

/// U-Nets of the sizes that the examples and the demo train.
pub fn usual_cases() -> Vec<ModelCase> {
    let small = UNet { width: 16, batch_norm: true, ..Default::default() };
    let case = |unet: &UNet, batch, size, train| {
        let what = if train { "training step" } else { "inference" };
        let name = format!("unet width {} depth {}, {what}, {batch} of {size}x{size}", unet.width, unet.depth);
        ModelCase { name, unet: unet.clone(), batch, size: [size, size], train }
    };
    vec![case(&small, 1, 256, false), case(&small, 8, 128, true), case(&UNet::default(), 1, 128, true)]
}

/// Times one case over `runs` runs after the first.
pub fn time_model(gpu: &Gpu, case: &ModelCase, runs: usize) -> Result<ModelTime> {
    let started = Instant::now();
    let [h, w] = case.size;
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([case.batch, h, w, case.unet.in_channels]))?;
    let mut net = Net::new(&mut graph, case.train);
    let logits = case.unet.build(&mut net, images)?;
    let specs = net.specs;
    let (graph, result) = if case.train {
        let loss = add_loss(&mut graph, &usual_loss(case.unet.classes), logits)?;
        let step = training_graph(graph, loss, &TrainSettings::default())?;
        (step.graph, step.loss)
    } else {
        let (graph, outputs) = graph.fused(&[logits])?;
        (graph, outputs[0])
    };
    let variables = Variables::new(gpu);
    initialise(&variables, &specs, 1)?;
    let mut executable = Executable::new(&graph, &[("result", result)], &variables)?;
    let inputs = made_inputs(&graph);
    let given: Vec<(&str, &Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t)).collect();
    executable.run(&given)?.wait()?;
    let first_ms = started.elapsed().as_secs_f64() * 1e3;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let started = Instant::now();
        executable.run(&given)?.wait()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let mut slowest = executable.time(&given)?.unwrap_or_default();
    slowest.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    slowest.truncate(10);
    let memory = &executable.plan().memory;
    Ok(ModelTime {
        case: case.clone(),
        first_ms,
        median_ms: times.get(times.len() / 2).copied().unwrap_or(first_ms),
        planned_bytes: memory.peak,
        lower_bound_bytes: memory.lower_bound,
        commands: executable.commands(),
        slowest,
    })
}

/// A tensor for every input: a fixed pattern for floats, zeros for class indices, the first step's rates.
fn made_inputs(graph: &Graph) -> Vec<(String, Tensor)> {
    let inputs = graph.nodes().iter().filter(|n| matches!(n.kind, Kind::Input));
    inputs
        .map(|node| {
            let ty = &node.outputs[0];
            let tensor = match node.name.as_str() {
                "hyper" => TrainSettings::default().hyper(1),
                "images" => Tensor::f32(&ty.shape, (0..ty.elements()).map(|i| (i * 37 % 101) as f32 / 101.0).collect()),
                _ => Tensor::zeros(ty),
            };
            (node.name.clone(), tensor)
        })
        .collect()
}
