//! Times what the host does for a dispatch, with parameters in immediates and in uniform buffers, side by side:
//! `cargo bench --bench recording`. Three numbers for each way: recording and submitting a chain of tiny kernels, making the
//! program of a U-Net's training step, and the step itself. Rounds alternate, so that a busy machine disturbs both alike.
//!
//! Then what the host does for a training step of Mask R-CNN with ResNet-50-FPN, one picture of 320x320, from `Executable::start` to its return: recording,
//! handing in, and the rest (uploads, checks). Wall time, and processor time of the recording thread, which a busy machine does not disturb.

use std::time::Instant;
use wgvision::data::normalise::Normalise;
use wgvision::engine::SegmentationModel;
use wgvision::engine::network::Network;
use wgvision::engine::train::TrainSettings;
use wgvision::engine::train_segmentation::{SegmentationRun, usual_loss};
use wgvision::gpu::{Gpu, Options};
use wgvision::graph::{Executable, Graph, Precision, Variables};
use wgvision::models::instance::InstanceNet;
use wgvision::models::unet::UNet;
use wgvision::nn::initialise;
use wgvision::ops::relu::Relu;
use wgvision::tensor::{Tensor, TensorType};

/// Kernels in the chain.
const CHAIN: usize = 1000;
const ROUNDS: usize = 9;
/// Steps of Mask R-CNN.
const STEPS: usize = 4;

struct Way {
    name: &'static str,
    gpu: Gpu,
    chain: Executable,
    run: SegmentationRun,
    step: Executable,
    record_us: Vec<f64>,
    make_ms: Vec<f64>,
    step_ms: Vec<f64>,
}

fn main() -> wgvision::Result<()> {
    let mut ways = vec![Way::new("uniform buffers", false)?, Way::new("immediates", true)?];
    for _ in 0..ROUNDS {
        for way in &mut ways {
            way.round()?;
        }
    }
    for way in &ways {
        let best = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
        let median = |times: &[f64]| {
            let mut sorted = times.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted[times.len() / 2]
        };
        println!(
            "{} (structs of up to {} bytes recorded): recording {:.2} us a dispatch (median {:.2}); making the step's program {:.1} ms \
             (median {:.1}); a step {:.1} ms (median {:.1})",
            way.name,
            way.gpu.immediate_bytes(),
            best(&way.record_us),
            median(&way.record_us),
            best(&way.make_ms),
            median(&way.make_ms),
            best(&way.step_ms),
            median(&way.step_ms),
        );
    }
    drop(ways);
    for immediates in [false, true] {
        mask_rcnn(immediates)?;
    }
    Ok(())
}

/// Nanoseconds that this thread has had a processor, where the system says so.
fn thread_ns() -> Option<f64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

fn mask_rcnn(immediates: bool) -> wgvision::Result<()> {
    let gpu = Gpu::open_with(&Options { immediates: Some(immediates), ..Default::default() })?;
    let network = Network::Instances(Box::new(InstanceNet::by_name("maskrcnn_resnet50_fpn", 90)?));
    let mut ready = network.compile(&gpu, true, 1, [320, 320], Precision::F32)?;
    let (step, inputs) = ready.parts();
    let mut rows = Vec::new();
    for round in 0..=STEPS {
        let (before, on_cpu, started) = (gpu.host_time(), thread_ns(), Instant::now());
        let report = step.start(&inputs)?;
        let whole = started.elapsed().as_secs_f64() * 1e3;
        let cpu = thread_ns().zip(on_cpu).map_or(f64::NAN, |(after, before)| (after - before) * 1e-6);
        let spent = gpu.host_time() - before;
        let [encoding, submitting] = [spent.encoding, spent.submitting].map(|t| t.as_secs_f64() * 1e3);
        gpu.wait()?;
        // The first run warms up.
        if round > 0 {
            rows.push([whole, cpu, encoding, submitting, whole - encoding - submitting]);
        }
        if round == STEPS {
            println!(
                "Mask R-CNN's training step, {} dispatches in {} submissions, structs of up to {} bytes recorded, on {}:",
                report.dispatches,
                report.submissions,
                gpu.immediate_bytes(),
                gpu.facts().name
            );
        }
    }
    for (i, name) in ["wall", "processor time of the thread", "recording", "handing in", "the rest"].iter().enumerate()
    {
        let mut times: Vec<f64> = rows.iter().map(|row| row[i]).collect();
        times.sort_by(f64::total_cmp);
        println!("  {name:<28} best {:>8.3} ms, median {:>8.3}", times[0], times[times.len() / 2]);
    }
    Ok(())
}

impl Way {
    fn new(name: &'static str, immediates: bool) -> wgvision::Result<Self> {
        let gpu = Gpu::open_with(&Options { immediates: Some(immediates), ..Default::default() })?;
        let mut graph = Graph::new();
        let mut y = graph.input("x", TensorType::f32([64]))?;
        for _ in 0..CHAIN {
            y = graph.add(Relu, &[y])?;
        }
        let chain = Executable::new(&graph, &[("y", y)], &Variables::new(&gpu))?;
        let unet = UNet { width: 8, depth: 3, batch_norm: true, ..Default::default() };
        let classes = vec!["background".into(), "thing".into()];
        let model = SegmentationModel { unet, normalise: Normalise::Unit, classes, crop: [64, 64] };
        let run = SegmentationRun { model, loss: usual_loss(1), batch: 2, settings: TrainSettings::default() };
        let step = step(&gpu, &run)?;
        let none = Vec::new;
        Ok(Self { name, gpu, chain, run, step, record_us: none(), make_ms: none(), step_ms: none() })
    }

    fn round(&mut self) -> wgvision::Result<()> {
        let x = Tensor::full([64], 1.0);
        let started = Instant::now();
        let report = self.chain.start(&[("x", &x)])?;
        self.record_us.push(started.elapsed().as_secs_f64() * 1e6 / report.dispatches as f64);
        self.gpu.wait()?;

        let started = Instant::now();
        let made = step(&self.gpu, &self.run)?;
        self.make_ms.push(started.elapsed().as_secs_f64() * 1e3);
        drop(made);

        let images = Tensor::full([2, 64, 64, 3], 0.5);
        let targets = Tensor::full([2, 64, 64, 1], 1.0);
        let hyper = self.run.settings.hyper(1);
        let started = Instant::now();
        self.step.start(&[("images", &images), ("targets", &targets), ("hyper", &hyper)])?;
        self.gpu.wait()?;
        self.step_ms.push(started.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }
}

fn step(gpu: &Gpu, run: &SegmentationRun) -> wgvision::Result<Executable> {
    let (graph, specs) = run.step_graph()?;
    let variables = Variables::new(gpu);
    initialise(&variables, &specs, 1)?;
    Executable::new(&graph.graph, &[("loss", graph.loss)], &variables)
}
