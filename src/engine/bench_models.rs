//! Times whole networks: start to first result, inference and training steps, and what of the device they use.

use super::bench::{Ceilings, Times, profile::Profile, warm_up};
use super::network::{Network, Ready, pass_name};
use crate::gpu::Gpu;
use crate::graph::Precision;
use crate::models::classifier::Classifier;
use crate::models::darknet::Darknet;
use crate::models::instance::InstanceNet;
use crate::models::unet::UNet;
use crate::tensor::{Data, Tensor};
use crate::{Error, Result};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// What is timed.
#[derive(Clone, Debug, Serialize)]
pub struct ModelCase {
    /// What reports call it.
    pub name: String,
    /// The network.
    #[serde(skip)]
    pub network: Network,
    /// Pictures in a batch.
    pub batch: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// A training step, or inference.
    pub train: bool,
    /// In which weights and activations are kept; a training step's is mixed in f16.
    pub precision: Precision,
}

impl ModelCase {
    /// What is done, e.g. `training step`.
    pub fn pass(&self) -> &'static str {
        pass_name(self.train, self.precision)
    }
}

/// How long it took.
#[derive(Clone, Debug, Serialize)]
pub struct ModelTime {
    /// What was timed.
    #[serde(flatten)]
    pub case: ModelCase,
    /// Building, planning, allocating, compiling and the first run, in milliseconds. Cold only if the caches of this program and of the driver are.
    pub first_ms: f64,
    /// The later runs that count, in milliseconds of the host's clock, with all results read.
    #[serde(flatten)]
    pub wall: Times,
    /// Bytes of shared memory planned.
    pub planned_bytes: u64,
    /// Largest sum of live tensors.
    pub lower_bound_bytes: u64,
    /// Parameters, states and constants.
    pub resident_bytes: u64,
    /// Dispatches and copies in a run.
    pub commands: usize,
    /// Where the time goes, where the device has a clock.
    pub profile: Option<Profile>,
}

/// Cases that are timed unless told otherwise, each as inference and as a training step.
pub fn usual_cases() -> Result<Vec<ModelCase>> {
    let yolo = include_str!("../../assets/models/yolo-fastest-1.1.cfg");
    let yolo = Darknet::from_text(Path::new("yolo-fastest-1.1.cfg"), yolo)?;
    let mask = InstanceNet::by_name("maskrcnn_resnet50_fpn", 90)?;
    let small = UNet { width: 16, batch_norm: true, ..Default::default() };
    let networks = [
        ("yolo-fastest-1.1", Network::Darknet(Box::new(yolo)), 320),
        ("unet-16", Network::UNet(small), 256),
        ("unet-64", Network::UNet(UNet::default()), 256),
        ("resnet50", Network::Classifier(Classifier::resnet50(1000)), 224),
        ("maskrcnn_resnet50_fpn", Network::Instances(Box::new(mask)), 320),
    ];
    let both = |(name, network, side): (&str, Network, usize)| {
        let case = |train| ModelCase {
            name: name.into(),
            network: network.clone(),
            batch: 1,
            size: [side; 2],
            train,
            precision: Precision::F32,
        };
        [case(false), case(true)]
    };
    Ok(networks.into_iter().flat_map(both).collect())
}

/// Times one case over `runs` runs after those that compile and warm up. Fails if a result is not finite: speed at wrong numbers is none.
pub fn time_model(gpu: &Gpu, case: &ModelCase, runs: usize, ceilings: Ceilings) -> Result<ModelTime> {
    let started = Instant::now();
    let mut ready = case.network.compile(gpu, case.train, case.batch, case.size, case.precision)?;
    ready.run()?;
    let first_ms = started.elapsed().as_secs_f64() * 1e3;
    ready.settle()?;
    warm_up(|| run(&mut ready, case))?;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs.max(1) {
        let started = Instant::now();
        run(&mut ready, case)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let (executable, inputs) = ready.parts();
    let profile = executable.time(&inputs)?.map(|nodes| Profile::of(&nodes, ceilings));
    let plan = executable.plan();
    Ok(ModelTime {
        case: case.clone(),
        first_ms,
        wall: Times::of(times),
        planned_bytes: plan.memory.peak,
        lower_bound_bytes: plan.memory.lower_bound,
        resident_bytes: plan.resident,
        commands: executable.commands(),
        profile,
    })
}

/// One run, all of whose results are read and looked at. A mixed step may still overflow now and then, as [`Ready::settle`] allows for; its norm says so.
fn run(ready: &mut Ready, case: &ModelCase) -> Result<()> {
    let results = ready.run()?;
    let mixed = case.train && case.precision == Precision::F16;
    let fine = |name: &str, tensor: &Tensor| finite(tensor) || (mixed && name == "norm");
    match results.iter().find(|(name, tensor)| !fine(name, tensor)) {
        Some((name, _)) => Err(Error::Device(format!("{}, {}: {name} is not finite", case.name, case.pass()))),
        None => Ok(()),
    }
}

fn finite(tensor: &Tensor) -> bool {
    match tensor.data() {
        Data::F32(values) => values.iter().all(|v| v.is_finite()),
        _ => true,
    }
}
