//! `wgvision train`.

use super::{DeviceArgs, parse_size};
use crate::data::augment::Augment;
use crate::data::border::BorderWeights;
use crate::data::cache::Cached;
use crate::data::normalise::Normalise;
use crate::data::pairs::{Labels, MaskedPictures, PairFolder, splits};
use crate::data::segmentation::Segmentation;
use crate::engine::SegmentationModel;
use crate::engine::train::{Progress, Scores, TrainSettings};
use crate::engine::train_segmentation::{BEST, SegmentationRun, usual_loss};
use crate::models::unet::UNet;
use crate::optim::{Rate, Schedule, Warmup};
use crate::{Error, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

#[derive(Args)]
pub struct TrainArgs {
    /// Architecture; there is: unet.
    #[arg(long, value_name = "NAME")]
    arch: String,
    /// Folder with images/SPLIT and masks/SPLIT.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Another folder to validate on (default: the data's `val` split).
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
    /// Height and width of the random crops.
    #[arg(long, value_name = "HxW", value_parser = parse_size, default_value = "128")]
    size: [usize; 2],
    /// Learning rate.
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    lr: f64,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Classes, background included; masks then hold class numbers. Without it masks are binary.
    #[arg(long, value_name = "N")]
    classes: Option<u8>,
    /// Class names, comma-separated, background first.
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    names: Vec<String>,
    /// Configuration of the network as JSON or @FILE, e.g. '{"width":16,"batch_norm":true}'.
    #[arg(long, value_name = "JSON", default_value = r#"{"width":16,"batch_norm":true}"#)]
    config: String,
    /// Loss as JSON or @FILE, e.g. '{"name":"bce_jaccard","alpha":0.5}'; names: bce, weighted_bce, focal, jaccard, bce_jaccard, dice, cross_entropy.
    #[arg(long, value_name = "JSON")]
    loss: Option<String>,
    /// Augmentation as JSON or @FILE (default: flips, turns, a little scale, light and elastic deformation).
    #[arg(long, value_name = "JSON")]
    augment: Option<String>,
    /// Normalisation as JSON: "standardise", "unit" or {"channels":{"mean":[..],"std":[..]}}.
    #[arg(long, value_name = "JSON", default_value = "\"standardise\"")]
    normalise: String,
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
}

pub fn run(args: &TrainArgs, device: &DeviceArgs) -> Result<()> {
    if args.arch != "unet" {
        return Err(Error::Usage(format!("no architecture is named '{}'; there is: unet", args.arch)));
    }
    let labels = args.classes.map_or(Labels::Binary, Labels::Classes);
    let there = splits(&args.data);
    let named = |name: &str| there.iter().any(|s| s == name);
    let train_split = if named("train") { "train" } else { "" };
    let train = PairFolder::open(&args.data, train_split, labels)?;
    let val = match &args.val {
        Some(folder) => PairFolder::open(folder, if splits(folder).is_empty() { "" } else { "val" }, labels)?,
        None if named("val") => PairFolder::open(&args.data, "val", labels)?,
        None => {
            return Err(Error::file(
                &args.data,
                "has no 'val' split to validate on; add images/val and masks/val, or give --val DIR",
            ));
        }
    };
    let run = settings(args, labels, train.len())?;
    if !args.resume && args.out.join("last.safetensors").exists() {
        return Err(Error::file(&args.out, "already holds a run; continue it with --resume, or choose another --out"));
    }
    let augment = match &args.augment {
        Some(text) => Augment { crop: Some(args.size), ..parse("--augment", text)? },
        None => Augment::microscopy(args.size),
    };
    let (pictures, val_count) = (train.len(), val.len());
    let border = run.loss.weighted().then(BorderWeights::default);
    let data = Segmentation { pictures: Cached::new(train, CACHE), augment, normalise: run.model.normalise, border };
    let gpu = device.open()?;
    eprintln!(
        "unet on {}: {pictures} pictures to train on, {val_count} to validate on, {} steps of {}",
        gpu.facts().name,
        run.settings.steps,
        args.batch
    );
    let mut progress = Bars::new(run.settings.steps);
    let done = run.train(&gpu, data, &Cached::new(val, CACHE), &args.out, args.resume, &mut progress)?;
    progress.finish();
    let (best, at) = done.outcome.best.unwrap_or((0.0, 0));
    println!(
        "best dice {best:.4} at step {at} of {}{}",
        done.outcome.steps,
        if done.outcome.early { ", stopped early" } else { "" }
    );
    println!("{} written", args.out.join(BEST).display());
    println!("waiting for data: {:.1} % of the time; {} pictures left out", 100.0 * done.data_wait, done.skipped);
    let r = done.outcome.last_report;
    println!(
        "one step: {} submissions, {} dispatches, {} read-backs and {} waits inside",
        r.submissions, r.dispatches, r.read_backs, r.waits
    );
    Ok(())
}

/// Decoded pictures kept in memory, in bytes for each data set.
const CACHE: usize = 1 << 30;

fn settings(args: &TrainArgs, labels: Labels, pictures: usize) -> Result<SegmentationRun> {
    let mut unet: UNet = parse("--config", &args.config)?;
    unet.classes = match labels {
        Labels::Binary => 1,
        Labels::Classes(n) => usize::from(n),
    };
    let classes = class_names(args, labels)?;
    let epoch = pictures.div_ceil(args.batch.max(1)) as u64;
    let steps = args.steps.unwrap_or(args.epochs * epoch);
    let schedule: Schedule = parse("--schedule", &args.schedule)?;
    let mut settings = TrainSettings {
        steps,
        clip: args.clip,
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
    let loss = match &args.loss {
        Some(text) => parse("--loss", text)?,
        None => usual_loss(unet.classes),
    };
    let normalise: Normalise = parse("--normalise", &args.normalise)?;
    let model = SegmentationModel { unet, normalise, classes, crop: args.size };
    Ok(SegmentationRun { model, loss, batch: args.batch, settings })
}

fn class_names(args: &TrainArgs, labels: Labels) -> Result<Vec<String>> {
    let n = labels.classes();
    if args.names.is_empty() {
        let numbered = (0..n).map(|i| if i == 0 { "background".to_string() } else { format!("class {i}") });
        return Ok(if n == 2 { vec!["background".into(), "foreground".into()] } else { numbered.collect() });
    }
    if args.names.len() != n {
        return Err(Error::Usage(format!("--names lists {} classes, the masks have {n}", args.names.len())));
    }
    Ok(args.names.clone())
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let json = super::json_argument(text)?;
    serde_json::from_value(json).map_err(|e| Error::Usage(format!("{what}: {e}")))
}

/// A progress bar on stderr; nothing when stderr is no terminal.
pub fn bar(length: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg} [{elapsed} < {eta}]").expect("valid template");
    ProgressBar::new(length).with_style(style).with_message(what.to_string())
}

/// The bar of a training run, with the smoothed loss and the last score.
pub struct Bars {
    bar: ProgressBar,
    loss: Option<f32>,
    score: String,
}

impl Bars {
    /// A bar of `steps`.
    pub fn new(steps: u64) -> Self {
        Self { bar: bar(steps, ""), loss: None, score: String::new() }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self) {
        self.bar.set_message(format!("loss {:.4} {}", self.loss.unwrap_or(0.0), self.score));
    }
}

impl Progress for Bars {
    fn step(&mut self, step: u64, loss: f32) {
        self.loss = Some(self.loss.map_or(loss, |before| 0.95 * before + 0.05 * loss));
        self.bar.set_position(step);
        self.show();
    }

    fn validated(&mut self, step: u64, scores: &Scores, best: bool) {
        let text: Vec<String> = scores.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
        self.score = text.join(" ");
        let line = format!(
            "step {step:>6}  loss {:.4}  {}{}",
            self.loss.unwrap_or(0.0),
            self.score,
            if best { "  best" } else { "" }
        );
        // Without a terminal the bar shows nothing; the line is worth having in a log.
        if self.bar.is_hidden() {
            eprintln!("{line}")
        } else {
            self.bar.println(line)
        }
        self.show();
    }
}
