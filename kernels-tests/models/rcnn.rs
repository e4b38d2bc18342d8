//! R-CNN and RetinaNet against torchvision: whole networks with weights by formula, in inference and in training.
//! `tools/make_rcnn_goldens.py` says what the files hold.

use crate::harness::gpu;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wgvision::data::instances::{InstanceAugment, InstanceBatch, InstanceSource};
use wgvision::data::labelled::{LabelledPicture, LabelledPictures};
use wgvision::data::loader::Source;
use wgvision::data::resize::RcnnTransform;
use wgvision::data::rng::Rng;
use wgvision::detection::truth::Chance;
use wgvision::detection::{BBox, Labelled, Mask};
use wgvision::engine::train_instances::{feed, truth_inputs};
use wgvision::engine::{Detector, InstanceModel};
use wgvision::graph::{Executable, Graph, Variables};
use wgvision::models::instance::{InstanceNet, inputs};
use wgvision::nn::{Net, ParameterSpec, formula};
use wgvision::ops::Value;
use wgvision::ops::add::Add;
use wgvision::tensor::{Tensor, TensorType};
use wgvision::weights::TensorFile;

/// One file of golden vectors.
struct Golden {
    path: PathBuf,
    file: TensorFile,
    config: Json,
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("kernels-tests/rcnn/{name}.safetensors"));
        let file = TensorFile::read(&path).expect("a golden file");
        let config = serde_json::from_str(file.metadata.get("config").map_or("null", String::as_str)).expect("JSON");
        Self { path, file, config }
    }

    fn get(&self, name: &str) -> &Tensor {
        self.file.get(&self.path, name).unwrap_or_else(|e| panic!("{e}"))
    }

    fn cases(&self) -> BTreeMap<String, Vec<String>> {
        serde_json::from_str(&self.file.metadata["cases"]).expect("lists of pictures")
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.config[key].as_u64().map(|v| v as usize)
    }

    /// The network, configured as the file says.
    fn model(&self) -> InstanceModel {
        let classes = self.number("num_classes").expect("given") - 1;
        let name = self.config["model"].as_str().expect("given");
        let mut network = InstanceNet::by_name(name, classes).expect("torchvision's name");
        if self.config["norm"] == "train" {
            network = network.changed(serde_json::json!({"backbone": {"norm": {"train": {}}}})).expect("a norm");
        }
        if name.ends_with("_v2") {
            network = network.changed(serde_json::json!({"backbone": {"trainable": 5}})).expect("a number of stages");
        }
        match &mut network {
            InstanceNet::Rcnn(net) => {
                let rpn = net.rpn.as_mut().expect("proposes itself");
                let set = |to: &mut usize, key: &str| *to = self.number(key).unwrap_or(*to);
                set(&mut rpn.pre_nms.inference, "rpn_pre_nms_top_n_test");
                set(&mut rpn.post_nms.inference, "rpn_post_nms_top_n_test");
                set(&mut rpn.pre_nms.training, "rpn_pre_nms_top_n_train");
                set(&mut rpn.post_nms.training, "rpn_post_nms_top_n_train");
                set(&mut rpn.sample, "rpn_batch_size_per_image");
                set(&mut net.roi.sample, "box_batch_size_per_image");
                let share = |to: &mut f64, key: &str| *to = self.config[key].as_f64().unwrap_or(*to);
                share(&mut rpn.positive_fraction, "rpn_positive_fraction");
                share(&mut net.roi.positive_fraction, "box_positive_fraction");
            }
            InstanceNet::RetinaNet(net) => {
                net.head.candidates = self.number("topk_candidates").unwrap_or(net.head.candidates);
                net.head.max_detections = self.number("detections_per_img").unwrap_or(net.head.max_detections);
            }
        }
        let (min_size, max_size) = (self.number("min_size").expect("given"), self.number("max_size").expect("given"));
        let transform = RcnnTransform { min_size, max_size, ..RcnnTransform::default() };
        let names = (0..classes).map(|i| format!("class {i}")).collect();
        InstanceModel::new(network, names, transform).expect("a network")
    }

    /// The weights, by formula, scaled and shifted as the file says.
    fn weights(&self, specs: &[ParameterSpec]) -> Variables {
        let entries = |key: &str| -> Vec<(String, f32)> {
            let object = self.config[key].as_object().expect("an object");
            object.iter().map(|(k, v)| (k.clone(), v.as_f64().expect("a number") as f32)).collect()
        };
        let scales = entries("scales");
        let scales: Vec<(&str, f32)> = scales.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        let variables = Variables::new(gpu());
        formula::fill(&variables, specs, &scales).expect("known kinds of tensors");
        let shifts = entries("shifts");
        for spec in specs {
            for (_, by) in shifts.iter().filter(|(part, _)| spec.name.contains(part.as_str())) {
                let before = variables.get(&spec.name).expect("a tensor of the network");
                let moved = before.as_f32().iter().map(|v| v + by).collect();
                variables.set(&spec.name, &Tensor::f32(before.shape(), moved)).expect("same type");
            }
        }
        variables
    }
}

fn picture(pixels: &Tensor) -> image::RgbImage {
    let shape = pixels.shape();
    let bytes = pixels.as_u32().iter().map(|&v| v as u8).collect();
    image::RgbImage::from_raw(shape[1] as u32, shape[0] as u32, bytes).expect("three channels")
}

/// Pixels of all masks of a file that may differ: those whose probability is one half but for rounding. None does on a software device.
const FLIPPED: u64 = 4;

/// Detections: count and labels the same, boxes to 0.01 pixel, scores to 1e-4, masks with an IoU of at least 0.999, or but for one pixel.
fn check_inference(name: &str) {
    let (golden, given) = (Golden::read(name), Golden::read("inputs"));
    let model = golden.model();
    let variables = golden.weights(model.specs());
    let mut detector = Detector::new(model, variables);
    let (mut most_box, mut most_score, mut least_iou) = (0.0f32, 0.0f32, 1.0f64);
    let (mut seen, mut flipped) = (0, 0);
    for (case, names) in golden.cases() {
        let pictures: Vec<_> = names.iter().map(|n| picture(given.get(n))).collect();
        let all = detector.start(&pictures.iter().collect::<Vec<_>>()).and_then(|p| p.wait()).expect("runs");
        for (i, found) in all.into_iter().enumerate() {
            let of = |what: &str| golden.get(&format!("{case}/{i}/{what}"));
            let (boxes, scores, labels) = (of("boxes").as_f32(), of("scores").as_f32(), of("labels").as_i32());
            // A detection of the class that torchvision keeps free is none here.
            let kept: Vec<usize> = (0..labels.len()).filter(|&k| labels[k] > 0).collect();
            let told: Vec<i32> = kept.iter().map(|&k| labels[k]).collect();
            let ours: Vec<i32> = found.detections.iter().map(|d| d.class as i32 + 1).collect();
            assert_eq!(ours, told, "{name} {case}/{i}: labels, best score first");
            for (d, &k) in found.detections.iter().zip(&kept) {
                let BBox { x0, y0, x1, y1 } = d.bbox;
                for (ours, theirs) in [x0, y0, x1, y1].iter().zip(&boxes[4 * k..4 * k + 4]) {
                    most_box = most_box.max((ours - theirs).abs());
                }
                most_score = most_score.max((d.score - scores[k]).abs());
            }
            // The batch of two has no masks of its own in the file: it is the same two pictures again.
            let given_masks = golden.file.tensors.contains_key(&format!("{case}/{i}/rle"));
            if let Some(masks) = found.masks.as_ref().filter(|_| given_masks) {
                let size = pictures[i].dimensions();
                assert_eq!(masks.len(), of("rle_lengths").as_i32().len(), "{name} {case}/{i}: masks");
                for (ours, theirs) in masks.iter().zip(pasted(of("rle"), of("rle_lengths"), size)) {
                    let apart = ours.area() + theirs.area() - 2 * ours.intersection(&theirs);
                    flipped += apart;
                    // A single pixel at a probability of one half is more than a thousandth of a small mask.
                    if apart > 1 {
                        least_iou = least_iou.min(ours.iou(&theirs, false));
                    }
                }
            }
            seen += kept.len();
        }
    }
    println!(
        "{name}: {seen} detections; boxes {most_box:.2e}, scores {most_score:.2e}, {flipped} pixels of masks differ, \
         least mask IoU where more than one does {least_iou:.5}"
    );
    assert!(seen > 20 && most_box <= 0.01 && most_score <= 1e-4 && least_iou >= 0.999 && flipped <= FLIPPED);
}

/// Masks from COCO's strings, one after another.
fn pasted(bytes: &Tensor, lengths: &Tensor, (width, height): (u32, u32)) -> Vec<Mask> {
    let bytes: Vec<u8> = bytes.as_u32().iter().map(|&b| b as u8).collect();
    let mut at = 0;
    let mut next = |&length: &i32| {
        let text = std::str::from_utf8(&bytes[at..at + length as usize]).expect("ASCII");
        at += length as usize;
        Mask::parse([height, width], text).expect("COCO's string")
    };
    lengths.as_i32().iter().map(&mut next).collect()
}

#[test]
fn mask_rcnn_detects_as_torchvision() {
    check_inference("maskrcnn_resnet50_fpn");
}

#[test]
fn other_networks_detect_as_torchvision() {
    for name in ["fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"] {
        check_inference(name);
    }
}

#[test]
fn second_versions_detect_as_torchvision() {
    for name in ["fasterrcnn_resnet50_fpn_v2", "maskrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2"] {
        check_inference(name);
    }
}

/// Pictures in memory.
struct Pictures {
    all: Vec<Arc<LabelledPicture>>,
    classes: Vec<String>,
}

impl LabelledPictures for Pictures {
    fn len(&self) -> usize {
        self.all.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn get(&self, index: usize) -> wgvision::Result<Arc<LabelledPicture>> {
        Ok(self.all[index].clone())
    }
}

fn labelled(given: &Golden, name: &str) -> Arc<LabelledPicture> {
    let of = |what: &str| given.get(&format!("{name}/{what}"));
    let picture = picture(of("pixels"));
    let size = [picture.height(), picture.width()];
    let (boxes, labels, masks) = (of("boxes").as_f32(), of("labels").as_i32(), of("masks").as_u32());
    let boxed = |(b, &label): (&[f32], &i32)| {
        Labelled::new(BBox { x0: b[0], y0: b[1], x1: b[2], y1: b[3] }, label as usize - 1)
    };
    let mask = |bits: &[u32]| Some(Mask::encode(&bits.iter().map(|&v| v as u8).collect::<Vec<_>>(), size));
    let pixels = (size[0] * size[1]) as usize;
    Arc::new(LabelledPicture {
        name: name.into(),
        id: 0,
        picture,
        boxes: boxes.chunks(4).zip(labels).map(boxed).collect(),
        masks: masks.chunks(pixels).map(mask).collect(),
    })
}

fn batch(given: &Golden, model: &InstanceModel, names: &[String]) -> InstanceBatch {
    let all: Vec<_> = names.iter().map(|name| labelled(given, name)).collect();
    let source = InstanceSource {
        pictures: Pictures { all, classes: model.classes.clone() },
        transform: model.transform.clone(),
        capacity: 7,
        masks: model.network.masks(),
        augment: InstanceAugment::default(),
    };
    let samples = (0..names.len()).map(|i| source.sample(i, &mut Rng::new(0)).expect("a picture")).collect();
    source.collate(samples).expect("a batch")
}

/// Norm, and projections onto signs, of a tensor in torch's order.
fn fingerprint(name: &str, values: &[f32], projections: usize) -> Vec<f64> {
    let norm = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let project = |k: usize| -> f64 {
        let signs = formula::uniform(&format!("sign{k}.{name}"), values.len());
        // u is at least 0 where the top bit is set.
        signs.zip(values).map(|(u, &v)| if u >= 0.0 { f64::from(v) } else { -f64::from(v) }).sum()
    };
    [norm].into_iter().chain((0..projections).map(project)).collect()
}

/// How far a tensor is from the one that `golden` is the fingerprint of, relative to its norm: from the norms, and from the projections, whose
/// mean square is that of the difference.
fn distance(name: &str, values: &[f32], golden: &[f32]) -> f64 {
    let ours = fingerprint(name, values, golden.len() - 1);
    let scale = f64::from(golden[0]).max(1e-12);
    let apart = |(a, &b): (&f64, &f32)| a - f64::from(b);
    let squares = ours[1..].iter().zip(&golden[1..]).map(apart).map(|d| d * d);
    let rms = (squares.sum::<f64>() / (golden.len() - 1) as f64).sqrt();
    (ours[0] - f64::from(golden[0])).abs().max(rms) / scale
}

/// One step: the named losses to 1e-4 relative, the gradient of every parameter to 1e-3 of its norm, and the running statistics after it. Where
/// torchvision's own float32 is off by more than a tenth of that, ten times as much is allowed.
fn check_training(name: &str) {
    let (golden, given) = (Golden::read(name), Golden::read("inputs"));
    let model = golden.model();
    let by_name: BTreeMap<&str, &ParameterSpec> = model.specs().iter().map(|s| (s.name.as_str(), s)).collect();
    for (case, names) in golden.cases() {
        let variables = golden.weights(model.specs());
        let batch = batch(&given, &model, &names);
        let (shape, capacity) = (batch.images.shape().clone(), batch.gt_labels.shape()[1]);
        let mut graph = Graph::new();
        let size = [shape[1], shape[2]];
        let pictures = inputs(&mut graph, shape[0], size, None).expect("new names");
        let truth = truth_inputs(&mut graph, shape[0], size, capacity, model.network.masks()).expect("new names");
        let step = graph.input("step", TensorType::u32([1])).expect("a new name");
        let mut net = Net::new(&mut graph, true);
        let losses = model.network.losses(&mut net, &pictures, &truth, &Chance { seed: 1, step }).expect("a network");
        let mut total = losses[0].1;
        for (_, part) in &losses[1..] {
            total = graph.add(Add, &[total, *part]).expect("scalars");
        }
        let parameters = graph.parameters();
        let grads = graph.gradients(total, &parameters).expect("differentiable");
        let names: Vec<String> = parameters.iter().map(|&v| graph.name(v).to_string()).collect();
        let loss_names = losses.iter().map(|(n, v)| (*n, *v));
        let outputs: Vec<(&str, Value)> = loss_names.chain(names.iter().map(String::as_str).zip(grads)).collect();
        let mut exec = Executable::new(&graph, &outputs, &variables).expect("fits");
        let feed = feed(batch, 1);
        let feed: Vec<(&str, &Tensor)> = feed.iter().map(|(n, t)| (n.as_str(), t)).collect();
        let results = exec.run(&feed).and_then(|run| run.wait()).expect("runs");

        for (loss, _) in &losses {
            let (ours, theirs) = (results[*loss].scalar(), golden.get(&format!("{case}/loss/{loss}")).as_f32()[0]);
            println!("{name} {case}: {loss} {ours} (torchvision {theirs})");
            assert!((ours - theirs).abs() <= 1e-4 * theirs.abs(), "{name} {case}: {loss} is {ours}, not {theirs}");
        }
        let prefix = format!("{case}/grad/");
        let wanted: Vec<&str> = golden.file.tensors.keys().filter_map(|k| k.strip_prefix(&prefix)).collect();
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, wanted, "{name} {case}: parameters with gradients");
        let mut worst = (0.0, "");
        for parameter in &wanted {
            let ours = by_name[parameter].layout.export(&results[*parameter]);
            let theirs = golden.get(&format!("{prefix}{parameter}")).as_f32();
            let d = distance(parameter, ours.as_f32(), theirs);
            let noise = golden.get(&format!("{case}/float32/{parameter}")).as_f32()[0] / theirs[0].max(1e-12);
            let allowed = (10.0 * f64::from(noise)).max(1e-3);
            assert!(
                d <= allowed,
                "{name} {case}: the gradient of {parameter} is off by {d:.2e}, {allowed:.2e} is allowed"
            );
            worst = if d / allowed > worst.0 { (d / allowed, *parameter) } else { worst };
        }
        println!(
            "{name} {case}: gradients of {} parameters, worst {:.2} of its bound ({})",
            wanted.len(),
            worst.0,
            worst.1
        );
        let prefix = format!("{case}/buffer/");
        for key in golden.file.tensors.keys().filter(|k| k.starts_with(&prefix)) {
            let buffer = &key[prefix.len()..];
            let after = variables.get(buffer).expect("a state");
            let d = distance(buffer, after.as_f32(), golden.get(key).as_f32());
            assert!(d <= 1e-4, "{name} {case}: {buffer} after the step is off by {d:.2e}");
        }
    }
}

#[test]
fn mask_rcnn_trains_as_torchvision() {
    check_training("train_maskrcnn");
}

#[test]
fn retinanet_trains_as_torchvision() {
    check_training("train_retinanet");
}

#[test]
fn other_networks_train_as_torchvision() {
    check_training("train_fasterrcnn");
    check_training("train_maskrcnn_norm");
}

#[test]
fn second_versions_train_as_torchvision() {
    check_training("train_maskrcnn_v2");
    check_training("train_retinanet_v2");
}
