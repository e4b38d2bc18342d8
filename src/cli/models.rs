//! `wgvision models`: what can be built.

use crate::Result;
use crate::graph::{Graph, thousands};
use crate::models::darknet::{BuiltinArgs, NAMES, builtin};
use crate::models::instance::{self, IMAGES, InstanceNet, inputs};
use crate::models::unet::{Padding, UNet};
use crate::nn::Net;
use crate::tensor::TensorType;
use clap::Args;

#[derive(Args)]
pub struct ModelsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ModelsArgs) -> Result<()> {
    let paper = UNet { in_channels: 1, classes: 2, padding: Padding::Valid, ..Default::default() };
    let small = UNet { width: 16, batch_norm: true, ..Default::default() };
    let rows = [
        ("unet (the paper's: valid padding, 2 classes)", paper, 572),
        ("unet (default: same padding, binary)", UNet::default(), 512),
        ("unet (width 16, batch norm)", small, 256),
    ];
    let mut listed = Vec::new();
    for (name, unet, side) in rows {
        let config = serde_json::to_value(&unet).expect("plain data");
        let channels = unet.in_channels;
        let build = |net: &mut Net<'_>| {
            let x = net.graph.input(IMAGES, TensorType::f32([1, side, side, channels]))?;
            unet.build(net, x).map(drop)
        };
        listed.push(Listed::new(name, "unet", [side; 2], build)?.with(config, SOURCE));
    }
    for name in NAMES {
        let published = BuiltinArgs::published(name).expect("a name of the list");
        let network = builtin(name, &published)?;
        let title = format!("{name} ({} classes)", published.classes);
        let [h, w] = network.size();
        let build = |net: &mut Net<'_>| {
            let x = net.graph.input(IMAGES, TensorType::f32([1, h, w, 3]))?;
            network.build(net, x).map(drop)
        };
        listed.push(Listed::new(&title, name, [h, w], build)?.with(serde_json::Value::Null, YOLO));
    }
    for name in instance::NAMES {
        let network = InstanceNet::by_name(name, COCO)?;
        let side = if name.ends_with("_micro") { 256 } else { 800 };
        let build = |net: &mut Net<'_>| {
            let pictures = inputs(net.graph, 1, [side; 2], network.takes_proposals().then_some(REGIONS))?;
            network.detect(net, &pictures).map(drop)
        };
        let config = serde_json::to_value(&network).expect("plain data");
        listed.push(Listed::new(&format!("{name} ({COCO} classes)"), name, [side; 2], build)?.with(config, RCNN));
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&listed).expect("plain data"));
        return Ok(());
    }
    println!("{:<46} {:>9} {:>14} {:>18}", "architecture", "size", "parameters", "multiply-adds");
    for l in &listed {
        let size = format!("{}x{}", l.size[0], l.size[1]);
        println!("{:<46} {size:>9} {:>14} {:>18}", l.name, thousands(l.parameters), thousands(l.multiply_adds));
    }
    println!("\nunet: {SOURCE}\n{YOLO}\n{RCNN}");
    println!("unet's configuration: --config '{}'", serde_json::to_string(&UNet::default()).expect("plain data"));
    println!(
        "R-CNN and RetinaNet: any of resnet18, resnet34, resnet50, resnet101 in the place of resnet50; _fpn may be left out of R-CNN"
    );
    println!("Any Darknet .cfg file is an architecture too: --arch FILE.cfg");
    Ok(())
}

/// An architecture at some size.
#[derive(serde::Serialize)]
struct Listed {
    arch: String,
    name: String,
    size: [usize; 2],
    parameters: u64,
    /// With the statistics of batch norms.
    stored_values: u64,
    multiply_adds: u64,
    config: serde_json::Value,
    source: &'static str,
}

impl Listed {
    fn new(name: &str, arch: &str, size: [usize; 2], build: impl FnOnce(&mut Net<'_>) -> Result<()>) -> Result<Self> {
        let mut graph = Graph::new();
        let mut net = Net::new(&mut graph, false);
        build(&mut net)?;
        let count = |buffers: bool| -> u64 {
            net.specs.iter().filter(|s| buffers || !s.buffer).map(|s| s.ty.elements() as u64).sum()
        };
        let (parameters, stored_values) = (count(false), count(true));
        let multiply_adds = graph.layers().iter().map(|l| l.multiply_adds).sum();
        let (arch, name, config) = (arch.to_string(), name.to_string(), serde_json::Value::Null);
        Ok(Self { arch, name, size, parameters, stored_values, multiply_adds, config, source: "" })
    }

    fn with(self, config: serde_json::Value, source: &'static str) -> Self {
        Self { config, source, ..self }
    }
}

const SOURCE: &str = "Ronneberger, Fischer, Brox, MICCAI 2015";
const YOLO: &str =
    "yolo: Redmon et al., CVPR 2016 (v1); Redmon and Farhadi, CVPR 2017 (v2), 2018 (v3); yolo-micro is this project's";
const RCNN: &str = "fastrcnn, fasterrcnn, maskrcnn, retinanet: Girshick 2015; Ren et al. 2015; He et al. 2017; Lin et al. 2017, as torchvision has \
them; micro is this project's";
/// Classes that torchvision's networks are published with.
const COCO: usize = 90;
/// Regions given to Fast R-CNN.
const REGIONS: usize = 2000;
