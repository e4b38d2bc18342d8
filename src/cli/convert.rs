//! `wgvision convert`: networks of other programs as one self-contained `.safetensors`.

use crate::data::classes::read_names;
use crate::data::letterbox::Fit;
use crate::engine::DetectionModel;
use crate::models::darknet::Darknet;
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args)]
pub struct ConvertArgs {
    /// The program the files come from.
    #[arg(long, value_enum)]
    from: From,
    /// Darknet's definition of the network.
    #[arg(long, value_name = "FILE")]
    cfg: PathBuf,
    /// Darknet's weights.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Class names, one in each line (default: class 0, class 1, ...).
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// The network was trained on pictures stretched to its size, as Darknet's best-known fork does by default, and not on letterboxed ones.
    #[arg(long)]
    stretch: bool,
    /// Where the model goes.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum From {
    Darknet,
}

pub fn run(args: &ConvertArgs) -> Result<()> {
    match args.from {
        From::Darknet => darknet(args),
    }
}

fn darknet(args: &ConvertArgs) -> Result<()> {
    let network = Darknet::read(&args.cfg)?;
    let bytes = std::fs::read(&args.weights).map_err(|e| Error::io(&args.weights, e))?;
    let weights = network.load_weights(&args.weights, &bytes)?;
    let classes = match &args.names {
        Some(path) => read_names(path)?,
        None => network.default_names(),
    };
    network.check_names(args.names.as_deref().unwrap_or(&args.cfg), &classes)?;
    let mut model = DetectionModel::new(network, classes)?;
    if args.stretch {
        model.fit = Fit::Stretch;
    }
    model.save(&args.out, &weights.tensors)?;
    let DetectionModel { network, classes, .. } = model;
    println!(
        "{}: {} values from {} bytes, used up; {} pictures seen; {} classes",
        args.out.display(),
        network.stored_values(),
        bytes.len(),
        weights.header.seen,
        classes.len()
    );
    Ok(())
}
