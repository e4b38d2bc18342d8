//! Builds Darknet networks with random weights, runs each forward and trains it for one step:
//! `cargo run --release --example darknet_step -- yolov3.cfg yolov1`. A name without `.cfg` is a built-in network.

use std::path::Path;
use std::time::Instant;
use wgvision::Result;
use wgvision::engine::DetectionModel;
use wgvision::engine::train::TrainSettings;
use wgvision::engine::train_detection::DetectionRun;
use wgvision::gpu::Gpu;
use wgvision::graph::{Executable, Graph, Variables};
use wgvision::models::darknet::{BuiltinArgs, Darknet, builtin};
use wgvision::nn::{Net, initialise};
use wgvision::optim::Rate;
use wgvision::tensor::{Tensor, TensorType};

fn main() -> Result<()> {
    let gpu = Gpu::open()?;
    println!("{}", gpu.facts().name);
    std::env::args().skip(1).try_for_each(|name| step(&gpu, &name))
}

fn step(gpu: &Gpu, name: &str) -> Result<()> {
    let network = match BuiltinArgs::published(name) {
        Some(args) => builtin(name, &args)?,
        None => Darknet::read(Path::new(name))?,
    };
    let model = DetectionModel::new(network.clone(), network.default_names())?;
    let [h, w] = model.size;
    let variables = Variables::new(gpu);
    initialise(&variables, model.specs(), 1)?;
    let picture = Tensor::f32([1, h, w, 3], (0..h * w * 3).map(|i| (i * 37 % 101) as f32 / 101.0).collect());

    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([1, h, w, 3]))?;
    let heads = network.build(&mut Net::new(&mut graph, false), images)?;
    let (graph, heads) = graph.fused(&heads.iter().map(|head| head.value).collect::<Vec<_>>())?;
    let named: Vec<_> = heads.iter().map(|&value| ("head", value)).collect();
    let mut forward = Executable::new(&graph, &named[..1], &variables)?;
    let started = Instant::now();
    let head = forward.run(&[("images", &picture)])?.wait_for("head")?;
    let finite = head.as_f32().iter().all(|v| v.is_finite());
    let forward_s = started.elapsed().as_secs_f64();
    drop(forward);

    let settings = TrainSettings { rate: Rate::constant(1e-6), ..Default::default() };
    let run = DetectionRun { model, batch: 1, settings, start: Default::default() };
    let step = run.step_graph([h, w], 8)?;
    let mut train = Executable::new(&step.graph, &[("loss", step.loss), ("norm", step.norm)], &variables)?;
    let boxes = Tensor::f32([1, 8, 4], [0.4, 0.6, 0.3, 0.2].repeat(8));
    let classes = Tensor::i32([1, 8], vec![1, -1, -1, -1, -1, -1, -1, -1]);
    let hyper = run.settings.hyper(1);
    let (prior, number) = (Tensor::f32([1], vec![0.01]), Tensor::u32([1], vec![1]));
    let given = [("images", &picture), ("boxes", &boxes), ("classes", &classes), ("hyper", &hyper)];
    let optional = [("prior", &prior), ("step", &number)];
    let wanted: Vec<String> = train.inputs().map(|(name, _)| name.to_string()).collect();
    let given: Vec<_> = given.into_iter().chain(optional).filter(|(n, _)| wanted.iter().any(|w| w == n)).collect();
    let started = Instant::now();
    let results = train.run(&given)?;
    let report = results.report;
    let results = results.wait()?;
    println!(
        "{name}: {} stored values, {w}x{h}; forward {forward_s:.2} s, finite: {finite}; training step {:.2} s, loss {:.3}, \
         gradient norm {:.3e}; planned memory {} MiB shared, {} MiB resident; {} read-backs and {} waits inside",
        network.stored_values(),
        started.elapsed().as_secs_f64(),
        results["loss"].scalar(),
        results["norm"].scalar(),
        train.plan().memory.peak >> 20,
        train.plan().resident >> 20,
        report.read_backs,
        report.waits,
    );
    Ok(())
}
