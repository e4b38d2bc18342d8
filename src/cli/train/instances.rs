//! `wgvision train --arch maskrcnn_micro` and the other two-stage detectors, and RetinaNet.

use super::detection::{data, room};
use super::{Bars, CACHE, TrainArgs, parse};
use crate::cli::{DeviceArgs, changed};
use crate::data::cache::CachedLabelled;
use crate::data::classes::shortened;
use crate::data::instances::{InstanceAugment, InstanceSource};
use crate::data::labelled::LabelledPictures;
use crate::data::resize::RcnnTransform;
use crate::engine::InstanceModel;
use crate::engine::train_instances::InstanceRun;
use crate::models::instance::InstanceNet;
use crate::tensor::Tensor;
use crate::weights::TensorFile;
use crate::weights::torchvision::{Part, has_old_names, match_names};
use crate::{Error, Result};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What only R-CNN and RetinaNet take.
#[derive(Args)]
#[command(next_help_heading = "R-CNN and RetinaNet")]
pub struct InstanceArgs {
    /// What differs from the built-in configuration, as JSON or @FILE, e.g. '{"backbone":{"trainable":5,"norm":{"train":{}}}}'.
    #[arg(long, value_name = "JSON")]
    network: Option<String>,
    /// Weights of the backbone: a classifier or a detector of torchvision as .safetensors.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    backbone: Option<PathBuf>,
}

impl InstanceArgs {
    /// Fails if something is given, as another kind of network is trained.
    pub(super) fn refuse(&self) -> Result<()> {
        match self.network.is_some() || self.backbone.is_some() {
            true => Err(Error::Usage("--network and --backbone are for R-CNN and RetinaNet".into())),
            false => Ok(()),
        }
    }
}

/// Side of the micro networks' input.
const SMALL: [usize; 2] = [256, 256];
/// Height and width that hold what torchvision makes of pictures, 800 to 1333 pixels.
const LARGE: [usize; 2] = [800, 1344];
/// Stages of a backbone.
const STAGES: usize = 5;
/// Sides of the input are multiples of this.
const STEP: usize = 32;
/// Layers whose shape depends on the classes.
const HEADS: &[&str] =
    &["roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.", "head.classification_head.cls_logits."];

pub fn run(args: &TrainArgs, device: &DeviceArgs) -> Result<()> {
    args.detection.refuse()?;
    let given = args.model.as_deref().map(TensorFile::read).transpose()?;
    let old = match (&args.model, &given) {
        (Some(path), Some(file)) => Some(InstanceModel::from_metadata(path, file)?),
        _ => None,
    };
    let network = match &old {
        Some(old) => old.network.clone(),
        None => InstanceNet::by_name(args.arch.as_deref().expect("clap asks for one of the two"), 1)?,
    };
    let network = match &args.instances.network {
        Some(text) => changed(&network, "--network", text)?,
        None => network,
    };
    let (train, val) = data(args, old.as_ref().map(|model| &model.classes[..]), network.masks())?;
    let classes = train.classes().to_vec();
    let network = network.with_classes(classes.len());
    let transform = transform(args, old.as_ref());
    let model = InstanceModel::new(network, classes, transform.clone())?;
    let start = start(args, &model, given.as_ref())?;
    let augment = match &args.augment {
        Some(text) => parse("--augment", text)?,
        None => InstanceAugment { flip_x: true, ..InstanceAugment::default() },
    };
    let capacity = match args.detection.capacity() {
        Some(n) => n,
        None => room(&train, 1)?,
    };
    let settings = super::settings(args, train.len())?;
    let run = InstanceRun { model, batch: args.batch, settings, start };
    let gpu = device.open()?;
    let canvas = canvas(args, old.as_ref());
    let [h, w] = canvas;
    eprintln!(
        "{} {w}x{h} on {}: {} pictures to train on, {} to validate on, {} steps of {}, room for {capacity} objects a picture",
        args.arch.as_deref().unwrap_or("the model"),
        gpu.facts().name,
        train.len(),
        val.len(),
        run.settings.steps,
        args.batch
    );
    let masks = run.model.network.masks();
    let transform = RcnnTransform { canvas: Some(canvas), ..transform };
    let source = InstanceSource { pictures: CachedLabelled::new(train, CACHE), transform, capacity, masks, augment };
    let mut progress = Bars::new(run.settings.steps);
    let done = run.train(&gpu, source, &CachedLabelled::new(val, CACHE), &args.out, args.resume, &mut progress)?;
    progress.finish();
    let score = if masks { "mask AP@0.5" } else { "box AP@0.5" };
    super::report(args, score, &done.outcome, done.data_wait, done.skipped);
    super::report_objects(&done.shown, capacity);
    Ok(())
}

/// Height and width of the training batches.
fn canvas(args: &TrainArgs, old: Option<&InstanceModel>) -> [usize; 2] {
    let micro = args.arch.as_deref().is_some_and(|name| name.ends_with("_micro"));
    let usual = match old {
        Some(model) => [model.transform.min_size, model.transform.max_size],
        None if micro => SMALL,
        None => LARGE,
    };
    args.size.unwrap_or(usual).map(|side| side.next_multiple_of(STEP))
}

/// How pictures are brought to the network: as torchvision does it, to the size of the training batches.
fn transform(args: &TrainArgs, old: Option<&InstanceModel>) -> RcnnTransform {
    let [h, w] = canvas(args, old);
    let usual = old.map(|model| model.transform.clone()).unwrap_or_default();
    match args.size.is_none() && h != w && old.is_none() {
        true => usual,
        false => RcnnTransform { min_size: h.min(w), max_size: h.max(w), canvas: None, ..usual },
    }
}

/// Weights to start from: a trained detector's, or a backbone's.
fn start(args: &TrainArgs, model: &InstanceModel, given: Option<&TensorFile>) -> Result<BTreeMap<String, Tensor>> {
    if let (Some(path), Some(file)) = (&args.model, given) {
        let matched = match_names(path, file, model.specs(), Part::Except(HEADS))?;
        if !matched.kept.is_empty() {
            let (n, now) = (matched.kept.len(), shortened(&model.classes));
            eprintln!("{}: {n} tensors start at random, for the classes {now}", path.display());
        }
        return Ok(matched.values);
    }
    match &args.instances.backbone {
        Some(path) => backbone(path, model),
        None => {
            let trained = model.network.backbone().trainable;
            if trained < STAGES {
                eprintln!(
                    "the backbone starts at random, and only {trained} of its {STAGES} stages are trained: give its weights with --backbone, \
                     or train all of it: --network '{{\"backbone\":{{\"trainable\":5,\"norm\":{{\"train\":{{}}}}}}}}'"
                );
            }
            Ok(BTreeMap::new())
        }
    }
}

fn backbone(path: &Path, model: &InstanceModel) -> Result<BTreeMap<String, Tensor>> {
    let file = TensorFile::read(path)?;
    let matched = match_names(path, &file, model.specs(), Part::Under("backbone.body."))?;
    if has_old_names(&file) {
        eprintln!(
            "{}: an older file of torchvision, whose batch norms want eps 0: --network '{{\"backbone\":{{\"norm\":{{\"frozen\":{{\"eps\":0}}}}}}}}'",
            path.display()
        );
    }
    eprintln!("{}: {} tensors of the backbone", path.display(), matched.values.len());
    Ok(matched.values)
}
