//! `wgvision summary`: the layer table and the memory plan.

use super::DeviceArgs;
use super::network::{NetworkArgs, PrecisionArgs};
use crate::Result;
use crate::engine::network::{Network, pass_name};
use crate::graph::{Graph, Options, Plan, thousands};
use crate::nn::Net;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct SummaryArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Write the graph in Graphviz's language.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
}

pub fn run(args: &SummaryArgs, device: &DeviceArgs) -> Result<()> {
    let (network, [h, w]) = args.network.network()?;
    let (train, batch, precision) = (args.network.train, args.network.batch, args.precision.precision);
    let mut graph = Graph::new();
    let mut net = Net::new(&mut graph, train && !matches!(network, Network::Instances(_)));
    let outputs = network.build(&mut net, batch, [h, w])?;
    let parameters: u64 = net.specs.iter().filter(|s| !s.buffer).map(|s| s.ty.elements() as u64).sum();
    print!("{}", graph.summary());
    println!("{} parameters; stored values include the statistics of batch norms", thousands(parameters));
    let gpu = device.open()?;
    let (graph, outputs) = match train {
        false => graph.for_inference(&outputs, precision, gpu.profile())?,
        true => {
            let step = network.step(batch, [h, w], precision)?;
            let outputs = step.outputs().into_iter().map(|(_, value)| value).collect();
            (step.stored(gpu.profile())?.into_owned(), outputs)
        }
    };
    let plan = Plan::new(&gpu, &graph, &outputs, Options::default())?;
    println!("{} of {batch} pictures {h}x{w}: {} nodes run", pass_name(train, precision), plan.len());
    print!("{}", plan.describe());
    if let Some(path) = &args.dot {
        crate::weights::write_atomically(path, graph.dot().as_bytes())?;
    }
    Ok(())
}
