//! `wgvision segment`: masks, overlays and JSON for pictures.

use super::DeviceArgs;
use crate::data::pairs::list_pictures;
use crate::data::picture::{read_picture, write_picture};
use crate::detection::Mask;
use crate::draw::overlay::{Style, overlay};
use crate::engine::{Segmentation, Segmenter};
use crate::graph::Precision;
use crate::{Error, Result};
use clap::Args;
use image::{DynamicImage, GrayImage};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct SegmentArgs {
    /// A trained model.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Pictures, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for NAME.mask.png and NAME.overlay.png.
    #[arg(long, value_name = "DIR", default_value = "segmented")]
    out: PathBuf,
    /// One entry for each class found in each picture, with the mask as COCO's compressed run lengths.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Larger pictures are cut into overlapping tiles of this side.
    #[arg(long, value_name = "PIXELS")]
    tile: Option<usize>,
    /// All in f32, or weights and activations kept in f16: half the memory, sums in f32 all the same.
    #[arg(long, value_name = "f32|f16", default_value = "f32")]
    precision: Precision,
}

pub fn run(args: &SegmentArgs, device: &DeviceArgs) -> Result<()> {
    let mut pictures = Vec::new();
    for path in &args.paths {
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
    let gpu = device.open()?;
    let mut segmenter = Segmenter::load_on(&gpu, &args.model)?.with_precision(args.precision);
    if let Some(side) = args.tile {
        segmenter = segmenter.with_tile(side)?;
    }
    let bar = super::train::bar(pictures.len() as u64, "pictures");
    let mut entries = Vec::new();
    let mut used = std::collections::HashSet::new();
    for (id, path) in pictures.iter().enumerate() {
        let picture = read_picture(path)?;
        let found = segmenter.segment(&picture)?;
        let name = unique_name(path, &mut used);
        let zoomed = Style::zoomed_for(picture.width());
        let drawn = overlay(&picture, &found.mask, zoomed);
        write_picture(args.out.join(format!("{name}.overlay.png")), &DynamicImage::ImageRgb8(drawn))?;
        let mask = mask_picture(&found, segmenter.model().classes.len());
        write_picture(args.out.join(format!("{name}.mask.png")), &DynamicImage::ImageLuma8(mask))?;
        entries.extend(json_entries(id, path, &found, &segmenter.model().classes));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(path) = &args.json {
        super::write_json(path, &entries)?;
    }
    println!("{} pictures segmented into {}", pictures.len(), args.out.display());
    Ok(())
}

/// The file's stem, numbered where two files share it.
fn unique_name(path: &Path, used: &mut std::collections::HashSet<String>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_string();
    let free = |n: &String| !used.contains(n);
    let name = std::iter::once(stem.clone()).chain((2..).map(|i| format!("{stem}-{i}"))).find(free);
    let name = name.expect("numbers do not run out");
    used.insert(name.clone());
    name
}

/// Binary masks as 0 and 255, class masks as class numbers: the form that training reads.
fn mask_picture(found: &Segmentation, classes: usize) -> GrayImage {
    let scale = if classes == 2 { 255 } else { 1 };
    let values = found.mask.iter().map(|&v| v * scale).collect();
    GrayImage::from_raw(found.size[1] as u32, found.size[0] as u32, values).expect("a value for each pixel")
}

fn json_entries(id: usize, path: &Path, found: &Segmentation, classes: &[String]) -> Vec<serde_json::Value> {
    let [h, w] = found.size;
    let present = (1..classes.len()).filter(|&c| found.mask.contains(&(c as u8)));
    present
        .map(|class| {
            let mask: Vec<u8> = found.mask.iter().map(|&v| u8::from(v == class as u8)).collect();
            let rle = Mask::encode(&mask, [h as u32, w as u32]);
            let channels = found.probabilities.shape().channels();
            let channel = if channels == 1 { 0 } else { class };
            let inside = found.probabilities.as_f32().chunks_exact(channels).zip(&mask).filter(|(_, m)| **m == 1);
            let (sum, n) = inside.fold((0.0, 0u32), |(sum, n), (p, _)| (sum + f64::from(p[channel]), n + 1));
            serde_json::json!({
                "image_id": id, "file_name": path.file_name().unwrap_or_default().to_string_lossy(),
                "category_id": class, "category": classes[class], "bbox": rle.bbox(), "area": rle.area(),
                "score": sum / f64::from(n.max(1)),
                "segmentation": { "size": [h, w], "counts": rle.compact() },
            })
        })
        .collect()
}
