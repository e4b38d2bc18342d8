//! Detectors from end to end on drawn pictures: training repeats, resumes and learns without a host round trip; detecting one by one
//! and together gives the same.

use image::{Rgb, RgbImage};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use wgvision::Result;
use wgvision::data::detection::{DetectionSource, MultiScale};
use wgvision::data::jitter::DetectionAugment;
use wgvision::data::labelled::{LabelledPicture, LabelledPictures};
use wgvision::data::letterbox::Fit;
use wgvision::detection::select::Select;
use wgvision::detection::{BBox, Labelled};
use wgvision::engine::train::{Silent, TrainSettings};
use wgvision::engine::train_detection::{DetectionOutcome, DetectionRun};
use wgvision::engine::{DetectionModel, Detector};
use wgvision::gpu::Gpu;
use wgvision::models::darknet::Darknet;
use wgvision::optim::Rate;
use wgvision::tensor::Tensor;
use wgvision::weights::TensorFile;

/// Red and blue rectangles on grey texture, one or two in a picture; picture 0 has none.
struct Blocks {
    count: usize,
    classes: Vec<String>,
}

fn blocks(count: usize) -> Blocks {
    Blocks { count, classes: vec!["red".into(), "blue".into()] }
}

impl LabelledPictures for Blocks {
    fn len(&self) -> usize {
        self.count
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn get(&self, index: usize) -> Result<Arc<LabelledPicture>> {
        let texture = |x: u32, y: u32| (90 + (x * 7 + y * 13 + index as u32 * 5) % 40) as u8;
        let mut picture = RgbImage::from_fn(80, 60, |x, y| Rgb([texture(x, y); 3]));
        let mut boxes = Vec::new();
        for k in 0..index.min(1 + index % 2) {
            let (x, y) = ((4 + 11 * (index + 3 * k) % 22 + 38 * k) as u32, (3 + 7 * (index + k) % 25) as u32);
            let (w, h) = (14 + (5 * index % 11) as u32, 16 + (3 * index % 9) as u32);
            let class = (index + k) % 2;
            let colour = if class == 0 { Rgb([220, 40, 30]) } else { Rgb([30, 60, 230]) };
            (y..(y + h).min(60)).for_each(|y| (x..(x + w).min(80)).for_each(|x| picture.put_pixel(x, y, colour)));
            let bbox = BBox::from_xywh(x as f32, y as f32, w as f32, h as f32).clipped(80.0, 60.0);
            boxes.push(Labelled::new(bbox, class));
        }
        Ok(Arc::new(LabelledPicture {
            name: format!("blocks {index}"),
            id: index as u64,
            picture,
            boxes,
            masks: Vec::new(),
        }))
    }
}

/// Two scales of a small YOLOv3.
const YOLO: &str = "[net]\nheight=64\nwidth=64\nchannels=3
[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky
[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=2\npad=1\nactivation=leaky
[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=2\npad=1\nactivation=leaky
[convolutional]\nbatch_normalize=1\nfilters=32\nsize=3\nstride=2\npad=1\nactivation=leaky
[convolutional]\nfilters=14\nsize=1\nactivation=linear
[yolo]\nmask=2,3\nanchors=10,10, 14,14, 18,18, 24,24\nnum=4\nclasses=2
[route]\nlayers=-3
[upsample]\nstride=2
[route]\nlayers=-1,2
[convolutional]\nfilters=14\nsize=1\nactivation=linear
[yolo]\nmask=0,1\nanchors=10,10, 14,14, 18,18, 24,24\nnum=4\nclasses=2
";

/// A YOLOv1 with dropout, and a YOLOv2 with its prior loss.
const YOLOV1: &str = "[net]\nheight=64\nwidth=64\nchannels=3
[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky
[maxpool]\nsize=4\nstride=4
[dropout]\nprobability=.5
[connected]\noutput=192\nactivation=linear
[detection]\nclasses=2\ncoords=4\nside=4\nnum=2\nsqrt=1\nrescore=1\ncoord_scale=5\nnoobject_scale=.5\nobject_scale=1\nclass_scale=1
";
const YOLOV2: &str = "[net]\nheight=64\nwidth=64\nchannels=3
[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky
[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=4\npad=1\nactivation=leaky
[convolutional]\nfilters=14\nsize=1\nactivation=linear
[region]\nanchors=1.5,1.5, 2.5,2.5\nnum=2\nclasses=2\nsoftmax=1\nbias_match=1\nrescore=1\nobject_scale=5\nthresh=.6
";

fn run(cfg: &str, steps: u64) -> DetectionRun {
    let network = Darknet::from_text(Path::new("test.cfg"), cfg).unwrap();
    let model = DetectionModel::new(network, blocks(1).classes).unwrap();
    let settings = TrainSettings {
        steps,
        validate_every: 10,
        rate: Rate::constant(1e-2),
        ema: Some(0.8),
        seed: 5,
        ..Default::default()
    };
    DetectionRun { model, batch: 4, settings, start: BTreeMap::new() }
}

/// A device of its own: what other tests read back meanwhile is not counted.
fn own_gpu() -> Gpu {
    Gpu::open().unwrap_or_else(|e| panic!("{e}"))
}

fn train(
    gpu: &Gpu,
    cfg: &str,
    steps: u64,
    scales: bool,
    out: &Path,
    resume: bool,
) -> (DetectionOutcome, BTreeMap<String, Tensor>) {
    let augment = DetectionAugment { flip_x: true, jitter: 0.1, mosaic: 0.3, ..Default::default() };
    let multi_scale = scales.then_some(MultiScale { least: 1.0, most: 1.5, every: 3, seed: 1 });
    let source = DetectionSource {
        pictures: blocks(24),
        size: [64, 64],
        fit: Fit::Letterbox,
        capacity: 8,
        augment,
        multi_scale,
    };
    let done = run(cfg, steps).train(gpu, source, &blocks(6), out, resume, &mut Silent).unwrap();
    (done, TensorFile::read(&out.join("last.safetensors")).unwrap().tensors)
}

#[test]
fn training_repeats_bit_for_bit_without_a_round_trip() {
    let (gpu, folder) = (&own_gpu(), tempfile::tempdir().unwrap());
    for (name, cfg) in [("v1", YOLOV1), ("v2", YOLOV2), ("v3", YOLO)] {
        let (first, a) = train(gpu, cfg, 12, false, &folder.path().join(format!("{name}a")), false);
        let (_, b) = train(gpu, cfg, 12, false, &folder.path().join(format!("{name}b")), false);
        assert!(a == b, "{name}: the same seed gave other parameters");
        let report = first.outcome.last_report;
        assert!(report.dispatches > 20 && report.submissions > 0, "{name}: {report:?}");
        assert_eq!((report.read_backs, report.waits), (0, 0), "{name}: a step waits for nothing");
    }
}

#[test]
fn a_stopped_run_with_changing_sizes_resumes_exactly() {
    let (gpu, folder) = (&own_gpu(), tempfile::tempdir().unwrap());
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let (_, expected) = train(gpu, YOLO, 20, true, &whole, false);
    train(gpu, YOLO, 10, true, &parts, false);
    let (_, resumed) = train(gpu, YOLO, 20, true, &parts, true);
    let differing: Vec<&String> =
        expected.iter().filter(|(n, t)| resumed.get(*n) != Some(*t)).map(|(n, _)| n).collect();
    assert!(differing.is_empty() && expected.len() == resumed.len(), "differ after resuming: {differing:?}");
    let text = |p: &Path| std::fs::read_to_string(p.join("metrics.csv")).unwrap();
    assert_eq!(text(&whole), text(&parts));
}

#[test]
fn a_small_yolo_learns_and_finds_alone_what_it_finds_together() {
    let (gpu, folder) = (&own_gpu(), tempfile::tempdir().unwrap());
    let (done, _) = train(gpu, YOLO, 100, false, folder.path(), false);
    let (best, _) = done.outcome.best.unwrap();
    assert!(best > 0.4, "mAP@0.5 after 100 steps is {best}");

    let select = Select { score_threshold: 0.01, ..Default::default() };
    let mut detector = Detector::load_on(gpu, folder.path().join("best.safetensors")).unwrap().with_selection(select);
    let pictures: Vec<_> = (1..4).map(|i| blocks(4).get(i).unwrap()).collect();
    let together = detector.detect_batch(&pictures.iter().map(|p| &p.picture).collect::<Vec<_>>()).unwrap();
    let report = detector.last_report();
    assert_eq!((report.read_backs, report.waits), (0, 0), "detections are read once, at the end: {report:?}");
    assert!(together.iter().any(|found| !found.is_empty()), "a network that scores {best} finds nothing");
    for (labelled, found) in pictures.iter().zip(&together) {
        let alone = detector.detect(&labelled.picture).unwrap();
        assert_eq!(alone.len(), found.len(), "{}", labelled.name);
        for (a, b) in alone.iter().zip(found) {
            assert!(a.class == b.class && a.bbox.iou(&b.bbox) > 0.999 && (a.score - b.score).abs() < 1e-4);
        }
    }
}

#[test]
fn a_network_of_other_classes_or_without_a_head_is_refused() {
    let network = |cfg: &str| Darknet::from_text(Path::new("test.cfg"), cfg).unwrap();
    let message = DetectionModel::new(network(YOLO), vec!["one".into()]).unwrap_err().to_string();
    assert!(message.contains("2 classes, 1 names"), "{message}");
    let headless = YOLO.split("[yolo]").next().unwrap();
    let message = DetectionModel::new(network(headless), vec![]).unwrap_err().to_string();
    assert!(message.contains("no detection head"), "{message}");
}
