//! `wgvision train --arch yolo-micro` and the other detectors.

use super::{Bars, CACHE, TrainArgs, parse};
use crate::cli::{DeviceArgs, built_in, labelled};
use crate::data::anchors::{fit, shapes};
use crate::data::cache::CachedLabelled;
use crate::data::classes::{find_class, shortened};
use crate::data::detection::{DetectionSource, MultiScale};
use crate::data::formats::detection_splits;
use crate::data::jitter::DetectionAugment;
use crate::data::labelled::{LabelledFiles, LabelledPictures};
use crate::data::letterbox::Fit;
use crate::engine::train_detection::DetectionRun;
use crate::engine::{DetectionModel, parameters};
use crate::models::darknet::{BuiltinArgs, Darknet, builtin};
use crate::tensor::Tensor;
use crate::weights::TensorFile;
use crate::{Error, Result};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Anchors unless told otherwise.
const FITTED: &str = "fit";

/// What only detection networks take.
#[derive(Args)]
#[command(next_help_heading = "Detectors")]
pub struct DetectionArgs {
    /// Anchors of a built-in network: `fit` to the training boxes, `default`, or numbers in pixels: W,H,W,H,...
    #[arg(long, value_name = "fit|default|LIST", default_value = FITTED)]
    anchors: String,
    /// Train at sizes around the network's own, another every ten batches.
    #[arg(long)]
    multi_scale: bool,
    /// Stretch pictures to the network's size instead of letterboxing them.
    #[arg(long)]
    stretch: bool,
    /// What the labels' classes are to be called, as JSON: {"bus": "vehicle", "car": "vehicle", "kite": null}; null leaves boxes out.
    #[arg(long, value_name = "FILE")]
    class_map: Option<PathBuf>,
    /// Boxes of a picture there is room for (default: as many as the fullest training picture has).
    #[arg(long, value_name = "N")]
    capacity: Option<usize>,
}

impl DetectionArgs {
    pub(super) fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    /// Fails if something is given that only Darknet's networks take.
    pub(super) fn refuse(&self) -> Result<()> {
        match self.multi_scale || self.stretch || self.anchors != FITTED {
            true => Err(Error::Usage("--anchors, --multi-scale and --stretch are for Darknet's networks".into())),
            false => Ok(()),
        }
    }

    fn fit(&self) -> Fit {
        if self.stretch { Fit::Stretch } else { Fit::Letterbox }
    }
}

/// Labelled pictures of any kind.
pub(super) type Pictures = Box<dyn LabelledPictures>;

pub fn run(args: &TrainArgs, device: &DeviceArgs) -> Result<()> {
    let given = args.model.as_deref().map(Given::read).transpose()?;
    let (train, val) = data(args, given.as_ref().map(|g| &g.model.classes[..]), false)?;
    let (model, start) = match given {
        Some(given) => go_on(args, given, train.classes())?,
        None => (new_network(args, &train)?, BTreeMap::new()),
    };
    let augment = match &args.augment {
        Some(text) => parse("--augment", text)?,
        None => usual_augment(),
    };
    let capacity = match args.detection.capacity {
        Some(n) => n,
        None => room(&train, if augment.mosaic > 0.0 { 4 } else { 1 })?,
    };
    let multi_scale = args.detection.multi_scale.then(|| MultiScale { seed: args.seed, ..MultiScale::default() });
    let settings = super::settings(args, train.len())?;
    let run = DetectionRun { model, batch: args.batch, settings, start };
    let gpu = device.open()?;
    let [h, w] = run.model.size;
    eprintln!(
        "{} {w}x{h} on {}: {} pictures to train on, {} to validate on, {} steps of {}",
        args.arch.as_deref().unwrap_or("the model"),
        gpu.facts().name,
        train.len(),
        val.len(),
        run.settings.steps,
        args.batch
    );
    let train = CachedLabelled::new(train, CACHE);
    let source =
        DetectionSource { pictures: train, size: run.model.size, fit: run.model.fit, capacity, augment, multi_scale };
    let mut progress = Bars::new(run.settings.steps);
    let done = run.train(&gpu, source, &CachedLabelled::new(val, CACHE), &args.out, args.resume, &mut progress)?;
    progress.finish();
    super::report(args, "mAP@0.5", &done.outcome, done.data_wait, done.skipped);
    super::report_objects(&done.shown, capacity);
    Ok(())
}

/// What suits photographs: a mirror image every other time, other sizes and shapes, a little colour.
fn usual_augment() -> DetectionAugment {
    let mild = DetectionAugment { flip_x: true, jitter: 0.15, zoom: [0.8, 1.25], ..DetectionAugment::default() };
    DetectionAugment { hue: 0.03, saturation: 1.3, exposure: 1.3, ..mild }
}

/// What is wrong with labels that a Mask R-CNN is to be trained on or validated on.
const BOXES_ONLY: &str =
    "no object has a mask, which this network draws; boxes are enough for a fasterrcnn or a retinanet";
/// The share of the pictures that are validated on where the data do not say which.
const SET_ASIDE: f64 = 0.1;

/// The pictures to train on, and those to validate on. `known` are the classes of a model to go on from.
pub(super) fn data(args: &TrainArgs, known: Option<&[String]>, masks: bool) -> Result<(Pictures, Pictures)> {
    if built_in::is(&args.data) {
        if masks {
            return Err(Error::file(&args.data, BOXES_ONLY));
        }
        return Ok((
            Box::new(built_in::plates(args.seed, 0, 1600)),
            Box::new(built_in::plates(args.seed, 1 << 20, 64)),
        ));
    }
    let map = args.detection.class_map.as_deref();
    let names = (!args.names.is_empty()).then_some(&args.names[..]);
    let there = detection_splits(&args.data);
    let named = |name: &str| there.iter().any(|s| s == name).then(|| name.to_string());
    let (mut train, report) = labelled(&args.data, named("train").as_deref(), names, map, masks)?;
    eprintln!("{report}");
    let need_masks = |path: &Path, files: &LabelledFiles| {
        let [boxes, with_mask] = files.masked();
        if masks && boxes > 0 && with_mask == 0 { Err(Error::file(path, BOXES_ONLY)) } else { Ok(()) }
    };
    need_masks(&args.data, &train)?;
    if let (None, Some(known)) = (names, known)
        && train.classes().iter().all(|name| find_class(known, name).is_some())
    {
        train = train.with_classes(known)?;
    }
    let classes = train.classes().to_vec();
    let validation = named("val").or_else(|| named("valid"));
    let val = match (&args.val, &validation) {
        (Some(path), _) => {
            let split = detection_splits(path).into_iter().find(|s| s == "val" || s == "valid");
            labelled(path, split.as_deref(), Some(&classes), map, masks)?
        }
        (None, Some(split)) => labelled(&args.data, Some(split), Some(&classes), map, masks)?,
        (None, None) => {
            let (train, val) = train.divide(SET_ASIDE, args.seed);
            if train.is_empty() {
                return Err(Error::file(&args.data, "one picture cannot be trained on and validated on; give --val"));
            }
            eprintln!(
                "no split 'val': {} of {} pictures are set aside to validate on",
                val.len(),
                train.len() + val.len()
            );
            return Ok((Box::new(train), Box::new(val)));
        }
    };
    eprintln!("{}", val.1);
    need_masks(args.val.as_deref().unwrap_or(&args.data), &val.0)?;
    Ok((Box::new(train), Box::new(val.0)))
}

/// A trained detector to go on from.
struct Given {
    path: PathBuf,
    file: TensorFile,
    model: DetectionModel,
}

impl Given {
    fn read(path: &Path) -> Result<Self> {
        let file = TensorFile::read(path)?;
        let model = DetectionModel::from_metadata(path, &file)?;
        Ok(Self { path: path.to_path_buf(), file, model })
    }
}

/// The given network, with new heads where the data have other classes, and the weights that still fit.
fn go_on(args: &TrainArgs, given: Given, classes: &[String]) -> Result<(DetectionModel, BTreeMap<String, Tensor>)> {
    let Given { path, file, model: old } = given;
    let size = args.size.unwrap_or(old.size);
    let mut model = DetectionModel { size, classes: classes.to_vec(), ..old.clone() };
    if old.classes.len() != classes.len() {
        model.network = old.network.with_classes(classes.len())?;
    }
    let mut start = BTreeMap::new();
    for (was, is) in old.specs().iter().zip(model.specs()) {
        let value = parameters::value(&path, &file, was)?;
        if value.ty() == is.ty {
            start.insert(is.name.clone(), value);
        }
    }
    if old.classes != classes {
        let (known, now) = (shortened(&old.classes), shortened(classes));
        let fresh = model.specs().len() - start.len();
        eprintln!("{} knows {known}; it now learns {now}; {fresh} tensors start at random", path.display());
    }
    Ok((model, start))
}

/// The network of `--arch` for the data's classes.
fn new_network(args: &TrainArgs, train: &Pictures) -> Result<DetectionModel> {
    let classes = train.classes().to_vec();
    let name = args.arch.as_deref().expect("clap asks for one of the two");
    let network = if name.ends_with(".cfg") { Darknet::read(Path::new(name))? } else { built_in(args, name, train)? };
    let mut model = DetectionModel::new(network, classes.clone()).map_err(|e| match e {
        Error::Usage(why) => {
            let cure = "set `classes` of its heads and the `filters` before them";
            Error::Usage(format!("{name}: {why} by the data ({}); {cure}", classes.join(", ")))
        }
        other => other,
    })?;
    model.size = args.size.unwrap_or(model.size);
    model.fit = args.detection.fit();
    Ok(model)
}

fn built_in(args: &TrainArgs, name: &str, train: &Pictures) -> Result<Darknet> {
    let plain = crate::cli::darknet(name, Some(train.classes().len()), args.size)?;
    let size = plain.size();
    let count = anchor_count(&plain);
    let anchors = match args.detection.anchors.as_str() {
        _ if count == 0 => None,
        "default" => None,
        FITTED => {
            let found = fit(&shapes(train, args.detection.fit(), size)?, count, args.seed)?;
            let line: Vec<String> = found.shapes.iter().map(|[w, h]| format!("{w:.0},{h:.0}")).collect();
            eprintln!("anchors {} fitted to {} boxes, mean IoU {:.3}", line.join(" "), found.boxes, found.mean_iou);
            Some(found.shapes)
        }
        list => Some(numbers(list)?),
    };
    builtin(name, &BuiltinArgs { classes: train.classes().len(), size, anchors })
}

/// How many anchors a network has in all.
fn anchor_count(network: &Darknet) -> usize {
    use crate::detection::Head;
    match network.heads().first() {
        Some(Head::Yolo(h)) => h.anchors.len(),
        Some(Head::Region(h)) => h.anchors.len(),
        _ => 0,
    }
}

/// `10,14, 23,27, ...` as pairs.
fn numbers(list: &str) -> Result<Vec<[f32; 2]>> {
    let wrong = || Error::Usage(format!("--anchors '{list}': write fit, default, or W,H,W,H,... in pixels"));
    let all: Vec<f32> = list.split(',').map(|t| t.trim().parse().map_err(|_| wrong())).collect::<Result<_>>()?;
    let pairs = all.chunks_exact(2);
    if !pairs.remainder().is_empty() || all.iter().any(|v| !(*v > 0.0 && v.is_finite())) {
        return Err(wrong());
    }
    Ok(pairs.map(|p| [p[0], p[1]]).collect())
}

/// Most boxes that a network is given room for by itself: every one costs time in every step.
const MOST: usize = 256;

/// Room for the boxes of the fullest picture, or of so many of such `together`.
pub(super) fn room(train: &Pictures, together: usize) -> Result<usize> {
    let mut most = 1;
    for i in 0..train.len() {
        most = most.max(train.labels(i)?.boxes.len());
    }
    Ok((together * most).next_multiple_of(8).min(MOST))
}
