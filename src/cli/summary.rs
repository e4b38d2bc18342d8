//! `wgvision summary`: the layer table and the memory plan.

use super::{DeviceArgs, parse_size};
use crate::engine::SegmentationModel;
use crate::engine::train::{TrainSettings, training_graph};
use crate::engine::train_segmentation::{add_loss, usual_loss};
use crate::graph::{Graph, Options, Plan};
use crate::models::unet::UNet;
use crate::nn::Net;
use crate::tensor::TensorType;
use crate::weights::TensorFile;
use crate::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct SummaryArgs {
    /// Architecture, e.g. unet.
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    arch: Option<String>,
    /// A trained model.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Configuration of the architecture as a JSON object, or @FILE.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    config: String,
    /// Height and width of the pictures.
    #[arg(long, value_name = "HxW", value_parser = parse_size, default_value = "512")]
    size: [usize; 2],
    /// Pictures at a time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Plan a training step instead of inference.
    #[arg(long)]
    train: bool,
    /// Write the graph in Graphviz's language.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
}

pub fn run(args: &SummaryArgs, device: &DeviceArgs) -> Result<()> {
    let unet = network(args)?;
    let [h, w] = args.size;
    let ty = TensorType::f32([args.batch, h, w, unet.in_channels]);
    let mut graph = Graph::new();
    let images = graph.input("images", ty)?;
    let mut net = Net::new(&mut graph, args.train);
    let logits = unet.build(&mut net, images)?;
    print!("{}", graph.summary());
    let gpu = device.open()?;
    let (graph, outputs) = if args.train {
        let loss = add_loss(&mut graph, &usual_loss(unet.classes), logits)?;
        let step = training_graph(graph, loss, &TrainSettings::default())?;
        (step.graph, vec![step.loss, step.norm])
    } else {
        graph.fused(&[logits])?
    };
    let plan = Plan::new(&gpu, &graph, &outputs, Options::default())?;
    println!(
        "{} of {} pictures {h}x{w}: {} nodes run",
        if args.train { "training step" } else { "inference" },
        args.batch,
        plan.len()
    );
    print!("{}", plan.describe());
    if let Some(path) = &args.dot {
        crate::weights::write_atomically(path, graph.dot().as_bytes())?;
    }
    Ok(())
}

fn network(args: &SummaryArgs) -> Result<UNet> {
    if let Some(path) = &args.model {
        return Ok(SegmentationModel::from_metadata(path, &TensorFile::read(path)?)?.unet);
    }
    match args.arch.as_deref() {
        Some("unet") => {
            let json = super::json_argument(&args.config)?;
            serde_json::from_value(json).map_err(|e| Error::Usage(format!("--config: {e}")))
        }
        Some(other) => Err(Error::Usage(format!("no architecture is named '{other}'; there is: unet"))),
        None => Err(Error::Usage("summary needs --arch NAME or --model FILE".into())),
    }
}
