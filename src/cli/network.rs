//! Networks as commands are given them: `--arch NAME` with a configuration, or `--model FILE`; and their graphs, of inference or of a training step.

use super::parse_size;
use crate::data::resize::RcnnTransform;
use crate::engine::train::{TrainSettings, training_graph};
use crate::engine::train_detection::DetectionRun;
use crate::engine::train_instances::{InstanceRun, usual_optimizer};
use crate::engine::train_segmentation::{add_loss, usual_loss};
use crate::engine::{DetectionModel, InstanceModel, SegmentationModel, detection_model, instance_model};
use crate::graph::Graph;
use crate::models::darknet::Darknet;
use crate::models::instance::{self, IMAGES, InstanceNet, inputs};
use crate::models::unet::UNet;
use crate::nn::Net;
use crate::ops::Value;
use crate::tensor::TensorType;
use crate::weights::TensorFile;
use crate::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct NetworkArgs {
    /// Architecture of `wgvision models`, or a Darknet .cfg file.
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "model")]
    pub arch: Option<String>,
    /// A trained model.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Classes of a built-in detector (default: as it was published).
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
    /// Configuration as a JSON object, or @FILE: all of unet's; what differs from the built-in one for R-CNN and RetinaNet.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    config: String,
    /// Height and width of the pictures (default: the network's own; unet: 512; R-CNN and RetinaNet: 800).
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    size: Option<[usize; 2]>,
    /// Pictures at a time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: usize,
}

/// What was read of a network before it is made ready to run.
pub struct Built {
    pub network: Network,
    /// Height and width of the pictures.
    pub size: [usize; 2],
    /// The network's own nodes.
    pub graph: Graph,
    pub outputs: Vec<Value>,
    /// Elements of its trained tensors.
    pub parameters: u64,
    batch: usize,
}

impl NetworkArgs {
    /// The network's nodes, in training mode or not.
    pub fn build(&self, train: bool) -> Result<Built> {
        let network = network(self)?;
        let size = self.size.unwrap_or(network.size());
        let mut graph = Graph::new();
        let mut net = Net::new(&mut graph, train && !matches!(network, Network::Instances(_)));
        let outputs = network.build(&mut net, self.batch, size)?;
        let parameters = net.specs.iter().filter(|s| !s.buffer).map(|s| s.ty.elements() as u64).sum();
        Ok(Built { network, size, graph, outputs, parameters, batch: self.batch })
    }
}

impl Built {
    /// The graph that runs, and what is read from it: fused, for inference.
    pub fn inference(self) -> Result<(Graph, Vec<Value>)> {
        self.graph.fused(&self.outputs)
    }

    /// The graph of a training step as its own program would run it, and what is read from it.
    pub fn training(self) -> Result<(Graph, Vec<Value>)> {
        let Self { network, size: [h, w], mut graph, outputs, batch, .. } = self;
        let start = Default::default();
        let step = match network {
            Network::UNet(unet) => {
                let loss = add_loss(&mut graph, &usual_loss(unet.classes), outputs[0])?;
                training_graph(graph, loss, &TrainSettings::default())?
            }
            Network::Instances(network) => {
                let names = (0..network.classes()).map(|i| format!("class {i}")).collect();
                let model = InstanceModel::new(*network, names, RcnnTransform::default())?;
                let settings = TrainSettings { optimizer: usual_optimizer(), ..TrainSettings::default() };
                InstanceRun { model, batch, settings, start }.step_graph([h, w], BOXES)?
            }
            Network::Darknet(darknet) => {
                let names = darknet.default_names();
                let model = DetectionModel::new(*darknet, names)?;
                let settings = TrainSettings::default();
                DetectionRun { model, batch, settings, start }.step_graph([h, w], BOXES)?
            }
        };
        Ok((step.graph, vec![step.loss, step.norm]))
    }
}

/// Room for true boxes in a training step that is only planned.
const BOXES: usize = 64;
/// Room for regions given to Fast R-CNN, as many as it was published with.
const REGIONS: usize = 2000;
/// Classes of torchvision's networks, as many as COCO has numbers.
const COCO: usize = 90;

/// What can be named.
pub enum Network {
    UNet(UNet),
    Darknet(Box<Darknet>),
    Instances(Box<InstanceNet>),
}

impl Network {
    fn size(&self) -> [usize; 2] {
        match self {
            Self::UNet(_) => [512, 512],
            Self::Instances(_) => [800, 800],
            Self::Darknet(network) => network.size(),
        }
    }

    /// Adds the network to a graph with `n` pictures of height and width `size`: what is to be read from it.
    fn build(&self, net: &mut Net<'_>, n: usize, [h, w]: [usize; 2]) -> Result<Vec<Value>> {
        let images = |graph: &mut Graph, c: usize| graph.input(IMAGES, TensorType::f32([n, h, w, c]));
        match self {
            Self::UNet(unet) => {
                let images = images(net.graph, unet.in_channels)?;
                Ok(vec![unet.build(net, images)?])
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
}

fn network(args: &NetworkArgs) -> Result<Network> {
    if let Some(path) = &args.model {
        let file = TensorFile::read(path)?;
        return Ok(match file.metadata.get("architecture").map(String::as_str) {
            Some(detection_model::ARCHITECTURE) => {
                Network::Darknet(Box::new(DetectionModel::from_metadata(path, &file)?.network))
            }
            Some(instance_model::ARCHITECTURE) => {
                Network::Instances(Box::new(InstanceModel::from_metadata(path, &file)?.network))
            }
            _ => Network::UNet(SegmentationModel::from_metadata(path, &file)?.unet),
        });
    }
    match args.arch.as_deref() {
        Some("unet") => {
            let json = super::json_argument("--config", &args.config)?;
            serde_json::from_value(json).map(Network::UNet).map_err(|e| Error::Usage(format!("--config: {e}")))
        }
        Some(name) if instance::named(name, 1).is_some() => {
            let network = InstanceNet::by_name(name, args.classes.unwrap_or(COCO))?;
            Ok(Network::Instances(Box::new(super::changed(&network, "--config", &args.config)?)))
        }
        Some(name) => super::darknet(name, args.classes, args.size).map(|d| Network::Darknet(Box::new(d))),
        None => Err(Error::Usage("--arch NAME or --model FILE is needed".into())),
    }
}
