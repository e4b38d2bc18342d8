//! Backbones against torchvision's, which `tools/make_backbone_goldens.py` ran in float64 on weights by formula: names and shapes of the
//! state dict, feature maps, gradients, running statistics; then fusing, and weights to a file and back.
//!
//! A projection is the sum of a tensor's elements under random signs: eight of them and the norm stand for the whole tensor.

use crate::harness::gpu;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wgvision::graph::{Executable, Graph, Kind, Options, Plan, Precision, Variables};
use wgvision::models::backbone::{BackboneConfig, BackboneKind, FpnConfig, Neck};
use wgvision::nn::{Net, Norm, ParameterSpec, formula, initialise};
use wgvision::ops::Value;
use wgvision::tensor::layout::Layout;
use wgvision::tensor::{Shape, Tensor, TensorType};
use wgvision::weights::{TensorFile, torchvision};

/// Agreement asked of features, relative to their rms.
const FEATURES: f64 = 1e-4;
/// Agreement asked of gradients, relative to their norm.
const GRADIENTS: f64 = 1e-3;

#[derive(Deserialize)]
struct Golden {
    config: BackboneConfig,
    input: [usize; 4],
    images: String,
    training: bool,
    state_dict: BTreeMap<String, Vec<usize>>,
    features: Vec<Feature>,
    gradients: BTreeMap<String, Summary>,
    running: BTreeMap<String, Summary>,
}

#[derive(Deserialize)]
struct Feature {
    shape: Vec<usize>,
    samples: Vec<f64>,
    #[serde(flatten)]
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    norm: f64,
    projections: Vec<f64>,
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("kernels-tests/models/backbone/{name}.json"));
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
    }
}

impl Summary {
    /// Norm and projections of `name` (in files' order of elements) agree within `tolerance` of the norm.
    fn assert_close(&self, name: &str, got: &Tensor, tolerance: f64) {
        let values: Vec<f64> = got.as_f32().iter().map(|&v| f64::from(v)).collect();
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        let allowed = tolerance * self.norm;
        assert!(self.norm > 0.0, "{name} is not all zero");
        assert!((norm - self.norm).abs() <= allowed, "{name}: norm {norm}, expected {}", self.norm);
        for (k, expected) in self.projections.iter().enumerate() {
            let signs = formula::uniform(&format!("{name}#{k}"), values.len());
            let found: f64 = values.iter().zip(signs).map(|(v, u)| if u < 0.0 { -v } else { *v }).sum();
            assert!(
                (found - expected).abs() <= allowed,
                "{name}: projection {k} is {found}, expected {expected}, norm {norm}"
            );
        }
    }
}

impl Feature {
    fn assert_close(&self, name: &str, got: &Tensor) {
        assert_eq!(got.shape().to_vec(), self.shape, "{name}");
        let n = got.as_f32().len();
        let rms = self.summary.norm / (n as f64).sqrt();
        let count = self.samples.len();
        for (i, expected) in self.samples.iter().enumerate() {
            let at = i * n / count;
            let found = f64::from(got.as_f32()[at]);
            assert!(
                (found - expected).abs() <= FEATURES * rms,
                "{name}[{at}]: {found}, expected {expected}, rms {rms}"
            );
        }
        self.summary.assert_close(name, got, FEATURES);
    }
}

/// A tensor of PyTorch's `shape` from the hash that both sides compute, in the device's layout.
fn hashed(name: &str, shape: &[usize], scale: f64) -> Tensor {
    let values = formula::uniform(name, shape.iter().product()).map(|u| (u * scale) as f32).collect();
    Layout::Image.import(&Tensor::f32(shape, values))
}

/// A backbone on the device, its weights by formula.
struct Made {
    graph: Graph,
    maps: Vec<Value>,
    specs: Vec<ParameterSpec>,
    variables: Variables,
    images: Tensor,
}

fn make(golden: &Golden) -> Made {
    let mut graph = Graph::new();
    let images = hashed(&golden.images, &golden.input, 4.0);
    let x = graph.input("images", images.ty()).unwrap();
    let mut net = Net::new(&mut graph, golden.training);
    let maps = golden.config.build(&mut net, x).unwrap();
    let specs = net.specs;
    let variables = Variables::new(gpu());
    formula::fill(&variables, &specs, &[]).unwrap();
    Made { graph, maps, specs, variables, images }
}

fn map_names(maps: &[Value]) -> Vec<String> {
    (0..maps.len()).map(|i| format!("map {i}")).collect()
}

fn assert_features(golden: &Golden, results: &BTreeMap<String, Tensor>) {
    for (i, feature) in golden.features.iter().enumerate() {
        let name = format!("map {i}");
        feature.assert_close(&name, &Layout::Image.export(&results[&name]));
    }
}

/// Everything that a golden file holds.
fn compare(name: &str) {
    let golden = Golden::read(name);
    let Made { mut graph, maps, specs, variables, images } = make(&golden);
    assert_eq!(maps.len(), golden.features.len());
    let exported = torchvision::export(&specs, &variables.snapshot().unwrap(), 0);
    let shapes: BTreeMap<String, Vec<usize>> = exported.iter().map(|(k, t)| (k.clone(), t.shape().to_vec())).collect();
    assert_eq!(shapes, golden.state_dict, "{name}: a state dict that loads strictly");

    let mut outputs: Vec<(String, Value)> = map_names(&maps).into_iter().zip(maps.iter().copied()).collect();
    if !golden.gradients.is_empty() {
        let seeds: Vec<(Value, Value)> = maps
            .iter()
            .zip(&golden.features)
            .enumerate()
            .map(|(i, (&map, feature))| (map, graph.constant(hashed(&format!("weights {i}"), &feature.shape, 1.0))))
            .collect();
        let parameters = graph.parameters();
        let names: BTreeSet<&str> = parameters.iter().map(|&p| graph.name(p)).collect();
        assert_eq!(names, golden.gradients.keys().map(String::as_str).collect(), "{name}: what is trained");
        let found = graph.gradients_from(&seeds, &parameters).unwrap();
        let named = parameters.iter().zip(found).map(|(&p, g)| (graph.name(p).to_string(), g.expect("a path")));
        outputs.extend(named);
    }
    let named: Vec<(&str, Value)> = outputs.iter().map(|(name, v)| (name.as_str(), *v)).collect();
    let mut exec = Executable::new(&graph, &named, &variables).unwrap();
    let results = exec.run(&[("images", &images)]).unwrap().wait().unwrap();
    let results: BTreeMap<String, Tensor> = results.into_iter().collect();
    assert_features(&golden, &results);
    for (parameter, expected) in &golden.gradients {
        let spec = specs.iter().find(|s| s.name == *parameter).expect("a parameter");
        expected.assert_close(parameter, &spec.layout.export(&results[parameter]), GRADIENTS);
    }
    for (state, expected) in &golden.running {
        expected.assert_close(state, &variables.get(state).unwrap(), FEATURES);
    }
}

#[test]
fn resnet18_with_a_pyramid_is_torchvisions() {
    compare("resnet18_fpn");
}

#[test]
fn resnet18_in_training_is_torchvisions() {
    compare("resnet18_v2");
}

#[test]
fn resnet18_to_one_level_is_torchvisions() {
    compare("resnet18_c4");
}

#[test]
fn resnet34_is_torchvisions() {
    compare("resnet34_c5");
}

#[test]
fn resnet50_with_a_pyramid_is_torchvisions() {
    compare("resnet50_fpn");
}

#[test]
fn resnet50_with_retinanets_pyramid_is_torchvisions() {
    compare("resnet50_retinanet");
}

#[test]
fn vgg16_is_torchvisions() {
    compare("vgg16");
}

#[test]
fn for_inference_only_convolutions_and_pools_are_left() {
    for name in ["resnet18_fpn", "resnet50_retinanet"] {
        let golden = Golden::read(name);
        let Made { graph, maps, variables, images, .. } = make(&golden);
        let (fused, moved) = graph.fused(&maps).unwrap();
        let plan = Plan::new(gpu(), &fused, &moved, Options::default()).unwrap();
        let mut left = BTreeMap::new();
        for node in plan.nodes() {
            if let Kind::Op(op) = &fused.nodes()[node].kind {
                *left.entry(op.name()).or_insert(0) += 1;
            }
        }
        let norms = left.remove("fold_batch_norm");
        assert_eq!(norms, Some(if name == "resnet18_fpn" { 20 } else { 53 }));
        // P6 is a result and what the rectifier before P7 reads.
        let rectifiers = if name == "resnet18_fpn" { None } else { Some(1) };
        assert_eq!(left.remove("relu"), rectifiers);
        let names: Vec<&str> = left.into_keys().collect();
        let pool = if name == "resnet18_fpn" { vec!["slice"] } else { vec![] };
        assert_eq!(names, [vec!["conv2d", "max_pool2d", "resize"], pool].concat(), "{name}");

        let names = map_names(&maps);
        let named: Vec<(&str, Value)> = names.iter().map(String::as_str).zip(maps.iter().copied()).collect();
        let mut exec = Executable::for_inference(&graph, &named, &variables, Precision::F32).unwrap();
        let results = exec.run(&[("images", &images)]).unwrap().wait().unwrap();
        assert_features(&golden, &results.into_iter().collect());
    }
}

#[test]
fn a_frozen_stage_costs_no_backward_pass() {
    let steps = |trainable: usize| {
        let config = BackboneConfig {
            kind: BackboneKind::ResNet18,
            width: 8,
            trainable,
            neck: Neck::Level(5),
            ..Default::default()
        };
        let mut graph = Graph::new();
        let x = graph.input("images", TensorType::f32([1, 64, 64, 3])).unwrap();
        let map = config.build(&mut Net::new(&mut graph, true), x).unwrap()[0];
        let seed = graph.constant(Tensor::full(graph.shape(map), 1.0));
        let parameters = graph.parameters();
        let found: Vec<Value> = graph
            .gradients_from(&[(map, seed)], &parameters)
            .unwrap()
            .into_iter()
            .map(|g| g.expect("a path"))
            .collect();
        let plan = Plan::new(gpu(), &graph, &found, Options::default()).unwrap();
        let gradients = |stage: &str| {
            plan.nodes().filter(|&n| graph.nodes()[n].name.starts_with(&format!("grad(backbone.body.{stage}"))).count()
        };
        ["conv1", "layer1", "layer2", "layer3", "layer4"].map(|stage| gradients(stage) > 0)
    };
    assert_eq!(steps(1), [false, false, false, false, true]);
    assert_eq!(steps(3), [false, false, true, true, true]);
    assert_eq!(steps(5), [true; 5]);
}

fn small(kind: BackboneKind, norm: Norm) -> (Vec<ParameterSpec>, Variables) {
    let neck = match kind {
        BackboneKind::Vgg16 => Neck::Level(4),
        _ => Neck::Fpn(FpnConfig { channels: 8, ..Default::default() }),
    };
    let config = BackboneConfig { kind, width: 4, norm, trainable: 5, checkpoint: false, neck };
    let mut graph = Graph::new();
    let x = graph.input("images", TensorType::f32([1, 32, 32, 3])).unwrap();
    let mut net = Net::new(&mut graph, false);
    config.build(&mut net, x).unwrap();
    let specs = net.specs;
    let variables = Variables::new(gpu());
    initialise(&variables, &specs, 1).unwrap();
    (specs, variables)
}

/// A state dict as a classifier has it: the body's tensors without prefix, and `fc`.
fn classifier(specs: &[ParameterSpec]) -> TensorFile {
    let prefix = "backbone.body.";
    let body = specs.iter().filter_map(|s| s.name.strip_prefix(prefix).map(|name| (name.to_string(), s)));
    let mut tensors: BTreeMap<String, Tensor> = body
        .map(|(name, s)| {
            let t = formula::value(&name, &s.file_type().shape, false);
            (name, t)
        })
        .collect();
    tensors.insert("fc.weight".into(), Tensor::full([10, 32], 0.0));
    TensorFile { tensors, ..Default::default() }
}

#[test]
fn weights_go_to_a_file_and_back() {
    let (specs, variables) = small(BackboneKind::ResNet50, Norm::TRAIN);
    let before = variables.snapshot().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    TensorFile { tensors: torchvision::export(&specs, &before, 5), ..Default::default() }.write(&path).unwrap();
    let file = TensorFile::read(&path).unwrap();
    assert_eq!(file.tensors.keys().filter(|name| name.ends_with("num_batches_tracked")).count(), 53);
    let (specs, fresh) = small(BackboneKind::ResNet50, Norm::FROZEN);
    let matched = torchvision::match_names(&path, &file, &specs, torchvision::Part::Whole).unwrap();
    matched.set(&fresh).unwrap();
    assert_eq!(fresh.snapshot().unwrap(), before);
}

#[test]
fn a_classifiers_weights_start_a_backbone() {
    let (specs, variables) = small(BackboneKind::ResNet18, Norm::FROZEN);
    let before = variables.snapshot().unwrap();
    let part = torchvision::Part::Under("backbone.body.");
    let matched = torchvision::match_names(Path::new("m"), &classifier(&specs), &specs, part).unwrap();
    matched.set(&variables).unwrap();
    assert_eq!(matched.passed_over, ["fc.weight"]);
    let after = variables.snapshot().unwrap();
    let (body, rest): (Vec<_>, Vec<_>) = after.iter().partition(|(name, _)| name.starts_with("backbone.body."));
    assert!(body.iter().all(|(name, value)| before[*name] != **value), "every tensor of the body was set");
    assert!(!rest.is_empty() && rest.iter().all(|(name, value)| before[*name] == **value), "the pyramid was not");
}

#[test]
fn weights_of_another_architecture_are_refused_with_their_differences() {
    let part = torchvision::Part::Under("backbone.body.");
    let (resnet18, _) = small(BackboneKind::ResNet18, Norm::FROZEN);
    let refused = |kind: BackboneKind| {
        let (specs, variables) = small(kind, Norm::FROZEN);
        let before = variables.snapshot().unwrap();
        let found = torchvision::match_names(Path::new("w.safetensors"), &classifier(&specs), &resnet18, part);
        assert_eq!(variables.snapshot().unwrap(), before);
        found.expect_err("refused").to_string()
    };
    let message = refused(BackboneKind::ResNet34);
    assert!(message.contains("80 tensors that the network does not know: layer1.2.bn1.bias"), "{message}");
    assert!(message.ends_with("and 70 more"), "{message}");
    let message = refused(BackboneKind::ResNet50);
    assert!(message.contains("layer1.0.conv3.weight"), "{message}");
    let message = refused(BackboneKind::Vgg16);
    assert!(
        message.contains("100 tensors missing: backbone.body.conv1.weight") && !message.contains('\n'),
        "{message}"
    );
}

#[test]
fn a_state_dict_of_another_width_names_both_shapes() {
    let (specs, _) = small(BackboneKind::ResNet18, Norm::FROZEN);
    let mut file = classifier(&specs);
    file.tensors.insert("conv1.weight".into(), Tensor::full(Shape::from([64, 3, 7, 7]), 0.0));
    let part = torchvision::Part::Under("backbone.body.");
    let message = torchvision::match_names(Path::new("m"), &file, &specs, part).expect_err("refused").to_string();
    assert!(message.contains("'backbone.body.conv1.weight'") && message.contains("(4, 3, 7, 7)"), "{message}");
    assert!(message.contains("(64, 3, 7, 7)"), "{message}");
}
