//! `wgvision convert`: networks of other programs as one self-contained `.safetensors`.

use crate::data::classes::read_names;
use crate::engine::parameters;
use crate::models::darknet::Darknet;
use crate::weights::TensorFile;
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
    let names = serde_json::to_string(&classes).expect("plain data");
    let metadata = parameters::metadata("darknet", [("cfg", network.text().to_string()), ("classes", names)]);
    let tensors = parameters::export(network.specs(), &weights.tensors);
    TensorFile { metadata, tensors }.write(&args.out)?;
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
