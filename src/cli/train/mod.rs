//! `wgvision train`: arguments that every architecture shares, and the choice between them.

mod bars;
mod detection;
mod instances;
mod segmentation;

pub(super) use bars::Bars;
pub use bars::bar;

use super::{DeviceArgs, parse_size};
use crate::engine::parameters::unexpected;
use crate::engine::train::{Outcome, TrainPrecision, TrainSettings};
use crate::engine::train_detection::Shown;
use crate::engine::{DetectorModel, instance_model};
use crate::models::instance::named;
use crate::optim::{Rate, Schedule, Warmup};
use crate::weights::TensorFile;
use crate::{Error, Result};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct TrainArgs {
    /// Architecture: unet, a detector of `wgvision models` such as yolo-micro or maskrcnn_micro, or a Darknet .cfg file.
    #[arg(long, value_name = "NAME|FILE", required_unless_present = "model", conflicts_with = "model")]
    arch: Option<String>,
    /// Go on from a trained or converted detector's weights (other classes start with new heads).
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Labelled pictures. unet: a folder with images/SPLIT and masks/SPLIT. Detectors: a VOC folder, YOLO labels with data.yaml,
    /// COCO JSON, or `builtin:plates` for generated streets.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Other pictures to validate on (default: the data's `val` split).
    #[arg(long, value_name = "DIR")]
    val: Option<PathBuf>,
    /// Folder for the run: best.safetensors, last.safetensors, metrics.csv, curves.png.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Times through the pictures.
    #[arg(long, value_name = "N", default_value_t = 100)]
    epochs: u64,
    /// Steps in all, instead of --epochs.
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    steps: Option<u64>,
    /// Pictures in a batch.
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch: usize,
    /// Height and width: of the random crops (unet; default 128), of the network's input (detectors; default: its own; 800x1344 for R-CNN
    /// and RetinaNet, 256 for their micro networks).
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    size: Option<[usize; 2]>,
    /// Learning rate.
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    lr: f64,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Class names, comma-separated (unet: background first).
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    names: Vec<String>,
    /// Augmentation as JSON or @FILE (default: what suits the kind of network).
    #[arg(long, value_name = "JSON")]
    augment: Option<String>,
    /// Optimiser as JSON or @FILE (default: Adam).
    #[arg(long, value_name = "JSON")]
    optimizer: Option<String>,
    /// How the rate falls, as JSON or @FILE: {"kind":"constant"}, {"kind":"cosine"}, {"kind":"polynomial","power":0.9} or
    /// {"kind":"step","milestones":[..],"gamma":0.1}.
    #[arg(long, value_name = "JSON", default_value = r#"{"kind":"cosine"}"#)]
    schedule: String,
    /// Steps over which the rate rises at the start.
    #[arg(long, value_name = "STEPS", default_value_t = 20)]
    warmup: u64,
    /// Scale gradients down to this global norm; 0 leaves them alone.
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    clip: f32,
    /// Activations and their gradients as computed, or kept in half precision with a scaled loss (parameters and sums stay f32).
    #[arg(long, value_name = "f32|mixed", default_value = "f32")]
    precision: TrainPrecision,
    /// Validate and save a moving average of the weights with this decay, e.g. 0.999.
    #[arg(long, value_name = "DECAY")]
    ema: Option<f64>,
    /// Steps between validations (default: an epoch, at least 25 steps).
    #[arg(long, value_name = "STEPS")]
    validate_every: Option<u64>,
    /// Stop after this many validations without a better score.
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
    /// Go on from the run's last checkpoint, as if it had never stopped.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    segmentation: segmentation::SegmentationArgs,
    #[command(flatten)]
    detection: detection::DetectionArgs,
    #[command(flatten)]
    instances: instances::InstanceArgs,
}

pub fn run(args: &TrainArgs, device: &DeviceArgs) -> Result<()> {
    if !args.resume && args.out.join("last.safetensors").exists() {
        return Err(Error::file(&args.out, "already holds a run; continue it with --resume, or choose another --out"));
    }
    let instances = match (args.arch.as_deref(), &args.model) {
        (Some(name), _) => named(name, 1).is_some(),
        (None, Some(path)) => is_instances(path)?,
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    if instances {
        return instances::run(args, device);
    }
    let arch = args.arch.as_deref();
    if let Some(name) = arch.filter(|name| *name != "unet" && !name.ends_with(".cfg")) {
        super::published(name)?;
    }
    args.instances.refuse()?;
    match arch {
        Some("unet") => segmentation::run(args, device),
        _ => detection::run(args, device),
    }
}

/// Whether a model file holds an R-CNN or a RetinaNet. Fails on a file that is no detector.
fn is_instances(path: &Path) -> Result<bool> {
    let file = TensorFile::read(path)?;
    match DetectorModel::is_in(&file) {
        true => Ok(file.metadata.get("architecture").is_some_and(|name| name == instance_model::ARCHITECTURE)),
        false => Err(unexpected(path, &file, "a detector to go on from")),
    }
}

/// Decoded pictures kept in memory, in bytes for each data set.
const CACHE: usize = 1 << 30;

/// The loop's settings for a data set of `pictures`.
fn settings(args: &TrainArgs, pictures: usize) -> Result<TrainSettings> {
    let epoch = pictures.div_ceil(args.batch.max(1)) as u64;
    let schedule: Schedule = parse("--schedule", &args.schedule)?;
    let mut settings = TrainSettings {
        steps: args.steps.unwrap_or(args.epochs * epoch),
        clip: args.clip,
        precision: args.precision,
        ema: args.ema,
        validate_every: args.validate_every.unwrap_or(epoch.max(25)),
        patience: args.patience,
        seed: args.seed,
        rate: Rate { base: args.lr, warmup: Warmup { steps: args.warmup, start: 0.0 }, schedule },
        ..Default::default()
    };
    if let Some(text) = &args.optimizer {
        settings.optimizer = parse("--optimizer", text)?;
    }
    Ok(settings)
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let json = super::json_argument(what, text)?;
    serde_json::from_value(json).map_err(|e| Error::Usage(format!("{what}: {e}")))
}

/// Which objects a finished run had no use for, if there were any, on stdout.
fn report_objects(shown: &Shown, capacity: usize) {
    let Shown { objects, left_out, without_mask } = shown;
    if *left_out > 0 {
        println!(
            "no room for {left_out} of {objects} objects shown, the smallest of their pictures; --capacity is {capacity}"
        );
    }
    if *without_mask > 0 {
        println!("{without_mask} of {objects} objects shown have no mask and were not trained on");
    }
}

/// What a finished run has to say, on stdout.
fn report(args: &TrainArgs, score: &str, outcome: &Outcome, data_wait: f64, skipped: usize) {
    let (best, at) = outcome.best.unwrap_or((0.0, 0));
    let early = if outcome.early { ", stopped early" } else { "" };
    println!("best {score} {best:.4} at step {at} of {}{early}", outcome.steps);
    println!("{} written", args.out.join(crate::engine::train_segmentation::BEST).display());
    println!("waiting for data: {:.1} % of the time; {skipped} pictures left out", 100.0 * data_wait);
    let r = outcome.last_report;
    println!(
        "one step: {} submissions, {} dispatches, {} read-backs and {} waits inside",
        r.submissions, r.dispatches, r.read_backs, r.waits
    );
}
