//! Any network by name, with what it takes to run it on nothing: the graph of an inference or of a training step, weights, and made-up pictures and
//! labels. Summaries, benchmarks and profiles are about these.

use super::train::{StepGraph, TrainSettings, training_graph};
use super::train_detection::DetectionRun;
use super::train_instances::{InstanceRun, usual_optimizer};
use super::train_segmentation::{add_loss, usual_loss};
use super::{DetectionModel, InstanceModel};
use crate::data::resize::RcnnTransform;
use crate::detection::select::select_detections;
use crate::gpu::Gpu;
use crate::graph::{Executable, Graph, Kind, Node, Precision, Variables};
use crate::models::classifier::Classifier;
use crate::models::darknet::Darknet;
use crate::models::instance::{IMAGES, InstanceNet, PROPOSALS, SIZES, inputs};
use crate::models::unet::UNet;
use crate::nn::{Net, ParameterSpec, initialise};
use crate::ops::Value;
use crate::optim::Rate;
use crate::tensor::{DType, Tensor, TensorType};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Any network there is.
#[derive(Clone, Debug)]
pub enum Network {
    /// Segments.
    UNet(UNet),
    /// Detects.
    Darknet(Box<Darknet>),
    /// Detects, perhaps with masks.
    Instances(Box<InstanceNet>),
    /// Names what a picture shows.
    Classifier(Classifier),
}

/// Room for true boxes in a training step.
const BOXES: usize = 64;
/// Regions given to Fast R-CNN, as many as it was published with.
const REGIONS: usize = 2000;

impl Network {
    /// Height and width that it was made for.
    pub fn size(&self) -> [usize; 2] {
        match self {
            Self::UNet(_) => [512, 512],
            Self::Instances(_) => [800, 800],
            Self::Darknet(network) => network.size(),
            Self::Classifier(_) => [224, 224],
        }
    }

    /// Adds the network to a graph with `n` pictures of height and width `size`: what is to be read from it. A Darknet network's raw heads; what it
    /// finds in them is not part of this.
    pub fn build(&self, net: &mut Net<'_>, n: usize, [h, w]: [usize; 2]) -> Result<Vec<Value>> {
        let images = |graph: &mut Graph, c: usize| graph.input(IMAGES, TensorType::f32([n, h, w, c]));
        match self {
            Self::UNet(unet) => {
                let images = images(net.graph, unet.in_channels)?;
                Ok(vec![unet.build(net, images)?])
            }
            Self::Classifier(network) => {
                let images = images(net.graph, 3)?;
                Ok(vec![network.build(net, images)?])
            }
            Self::Darknet(network) => {
                let images = images(net.graph, network.channels())?;
                let outputs = network.build_all(net, images)?;
                let heads: Vec<Value> = outputs.heads.iter().map(|head| head.value).collect();
                Ok(if heads.is_empty() { vec![outputs.last] } else { heads })
            }
            Self::Instances(network) => {
                let pictures = inputs(net.graph, n, [h, w], network.takes_proposals().then_some(REGIONS))?;
                let found = network.detect(net, &pictures)?;
                Ok(found.detections.named().map(|(_, value)| value).into_iter().chain(found.masks).collect())
            }
        }
    }

    /// The graph of one training step on `batch` pictures, as `wgvision train` makes it; a classifier's with SGD. In f16 its precision is mixed.
    pub fn step(&self, batch: usize, size: [usize; 2], precision: Precision) -> Result<StepGraph> {
        let start = Default::default();
        match self {
            Self::UNet(unet) => {
                let mut graph = Graph::new();
                let outputs = self.build(&mut Net::new(&mut graph, true), batch, size)?;
                let loss = add_loss(&mut graph, &usual_loss(unet.classes), outputs[0])?;
                training_graph(graph, loss, &settings(self, precision))
            }
            Self::Classifier(network) => {
                let mut graph = Graph::new();
                let images = graph.input(IMAGES, TensorType::f32([batch, size[0], size[1], 3]))?;
                let loss = network.loss(&mut Net::new(&mut graph, true), images)?;
                training_graph(graph, loss, &settings(self, precision))
            }
            Self::Darknet(network) => {
                let model = DetectionModel::new((**network).clone(), network.default_names())?;
                DetectionRun { model, batch, settings: settings(self, precision), start }.step_graph(size, BOXES)
            }
            Self::Instances(network) => {
                let names = (0..network.classes()).map(|i| format!("class {i}")).collect();
                let model = InstanceModel::new((**network).clone(), names, RcnnTransform::default())?;
                InstanceRun { model, batch, settings: settings(self, precision), start }.step_graph(size, BOXES)
            }
        }
    }

    /// Its parameters and states for pictures of a size: connected layers depend on it.
    pub fn specs(&self, size: [usize; 2]) -> Result<Vec<ParameterSpec>> {
        let mut graph = Graph::new();
        let mut net = Net::new(&mut graph, false);
        self.build(&mut net, 1, size)?;
        Ok(net.specs)
    }

    /// Compiles an inference, the choice of detections included, or a training step, with random weights.
    pub fn compile(
        &self,
        gpu: &Gpu,
        train: bool,
        batch: usize,
        size: [usize; 2],
        precision: Precision,
    ) -> Result<Ready> {
        let variables = Variables::new(gpu);
        initialise(&variables, &self.specs(size)?, 1)?;
        if train {
            let step = self.step(batch, size, precision)?;
            step.start_scale(&variables)?;
            let executable = step.compile(&variables)?;
            return Ok(Ready { executable, inputs: self.made_inputs(&step.graph, size) });
        }
        let mut graph = Graph::new();
        let outputs = self.detections(&mut graph, batch, size)?;
        let names: Vec<String> = (0..outputs.len()).map(|i| format!("output {i}")).collect();
        let named: Vec<(&str, Value)> = names.iter().map(String::as_str).zip(outputs).collect();
        let executable = Executable::for_inference(&graph, &named, &variables, precision)?;
        Ok(Ready { executable, inputs: self.made_inputs(&graph, size) })
    }

    /// What `wgvision detect` or `segment` asks of a picture.
    fn detections(&self, graph: &mut Graph, n: usize, size: [usize; 2]) -> Result<Vec<Value>> {
        match self {
            Self::Darknet(network) if !network.heads().is_empty() => {
                let model = DetectionModel::new((**network).clone(), network.default_names())?;
                let images = graph.input(IMAGES, TensorType::f32([n, size[0], size[1], 3]))?;
                let (boxes, scores) = model.build_decoded(graph, images)?;
                let select = super::DetectorModel::from(model).usual_selection();
                let found = select_detections(graph, boxes, scores, &select)?;
                Ok(found.named().map(|(_, value)| value).to_vec())
            }
            _ => self.build(&mut Net::new(graph, false), n, size),
        }
    }

    /// A tensor for every input: pictures that are a pattern, two objects in each.
    fn made_inputs(&self, graph: &Graph, size: [usize; 2]) -> Vec<(String, Tensor)> {
        let inputs = graph.nodes().iter().filter(|n| matches!(n.kind, Kind::Input));
        inputs.map(|node| (node.name.clone(), made(node, size, &settings(self, Precision::F32)))).collect()
    }
}

/// Rates so small that random weights stay as they are, however often a step is repeated.
fn settings(network: &Network, precision: Precision) -> TrainSettings {
    let usual = TrainSettings { rate: Rate::constant(1e-9), precision: precision.into(), ..TrainSettings::default() };
    match network {
        Network::UNet(_) | Network::Darknet(_) => usual,
        _ => TrainSettings { optimizer: usual_optimizer(), ..usual },
    }
}

/// Corners of the objects in a picture, as shares of its width and height.
const OBJECTS: [[f32; 4]; 2] = [[0.03, 0.03, 0.31, 0.31], [0.16, 0.19, 0.62, 0.69]];

fn made(node: &Node, [h, w]: [usize; 2], settings: &TrainSettings) -> Tensor {
    let ty = &node.outputs[0];
    let shape = &ty.shape;
    let scaled = |[x0, y0, x1, y1]: [f32; 4]| [x0 * w as f32, y0 * h as f32, x1 * w as f32, y1 * h as f32];
    // Values of the objects of each picture, then `rest`.
    let listed = |objects: Vec<f32>, rest: f32| {
        let each = shape[1..].iter().product::<usize>();
        let one = |i: usize| objects.get(i % each).copied().unwrap_or(rest);
        (0..ty.elements()).map(one).collect::<Vec<f32>>()
    };
    let centred = |[x0, y0, x1, y1]: [f32; 4]| [(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0];
    let whole = |values: Vec<f32>| values.into_iter().map(|v| v as i32).collect();
    match node.name.as_str() {
        "hyper" => settings.hyper(1),
        IMAGES => Tensor::f32(shape, (0..ty.elements()).map(|i| (i * 37 % 101) as f32 / 101.0).collect()),
        SIZES => Tensor::f32(shape, (0..ty.elements()).map(|i| if i % 2 == 0 { h as f32 } else { w as f32 }).collect()),
        "boxes" => Tensor::f32(shape, listed(OBJECTS.map(centred).concat(), 0.0)),
        "classes" => Tensor::i32(shape, whole(listed(vec![0.0; 2], -1.0))),
        "gt_boxes" => Tensor::f32(shape, listed(OBJECTS.map(scaled).concat(), 0.0)),
        "gt_labels" => Tensor::i32(shape, whole(listed(vec![1.0; 2], -1.0))),
        "gt_masks" => Tensor::u32(shape, vec![0x00ff_ff00; ty.elements()]),
        PROPOSALS => {
            let objects = shape[1] / 2;
            Tensor::f32(
                shape,
                listed(std::iter::repeat_n(OBJECTS.map(scaled), objects).flatten().flatten().collect(), 0.0),
            )
        }
        _ if ty.dtype == DType::F32 => Tensor::f32(shape, (0..ty.elements()).map(|i| (i / 3 % 2) as f32).collect()),
        _ => Tensor::zeros(ty),
    }
}

/// What is done with a network: what reports call it.
pub fn pass_name(train: bool, precision: Precision) -> &'static str {
    match (train, precision) {
        (false, Precision::F32) => "inference",
        (true, Precision::F32) => "training step",
        (false, Precision::F16) => "inference in f16",
        (true, Precision::F16) => "mixed training step",
    }
}

/// A compiled network and what to give it.
pub struct Ready {
    /// The program.
    pub executable: Executable,
    /// A tensor for every input.
    pub inputs: Vec<(String, Tensor)>,
}

/// Runs after which the scale of a mixed step's loss, halved after each that overflows, has come down from its first value far below 1.
const SCALES: usize = 32;

impl Ready {
    /// Runs until the gradients of a training step are finite: a mixed step begins with a high scale of its loss. Fails if they never are.
    pub fn settle(&mut self) -> Result<()> {
        for _ in 0..SCALES {
            if self.run()?.remove("norm").is_none_or(|norm| norm.scalar().is_finite()) {
                return Ok(());
            }
        }
        Err(Error::Device(format!("the gradients of {SCALES} steps were not finite")))
    }

    /// One run, all of whose results are read.
    pub fn run(&mut self) -> Result<BTreeMap<String, Tensor>> {
        let (executable, inputs) = self.parts();
        executable.run(&inputs)?.wait()
    }

    /// The inputs as runs take them, beside the program.
    pub fn parts(&mut self) -> (&mut Executable, Vec<(&str, &Tensor)>) {
        (&mut self.executable, self.inputs.iter().map(|(name, t)| (name.as_str(), t)).collect())
    }
}
