//! The demo's second half: the detector that ships with the program finds plates in streets, and the U-Net that was just
//! trained marks their digits.

use crate::Result;
use crate::data::labelled::LabelledPictures;
use crate::data::plates::PlateScenes;
use crate::data::scenes::SceneConfig;
use crate::detection::select::Select;
use crate::detection::{BBox, Detection};
use crate::draw::boxes::detections;
use crate::draw::overlay::{Style, overlay};
use crate::draw::panel::{row, stack};
use crate::engine::evaluate_detection::{detect_all, measured};
use crate::engine::{DetectionModel, Detector, Segmenter};
use crate::gpu::Gpu;
use crate::graph::Variables;
use crate::metrics::voc::means;
use image::{RgbImage, imageops};
use std::path::Path;

/// The detector's weights, trained by `tools/train-plates`.
static PLATES: &[u8] = include_bytes!("../../../assets/models/plates.safetensors");
/// Width and height of the streets: large, so that digits can be read on plates whose place is found at half the size.
const STREET: [u32; 2] = [960, 720];
/// Width at which they are shown.
const SHOWN_WIDTH: u32 = 640;
/// Plates that are narrower than this many pixels cannot be read by anyone, and count neither way.
const LEAST: f32 = 36.0;
/// Streets it is measured on; the first few are shown.
const MEASURED: usize = 24;
const SHOWN: usize = 4;
/// Least score of a plate that is shown.
const SURE: f32 = 0.5;
/// Plates do not overlap each other.
const OVERLAP: f64 = 0.2;

/// What the detector that ships with the program is worth on streets it was not trained on.
pub struct Streetwise {
    /// The streets with plates boxed and digits marked.
    pub picture: RgbImage,
    /// Average precision of the plates at an IoU of 0.5.
    pub ap50: f64,
}

/// The detector that ships with the program.
pub fn plate_detector(gpu: &Gpu) -> Result<Detector> {
    let variables = Variables::new(gpu);
    let model = DetectionModel::from_bytes(Path::new("the built-in plate detector"), PLATES, &variables)?;
    Ok(Detector::new(model, variables))
}

/// Finds and reads streets `first ..` of the series `seed`; `size` is the height and width of the U-Net's crops.
pub fn streets(gpu: &Gpu, segmenter: &mut Segmenter, seed: u64, first: u64, size: [usize; 2]) -> Result<Streetwise> {
    let config = SceneConfig { width: STREET[0], height: STREET[1], letters: 0.0, ..SceneConfig::default() };
    let data = PlateScenes::new(seed, first, MEASURED, config, LEAST);
    let detector = plate_detector(gpu)?;
    let select = Select { iou_threshold: OVERLAP, ..measured(detector.model()) };
    let mut detector = detector.with_selection(select);
    let all = detect_all(&mut detector, &data, |_| {})?;
    let [_, ap] = means(&all.voc(1).curves());
    let sure = |i: usize| all.found[i].iter().copied().filter(|d| d.score > SURE).collect::<Vec<Detection>>();
    let nearest = |i: usize| sure(i).into_iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()));
    // The streets with the nearest plates, where there is something to read.
    let mut order: Vec<(usize, Detection)> = (0..data.len()).filter_map(|i| Some((i, nearest(i)?))).collect();
    order.sort_by(|(_, a), (_, b)| b.bbox.area().total_cmp(&a.bbox.area()));
    let mut rows = Vec::new();
    for (i, nearest) in order.into_iter().take(SHOWN) {
        let street = data.get(i)?;
        let plates = sure(i);
        let marked = mark_digits(&street.picture, &plates, segmenter, size)?;
        let boxed = detections(&marked, &plates, data.classes());
        let height = SHOWN_WIDTH * boxed.height() / boxed.width();
        let boxed = imageops::resize(&boxed, SHOWN_WIDTH, height, imageops::FilterType::CatmullRom);
        let name = format!("street {}", i + 1);
        rows.push(row(&[(&name, &boxed), ("its nearest plate", &closer(&marked, &nearest.bbox))]));
    }
    Ok(Streetwise { picture: stack(&rows), ap50: ap.unwrap_or(0.0) })
}

/// The picture with the digits of each plate marked by the segmenter.
fn mark_digits(
    picture: &RgbImage,
    plates: &[Detection],
    segmenter: &mut Segmenter,
    [h, w]: [usize; 2],
) -> Result<RgbImage> {
    let (width, height) = picture.dimensions();
    let mut mask = vec![0u8; (width * height) as usize];
    for plate in plates {
        let [x0, y0, x1, y1] = window(&plate.bbox, width, height);
        let cut = imageops::crop_imm(picture, x0, y0, x1 - x0, y1 - y0).to_image();
        let crop = imageops::resize(&cut, w as u32, h as u32, imageops::FilterType::Triangle);
        let found = segmenter.segment(&crop)?;
        for y in y0..y1 {
            for x in x0..x1 {
                let (cx, cy) = ((x - x0) as usize * w / (x1 - x0) as usize, (y - y0) as usize * h / (y1 - y0) as usize);
                mask[(y * width + x) as usize] |= found.mask[cy * w + cx];
            }
        }
    }
    Ok(overlay(picture, &mask, Style::default()))
}

/// A plate's box with the margin that the U-Net's training crops have, inside the picture.
fn window(plate: &BBox, width: u32, height: u32) -> [u32; 4] {
    let (mx, mut my) = (0.12 * plate.width(), 0.24 * plate.height());
    // A long plate is not pulled up to more than two and a half times its height.
    let least = (plate.width() + 2.0 * mx) / 2.0 / 2.5;
    my = my.max((least - plate.height()) / 2.0);
    let grown = BBox { x0: plate.x0 - mx, y0: plate.y0 - my, x1: plate.x1 + mx, y1: plate.y1 + my };
    let b = grown.clipped(width as f32, height as f32);
    let (x0, y0) = ((b.x0 as u32).min(width - 2), (b.y0 as u32).min(height - 2));
    [x0, y0, (b.x1.ceil() as u32).clamp(x0 + 1, width), (b.y1.ceil() as u32).clamp(y0 + 1, height)]
}

/// The plate and a little around it, as high as the street.
fn closer(picture: &RgbImage, plate: &BBox) -> RgbImage {
    let (width, height) = picture.dimensions();
    let [x0, y0, x1, y1] = window(plate, width, height);
    let part = imageops::crop_imm(picture, x0, y0, x1 - x0, y1 - y0).to_image();
    let wide = 420;
    let tall = (wide * part.height() / part.width()).min(height);
    imageops::resize(&part, wide, tall, imageops::FilterType::CatmullRom)
}
