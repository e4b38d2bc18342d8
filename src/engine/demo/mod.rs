//! The built-in demo: a small U-Net learns to find the digits of licence plates in generated pictures; then the detector that ships with
//! the program finds plates in streets, and the U-Net marks their digits there.

mod streets;

use crate::Result;
use crate::data::augment::Augment;
use crate::data::cache::Cached;
use crate::data::normalise::Normalise;
use crate::data::pairs::MaskedPictures;
use crate::data::picture::write_picture;
use crate::data::plates::PlateCrops;
use crate::data::scenes::{Scene, SceneConfig};
use crate::data::segmentation::Segmentation;
use crate::draw::overlay::{Style, overlay};
use crate::draw::panel::{comparison, row, stack};
use crate::engine::model::SegmentationModel;
use crate::engine::segmenter::Segmenter;
use crate::engine::train::{Progress, TrainSettings};
use crate::engine::train_segmentation::{BEST, SegmentationOutcome, SegmentationRun, usual_loss};
use crate::gpu::Gpu;
use crate::metrics::segmentation::PictureDice;
use crate::models::unet::UNet;
use crate::optim::{Rate, Schedule, Warmup};
use image::{DynamicImage, RgbImage};
use std::path::Path;

pub use streets::plate_detector;
use streets::streets;

/// What the demo found.
#[derive(Clone, Debug)]
pub struct DemoOutcome {
    /// The training run.
    pub run: SegmentationOutcome,
    /// Mean Dice of the digits over plates that training never saw.
    pub dice: f64,
    /// Average precision at an IoU of 0.5 of the plates in streets that the detector's training never saw.
    pub plates_ap50: f64,
}

/// Crops to train on, to validate on, and to show at the end.
const TRAIN: usize = 1200;
const VAL: usize = 24;
const SHOW: usize = 8;
/// Height and width of a crop.
const CROP: [usize; 2] = [64, 128];

/// Trains for `steps` steps and writes scenes.png, curves.png, digits.png, streets.png, the model and the log into `out`.
pub fn demo(gpu: &Gpu, out: &Path, steps: u64, seed: u64, progress: &mut dyn Progress) -> Result<DemoOutcome> {
    write_picture(out.join("scenes.png"), &DynamicImage::ImageRgb8(scenes(seed)))?;
    let crops = |first, count| PlateCrops { seed, first, count, size: [CROP[1] as u32, CROP[0] as u32], letters: 0.0 };
    let train = Segmentation {
        pictures: Cached::new(crops(0, TRAIN), 256 << 20),
        augment: Augment::default(),
        normalise: Normalise::Standardise,
        border: None,
    };
    let run = demo_run(steps, seed);
    let val = Cached::new(crops(1 << 20, VAL), 64 << 20);
    let run = run.train(gpu, train, &val, out, false, progress)?;
    let mut segmenter = Segmenter::load_on(gpu, out.join(BEST))?;
    let unseen = crops(2 << 20, VAL);
    let mut dice = PictureDice::default();
    let mut shown = Vec::new();
    for i in 0..unseen.len() {
        let pair = unseen.get(i)?;
        let found = segmenter.segment(&pair.picture)?;
        let score = dice.add(&pair.mask, &found.mask);
        if shown.len() < SHOW {
            let caption = format!("Dice {score:.2}");
            shown.push(comparison(&pair.picture, Some(&pair.mask), &found.mask, &pair.name, &caption));
        }
    }
    write_picture(out.join("digits.png"), &DynamicImage::ImageRgb8(stack(&shown)))?;
    let streets = streets(gpu, &mut segmenter, seed, 2 << 20, CROP)?;
    write_picture(out.join("streets.png"), &DynamicImage::ImageRgb8(streets.picture))?;
    Ok(DemoOutcome { run, dice: dice.mean().expect("there are pictures"), plates_ap50: streets.ap50 })
}

fn demo_run(steps: u64, seed: u64) -> SegmentationRun {
    let unet = UNet { width: 8, depth: 3, batch_norm: true, ..Default::default() };
    let classes = vec!["background".into(), "digit".into()];
    let model = SegmentationModel { unet, normalise: Normalise::Standardise, classes, crop: CROP };
    let settings = TrainSettings {
        steps,
        validate_every: (steps / 8).max(1),
        rate: Rate { base: 4e-3, warmup: Warmup { steps: 10, start: 0.0 }, schedule: Schedule::Cosine { floor: 0.0 } },
        seed,
        ..Default::default()
    };
    SegmentationRun { model, loss: usual_loss(1), batch: 8, settings }
}

/// Street scenes, each beside its nearest plate with the ink of the digits marked.
fn scenes(seed: u64) -> RgbImage {
    let draw = |i: u64| {
        // Drawn large, so that the plates can be read when looked at closely.
        let scene = Scene::generate(seed, i, &SceneConfig { width: 960, height: 720, ..Default::default() });
        let (height, name) = (240, format!("street {i}"));
        let street = image::imageops::resize(&scene.image, 320, height, image::imageops::FilterType::Triangle);
        let nearest = scene.plates.iter().max_by(|a, b| a.bbox.width().total_cmp(&b.bbox.width()));
        let closer = nearest.map(|plate| {
            let marked = overlay(&scene.image, scene.digit_mask.as_raw(), Style::default());
            let middle = ((plate.bbox.x0 + plate.bbox.x1) / 2.0, (plate.bbox.y0 + plate.bbox.y1) / 2.0);
            (plate.text.clone(), closer(&marked, (middle.0 as u32, middle.1 as u32), height))
        });
        let mut panels = vec![(name.as_str(), &street)];
        panels.extend(closer.as_ref().map(|(text, picture)| (text.as_str(), picture)));
        row(&panels)
    };
    stack(&(0..4).map(draw).collect::<Vec<_>>())
}

/// A square of the picture around `middle`, enlarged to `side` pixels.
fn closer(picture: &RgbImage, (x, y): (u32, u32), side: u32) -> RgbImage {
    let (w, h) = picture.dimensions();
    let cut = (h / 6).min(w);
    let (left, top) = (x.saturating_sub(cut / 2).min(w - cut), y.saturating_sub(cut / 2).min(h - cut));
    let part = image::imageops::crop_imm(picture, left, top, cut, cut).to_image();
    image::imageops::resize(&part, side, side, image::imageops::FilterType::Nearest)
}
