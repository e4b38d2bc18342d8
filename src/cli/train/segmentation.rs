//! `wgvision train --arch unet`.

use super::{Bars, CACHE, TrainArgs, parse};
use crate::cli::DeviceArgs;
use crate::data::augment::Augment;
use crate::data::border::BorderWeights;
use crate::data::cache::Cached;
use crate::data::normalise::Normalise;
use crate::data::pairs::{Labels, MaskedPictures, PairFolder, splits};
use crate::data::segmentation::Segmentation;
use crate::engine::SegmentationModel;
use crate::engine::train_segmentation::{SegmentationRun, usual_loss};
use crate::models::unet::UNet;
use crate::{Error, Result};
use clap::Args;

/// What only segmentation networks take.
#[derive(Args)]
#[command(next_help_heading = "unet")]
pub struct SegmentationArgs {
    /// Classes, background included; masks then hold class numbers. Without it masks are binary.
    #[arg(long, value_name = "N")]
    classes: Option<u8>,
    /// Configuration of the network as JSON or @FILE, e.g. '{"width":16,"batch_norm":true}'.
    #[arg(long, value_name = "JSON", default_value = r#"{"width":16,"batch_norm":true}"#)]
    config: String,
    /// Loss as JSON or @FILE, e.g. '{"name":"bce_jaccard","alpha":0.5}'; names: bce, weighted_bce, focal, jaccard, bce_jaccard, dice, cross_entropy.
    #[arg(long, value_name = "JSON")]
    loss: Option<String>,
    /// Normalisation as JSON: "standardise", "unit" or {"channels":{"mean":[..],"std":[..]}}.
    #[arg(long, value_name = "JSON", default_value = "\"standardise\"")]
    normalise: String,
}

pub fn run(args: &TrainArgs, device: &DeviceArgs) -> Result<()> {
    let labels = args.segmentation.classes.map_or(Labels::Binary, Labels::Classes);
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
    let run = described(args, labels, train.len())?;
    let crop = run.model.crop;
    let augment = match &args.augment {
        Some(text) => Augment { crop: Some(crop), ..parse("--augment", text)? },
        None => Augment::microscopy(crop),
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
    super::report(args, "dice", &done.outcome, done.data_wait, done.skipped);
    Ok(())
}

fn described(args: &TrainArgs, labels: Labels, pictures: usize) -> Result<SegmentationRun> {
    let own = &args.segmentation;
    let mut unet: UNet = parse("--config", &own.config)?;
    unet.classes = match labels {
        Labels::Binary => 1,
        Labels::Classes(n) => usize::from(n),
    };
    let classes = class_names(args, labels)?;
    let settings = super::settings(args, pictures)?;
    let loss = match &own.loss {
        Some(text) => parse("--loss", text)?,
        None => usual_loss(unet.classes),
    };
    let normalise: Normalise = parse("--normalise", &own.normalise)?;
    let model = SegmentationModel { unet, normalise, classes, crop: args.size.unwrap_or([128, 128]) };
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
