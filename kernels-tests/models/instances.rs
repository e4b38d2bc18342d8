//! Two-stage detectors and RetinaNet from end to end on drawn pictures: training repeats, resumes and learns without a host round trip, masks
//! come back at their places, Fast R-CNN looks into the regions it is given, and files go out and come back.

use image::{Rgb, RgbImage};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wgvision::Result;
use wgvision::data::instances::{InstanceAugment, InstanceBatch, InstanceSource};
use wgvision::data::labelled::{LabelledPicture, LabelledPictures};
use wgvision::data::loader::Source;
use wgvision::data::resize::RcnnTransform;
use wgvision::data::rng::Rng;
use wgvision::detection::truth::Chance;
use wgvision::detection::{BBox, Labelled, Mask};
use wgvision::engine::train::{Silent, StepGraph, TrainSettings, training_graph};
use wgvision::engine::train_detection::DetectionOutcome;
use wgvision::engine::train_instances::{InstanceRun, feed, truth_inputs};
use wgvision::engine::{Detector, InstanceModel};
use wgvision::gpu::{Gpu, Pace, Report};
use wgvision::graph::{Executable, Graph, Kind, Options, Plan, Variables};
use wgvision::models::instance::{InstanceNet, inputs};
use wgvision::nn::{Net, first_value, initialise};
use wgvision::ops::add::Add;
use wgvision::optim::{Optimizer, Rate};
use wgvision::tensor::{Tensor, TensorType};
use wgvision::weights::TensorFile;

/// Red discs and blue squares on grey texture, one or two in a picture; picture 0 has none.
struct Shapes {
    count: usize,
    classes: Vec<String>,
}

fn shapes(count: usize) -> Shapes {
    Shapes { count, classes: vec!["disc".into(), "square".into()] }
}

impl LabelledPictures for Shapes {
    fn len(&self) -> usize {
        self.count
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn get(&self, index: usize) -> Result<Arc<LabelledPicture>> {
        const SIDE: u32 = 64;
        let texture = |x: u32, y: u32| (90 + (x * 7 + y * 13 + index as u32 * 5) % 40) as u8;
        let mut picture = RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb([texture(x, y); 3]));
        let (mut boxes, mut masks) = (Vec::new(), Vec::new());
        for k in 0..index.min(1 + index % 2) {
            let class = (index + k) % 2;
            let side = (16 + (5 * index) % 9) as u32;
            let (x0, y0) = ((2 + (11 * index + 3 * k) % 9 + 32 * k) as u32, (3 + (7 * (index + k)) % 36) as u32);
            let inside = |x: u32, y: u32| {
                let (dx, dy) = ((2 * (x - x0) + 1) as i32 - side as i32, (2 * (y - y0) + 1) as i32 - side as i32);
                class == 1 || dx * dx + dy * dy <= (side * side) as i32
            };
            let mut bits = vec![0; (SIDE * SIDE) as usize];
            for (x, y) in (x0..x0 + side).flat_map(|x| (y0..y0 + side).map(move |y| (x, y))) {
                if x < SIDE && y < SIDE && inside(x, y) {
                    let colour = if class == 0 { Rgb([220, 40, 30]) } else { Rgb([30, 60, 230]) };
                    picture.put_pixel(x, y, colour);
                    bits[(y * SIDE + x) as usize] = 1;
                }
            }
            let whole = BBox::from_xywh(x0 as f32, y0 as f32, side as f32, side as f32);
            boxes.push(Labelled::new(whole.clipped(SIDE as f32, SIDE as f32), class));
            masks.push(Some(Mask::encode(&bits, [SIDE, SIDE])));
        }
        let name = format!("shapes {index}");
        Ok(Arc::new(LabelledPicture { name, id: index as u64, picture, boxes, masks }))
    }
}

/// The micro network with less of everything.
fn small(name: &str) -> InstanceNet {
    let change = serde_json::json!({
        "backbone": {"width": 8, "neck": {"fpn": {"channels": 16, "levels": [2, 3, 4], "extra": "pool"}}},
        "rpn": {"sample": 64, "pre_nms": {"training": 64, "inference": 64}, "post_nms": {"training": 32, "inference": 32}},
        "roi": {"head": {"mlp": {"width": 32}}, "sample": 32, "max_detections": 10},
    });
    let net = InstanceNet::by_name(name, 2).and_then(|net| net.changed(change)).expect("a network");
    let masks = serde_json::json!({"roi": {"mask": {"convs": [16], "width": 16}}});
    if net.masks() { net.changed(masks).expect("a network") } else { net }
}

fn model(network: InstanceNet) -> InstanceModel {
    let transform = RcnnTransform { min_size: 64, max_size: 64, ..RcnnTransform::default() };
    InstanceModel::new(network, shapes(1).classes, transform).expect("a model")
}

fn run(network: InstanceNet, steps: u64) -> InstanceRun {
    let settings = TrainSettings {
        steps,
        validate_every: steps.div_ceil(2),
        rate: Rate::constant(3e-3),
        clip: 10.0,
        ema: Some(0.9),
        seed: 5,
        ..Default::default()
    };
    InstanceRun { model: model(network), batch: 4, settings, start: BTreeMap::new() }
}

fn source(run: &InstanceRun, count: usize) -> InstanceSource<Shapes> {
    InstanceSource {
        pictures: shapes(count),
        transform: RcnnTransform { canvas: Some([64, 64]), ..run.model.transform.clone() },
        capacity: 4,
        masks: run.model.network.masks(),
        augment: InstanceAugment { flip_x: true, zoom: [0.9, 1.1], ..InstanceAugment::default() },
    }
}

/// A device of its own: what other tests read back meanwhile is not counted.
fn own_gpu() -> Gpu {
    Gpu::open().unwrap_or_else(|e| panic!("{e}"))
}

fn train(gpu: &Gpu, run: &InstanceRun, out: &Path, resume: bool) -> (DetectionOutcome, BTreeMap<String, Tensor>) {
    let done = run.train(gpu, source(run, 24), &shapes(8), out, resume, &mut Silent).expect("trains");
    (done, TensorFile::read(&out.join("last.safetensors")).expect("a checkpoint").tensors)
}

/// Twenty steps on the same batches: the variables after it, and what one step did between host and device.
fn twenty_steps(gpu: &Gpu, run: &InstanceRun, pace: Pace) -> (BTreeMap<String, Tensor>, Report) {
    let step = run.step_graph([64, 64], 4).expect("a graph");
    let variables = Variables::new(gpu);
    initialise(&variables, run.model.specs(), 3).expect("fits");
    let outputs = [("loss", step.loss)];
    let mut exec = Executable::with(&step.graph, &outputs, &variables, Options::default(), pace).expect("fits");
    let source = source(run, 24);
    let mut last = Report::default();
    for at in 1..=20 {
        let sample = |i: u64| source.sample((4 * at + i) as usize % 24, &mut Rng::new(at).fork(i)).expect("drawn");
        let batch = source.collate((0..4).map(sample).collect()).expect("a batch");
        let hyper = run.settings.hyper(at);
        let tensors = feed(batch, at);
        let mut given: Vec<(&str, &Tensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
        given.push(("hyper", &hyper));
        let run = exec.run(&given).expect("runs");
        last = run.report;
        assert!(run.wait_for("loss").expect("arrives").scalar().is_finite());
    }
    (variables.snapshot().expect("read back"), last)
}

#[test]
fn a_step_of_mask_rcnn_repeats_bit_for_bit_without_a_round_trip() {
    let (gpu, run) = (&own_gpu(), run(small("maskrcnn_micro"), 20));
    let (first, report) = twenty_steps(gpu, &run, Pace::new(gpu));
    let (second, _) = twenty_steps(gpu, &run, Pace::new(gpu));
    let (cut, cut_report) = twenty_steps(gpu, &run, Pace::with_budget(gpu, Duration::from_micros(500)));
    assert!(first == second, "the same steps gave other parameters");
    assert!(first == cut, "another submission budget gave other parameters");
    assert!(cut_report.submissions > report.submissions, "{report:?} {cut_report:?}");
    for report in [report, cut_report] {
        assert!(report.dispatches > 100, "{report:?}");
        assert_eq!((report.read_backs, report.waits), (0, 0), "a step waits for nothing: {report:?}");
    }
}

#[test]
fn a_stopped_mask_rcnn_resumes_exactly() {
    let (gpu, folder) = (&own_gpu(), tempfile::tempdir().expect("a folder"));
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let (twelve, six) = (run(small("maskrcnn_micro"), 12), run(small("maskrcnn_micro"), 6));
    let six = InstanceRun { settings: TrainSettings { validate_every: 6, ..six.settings }, ..six };
    let (_, expected) = train(gpu, &twelve, &whole, false);
    train(gpu, &six, &parts, false);
    let (_, resumed) = train(gpu, &twelve, &parts, true);
    let differing: Vec<&String> =
        expected.iter().filter(|(n, t)| resumed.get(*n) != Some(*t)).map(|(n, _)| n).collect();
    assert!(differing.is_empty() && expected.len() == resumed.len(), "differ after resuming: {differing:?}");
    let text = |p: &Path| std::fs::read_to_string(p.join("metrics.csv")).expect("a log");
    assert_eq!(text(&whole), text(&parts));
    assert!(text(&whole).lines().next().expect("a head").contains("loss_mask"), "named losses are logged");
}

#[test]
fn a_small_mask_rcnn_learns_boxes_and_masks() {
    let (gpu, folder) = (&own_gpu(), tempfile::tempdir().expect("a folder"));
    let run = run(small("maskrcnn_micro"), 160);
    let (done, _) = train(gpu, &run, folder.path(), false);
    let (best, _) = done.outcome.best.expect("validated");
    assert!(best > 0.5, "mask AP@0.5 after 160 steps is {best}");

    let mut detector = Detector::load_on(gpu, folder.path().join("best.safetensors")).expect("a model");
    let data = shapes(12);
    let pictures: Vec<_> = (5..8).map(|i| data.get(i).expect("drawn")).collect();
    let together = detector.detect_batch(&pictures.iter().map(|p| &p.picture).collect::<Vec<_>>()).expect("runs");
    let report = detector.last_report();
    assert_eq!((report.read_backs, report.waits), (0, 0), "detections are read once, at the end: {report:?}");
    for (labelled, found) in pictures.iter().zip(&together) {
        let alone = detector.detect_instances(&labelled.picture).expect("masks");
        assert_eq!(alone.len(), found.len(), "{}", labelled.name);
        for (a, b) in alone.iter().zip(found) {
            assert!(a.found.class == b.class && a.found.bbox.iou(&b.bbox) > 0.999);
            assert!((a.found.score - b.score).abs() < 1e-4);
            let [x, y, w, h] = a.mask.bbox().map(|v| v as f32);
            let around = BBox::from_xywh(x, y, w, h);
            let inside = a.found.bbox.intersection(&around) / around.area().max(1.0);
            assert!(a.mask.area() == 0 || inside > 0.7, "the mask lies in its box: {inside}");
        }
        let best = alone.first().expect("something is found");
        let overlap = |mask: &Option<Mask>| mask.as_ref().map_or(0.0, |m| m.iou(&best.mask, false));
        assert!(labelled.masks.iter().map(overlap).fold(0.0, f64::max) > 0.5, "{}", labelled.name);
    }
}

/// Faster R-CNN on a pyramid and on a single level, and RetinaNet: their losses fall.
#[test]
fn other_families_learn_too() {
    let gpu = &own_gpu();
    let narrow = serde_json::json!({"backbone": {"width": 8, "trainable": 5}});
    let retina =
        InstanceNet::by_name("retinanet_resnet18_fpn", 2).and_then(|net| net.changed(narrow)).expect("a network");
    let fpn = serde_json::json!({"backbone": {"norm": {"train": {}}, "neck": {"fpn": {"channels": 16}}}, "head": {"convs": 1}});
    let single = serde_json::json!({
        "backbone": {"width": 8, "trainable": 5, "norm": {"train": {}}, "neck": {"level": 4}},
        "rpn": {"anchors": {"sizes": [[12, 20, 32]]}, "post_nms": {"training": 32}},
        "roi": {"head": {"mlp": {"width": 32}}, "sample": 32},
    });
    let single = InstanceNet::by_name("fasterrcnn_resnet18", 2).and_then(|net| net.changed(single)).expect("a network");
    for network in [small("fasterrcnn_micro"), single, retina.changed(fpn).expect("a network")] {
        let run = InstanceRun {
            settings: TrainSettings { optimizer: Optimizer::adam(), ..run(small("fasterrcnn_micro"), 30).settings },
            ..run(network, 30)
        };
        let folder = tempfile::tempdir().expect("a folder");
        train(gpu, &run, folder.path(), false);
        let text = std::fs::read_to_string(folder.path().join("metrics.csv")).expect("a log");
        let losses: Vec<f64> =
            text.lines().skip(1).map(|l| l.split(',').nth(1).expect("a loss").parse().expect("a number")).collect();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (early, late) = (mean(&losses[..5]), mean(&losses[25..]));
        assert!(late < 0.8 * early, "the loss went from {early} to {late}");
    }
}

/// Fast R-CNN: regions are given, in training and in inference.
#[test]
fn fast_rcnn_looks_into_given_regions() {
    let gpu = &own_gpu();
    let change = serde_json::json!({
        "backbone": {"kind": "resnet18", "width": 8, "norm": {"train": {}}, "trainable": 5, "neck": {"level": 3}},
        "roi": {"pooling": {"max": {"size": 4}}, "head": {"mlp": {"width": 32}}, "sample": 16, "max_detections": 10},
    });
    let network = InstanceNet::by_name("fastrcnn_vgg16", 2).and_then(|net| net.changed(change)).expect("a network");
    let model = model(network);
    let settings = TrainSettings { rate: Rate::constant(3e-3), ..TrainSettings::default() };
    let refused = InstanceRun { model: model.clone(), batch: 2, settings: settings.clone(), start: BTreeMap::new() };
    let message = refused.step_graph([64, 64], 4).err().expect("proposals are missing").to_string();
    assert!(message.contains("Fast R-CNN trains on regions of your own"), "{message}");

    let (n, p, capacity) = (4, 12, 4);
    let mut graph = Graph::new();
    let pictures = inputs(&mut graph, n, [64, 64], Some(p)).expect("new names");
    let truth = truth_inputs(&mut graph, n, [64, 64], capacity, false).expect("new names");
    let step = graph.input("step", TensorType::u32([1])).expect("a new name");
    let chance = Chance { seed: 1, step };
    let losses = model.network.losses(&mut Net::new(&mut graph, true), &pictures, &truth, &chance).expect("a network");
    assert_eq!(losses.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["loss_classifier", "loss_box_reg"]);
    let total = graph.add(Add, &[losses[0].1, losses[1].1]).expect("scalars");
    let StepGraph { graph, loss, .. } = training_graph(graph, total, &settings).expect("differentiable");
    let variables = Variables::new(gpu);
    initialise(&variables, model.specs(), 1).expect("fits");
    let mut exec = Executable::new(&graph, &[("loss", loss)], &variables).expect("fits");

    // Regions on a grid; the true boxes are added by the step itself.
    let grid = |i: usize| BBox::from_xywh((i % 4) as f32 * 12.0, (i / 4) as f32 * 18.0, 24.0, 24.0);
    let regions: Vec<f32> = (0..n).flat_map(|_| (0..p).map(grid)).flat_map(|b| [b.x0, b.y0, b.x1, b.y1]).collect();
    let proposals = Tensor::f32([n, p, 4], regions);
    let source = InstanceSource {
        pictures: shapes(24),
        transform: RcnnTransform { canvas: Some([64, 64]), ..model.transform.clone() },
        capacity,
        masks: false,
        augment: InstanceAugment::default(),
    };
    let mut history = Vec::new();
    for at in 1..=60 {
        let sample = |i: u64| source.sample((4 * at + i) as usize % 24, &mut Rng::new(at).fork(i)).expect("drawn");
        let tensors = feed(source.collate((0..4).map(sample).collect()).expect("a batch"), at);
        let hyper = settings.hyper(at);
        let mut given: Vec<(&str, &Tensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
        given.extend([("hyper", &hyper), ("proposals", &proposals)]);
        history.push(exec.run(&given).and_then(|run| run.wait_for("loss")).expect("runs").scalar());
    }
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    assert!(mean(&history[50..]) < 0.6 * mean(&history[..5]), "{history:?}");

    let mut detector = Detector::new(model, variables);
    let labelled = shapes(8).get(5).expect("drawn");
    let regions: Vec<BBox> = labelled.boxes.iter().map(|b| b.bbox).chain([grid(0)]).collect();
    let found = detector.detect_regions(&labelled.picture, &regions).expect("runs");
    let right = |label: &Labelled| found.iter().any(|d| d.class == label.class && d.bbox.iou(&label.bbox) > 0.5);
    assert!(labelled.boxes.iter().any(right), "{found:?}");
    let message = detector.detect(&labelled.picture).expect_err("regions are missing").to_string();
    assert!(message.contains("detect_regions"), "{message}");
}

/// As torchvision counts them, frozen batch norm's buffers not counted; where it trains its weights and biases are parameters too.
#[test]
fn parameters_are_counted_as_torchvision_does() {
    let count = |net: &InstanceNet| -> usize {
        let specs = net.specs().expect("a network");
        specs.iter().filter(|s| !s.buffer).map(|s| s.ty.elements()).sum()
    };
    let by_name = |name: &str| InstanceNet::by_name(name, 90).expect("a name");
    let mask = by_name("maskrcnn_resnet50_fpn");
    assert_eq!(count(&mask), 44_401_393);
    let trained = mask.changed(serde_json::json!({"backbone": {"norm": {"train": {}}}})).expect("a norm");
    assert_eq!(count(&trained), 44_401_393 + 53_120);
    for (name, parameters) in [
        ("fasterrcnn_resnet50_fpn", 41_755_286),
        ("fasterrcnn_resnet50_fpn_v2", 43_712_278),
        ("maskrcnn_resnet50_fpn_v2", 46_359_409),
        ("retinanet_resnet50_fpn", 34_014_999),
        ("retinanet_resnet50_fpn_v2", 38_198_935),
    ] {
        assert_eq!(count(&by_name(name)), parameters, "{name}");
    }
}

/// Planned memory of a step of Mask R-CNN ResNet-50-FPN on 512x512 pixels: near its lower bound, within the bindings of a software device, and less
/// with activations computed again.
#[test]
fn a_step_of_the_large_mask_rcnn_is_planned_near_its_lower_bound() {
    let gpu = &own_gpu();
    let plan = |checkpoint: bool| {
        let change = serde_json::json!({"backbone": {"checkpoint": checkpoint, "trainable": 5, "norm": {"eval": {}}}});
        let network =
            InstanceNet::by_name("maskrcnn_resnet50_fpn", 90).and_then(|n| n.changed(change)).expect("a network");
        let names = (0..90).map(|i| format!("class {i}")).collect();
        let model = InstanceModel::new(network, names, RcnnTransform::default()).expect("a model");
        let run = InstanceRun { model, batch: 1, settings: TrainSettings::default(), start: BTreeMap::new() };
        let step = run.step_graph([512, 512], 64).expect("a graph");
        Plan::new(gpu, &step.graph, &[step.loss, step.norm], Options::default()).expect("fits").memory
    };
    let (plain, checkpointed) = (plan(false), plan(true));
    for memory in [&plain, &checkpointed] {
        assert!(memory.peak as f64 <= 1.15 * memory.lower_bound as f64, "{} over {}", memory.peak, memory.lower_bound);
    }
    assert!(checkpointed.peak < plain.peak, "{} with checkpoints, {} without", checkpointed.peak, plain.peak);
}

/// Masks end where their picture ends: what lies beside it on the canvas is not learnt from, even by regions that touch the edge.
#[test]
fn masks_beside_the_picture_are_not_learnt_from() {
    let gpu = &own_gpu();
    let run = run(small("maskrcnn_micro"), 1);
    let step = run.step_graph([64, 64], 4).expect("a graph");
    let variables = Variables::new(gpu);
    initialise(&variables, run.model.specs(), 3).expect("fits");
    let (_, loss) = step.parts.iter().find(|(name, _)| name == "loss_mask").expect("a named loss");
    let mut exec = Executable::new(&step.graph, &[("loss_mask", *loss)], &variables).expect("fits");
    let source = InstanceSource {
        transform: RcnnTransform { min_size: 48, max_size: 48, canvas: Some([64, 64]), ..run.model.transform.clone() },
        augment: InstanceAugment::default(),
        ..source(&run, 8)
    };
    // Picture 7 has an object at its right edge.
    let sample = |_| source.sample(7, &mut Rng::new(0)).expect("drawn");
    let batch = source.collate((0..4).map(sample).collect()).expect("a batch");
    let right = batch.gt_boxes.as_f32().chunks(4).map(|b| b[2]).fold(0.0, f32::max);
    assert_eq!(right, 48.0, "an object reaches the edge of the picture, which is 48 pixels wide");
    let masks = batch.gt_masks.clone().expect("masks");
    // The second word of each row holds pixels 32 to 63: everything from 48 on is beside the picture.
    let filled =
        masks.as_u32().iter().enumerate().map(|(i, w)| if i % 2 == 1 { w | 0xffff_0000 } else { *w }).collect();
    let beside = InstanceBatch { gt_masks: Some(Tensor::u32(masks.shape(), filled)), ..batch.clone() };
    let hyper = run.settings.hyper(1);
    let mut loss = |batch: InstanceBatch| {
        let tensors = feed(batch, 1);
        let mut given: Vec<(&str, &Tensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
        given.push(("hyper", &hyper));
        // Each of the two starts from the same weights.
        for spec in run.model.specs() {
            variables.set(&spec.name, &first_value(spec, 3)).expect("same type");
        }
        exec.run(&given).and_then(|run| run.wait_for("loss_mask")).expect("runs").scalar()
    };
    let (clean, filled) = (loss(batch), loss(beside));
    assert!(clean > 0.0 && clean.to_bits() == filled.to_bits(), "{clean} and {filled}");
}

/// Regions are pooled from the levels of the pyramid proper; its extra one serves proposals alone.
#[test]
fn regions_come_from_the_four_levels_of_the_pyramid() {
    let mut graph = Graph::new();
    let pictures = inputs(&mut graph, 1, [64, 64], None).expect("new names");
    let network = InstanceNet::by_name("maskrcnn_resnet50_fpn", 1).expect("a name");
    network.detect(&mut Net::new(&mut graph, false), &pictures).expect("a network");
    let sizes = |name: &str| -> Vec<Vec<usize>> {
        let pools = graph.nodes().iter().filter(|n| matches!(&n.kind, Kind::Op(op) if op.name() == name));
        pools.map(|n| n.inputs.iter().map(|&v| graph.shape(v)[1]).collect()).collect()
    };
    // Heights of the maps, then the regions and their levels.
    assert_eq!(sizes("roi_align"), [vec![16, 8, 4, 2, 1000, 1000], vec![16, 8, 4, 2, 100, 100]]);
}
