//! Layers become nodes. One function for each kind of layer; what each means for shapes is the ops' own knowledge, and their
//! errors are passed on with the file and the line of the layer.
//!
//! Pictures are NHWC here and CHW in Darknet: where a layer reads its input as one row of numbers, it is brought into Darknet's
//! order first, so that weights mean the same. A batch of such rows has rank 2.

use super::activation::Activation;
use super::layer::{Convolutional, Kind, Layer};
use super::weights::Record;
use super::{HeadOutput, fit, head, local};
use crate::detection::Head;
use crate::nn::{After, BatchNormLayer, Connected, Init, Net};
use crate::ops::Value;
use crate::ops::adaptive_avg_pool2d::AdaptiveAvgPool2d;
use crate::ops::add::Add;
use crate::ops::concat::Concat;
use crate::ops::conv2d::Conv2d;
use crate::ops::darknet_reorg::DarknetReorg;
use crate::ops::dropout::Dropout;
use crate::ops::max_pool2d::{MaxPool2d, Window};
use crate::ops::mul::Mul;
use crate::ops::permute::Permute;
use crate::ops::reshape::Reshape;
use crate::ops::resize::{Mode, Resize};
use crate::ops::scale::Scale;
use crate::ops::slice::Slice;
use crate::ops::softmax::Softmax;
use crate::tensor::layout::Layout;
use crate::tensor::{Shape, TensorType};
use crate::{Error, Result};
use std::path::Path;

/// Weight of the batch in the running statistics, as Darknet has it.
pub const MOMENTUM: f32 = 0.01;

/// Added to variances inside the root.
pub const EPS: f32 = 1e-5;

/// Name of the input that tells dropout which step it is; only in graphs for training that have a `[dropout]`.
pub const STEP: &str = "step";

/// Most elements that a layer's result or a parameter may have; beyond lies a mistake in the cfg.
const MOST_ELEMENTS: u64 = 1 << 36;

/// What building a network gave.
pub struct Parts {
    /// The heads, in the cfg's order.
    pub heads: Vec<HeadOutput>,
    /// The last layer's value.
    pub last: Value,
    /// What a `.weights` file holds, in its order.
    pub records: Vec<Record>,
}

/// Adds `layers` to `net`, reading `images` (N, H, W, C). `path` is for errors.
pub fn build(net: &mut Net<'_>, path: &Path, layers: &[Layer], images: Value) -> Result<Parts> {
    let mut builder = Builder { net, images, step: None, made: Vec::new(), records: Vec::new() };
    for layer in layers {
        let place = |e: Error| {
            let message = match e {
                Error::Usage(message) => message,
                other => other.to_string(),
            };
            Error::file(path, format!("line {}: [{}] (layer {}) {message}", layer.line, layer.name, layer.index))
        };
        let value = builder.layer(layer).map_err(place)?;
        check_size(&builder.shape(value)).map_err(place)?;
        builder.made.push((value, if let Kind::Head(head) = &layer.kind { Some(head.clone()) } else { None }));
    }
    let Builder { made, records, .. } = builder;
    let last = made.last().map_or(images, |(value, _)| *value);
    let heads = made.into_iter().zip(layers);
    let heads = heads.filter_map(|((value, head), layer)| Some(HeadOutput { value, head: head?, layer: layer.index }));
    Ok(Parts { heads: heads.collect(), last, records })
}

/// Fails on tensors that no device could hold, before anyone multiplies their extents.
pub fn check_size(extents: &[usize]) -> Result<()> {
    let elements = extents.iter().try_fold(1u64, |n, &e| n.checked_mul(e as u64));
    match elements.is_some_and(|n| n <= MOST_ELEMENTS) {
        true => Ok(()),
        false => Err(wrong(format!("would make a tensor of shape {}", Shape::from(extents)))),
    }
}

/// A problem whose place is added by [`build`].
pub fn wrong(message: impl Into<String>) -> Error {
    Error::Usage(message.into())
}

/// A network under construction.
struct Builder<'a, 'n> {
    net: &'a mut Net<'n>,
    images: Value,
    /// Which step it is, once a dropout asked.
    step: Option<Value>,
    /// Value of each layer, and the head if it is one.
    made: Vec<(Value, Option<Head>)>,
    records: Vec<Record>,
}

impl Builder<'_, '_> {
    fn shape(&self, value: Value) -> Shape {
        self.net.graph.shape(value)
    }

    /// The value of layer `index`, for layer `by`.
    fn of(&self, index: usize) -> Result<Value> {
        match &self.made[index] {
            (value, None) => Ok(*value),
            _ => Err(wrong(format!("reads layer {index}, which is a detection head; route around it"))),
        }
    }

    fn layer(&mut self, layer: &Layer) -> Result<Value> {
        let index = layer.index;
        // A route reads what it names and not what stands before it.
        if let Kind::Route { layers, groups, group } = &layer.kind {
            return self.route(index, layers, *groups, *group);
        }
        let x = if index == 0 { self.images } else { self.of(index - 1)? };
        match &layer.kind {
            Kind::Convolutional(c) => self.convolutional(index, c, x),
            Kind::Connected { output, batch_normalize, activation } => {
                self.connected(index, *output, *batch_normalize, *activation, x)
            }
            Kind::Local { filters, size, stride, padding, activation } => {
                let x = self.picture(x)?;
                let window = local::Window { filters: *filters, size: *size, stride: *stride, padding: *padding };
                let (y, record) = scoped(self.net, index, |net| local::build(net, index, &window, x))?;
                self.records.push(record);
                self.activate(index, *activation, y)
            }
            Kind::Maxpool { size, stride, padding } => {
                let x = self.picture(x)?;
                let (before, after) = (padding / 2, padding - padding / 2);
                let padding = [before, after, before, after];
                let window = Window { stride: *stride, padding, ..Window::square(*size, 1, 0) };
                scoped(self.net, index, |net| net.graph.named("maxpool", MaxPool2d(window), &[x]))
            }
            Kind::Avgpool => {
                let x = self.picture(x)?;
                let op = AdaptiveAvgPool2d { output_size: [1, 1] };
                scoped(self.net, index, |net| net.graph.named("avgpool", op, &[x]))
            }
            Kind::Route { .. } => unreachable!("taken above"),
            Kind::Shortcut { from, activation } => self.shortcut(index, from, *activation, x),
            Kind::Upsample { stride, scale } => self.upsample(index, *stride, *scale, x),
            Kind::Reorg { stride, reverse } => self.reorg(index, *stride, *reverse, x),
            Kind::Dropout { p } => self.dropout(index, *p, x),
            Kind::Softmax { groups, temperature, spatial } => self.softmax(index, *groups, *temperature, *spatial, x),
            Kind::ScaleChannels { from, pixels, activation } => {
                self.scale_channels(index, *from, *pixels, *activation, x)
            }
            Kind::Sam { from, activation } => {
                let other = self.of(*from)?;
                self.same_shape(x, other)?;
                let y = scoped(self.net, index, |net| net.graph.named("sam", Mul, &[other, x]))?;
                self.activate(index, *activation, y)
            }
            Kind::Cost => Ok(x),
            Kind::Head(head) => self.head(index, head, x),
        }
    }

    fn activate(&mut self, index: usize, activation: Activation, x: Value) -> Result<Value> {
        scoped(self.net, index, |net| activation.build(net.graph, x))
    }

    /// `x` as (N, H, W, C); a row of numbers becomes the channels of one pixel.
    fn picture(&mut self, x: Value) -> Result<Value> {
        match self.shape(x)[..] {
            [n, features] => self.net.graph.named("picture", Reshape { shape: [n, 1, 1, features].into() }, &[x]),
            _ => Ok(x),
        }
    }

    /// `x` as (N, features), in Darknet's order.
    fn flat(&mut self, x: Value) -> Result<Value> {
        let [n, h, w, c] = self.shape(x)[..] else { return Ok(x) };
        let planes = match h * w {
            1 => x,
            _ => self.net.graph.named("planes", Permute { order: vec![0, 3, 1, 2] }, &[x])?,
        };
        self.net.graph.named("flat", Reshape { shape: [n, h * w * c].into() }, &[planes])
    }

    fn same_shape(&self, x: Value, other: Value) -> Result<()> {
        let (a, b) = (self.shape(x), self.shape(other));
        if a == b { Ok(()) } else { Err(wrong(format!("its inputs {a} and {b} differ"))) }
    }

    fn convolutional(&mut self, index: usize, c: &Convolutional, x: Value) -> Result<Value> {
        let x = self.picture(x)?;
        let channels = self.shape(x).channels();
        if !channels.is_multiple_of(c.groups) {
            return Err(wrong(format!("its {} groups do not divide the {channels} channels it reads", c.groups)));
        }
        let inputs = channels / c.groups;
        check_size(&[c.size, c.size, inputs, c.filters])?;
        let op = Conv2d {
            stride: c.stride,
            padding: [c.padding; 4],
            dilation: [c.dilation; 2],
            groups: c.groups,
            bias: !c.batch_normalize,
            ..Default::default()
        };
        let mut y = scoped(self.net, index, |net| {
            net.scope("conv", |net| {
                let init = Init::He { fan_in: c.size * c.size * inputs };
                let ty = TensorType::f32([c.size, c.size, inputs, c.filters]);
                let mut operands = vec![x, net.parameter("weight", ty, init, Layout::ConvWeight)?];
                if op.bias {
                    operands.push(bias(net, [c.filters].into(), Layout::Plain)?);
                }
                net.graph.named("conv2d", op, &operands)
            })
        })?;
        let name = format!("layers.{index}");
        if c.batch_normalize {
            self.records.extend(Record::batch_norm(&name));
            y = self.batch_norm(index, c.activation, y)?;
        } else {
            self.records.push(Record::plain(format!("{name}.conv.bias")));
            y = self.activate(index, c.activation, y)?;
        }
        self.records.push(Record::conv(format!("{name}.conv.weight")));
        Ok(y)
    }

    /// The norm and the activation behind it.
    fn batch_norm(&mut self, index: usize, activation: Activation, x: Value) -> Result<Value> {
        let layer = BatchNormLayer { momentum: MOMENTUM, eps: EPS };
        match activation.behind_norm() {
            Some(activation) => {
                let after = After { activation, ..Default::default() };
                scoped(self.net, index, |net| layer.build_then(net, "bn", x, after))
            }
            None => {
                let y = scoped(self.net, index, |net| layer.build(net, "bn", x))?;
                self.activate(index, activation, y)
            }
        }
    }

    fn connected(&mut self, index: usize, out: usize, norm: bool, f: Activation, x: Value) -> Result<Value> {
        let x = self.flat(x)?;
        let inputs = self.shape(x).channels();
        let layer = Connected { bias: !norm, ..Connected::new(out) };
        let mut y = scoped(self.net, index, |net| layer.build(net, "connected", x))?;
        let name = format!("layers.{index}");
        let weight = Record::connected(layer.weights(inputs).map(|w| format!("{name}.connected.{w}")).collect());
        if norm {
            let [shift, rest @ ..] = Record::batch_norm(&name);
            self.records.extend([shift, weight].into_iter().chain(rest));
            y = self.batch_norm(index, f, y)?;
        } else {
            self.records.extend([Record::plain(format!("{name}.connected.bias")), weight]);
            y = self.activate(index, f, y)?;
        }
        Ok(y)
    }

    fn route(&mut self, index: usize, layers: &[usize], groups: usize, group: usize) -> Result<Value> {
        let parts: Vec<Value> = layers.iter().map(|&l| self.of(l)).collect::<Result<_>>()?;
        let mut cut = Vec::with_capacity(parts.len());
        for (&part, from) in parts.iter().zip(layers) {
            let shape = self.shape(part);
            if shape.rank() != self.shape(parts[0]).rank()
                || shape[1..shape.rank() - 1] != self.shape(parts[0])[1..shape.rank() - 1]
            {
                let first = self.shape(parts[0]);
                let hint = "the input's height and width must be multiples of the network's stride";
                return Err(wrong(format!(
                    "layer {} is {first} and layer {from} is {shape}, which cannot be joined; {hint}",
                    layers[0]
                )));
            }
            let channels = shape.channels();
            if !channels.is_multiple_of(groups) {
                return Err(wrong(format!("{groups} groups do not divide the {channels} channels of layer {from}")));
            }
            let each = channels / groups;
            cut.push(match groups {
                1 => part,
                _ => {
                    let slice = Slice::along(shape.rank(), shape.rank() - 1, group * each, (group + 1) * each);
                    scoped(self.net, index, |net| net.graph.named("group", slice, &[part]))?
                }
            });
        }
        match cut[..] {
            [one] => Ok(one),
            _ => {
                let dim = self.shape(cut[0]).rank() - 1;
                scoped(self.net, index, |net| net.graph.named("route", Concat { dim }, &cut))
            }
        }
    }

    fn shortcut(&mut self, index: usize, from: &[usize], activation: Activation, x: Value) -> Result<Value> {
        let mut y = x;
        for &other in from {
            let other = self.of(other)?;
            let to = self.shape(x);
            let fitted = scoped(self.net, index, |net| fit::fit(net.graph, other, &to))?;
            y = scoped(self.net, index, |net| net.graph.named("shortcut", Add, &[y, fitted]))?;
        }
        self.activate(index, activation, y)
    }

    fn upsample(&mut self, index: usize, stride: usize, scale: f32, x: Value) -> Result<Value> {
        let x = self.picture(x)?;
        let shape = self.shape(x);
        let op = Resize::to(Mode::Nearest, [shape[1] * stride, shape[2] * stride]);
        scoped(self.net, index, |net| {
            let y = net.graph.named("upsample", op, &[x])?;
            if scale == 1.0 { Ok(y) } else { net.graph.named("scale", Scale { alpha: scale, beta: 0.0 }, &[y]) }
        })
    }

    fn reorg(&mut self, index: usize, stride: usize, reverse: bool, x: Value) -> Result<Value> {
        let x = self.picture(x)?;
        if !reverse {
            return scoped(self.net, index, |net| net.graph.named("reorg", DarknetReorg { stride }, &[x]));
        }
        scoped(self.net, index, |net| fit::unfold(net.graph, x, stride))
    }

    fn dropout(&mut self, index: usize, p: f32, x: Value) -> Result<Value> {
        if !self.net.training || p == 0.0 {
            return Ok(x);
        }
        let step = match self.step {
            Some(step) => step,
            None => self.net.graph.input(STEP, TensorType::u32([1]))?,
        };
        self.step = Some(step);
        let op = Dropout { p, seed: 0, node: index as u32 };
        scoped(self.net, index, |net| net.graph.named("dropout", op, &[x, step]))
    }

    fn softmax(&mut self, index: usize, groups: usize, temperature: f32, pixels: bool, x: Value) -> Result<Value> {
        let mut x = if pixels { self.picture(x)? } else { self.flat(x)? };
        if temperature != 1.0 {
            let op = Scale { alpha: 1.0 / temperature, beta: 0.0 };
            x = scoped(self.net, index, |net| net.graph.named("temperature", op, &[x]))?;
        }
        let shape = self.shape(x);
        if pixels {
            return scoped(self.net, index, |net| net.graph.named("softmax", Softmax { dim: 3 }, &[x]));
        }
        let [n, features] = shape[..] else { return Err(wrong(format!("cannot read {shape} as rows"))) };
        if !features.is_multiple_of(groups) {
            return Err(wrong(format!("{groups} groups do not divide the {features} numbers it reads")));
        }
        scoped(self.net, index, |net| {
            let g = &mut net.graph;
            let y = g.named("groups", Reshape { shape: [n * groups, features / groups].into() }, &[x])?;
            let y = g.named("softmax", Softmax { dim: 1 }, &[y])?;
            g.named("joined", Reshape { shape }, &[y])
        })
    }

    fn scale_channels(&mut self, index: usize, from: usize, pixels: bool, f: Activation, x: Value) -> Result<Value> {
        let other = self.of(from)?;
        let x = self.picture(x)?;
        let (scale, whole) = (self.shape(x), self.shape(other));
        let mut wanted = whole.to_vec();
        if whole.rank() == 4 {
            if pixels {
                wanted[3] = 1;
            } else {
                wanted[1..3].fill(1);
            }
        }
        if whole.rank() != 4 || scale[..] != wanted[..] {
            return Err(wrong(format!("reads {scale} to scale layer {from}, which is {whole}")));
        }
        let y = scoped(self.net, index, |net| net.graph.named("scale_channels", Mul, &[other, x]))?;
        self.activate(index, f, y)
    }

    fn head(&mut self, index: usize, of: &Head, x: Value) -> Result<Value> {
        let x = match of {
            Head::Detection(_) => self.flat(x)?,
            _ => self.picture(x)?,
        };
        let (have, want) = (self.shape(x).channels(), head::features(of));
        if have == want {
            return Ok(x);
        }
        Err(wrong(match of {
            Head::Detection(h) => format!(
                "reads {have} numbers, but side {} with {} boxes and {} classes takes {want}",
                h.side, h.num, h.classes
            ),
            _ => format!(
                "reads {have} channels, but {} anchors with 5 + {} numbers take {want}; correct the filters of layer {}",
                want / (5 + of.classes()),
                of.classes(),
                index.saturating_sub(1)
            ),
        }))
    }
}

/// Builds under the name of layer `index`.
fn scoped<T>(net: &mut Net<'_>, index: usize, build: impl FnOnce(&mut Net<'_>) -> Result<T>) -> Result<T> {
    net.scope(&format!("layers.{index}"), build)
}

/// A bias of zeros.
pub fn bias(net: &mut Net<'_>, shape: Shape, layout: Layout) -> Result<Value> {
    net.parameter("bias", TensorType::f32(shape), Init::Constant(0.0), layout)
}
