//! Trains a U-Net on a folder of picture and mask pairs.
//!
//! `cargo run --release --example train_unet -- data runs/first`, where `data` holds `images/{train,val}` and `masks/{train,val}`.

use wgvision::data::augment::Augment;
use wgvision::data::normalise::Normalise;
use wgvision::data::pairs::{Labels, PairFolder};
use wgvision::data::segmentation::Segmentation;
use wgvision::engine::train::{Silent, TrainSettings};
use wgvision::engine::train_segmentation::{SegmentationRun, usual_loss};
use wgvision::engine::{SegmentationModel, Segmenter};
use wgvision::gpu::Gpu;
use wgvision::models::unet::UNet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, out] = &args[..] else { return Err("usage: train_unet DATA OUT".into()) };

    let unet = UNet { width: 16, batch_norm: true, ..Default::default() };
    let classes = vec!["background".into(), "nucleus".into()];
    let model = SegmentationModel { unet, normalise: Normalise::Standardise, classes, crop: [128, 128] };
    let settings = TrainSettings { steps: 500, ..Default::default() };
    let run = SegmentationRun { model, loss: usual_loss(1), batch: 8, settings };

    let train = Segmentation {
        pictures: PairFolder::open(data, "train", Labels::Binary)?,
        augment: Augment::microscopy([128, 128]),
        normalise: Normalise::Standardise,
        border: None,
    };
    let val = PairFolder::open(data, "val", Labels::Binary)?;
    let done = run.train(&Gpu::open()?, train, &val, out.as_ref(), false, &mut Silent)?;
    println!("best (Dice, step): {:?}; waiting for data {:.1} %", done.outcome.best, 100.0 * done.data_wait);

    let segmenter = Segmenter::load(format!("{out}/best.safetensors"))?;
    println!("the model knows {:?}", segmenter.model().classes);
    Ok(())
}
