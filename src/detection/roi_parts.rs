//! The parts of RoI heads: pooling from the levels of a pyramid, the box head, the mask head. Defaults are torchvision's.

use super::shared::{concat, reshape};
use crate::graph::Graph;
use crate::nn::{After, BINDING, Connected, Conv, Init, Net, Norm};
use crate::ops::Value;
use crate::ops::conv_transpose2d::ConvTranspose2d;
use crate::ops::conv2d::Conv2d;
use crate::ops::relu::Relu;
use crate::ops::roi_align::RoiAlign;
use crate::ops::roi_levels::RoiLevels;
use crate::ops::roi_pool::RoiPool;
use crate::ops::slice::Slice;
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How the features of a region become a picture of fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pooling {
    /// RoIAlign (He et al., "Mask R-CNN", 2017), not aligned, as torchvision's networks use it.
    Align {
        /// Height and width of the result.
        size: usize,
        /// Samples in each direction of a bin; 0: as many as it has pixels.
        sampling_ratio: usize,
    },
    /// The largest value of each bin (Girshick, "Fast R-CNN", 2015). From a single level only.
    Max {
        /// Height and width of the result.
        size: usize,
    },
}

impl Default for Pooling {
    fn default() -> Self {
        Self::Align { size: 7, sampling_ratio: 2 }
    }
}

/// Feature maps that regions are pooled from.
#[derive(Clone, Debug)]
pub struct Pyramid {
    /// (N, H, W, C) of each level, the finest first.
    pub levels: Vec<Value>,
    /// Height and width of the network's input.
    pub input: [usize; 2],
}

/// Side of a region that belongs to level 4, in pixels, and that level ("Feature Pyramid Networks", 2017, equation 1).
const CANONICAL: (f32, u32) = (224.0, 4);

impl Pyramid {
    /// The scale of each level: the power of two that is nearest to its height over the input's.
    pub fn scales(&self, graph: &Graph) -> Vec<f32> {
        let scale = |&level: &Value| {
            let ratio = graph.shape(level)[1] as f32 / self.input[0] as f32;
            ratio.log2().round().exp2()
        };
        self.levels.iter().map(scale).collect()
    }

    /// Features of regions (N, R, 4): (N*R, size, size, C), each from the level that suits its area. Fails where the pooling and the levels do not
    /// go together.
    pub fn pool(&self, graph: &mut Graph, pooling: &Pooling, regions: Value) -> Result<Value> {
        let scales = self.scales(graph);
        match *pooling {
            Pooling::Max { size } => match self.levels[..] {
                [one] => graph.named("roi_pool", RoiPool { size: [size; 2], scale: scales[0] }, &[one, regions]),
                _ => Err(Error::Usage("max pooling of regions takes a backbone of a single level".into())),
            },
            Pooling::Align { size, sampling_ratio } => {
                let mut inputs = self.levels.clone();
                inputs.push(regions);
                if self.levels.len() > 1 {
                    let level = |scale: f32| (-scale.log2()).round() as u32;
                    let (canonical_scale, canonical_level) = CANONICAL;
                    let (min, max) = (level(scales[0]), level(*scales.last().expect("two or more")));
                    let levels = RoiLevels { min, max, canonical_scale, canonical_level };
                    inputs.push(graph.named("roi_levels", levels, &[regions])?);
                }
                let op = RoiAlign { size: [size; 2], sampling_ratio, aligned: false, scales };
                Ok(graph.named_all("roi_align", Arc::new(op), &inputs)?[0])
            }
        }
    }
}

/// The network between pooled features and the predictions of class and box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BoxHead {
    /// Two connected layers, `fc6` and `fc7`.
    Mlp {
        /// Outputs of each.
        width: usize,
    },
    /// 3x3 convolutions with batch norm, then connected layers: torchvision's second version.
    ConvFc {
        /// Channels of the convolutions.
        convs: Vec<usize>,
        /// Outputs of the connected layers.
        connected: Vec<usize>,
        /// The batch norm.
        norm: Norm,
    },
}

impl Default for BoxHead {
    fn default() -> Self {
        Self::Mlp { width: 1024 }
    }
}

impl BoxHead {
    /// (M, size, size, C) -> (M, features). `counted`, f32 (M), says where there is a region for batch norm to learn from; `None`: everywhere.
    pub fn build(&self, net: &mut Net<'_>, pooled: Value, counted: Option<Value>) -> Result<Value> {
        match self {
            Self::Mlp { width } => {
                let (x, flattened) = flatten(net.graph, pooled)?;
                let fc6 = Connected { flattened, ..Connected::new(*width) };
                let x = fc6.build(net, "fc6", x)?;
                let x = net.graph.add(Relu, &[x])?;
                let x = Connected::new(*width).build(net, "fc7", x)?;
                net.graph.add(Relu, &[x])
            }
            Self::ConvFc { convs, connected, norm } => {
                let mut x = pooled;
                for (i, &out) in convs.iter().enumerate() {
                    x = conv_norm(net, &i.to_string(), x, out, Some((norm, counted)))?;
                }
                let (mut x, mut flattened) = flatten(net.graph, x)?;
                // In torchvision's numbering the flattening is a layer, and so is each ReLU.
                for (i, &out) in connected.iter().enumerate() {
                    let layer = Connected { flattened: flattened.take(), ..Connected::new(out) };
                    x = layer.build(net, &(convs.len() + 1 + 2 * i).to_string(), x)?;
                    x = net.graph.add(Relu, &[x])?;
                }
                Ok(x)
            }
        }
    }
}

/// (M, H, W, C) -> (M, H*W*C), with height and width.
fn flatten(graph: &mut Graph, x: Value) -> Result<(Value, Option<[usize; 2]>)> {
    let shape = graph.shape(x);
    let flat = reshape(graph, x, &[shape[0], shape[1] * shape[2] * shape[3]])?;
    Ok((flat, Some([shape[1], shape[2]])))
}

/// A 3x3 convolution, batch norm with the regions that it counts if there is one, ReLU: `NAME.0`, `NAME.1`.
fn conv_norm(
    net: &mut Net<'_>,
    name: &str,
    x: Value,
    out: usize,
    norm: Option<(&Norm, Option<Value>)>,
) -> Result<Value> {
    net.scope(name, |net| {
        let x = Conv { bias: norm.is_none(), ..Conv::same(out, 3) }.build(net, "0", x)?;
        match norm {
            Some((norm, counted)) => norm.build_then(net, "1", x, After { counted, ..After::RELU }),
            None => net.graph.add(Relu, &[x]),
        }
    })
}

/// The network that draws an object's mask: convolutions, a transposed one that doubles the size, one channel for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskHead {
    /// How features are pooled for it.
    pub pooling: Pooling,
    /// Channels of the 3x3 convolutions.
    pub convs: Vec<usize>,
    /// Channels of the transposed convolution.
    pub width: usize,
    /// Batch norm after each 3x3 convolution.
    pub norm: Option<Norm>,
}

impl Default for MaskHead {
    fn default() -> Self {
        Self { pooling: Pooling::Align { size: 14, sampling_ratio: 2 }, convs: vec![256; 4], width: 256, norm: None }
    }
}

impl MaskHead {
    /// Logits (N*R, 2 size, 2 size, classes) of the masks of regions (N, R, 4). `counted`, f32 (N*R), as for [`BoxHead::build`].
    pub fn build(
        &self,
        net: &mut Net<'_>,
        pyramid: &Pyramid,
        regions: Value,
        classes: usize,
        counted: Option<Value>,
    ) -> Result<Value> {
        let mut x = net.graph.scope("mask_pool", |g| pyramid.pool(g, &self.pooling, regions))?;
        x = net.scope("mask_head", |net| {
            let norm = self.norm.as_ref().map(|norm| (norm, counted));
            let convs = self.convs.iter().enumerate();
            convs.into_iter().try_fold(x, |x, (i, &out)| conv_norm(net, &i.to_string(), x, out, norm))
        })?;
        net.scope("mask_predictor", |net| MaskPredictor::declare(net, x, self.width, classes)?.apply(net.graph, x))
    }
}

/// A transposed convolution to twice the size, ReLU, and a 1x1 convolution to one channel for each class.
#[derive(Clone, Copy, Debug)]
struct MaskPredictor {
    up: [Value; 2],
    logits: [Value; 2],
    /// Bytes that the transposed convolution makes of one region.
    bytes: usize,
}

impl MaskPredictor {
    fn declare(net: &mut Net<'_>, x: Value, width: usize, classes: usize) -> Result<Self> {
        let [_, h, w, channels] = net.graph.shape(x).nhwc().expect("pooled regions");
        let mut layer = |name: &str, side: usize, [from, to]: [usize; 2], layout: Layout| {
            net.scope(name, |net| {
                let ty = TensorType::f32([side, side, from, to]);
                let weight = net.parameter("weight", ty, Init::He { fan_in: from }, layout)?;
                let bias = net.parameter("bias", TensorType::f32([to]), Init::Constant(0.0), Layout::Plain)?;
                Ok([weight, bias])
            })
        };
        let up = layer("conv5_mask", 2, [channels, width], Layout::ConvTransposeWeight { groups: 1 })?;
        let logits = layer("mask_fcn_logits", 1, [width, classes], Layout::ConvWeight)?;
        Ok(Self { up, logits, bytes: 4 * 4 * h * w * width })
    }

    /// (M, h, w, C) -> (M, 2h, 2w, classes), in pieces of as many regions as a binding holds.
    fn apply(&self, graph: &mut Graph, x: Value) -> Result<Value> {
        let m = graph.shape(x)[0];
        let most = (BINDING / self.bytes).max(1);
        let piece = m.div_ceil(m.div_ceil(most));
        let mut parts = Vec::new();
        for first in (0..m).step_by(piece) {
            let x = match piece < m {
                true => graph.add(Slice::along(4, 0, first, (first + piece).min(m)), &[x])?,
                false => x,
            };
            let up = ConvTranspose2d { stride: [2, 2], bias: true, ..Default::default() };
            let x = graph.named("conv5_mask", up, &[x, self.up[0], self.up[1]])?;
            let x = graph.add(Relu, &[x])?;
            let logits = Conv2d { bias: true, ..Default::default() };
            parts.push(graph.named("mask_fcn_logits", logits, &[x, self.logits[0], self.logits[1]])?);
        }
        concat(graph, &parts, 0)
    }
}
