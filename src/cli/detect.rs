//! `wgvision detect`: boxes in pictures, as annotated PNGs and as COCO results JSON.

use super::DeviceArgs;
use crate::Result;
use crate::data::coco::ResultRow;
use crate::data::pairs::list_pictures;
use crate::data::picture::{read_picture, write_picture};
use crate::detection::Detection;
use crate::detection::select::Select;
use crate::draw::boxes::detections;
use crate::draw::instances::instances as draw_instances;
use crate::engine::{Detector, DetectorModel, Found};
use crate::graph::Precision;
use crate::ops::soft_nms::Decay;
use crate::{Error, cli};
use clap::Args;
use image::{DynamicImage, RgbImage};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct DetectArgs {
    /// A detection model (`wgvision train`, `wgvision convert`).
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Pictures, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for NAME.detected.png.
    #[arg(long, value_name = "DIR", default_value = "detected")]
    out: PathBuf,
    /// Write all detections as COCO results.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Height and width of the network's input; for R-CNN and RetinaNet, what a picture's shorter and longer side are made at most (default: the
    /// model's own).
    #[arg(long, value_name = "HxW", value_parser = cli::parse_size)]
    size: Option<[usize; 2]>,
    /// All in f32, or weights and activations kept in f16: half the memory, sums in f32 all the same.
    #[arg(long, value_name = "f32|f16", default_value = "f32")]
    precision: Precision,
    /// Only detections with a larger score, 0 to 1.
    #[arg(long, value_name = "S", default_value_t = Select::default().score_threshold, value_parser = cli::parse_share::<f32>)]
    score: f32,
    /// Of two boxes of a class that overlap by more, only the better one stays (default: the network's own, 0.45 to 0.5).
    #[arg(long, value_name = "T", value_parser = cli::parse_share::<f64>)]
    iou: Option<f64>,
    /// Most detections in a picture (default: the network's own, 100 to 300).
    #[arg(long, value_name = "N", value_parser = parse_most)]
    max: Option<usize>,
    /// Boxes suppress each other whatever their classes.
    #[arg(long)]
    class_agnostic: bool,
    /// Weaken overlapping boxes by a Gaussian of this width instead of dropping them (soft-NMS), e.g. 0.5.
    #[arg(long, value_name = "SIGMA", value_parser = parse_width)]
    soft: Option<f32>,
}

pub fn run(args: &DetectArgs, device: &DeviceArgs) -> Result<()> {
    let pictures = pictures(&args.paths)?;
    let gpu = device.open()?;
    let mut detector = Detector::load_on(&gpu, &args.model)?.with_precision(args.precision);
    let select = selection(args, detector.model())?;
    detector = detector.with_selection(select);
    if let Some(size) = args.size {
        detector = detector.with_size(size)?;
    }
    let classes = detector.model().classes().to_vec();
    let categories: Vec<u64> = (1..=classes.len() as u64).collect();
    let bar = cli::train::bar(pictures.len() as u64, "pictures");
    let mut results: Vec<ResultRow> = Vec::new();
    let mut each = |id: usize, path: &Path| -> Result<()> {
        let picture = read_picture(path)?;
        let found = detector.start(&[&picture])?.wait()?.remove(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        results.extend(rows(&found, id as u64, &name, &classes, &categories));
        let file = args.out.join(format!("{}.detected.png", unique_stem(&pictures, id)));
        write_picture(&file, &DynamicImage::ImageRgb8(drawn(&picture, &found, &classes)))?;
        bar.suspend(|| println!("{}: {}", path.display(), told(&found.detections, &classes)));
        bar.inc(1);
        Ok(())
    };
    for (id, path) in pictures.iter().enumerate() {
        if let Err(e) = each(id, path) {
            bar.finish_and_clear();
            let unwritten = if args.json.is_some() { "; no JSON is written" } else { "" };
            println!("{id} of {} pictures annotated in {}{unwritten}", pictures.len(), args.out.display());
            return Err(e);
        }
    }
    bar.finish_and_clear();
    println!("{} pictures annotated in {}", pictures.len(), args.out.display());
    match &args.json {
        Some(path) => cli::write_json(path, &results),
        None => Ok(()),
    }
}

fn selection(args: &DetectArgs, model: &DetectorModel) -> Result<Select> {
    let usual = model.usual_selection();
    if matches!(model, DetectorModel::Instance(_)) && (args.class_agnostic || args.soft.is_some()) {
        return Err(Error::Usage("--class-agnostic and --soft are for Darknet's networks".into()));
    }
    let max_detections = args.max.unwrap_or(usual.max_detections);
    Ok(Select {
        score_threshold: args.score,
        iou_threshold: args.iou.unwrap_or(usual.iou_threshold),
        max_detections,
        candidates: usual.candidates.max(max_detections),
        class_agnostic: args.class_agnostic,
        soft: args.soft.map(|sigma| Decay::Gaussian { sigma }),
    })
}

/// The lines of COCO's results, with masks where there are some.
pub(super) fn rows(found: &Found, id: u64, name: &str, classes: &[String], categories: &[u64]) -> Vec<ResultRow> {
    let row = |d| ResultRow::new(d, id, name, classes, categories);
    match &found.masks {
        None => found.detections.iter().map(row).collect(),
        Some(masks) => found.detections.iter().zip(masks).map(|(d, m)| row(d).with_mask(m.clone())).collect(),
    }
}

/// The picture with boxes and tags, and masks where there are some.
pub(super) fn drawn(picture: &RgbImage, found: &Found, classes: &[String]) -> RgbImage {
    match found.clone().instances() {
        Ok(instances) => draw_instances(picture, &instances, classes),
        Err(_) => detections(picture, &found.detections, classes),
    }
}

/// A number of detections that the device's sorting has room for.
fn parse_most(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=100_000).contains(n));
    number.ok_or_else(|| format!("'{text}' is no whole number from 1 to 100000"))
}

/// The width of a Gaussian.
fn parse_width(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|v: &f32| *v > 0.0 && v.is_finite());
    number.ok_or_else(|| format!("'{text}' is no number above 0"))
}

/// Picture files, those in folders included.
fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for path in paths {
        if !path.is_dir() {
            pictures.push(path.clone());
            continue;
        }
        let found = list_pictures(path)?;
        if found.is_empty() {
            return Err(Error::file(path, "holds no pictures (png, jpg, bmp or webp)"));
        }
        pictures.extend(found);
    }
    Ok(pictures)
}

/// The file's name without its ending; with a number where an earlier picture has the same.
fn unique_stem(pictures: &[PathBuf], at: usize) -> String {
    let stem = |p: &Path| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let own = stem(&pictures[at]);
    match pictures[..at].iter().filter(|p| stem(p) == own).count() {
        0 => own,
        before => format!("{own}.{}", before + 1),
    }
}

/// Detections that are told one by one.
const TOLD: usize = 12;

/// `dog 83 %, bicycle 71 %`.
fn told(found: &[Detection], classes: &[String]) -> String {
    if found.is_empty() {
        return "nothing".into();
    }
    let each = found.iter().take(TOLD).map(|d| format!("{} {:.0} %", classes[d.class], 100.0 * d.score));
    let told = each.collect::<Vec<_>>().join(", ");
    match found.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}
