//! `wgvision eval`: measures a trained network; what is measured depends on its kind.

mod detection;
mod segmentation;

use super::DeviceArgs;
use crate::Result;
use crate::engine::DetectorModel;
use crate::graph::Precision;
use crate::weights::TensorFile;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct EvalArgs {
    /// A trained model.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Labelled pictures, as for `train`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which split (default: test, else val, else whatever there is).
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// All in f32, or weights and activations kept in f16: half the memory, sums in f32 all the same.
    #[arg(long, value_name = "f32|f16", default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    detection: detection::DetectionArgs,
}

pub fn run(args: &EvalArgs, device: &DeviceArgs) -> Result<()> {
    let file = TensorFile::read(&args.model)?;
    match DetectorModel::is_in(&file) {
        true => detection::run(args, device),
        false => segmentation::run(args, device),
    }
}

/// The split that was asked for, else one that was not trained on, else nothing.
fn split(args: &EvalArgs, there: &[String]) -> Option<String> {
    let preferred = ["test", "val", "valid"].into_iter().find(|s| there.iter().any(|t| t == s)).map(str::to_string);
    args.split.clone().or(preferred)
}
