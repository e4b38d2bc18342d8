//! `wgvision tune`.

use super::DeviceArgs;
use super::network::NetworkArgs;
use crate::engine::bench::{built_in_layers, layers_graph};
use crate::engine::tune::{Found, problems, tune};
use crate::gpu::Tuned;
use crate::graph::{Graph, Precision};
use crate::nn::Net;
use crate::ops::Value;
use crate::{Error, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Instant;

#[derive(Args)]
pub struct TuneArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// How long to time at most.
    #[arg(long, value_name = "N", default_value_t = 60.0)]
    seconds: f64,
    /// Forget what was kept for this adapter before.
    #[arg(long)]
    anew: bool,
}

/// A graph with the convolutions to time, and what is read from it.
fn convolutions(args: &NetworkArgs) -> Result<(Graph, Vec<Value>)> {
    if !args.is_named() {
        return layers_graph(&built_in_layers(), args.train);
    }
    let (network, size) = args.network()?;
    if args.train {
        let step = network.step(args.batch, size, Precision::F32)?;
        return Ok((step.graph, vec![step.loss, step.norm]));
    }
    let mut graph = Graph::new();
    let outputs = network.build(&mut Net::new(&mut graph, false), args.batch, size)?;
    graph.fused(&outputs)
}

/// Times the convolutions of a network, or of the built-in list of layers where none is named, and keeps the choices.
pub fn run(args: &TuneArgs, device: &DeviceArgs) -> Result<()> {
    if !(args.seconds > 0.0 && args.seconds <= 86_400.0) {
        return Err(Error::Usage(format!("--seconds: more than 0 and at most a day, got {}", args.seconds)));
    }
    let (graph, outputs) = convolutions(&args.network)?;
    let gpu = device.open()?;
    let path = Tuned::file(gpu.facts())
        .ok_or_else(|| Error::Usage("there is no cache folder to keep choices in; set WGVISION_CACHE".into()))?;
    let mut tuned = match Tuned::read(&path, gpu.facts()) {
        Ok(kept) if !args.anew => kept,
        Ok(_) => Tuned::none(gpu.facts()),
        Err(e) => {
            tracing::warn!("{e}; it is replaced");
            Tuned::none(gpu.facts())
        }
    };
    let problems = problems(&gpu, &graph, &outputs)?;
    let bar = ProgressBar::new(problems.len() as u64);
    let template = "{bar:32} {pos}/{len} {msg} [{elapsed}]";
    bar.set_style(ProgressStyle::with_template(template).expect("valid template"));
    bar.set_message(format!("convolutions, {} s at most", args.seconds));
    let started = Instant::now();
    let mut better = 0;
    let show = |found: &Found| {
        bar.inc(1);
        let (usual, chosen) = (found.time(found.usual), found.time(found.chosen));
        let line = format!("{:<40} {:<10} {chosen:>9.3} ms", found.node, found.chosen);
        if found.chosen != found.usual {
            better += 1;
            bar.suspend(|| println!("{line} instead of {} {usual:.3} ms", found.usual));
        } else {
            bar.suspend(|| println!("{line}"));
        }
    };
    let done = tune(&gpu, &problems, args.seconds, &mut tuned, show)?;
    bar.finish_and_clear();
    tuned.save(&path)?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{done} of {} convolutions timed in {seconds:.0} s; {better} are faster another way than by rule",
        problems.len()
    );
    println!("{} choices are kept in {}", tuned.len(), path.display());
    Ok(())
}
