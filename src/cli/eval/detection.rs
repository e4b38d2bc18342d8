//! `wgvision eval` of detection networks: the twelve numbers of COCO, VOC's average precision by class, precision-recall curves.

use super::EvalArgs;
use crate::cli::detect::{drawn, rows};
use crate::cli::{DeviceArgs, built_in, labelled, parse_share, parse_size, train, write_json};
use crate::data::classes::shortened;
use crate::data::coco::ResultRow;
use crate::data::formats::{detection_splits, may_have_masks};
use crate::data::labelled::LabelledPictures;
use crate::data::picture::write_picture;
use crate::detection::select::SHOWN_SCORE;
use crate::draw::boxes::{labels, sheet};
use crate::draw::instances::labels as masked_labels;
use crate::draw::panel::row;
use crate::draw::pr_curves::{PrCurve, pr_curves_png};
use crate::engine::Detector;
use crate::engine::evaluate_detection::{Detected, detect_all, measured};
use crate::metrics::coco::CocoNumbers;
use crate::metrics::voc::{ClassCurve, means, table};
use crate::{Error, Result};
use clap::Args;
use image::DynamicImage;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What only detectors take.
#[derive(Args)]
#[command(next_help_heading = "Detectors")]
pub struct DetectionArgs {
    /// Folder for precision-recall curves, twelve annotated pictures beside their labels, and results in COCO's format.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Height and width of the network's input (default: the model's own).
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    size: Option<[usize; 2]>,
    /// What the labels' classes are to be called, as JSON: {"bus": "vehicle", "car": "vehicle", "kite": null}; null leaves boxes out.
    #[arg(long, value_name = "FILE")]
    class_map: Option<PathBuf>,
    /// Of two boxes of a class that overlap by more, only the better one stays (default: the network's own).
    #[arg(long, value_name = "T", value_parser = parse_share::<f64>)]
    iou: Option<f64>,
}

#[derive(Serialize)]
struct Numbers<'a> {
    pictures: usize,
    classes: &'a [String],
    coco: CocoNumbers,
    /// Of masks instead of boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    coco_masks: Option<CocoNumbers>,
    /// Mean over the classes of AP at IoU 0.5 over all points, and by 11 points.
    voc_ap: Option<f64>,
    voc_ap11: Option<f64>,
    curves: &'a [ClassCurve],
}

pub fn run(args: &EvalArgs, device: &DeviceArgs) -> Result<()> {
    let gpu = device.open()?;
    let own = &args.detection;
    let mut detector = Detector::load_on(&gpu, &args.model)?.with_precision(args.precision);
    let mut select = measured(detector.model());
    select.iou_threshold = own.iou.unwrap_or(select.iou_threshold);
    detector = detector.with_selection(select);
    if let Some(size) = own.size {
        detector = detector.with_size(size)?;
    }
    let classes = detector.model().classes().to_vec();
    let split = super::split(args, &detection_splits(&args.data));
    let data: Box<dyn LabelledPictures> = if built_in::is(&args.data) {
        let plates = built_in::plates(1, 2 << 20, 100);
        if plates.classes() != classes {
            let (theirs, own) = (plates.classes().join(", "), shortened(&classes));
            return Err(Error::file(&args.model, format!("knows the classes {own}; the streets have {theirs}")));
        }
        Box::new(plates)
    } else {
        let masks = detector.model().masks() && may_have_masks(&args.data, split.as_deref());
        let map = own.class_map.as_deref();
        let (data, report) = labelled(&args.data, split.as_deref(), Some(&classes), map, masks)?;
        eprintln!("{report}");
        Box::new(data)
    };
    let bar = train::bar(data.len() as u64, "pictures");
    let all = detect_all(&mut detector, &data, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let coco = all.coco(classes.len()).numbers();
    let curves = all.voc(classes.len()).curves();
    println!("{} pictures{}", data.len(), split.map_or(String::new(), |s| format!(" of the split '{s}'")));
    println!("\nat an IoU of 0.5, as Pascal VOC measures it\n{}", table(&curves, &classes));
    println!("as COCO measures it: what, IoU, area, detections\n{coco}");
    let coco_masks = match detector.model().masks() && all.true_masks.iter().any(|masks| !masks.is_empty()) {
        true => Some(all.coco_masks(classes.len())?.numbers()),
        false => None,
    };
    if let Some(numbers) = &coco_masks {
        println!("masks, as COCO measures them\n{numbers}");
    }
    if let Some(path) = &args.json {
        let [voc_ap11, voc_ap] = means(&curves);
        let numbers =
            Numbers { pictures: data.len(), classes: &classes, coco, coco_masks, voc_ap, voc_ap11, curves: &curves };
        write_json(path, &numbers)?;
    }
    match &own.out {
        Some(out) => illustrate(out, &data, &all, &curves),
        None => Ok(()),
    }
}

/// Pictures to look at.
const SHOWN: usize = 12;

fn illustrate(out: &Path, data: &dyn LabelledPictures, all: &Detected, curves: &[ClassCurve]) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    let classes = data.classes();
    let pr: Vec<PrCurve<'_>> = curves
        .iter()
        .zip(classes)
        .map(|(c, name): (&ClassCurve, &String)| PrCurve { name, points: &c.points, ap: c.ap })
        .collect();
    pr_curves_png(&pr, "precision over recall, IoU 0.5", out.join("pr_curves.png"))?;
    let mut pairs = Vec::new();
    let shown = SHOWN.min(data.len());
    for at in 0..shown {
        // Evenly over the data.
        let i = at * data.len() / shown;
        let labelled = data.get(i)?;
        let found = all.found_above(i, SHOWN_SCORE);
        let found = drawn(&labelled.picture, &found, classes);
        let truth = match all.true_masks[i].is_empty() {
            true => labels(&labelled.picture, &all.truth[i], classes),
            false => masked_labels(&labelled.picture, &all.truth[i], &all.true_masks[i], classes),
        };
        let pair = row(&[("labels", &truth), ("found", &found)]);
        let file = out.join(format!("{}.png", Path::new(&labelled.name).with_extension("").display()));
        write_picture(file, &DynamicImage::ImageRgb8(pair.clone()))?;
        pairs.push((labelled.name.clone(), pair));
    }
    write_picture(out.join("sheet.png"), &DynamicImage::ImageRgb8(sheet(&pairs, 2, 900)))?;
    let ids = data.category_ids();
    let of = |i: usize| rows(&all.found_above(i, 0.0), all.ids[i], &all.names[i], classes, &ids);
    let results: Vec<ResultRow> = (0..data.len()).flat_map(of).collect();
    write_json(&out.join("results.json"), &results)?;
    println!("\n{}: pr_curves.png, sheet.png, {} pictures, results.json", out.display(), shown);
    Ok(())
}
