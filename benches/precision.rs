//! Times inference and training steps with tensors in f32 and in half precision, of the device's own type and packed into words:
//! `cargo bench --bench precision`. Rounds alternate between the ways, so that a busy machine disturbs all alike.

use std::time::Instant;
use wgvision::data::normalise::Normalise;
use wgvision::engine::SegmentationModel;
use wgvision::engine::train::{TrainPrecision, TrainSettings};
use wgvision::engine::train_segmentation::{SegmentationRun, usual_loss};
use wgvision::gpu::{Gpu, Options};
use wgvision::graph::{Executable, Graph, Precision, Variables};
use wgvision::models::unet::UNet;
use wgvision::nn::{Net, initialise};
use wgvision::tensor::{Tensor, TensorType};

const ROUNDS: usize = 9;

/// What is in half precision.
#[derive(Clone, Copy)]
enum Halved {
    Nothing,
    Weights,
    WeightsAndActivations,
}

fn main() -> wgvision::Result<()> {
    let open = |f16: bool| Gpu::open_with(&Options { f16: Some(f16), ..Default::default() });
    let (native, words) = (open(true)?, open(false)?);
    if !native.profile().f16 {
        println!("this device has no f16: all halves are packed into words");
    }
    let small = UNet { width: 16, batch_norm: true, ..Default::default() };
    let ways = [
        ("f32", &words, Halved::Nothing),
        ("weights, packed", &words, Halved::Weights),
        ("all, packed", &words, Halved::WeightsAndActivations),
        ("all, native", &native, Halved::WeightsAndActivations),
    ];
    for (unet, side) in [(&small, 256), (&small, 64), (&UNet::default(), 128), (&UNet::default(), 32)] {
        println!("unet of width {}, one picture of {side}x{side}", unet.width);
        let networks = ways.iter().map(|&(name, gpu, halved)| Ok((name, network(gpu, unet, side, halved)?)));
        let networks = networks.collect::<wgvision::Result<Vec<_>>>()?;
        compare(networks, &[("images", Tensor::full([1, side, side, 3], 0.5))])?;
    }
    let ways = [("f32", &words, TrainPrecision::F32), ("mixed, packed", &words, TrainPrecision::Mixed)];
    for (unet, batch, side) in [(&small, 8, 128), (&UNet::default(), 1, 128)] {
        println!("unet of width {}, a training step of {batch} of {side}x{side}", unet.width);
        let mut networks = Vec::new();
        for (name, gpu, precision) in ways {
            networks.push((name, step(gpu, unet, batch, side, precision)?));
        }
        let targets = (0..batch * side * side).map(|i| (i / 7 % 2) as f32).collect();
        let hyper = TrainSettings::default().hyper(1);
        let images = Tensor::full([batch, side, side, 3], 0.5);
        compare(
            networks,
            &[("images", images), ("targets", Tensor::f32([batch, side, side, 1], targets)), ("hyper", hyper)],
        )?;
    }
    Ok(())
}

/// Rounds in turn, and what they took.
fn compare(networks: Vec<(&str, Executable)>, inputs: &[(&str, Tensor)]) -> wgvision::Result<()> {
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let mut networks: Vec<_> = networks.into_iter().map(|(name, network)| (name, network, Vec::new())).collect();
    for round in 0..=ROUNDS {
        for (_, network, times) in &mut networks {
            let started = Instant::now();
            network.run(&inputs)?.wait()?;
            if round > 0 {
                times.push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    for (name, network, mut times) in networks {
        times.sort_by(f64::total_cmp);
        let plan = network.plan();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "  {name}: best {:.2} ms, median {:.2}; shared memory {:.2} MiB, resident {:.2} MiB",
            times[0],
            times[times.len() / 2],
            mib(plan.memory.peak),
            mib(plan.resident)
        );
    }
    Ok(())
}

fn network(gpu: &Gpu, unet: &UNet, side: usize, halved: Halved) -> wgvision::Result<Executable> {
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([1, side, side, 3]))?;
    let mut net = Net::new(&mut graph, false);
    let logits = unet.build(&mut net, images)?;
    let specs = net.specs;
    let variables = Variables::new(gpu);
    initialise(&variables, &specs, 1)?;
    let whole = |precision| Executable::for_inference(&graph, &[("logits", logits)], &variables, precision);
    match halved {
        Halved::Nothing => whole(Precision::F32),
        Halved::WeightsAndActivations => whole(Precision::F16),
        Halved::Weights => {
            let (graph, values) = graph.fused(&[logits])?;
            let (graph, values) = graph.with_half_weights(&values)?;
            Executable::new(&graph, &[("logits", values[0])], &variables)
        }
    }
}

fn step(gpu: &Gpu, unet: &UNet, batch: usize, side: usize, precision: TrainPrecision) -> wgvision::Result<Executable> {
    let classes = vec!["ground".into(), "object".into()];
    let model = SegmentationModel { unet: unet.clone(), normalise: Normalise::Unit, classes, crop: [side, side] };
    let settings = TrainSettings { precision, ..Default::default() };
    let run = SegmentationRun { model, loss: usual_loss(unet.classes), batch, settings };
    let (step, specs) = run.step_graph()?;
    let variables = Variables::new(gpu);
    initialise(&variables, &specs, 1)?;
    step.start_scale(&variables)?;
    step.compile(&variables)
}
