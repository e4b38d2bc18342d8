//! Times inference with weights in f32 and in f16, loaded as such and unpacked from words: `cargo bench --bench precision`.
//! Rounds alternate between the ways, so that a busy machine disturbs all alike.

use std::time::Instant;
use wgvision::gpu::{Gpu, Options};
use wgvision::graph::{Executable, Graph, Precision, Variables};
use wgvision::models::unet::UNet;
use wgvision::nn::{Net, initialise};
use wgvision::tensor::{Tensor, TensorType};

const ROUNDS: usize = 9;

fn main() -> wgvision::Result<()> {
    let open = |f16: bool| Gpu::open_with(&Options { f16: Some(f16), ..Default::default() });
    let (native, words) = (open(true)?, open(false)?);
    if !native.profile().f16 {
        println!("this device has no f16: both forms are unpacked from words");
    }
    let ways = [("f32", &native, Precision::F32), ("f16", &native, Precision::F16), ("packed", &words, Precision::F16)];
    let small = UNet { width: 16, batch_norm: true, ..Default::default() };
    for (unet, side) in [(&small, 256), (&small, 64), (&UNet::default(), 128), (&UNet::default(), 32)] {
        println!("unet of width {}, one picture of {side}x{side}", unet.width);
        let picture = Tensor::full([1, side, side, 3], 0.5);
        let mut networks = Vec::new();
        for (name, gpu, precision) in ways {
            networks.push((name, network(gpu, unet, side, precision)?, Vec::new()));
        }
        for round in 0..=ROUNDS {
            for (_, network, times) in &mut networks {
                let started = Instant::now();
                network.run(&[("images", &picture)])?.wait()?;
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
    }
    Ok(())
}

fn network(gpu: &Gpu, unet: &UNet, side: usize, precision: Precision) -> wgvision::Result<Executable> {
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([1, side, side, 3]))?;
    let mut net = Net::new(&mut graph, false);
    let logits = unet.build(&mut net, images)?;
    let specs = net.specs;
    let variables = Variables::new(gpu);
    initialise(&variables, &specs, 1)?;
    Executable::for_inference(&graph, &[("logits", logits)], &variables, precision)
}
