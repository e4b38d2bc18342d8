//! Training runs: the same bytes from the same seed, the same bytes after a stop, and what a run writes.

use crate::harness::gpu;
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use wgvision::Result;
use wgvision::data::augment::Augment;
use wgvision::data::normalise::Normalise;
use wgvision::data::pairs::{Labels, MaskedPicture, MaskedPictures};
use wgvision::data::segmentation::Segmentation;
use wgvision::engine::SegmentationModel;
use wgvision::engine::train::{Silent, TrainSettings};
use wgvision::engine::train_segmentation::{SegmentationRun, usual_loss};
use wgvision::models::unet::UNet;
use wgvision::optim::Rate;
use wgvision::tensor::Tensor;
use wgvision::weights::TensorFile;

/// Bright discs on dark ground; the mask is the disc.
pub struct Discs(pub usize);

impl MaskedPictures for Discs {
    fn len(&self) -> usize {
        self.0
    }

    fn labels(&self) -> Labels {
        Labels::Binary
    }

    fn get(&self, index: usize) -> Result<Arc<MaskedPicture>> {
        let (cx, cy, r) = (10 + 7 * (index as i32 % 4), 12 + 5 * (index as i32 % 5), 5 + index as i32 % 4);
        let inside = |x: u32, y: u32| (x as i32 - cx).pow(2) + (y as i32 - cy).pow(2) <= r * r;
        let texture = |x: u32, y: u32| ((x * 7 + y * 13 + index as u32 * 5) % 23) as u8;
        let picture = RgbImage::from_fn(40, 40, |x, y| {
            let v = if inside(x, y) { 150 } else { 40 } + texture(x, y);
            Rgb([v, v / 2, 255 - v])
        });
        let mask = GrayImage::from_fn(40, 40, |x, y| Luma([u8::from(inside(x, y))]));
        Ok(Arc::new(MaskedPicture { name: format!("disc {index}"), picture, mask }))
    }
}

fn run(steps: u64) -> SegmentationRun {
    let unet = UNet { width: 4, depth: 2, batch_norm: true, ..Default::default() };
    let classes = vec!["background".into(), "disc".into()];
    let model = SegmentationModel { unet, normalise: Normalise::Standardise, classes, crop: [32, 32] };
    let settings = TrainSettings {
        steps,
        validate_every: 10,
        rate: Rate::constant(5e-3),
        clip: 1.0,
        ema: Some(0.9),
        seed: 11,
        ..Default::default()
    };
    SegmentationRun { model, loss: usual_loss(1), batch: 4, settings }
}

fn train(steps: u64, out: &Path, resume: bool) -> BTreeMap<String, Tensor> {
    let augment = Augment { crop: Some([32, 32]), flip_x: true, rotate: 10.0, ..Default::default() };
    let data = Segmentation { pictures: Discs(12), augment, normalise: Normalise::Standardise, border: None };
    run(steps).train(gpu(), data, &Discs(3), out, resume, &mut Silent).unwrap();
    TensorFile::read(&out.join("last.safetensors")).unwrap().tensors
}

#[test]
fn fifty_steps_twice_give_the_same_bytes_and_learn() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    assert!(train(50, &a, false) == train(50, &b, false), "the same seed gave other parameters");
    assert_eq!(std::fs::read(a.join("metrics.csv")).unwrap(), std::fs::read(b.join("metrics.csv")).unwrap());
    for name in ["best.safetensors", "last.safetensors", "metrics.csv", "curves.png"] {
        assert!(a.join(name).exists(), "{name} is missing");
    }
    let dice = wgvision::draw::log::Metrics::read(a.join("metrics.csv")).unwrap().series("dice");
    assert!(dice.last().unwrap().1 > 0.8, "{dice:?}");
}

#[test]
fn a_run_stopped_and_resumed_is_the_run_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let expected = train(40, &whole, false);
    // A run killed after its checkpoint at step 20 leaves exactly this folder behind.
    train(20, &parts, false);
    let resumed = train(40, &parts, true);
    let differing: Vec<&String> =
        expected.iter().filter(|(n, t)| resumed.get(*n) != Some(*t)).map(|(n, _)| n).collect();
    assert!(differing.is_empty(), "these differ after resuming: {differing:?}");
    assert_eq!(expected.len(), resumed.len());
    let text = |p: &Path| std::fs::read_to_string(p.join("metrics.csv")).unwrap();
    assert_eq!(text(&whole), text(&parts));
}

#[test]
fn patience_ends_a_run_that_no_longer_improves() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(400);
    run.settings.patience = Some(1);
    run.settings.rate = Rate::constant(1e-12);
    let augment = Augment { crop: Some([32, 32]), ..Default::default() };
    let data = Segmentation { pictures: Discs(4), augment, normalise: Normalise::Standardise, border: None };
    let done = run.train(gpu(), data, &Discs(2), folder.path(), false, &mut Silent).unwrap();
    assert!(done.outcome.early && done.outcome.steps < 400, "{:?}", done.outcome);
}
