//! `wgvision summary`: the layer table and the memory plan.

use super::DeviceArgs;
use super::network::NetworkArgs;
use crate::Result;
use crate::graph::{Options, Plan, thousands};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct SummaryArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Plan a training step instead of inference.
    #[arg(long)]
    train: bool,
    /// Write the graph in Graphviz's language.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
}

pub fn run(args: &SummaryArgs, device: &DeviceArgs) -> Result<()> {
    let built = args.network.build(args.train)?;
    let [h, w] = built.size;
    print!("{}", built.graph.summary());
    println!("{} parameters; stored values include the statistics of batch norms", thousands(built.parameters));
    let gpu = device.open()?;
    let (graph, outputs) = if args.train { built.training()? } else { built.inference()? };
    let plan = Plan::new(&gpu, &graph, &outputs, Options::default())?;
    println!(
        "{} of {} pictures {h}x{w}: {} nodes run",
        if args.train { "training step" } else { "inference" },
        args.network.batch,
        plan.len()
    );
    print!("{}", plan.describe());
    if let Some(path) = &args.dot {
        crate::weights::write_atomically(path, graph.dot().as_bytes())?;
    }
    Ok(())
}
