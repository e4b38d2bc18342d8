//! Darknet networks: a `.cfg` is the definition, `.weights` are its numbers. YOLOv1, v2, v3, their tiny versions, and whatever
//! else is made of the same layers.
//!
//! | file | from | to |
//! |---|---|---|
//! | `cfg.rs` | text | sections |
//! | `layer.rs`, `head.rs`, `activation.rs` | sections | layers, their values read |
//! | `build.rs`, `local.rs`, `fit.rs` | layers | nodes of a graph |
//! | `weights.rs` | bytes | tensors, and back |
//! | `reclass.rs` | a cfg | the same for other classes |
//! | `builtin.rs`, `writer.rs` | a name, classes, size, anchors | text |
//!
//! Darknet's `[net]` section tells its own trainer how to train; only the size of the input is read of it.

pub mod activation;
mod build;
pub mod builtin;
pub mod cfg;
mod fit;
mod head;
pub mod layer;
mod local;
mod reclass;
pub mod weights;
mod writer;

pub use build::{EPS, MOMENTUM, STEP};
pub use builtin::{BuiltinArgs, NAMES, builtin};
pub use cfg::Cfg;
pub use layer::Layer;
pub use weights::{Header, Weights};

use crate::detection::Head;
use crate::graph::Graph;
use crate::nn::{Net, ParameterSpec};
use crate::ops::Value;
use crate::tensor::TensorType;
use crate::{Error, Result};
use std::path::Path;

/// A detection head's raw input: an output of the network.
#[derive(Clone, Debug)]
pub struct HeadOutput {
    /// (N, H, W, A * (5 + C)) as the last convolution left it; (N, features) for YOLOv1's head.
    pub value: Value,
    /// The head.
    pub head: Head,
    /// Number of its layer.
    pub layer: usize,
}

/// What a network adds to a graph.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Detection heads in the cfg's order; none in a classifier.
    pub heads: Vec<HeadOutput>,
    /// The last layer's value: what a classifier gives.
    pub last: Value,
}

/// A network defined by a cfg.
#[derive(Clone, Debug)]
pub struct Darknet {
    cfg: Cfg,
    layers: Vec<Layer>,
    size: [usize; 2],
    channels: usize,
    specs: Vec<ParameterSpec>,
    records: Vec<weights::Record>,
    heads: Vec<Head>,
}

impl Darknet {
    /// Reads a `.cfg` file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::new(Cfg::read(path)?)
    }

    /// From the text of a cfg; `path` is for errors.
    pub fn from_text(path: &Path, text: &str) -> Result<Self> {
        Self::new(Cfg::parse(path, text)?)
    }

    /// Reads the layers and builds them once, at the cfg's size. Fails with file and line on whatever does not fit.
    pub fn new(cfg: Cfg) -> Result<Self> {
        let net = cfg.net();
        let extent = |key: &str, most: usize| match net.required_positive(key)? {
            n if n <= most => Ok(n),
            n => Err(net.wrong(key, format!("is {n}, beyond {most}"))),
        };
        let size = [extent("height", 1 << 14)?, extent("width", 1 << 14)?];
        let channels = extent("channels", 1 << 12)?;
        let layers = layer::read(&cfg)?;
        let (parts, specs) = dry_run(&cfg, &layers, [1, size[0], size[1], channels])?;
        let heads = parts.heads.into_iter().map(|h| h.head).collect();
        Ok(Self { layers, size, channels, specs, records: parts.records, heads, cfg })
    }

    /// The cfg's text, from which the network can be made again.
    pub fn text(&self) -> &str {
        &self.cfg.text
    }

    /// The layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Height and width that the cfg gives.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Channels of the pictures.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Names, types and first values of parameters and running statistics.
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// Values a `.weights` file holds: parameters and running statistics.
    pub fn stored_values(&self) -> u64 {
        self.specs.iter().map(|spec| spec.ty.elements() as u64).sum()
    }

    /// The detection heads in the cfg's order.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The same network for another number of classes. Fails if the layers before its heads cannot be made wider or narrower.
    pub fn with_classes(&self, classes: usize) -> Result<Self> {
        Self::from_text(&self.cfg.path, &reclass::text_for(&self.cfg, &self.layers, classes)?)
    }

    /// For each `[yolo]` and `[region]` head that follows a convolution with a bias: its number of anchors and the name of that bias,
    /// whose element 4 of each anchor is the objectness.
    pub fn objectness_biases(&self) -> Vec<(usize, String)> {
        let heads = self.layers.iter().filter_map(|layer| match &layer.kind {
            layer::Kind::Head(Head::Yolo(h)) => Some((layer.index, h.mask.len())),
            layer::Kind::Head(Head::Region(h)) => Some((layer.index, h.anchors.len())),
            _ => None,
        });
        let bias = |index: usize| format!("layers.{}.conv.bias", index.wrapping_sub(1));
        let named = heads.map(|(index, anchors)| (anchors, bias(index)));
        named.filter(|(_, name)| self.specs.iter().any(|spec| spec.name == *name)).collect()
    }

    /// The least number that height and width must be multiples of so that every route finds equal sizes: the largest stride of
    /// the network.
    pub fn stride(&self) -> usize {
        let mut strides = vec![1.0f64; self.layers.len()];
        for layer in &self.layers {
            let before = if layer.index == 0 { 1.0 } else { strides[layer.index - 1] };
            strides[layer.index] = match &layer.kind {
                layer::Kind::Convolutional(c) => before * c.stride[0].max(c.stride[1]) as f64,
                layer::Kind::Maxpool { stride, .. } => before * stride[0].max(stride[1]) as f64,
                layer::Kind::Local { stride, .. } => before * *stride as f64,
                layer::Kind::Reorg { stride, reverse: false } => before * *stride as f64,
                layer::Kind::Reorg { stride, reverse: true } => before / *stride as f64,
                layer::Kind::Upsample { stride, .. } => before / *stride as f64,
                layer::Kind::Route { layers, .. } => strides[layers[0]],
                _ => before,
            };
        }
        strides.into_iter().fold(1.0, f64::max).ceil() as usize
    }

    /// Adds the network to a graph: `images` (N, H, W, channels) of any height and width that the layers take. With `net.training`,
    /// batch statistics and dropout; the graph then has an input [`STEP`], u32(1), if there is a `[dropout]`: a number that changes
    /// with every step. Fails if the layers fix another size.
    pub fn build_all(&self, net: &mut Net<'_>, images: Value) -> Result<Outputs> {
        let path = &self.cfg.path;
        let shape = net.graph.shape(images);
        let Some([n, h, w, c]) = shape.nhwc().filter(|s| s[3] == self.channels) else {
            let message = format!("reads pictures (N, H, W, {}), got {shape}", self.channels);
            return Err(Error::file(path, message));
        };
        if [h, w] != self.size {
            self.check_size([n, h, w, c])?;
        }
        let parts = build::build(net, path, &self.layers, images)?;
        Ok(Outputs { heads: parts.heads, last: parts.last })
    }

    /// Like [`Darknet::build_all`], for detectors: fails if the cfg has no head.
    pub fn build(&self, net: &mut Net<'_>, images: Value) -> Result<Vec<HeadOutput>> {
        let built = self.build_all(net, images)?;
        if built.heads.is_empty() {
            let message = "has no detection head ([yolo], [region] or [detection])";
            return Err(Error::file(&self.cfg.path, message));
        }
        Ok(built.heads)
    }

    /// Fails if some parameter would have another shape for pictures of this shape.
    fn check_size(&self, shape: [usize; 4]) -> Result<()> {
        let (_, specs) = dry_run(&self.cfg, &self.layers, shape)?;
        let differs = |(a, b): &(&ParameterSpec, &ParameterSpec)| a.name != b.name || a.ty != b.ty;
        let Some((own, _)) = self.specs.iter().zip(&specs).find(differs) else { return Ok(()) };
        let index = own.name.split('.').nth(1).and_then(|i| i.parse::<usize>().ok());
        let layer = &self.layers[index.expect("parameters are named after their layers")];
        Err(Error::file(
            &self.cfg.path,
            format!(
                "line {}: [{}] (layer {}) fixes the input at {}x{}, got {}x{}",
                layer.line, layer.name, layer.index, self.size[0], self.size[1], shape[1], shape[2]
            ),
        ))
    }

    /// The tensors of a `.weights` file, in the device's layouts. The file (`path` is for errors) must be used up exactly.
    pub fn load_weights(&self, path: &Path, bytes: &[u8]) -> Result<Weights> {
        weights::read(path, bytes, &self.cfg.path, &self.records, &self.specs)
    }

    /// The bytes of a `.weights` file. Fails if a tensor is missing or of another shape.
    pub fn save_weights(&self, weights: &Weights) -> Result<Vec<u8>> {
        weights::write(weights, &self.records, &self.specs)
    }

    /// `class 0`, `class 1`, ...: for networks that come without names.
    pub fn default_names(&self) -> Vec<String> {
        let classes = self.heads.iter().map(Head::classes).max().unwrap_or(0);
        (0..classes).map(|i| format!("class {i}")).collect()
    }

    /// Checks that a list of class names has the length the heads ask for.
    pub fn check_names(&self, path: &Path, names: &[String]) -> Result<()> {
        match self.heads.iter().find(|h| h.classes() != names.len()) {
            None => Ok(()),
            Some(head) => Err(Error::file(
                path,
                format!(
                    "holds {} class names, but {} has {} classes",
                    names.len(),
                    self.cfg.path.display(),
                    head.classes()
                ),
            )),
        }
    }
}

/// Builds for pictures of `shape` into a graph that is thrown away: heads, parameters, and every error of shapes.
fn dry_run(cfg: &Cfg, layers: &[Layer], shape: [usize; 4]) -> Result<(build::Parts, Vec<ParameterSpec>)> {
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32(shape))?;
    let mut net = Net::new(&mut graph, false);
    let parts = build::build(&mut net, &cfg.path, layers, images)?;
    Ok((parts, net.specs))
}
