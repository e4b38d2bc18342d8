//! The layers of a cfg: sections with their values read, defaults filled in and references resolved. Shapes are not known here;
//! `build.rs` finds what does not fit.
//!
//! Keys and defaults are Darknet's and those of its best-known fork (A. Bochkovskiy's). A key that would change what a layer
//! computes and is not offered is refused; keys that only steer Darknet's own trainer are passed over.

use super::activation::Activation;
use super::cfg::{Cfg, Reader};
use super::head;
use crate::Result;
use crate::detection::Head;

/// A layer and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its number: every section after `[net]` counts.
    pub index: usize,
    /// Line of its section.
    pub line: usize,
    /// The section's name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// 2-d convolution.
    Convolutional(Convolutional),
    /// Fully connected, over the elements in the order channels, rows, columns.
    Connected {
        /// Number of outputs.
        output: usize,
        /// Batch norm instead of a bias.
        batch_normalize: bool,
        /// Applied last.
        activation: Activation,
    },
    /// A convolution with weights of its own at every place.
    Local {
        /// Output channels.
        filters: usize,
        /// Side of the kernel.
        size: usize,
        /// Step.
        stride: usize,
        /// Zeros on each side.
        padding: usize,
        /// Applied last.
        activation: Activation,
    },
    /// Largest element of each window. `padding` is the sum of both sides; its smaller half lies before.
    Maxpool {
        /// Side of the window.
        size: usize,
        /// Step, down and across.
        stride: [usize; 2],
        /// Elements in all on both sides.
        padding: usize,
    },
    /// Mean of each channel.
    Avgpool,
    /// Outputs of earlier layers, or one group of their channels, one after the other.
    Route {
        /// Numbers of the layers.
        layers: Vec<usize>,
        /// How many groups.
        groups: usize,
        /// Which of them.
        group: usize,
    },
    /// Adds earlier layers. Where extents differ, what both have is added, in steps where one is a multiple of the other.
    Shortcut {
        /// Numbers of the layers.
        from: Vec<usize>,
        /// Applied last.
        activation: Activation,
    },
    /// Each pixel repeated.
    Upsample {
        /// How often, in each direction.
        stride: usize,
        /// Factor.
        scale: f32,
    },
    /// Pixels to channels in Darknet's order, or back with `reverse`.
    Reorg {
        /// The factor.
        stride: usize,
        /// Channels to pixels.
        reverse: bool,
    },
    /// In training, zeros with probability `p` and the rest scaled up.
    Dropout {
        /// Probability of a zero.
        p: f32,
    },
    /// Softmax over all elements in `groups` parts, or over the channels of each pixel if `spatial`.
    Softmax {
        /// Number of parts.
        groups: usize,
        /// Divides the logits.
        temperature: f32,
        /// Pixel by pixel.
        spatial: bool,
    },
    /// An earlier layer times this one's input: one number for each channel, or for each pixel.
    ScaleChannels {
        /// Number of the earlier layer.
        from: usize,
        /// One number for each pixel.
        pixels: bool,
        /// Applied last.
        activation: Activation,
    },
    /// An earlier layer times this one's input, element by element.
    Sam {
        /// Number of the earlier layer.
        from: usize,
        /// Applied last.
        activation: Activation,
    },
    /// A loss of Darknet's trainer; passes its input on.
    Cost,
    /// A detection head: an output of the network.
    Head(Head),
}

/// A `[convolutional]` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolutional {
    /// Output channels.
    pub filters: usize,
    /// Side of the kernel.
    pub size: usize,
    /// Step, down and across.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: usize,
    /// Distance between taps.
    pub dilation: usize,
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Batch norm instead of a bias.
    pub batch_normalize: bool,
    /// Applied last.
    pub activation: Activation,
}

/// Section names that are known, for the error about one that is not.
const KNOWN: &str = "convolutional, connected, local, maxpool, avgpool, route, shortcut, upsample, reorg, dropout, softmax, \
                     scale_channels, sam, detection, region, yolo and cost";

/// Reads all layers of a cfg.
pub fn read(cfg: &Cfg) -> Result<Vec<Layer>> {
    let layers = cfg.layers().enumerate();
    layers
        .map(|(index, section)| {
            let (line, name) = (section.section.line, section.section.name.clone());
            Ok(Layer { index, line, name, kind: kind(index, &section)? })
        })
        .collect()
}

fn kind(index: usize, s: &Reader<'_>) -> Result<Kind> {
    Ok(match s.section.name.as_str() {
        "convolutional" | "conv" => convolutional(s)?,
        "connected" | "conn" => Kind::Connected {
            output: outputs(s, "output")?,
            batch_normalize: s.flag("batch_normalize", false)?,
            activation: activation(s, "logistic")?,
        },
        "local" => local(s)?,
        "maxpool" | "max" => maxpool(s)?,
        "avgpool" | "avg" => Kind::Avgpool,
        "route" => route(index, s)?,
        "shortcut" => shortcut(index, s)?,
        "upsample" => match s.int("stride", 2)? {
            stride @ 1..=256 => Kind::Upsample { stride: stride as usize, scale: s.float("scale", 1.0)? },
            stride => return Err(s.wrong("stride", format!("must be between 1 and 256, got {stride}"))),
        },
        "reorg" => {
            s.refuse(&["flatten", "extra"])?;
            Kind::Reorg { stride: small(s, "stride", s.positive("stride", 1)?)?, reverse: s.flag("reverse", false)? }
        }
        "dropout" => {
            s.refuse(&["dropblock"])?;
            match s.float("probability", 0.5)? {
                p if (0.0..1.0).contains(&p) => Kind::Dropout { p },
                p => return Err(s.wrong("probability", format!("must be at least 0 and below 1, got {p}"))),
            }
        }
        "softmax" | "soft" => softmax(s)?,
        "scale_channels" => Kind::ScaleChannels {
            from: from(index, s)?,
            pixels: s.flag("scale_wh", false)?,
            activation: activation(s, "linear")?,
        },
        "sam" => Kind::Sam { from: from(index, s)?, activation: activation(s, "linear")? },
        "cost" => Kind::Cost,
        "yolo" => Kind::Head(head::yolo(s)?),
        "region" => Kind::Head(head::region(s)?),
        "detection" => Kind::Head(head::detection(s)?),
        _ => return Err(s.error(format!("is no layer that is known; known are {KNOWN}"))),
    })
}

fn activation(s: &Reader<'_>, default: &'static str) -> Result<Activation> {
    let name = s.word("activation", default);
    Activation::named(name).ok_or_else(|| {
        s.wrong("activation", format!("'{name}' is not known; known are {}", Activation::names().join(", ")))
    })
}

/// `stride_y` and `stride_x`, each `stride` unless given.
fn strides(s: &Reader<'_>) -> Result<[usize; 2]> {
    let stride = small(s, "stride", s.positive("stride", 1)?)?;
    let own = |key: &str| small(s, key, s.positive(key, stride)?);
    Ok([own("stride_y")?, own("stride_x")?])
}

/// A size, step or margin, none of which is large in any network; the bound keeps products of them within 64 bits.
fn small(s: &Reader<'_>, key: &str, value: usize) -> Result<usize> {
    match value {
        0..=255 => Ok(value),
        _ => Err(s.wrong(key, format!("is {value}, beyond 255"))),
    }
}

/// The number of output channels under `key`, which must be there.
fn outputs(s: &Reader<'_>, key: &str) -> Result<usize> {
    match s.required_positive(key)? {
        n if n <= 1 << 20 => Ok(n),
        n => Err(s.wrong(key, format!("is {n}, beyond {}", 1 << 20))),
    }
}

fn convolutional(s: &Reader<'_>) -> Result<Kind> {
    s.refuse(&[
        "binary",
        "xnor",
        "flipped",
        "antialiasing",
        "deform",
        "assisted_excitation",
        "share_index",
        "sway",
        "rotate",
        "stretch",
        "stretch_sway",
        "coordconv",
    ])?;
    let size = small(s, "size", s.positive("size", 1)?)?;
    let dilation = if size == 1 { 1 } else { small(s, "dilation", s.positive("dilation", 1)?)? };
    let padding = if s.flag("pad", false)? { size / 2 } else { small(s, "padding", s.count("padding", 0)?)? };
    let (filters, groups) = (outputs(s, "filters")?, s.positive("groups", 1)?);
    if !filters.is_multiple_of(groups) {
        return Err(s.wrong("groups", format!("{groups} do not divide the {filters} filters")));
    }
    Ok(Kind::Convolutional(Convolutional {
        filters,
        size,
        stride: strides(s)?,
        padding: padding * dilation,
        dilation,
        groups,
        batch_normalize: s.flag("batch_normalize", false)?,
        activation: activation(s, "logistic")?,
    }))
}

/// Darknet sizes the output as if the padding were half the kernel and pads by one pixel: only where these agree is there
/// something to be equal to.
fn local(s: &Reader<'_>) -> Result<Kind> {
    let (size, padding) = (small(s, "size", s.positive("size", 1)?)?, usize::from(s.flag("pad", false)?));
    if padding == 1 && size != 3 {
        return Err(s.wrong("pad", format!("is defined for size=3 alone in a local layer, the size is {size}")));
    }
    Ok(Kind::Local {
        filters: outputs(s, "filters")?,
        size,
        stride: small(s, "stride", s.positive("stride", 1)?)?,
        padding,
        activation: activation(s, "logistic")?,
    })
}

fn maxpool(s: &Reader<'_>) -> Result<Kind> {
    s.refuse(&["maxpool_depth", "antialiasing"])?;
    let stride = strides(s)?;
    let size = small(s, "size", s.positive("size", s.positive("stride", 1)?)?)?;
    Ok(Kind::Maxpool { size, stride, padding: small(s, "padding", s.count("padding", size - 1)?)? })
}

fn softmax(s: &Reader<'_>) -> Result<Kind> {
    if s.has("tree") {
        return Err(s.wrong("tree", "(classes in a hierarchy) is not supported"));
    }
    let temperature = s.float("temperature", 1.0)?;
    if temperature <= 0.0 {
        return Err(s.wrong("temperature", format!("must be positive, got {temperature}")));
    }
    Ok(Kind::Softmax { groups: s.positive("groups", 1)?, temperature, spatial: s.flag("spatial", false)? })
}

fn route(index: usize, s: &Reader<'_>) -> Result<Kind> {
    s.refuse(&["stream", "dropout"])?;
    let (groups, group) = (s.positive("groups", 1)?, s.count("group_id", 0)?);
    if group >= groups {
        return Err(s.wrong("group_id", format!("is {group}, the groups are counted from 0 to {}", groups - 1)));
    }
    Ok(Kind::Route { layers: references(index, s, "layers")?, groups, group })
}

fn shortcut(index: usize, s: &Reader<'_>) -> Result<Kind> {
    s.refuse(&["weights_type", "weights_normalization"])?;
    for key in ["alpha", "beta"] {
        if s.float(key, 1.0)? != 1.0 {
            return Err(s.wrong(key, "other than 1 is not supported"));
        }
    }
    Ok(Kind::Shortcut { from: references(index, s, "from")?, activation: activation(s, "linear")? })
}

/// The one layer that `from` names.
fn from(index: usize, s: &Reader<'_>) -> Result<usize> {
    match references(index, s, "from")?[..] {
        [one] => Ok(one),
        _ => Err(s.wrong("from", "must name one layer")),
    }
}

/// Numbers of earlier layers under `key`; negative ones count back from this layer.
fn references(index: usize, s: &Reader<'_>, key: &str) -> Result<Vec<usize>> {
    s.required(key)?;
    let given: Vec<i64> = s.list(key, "layer numbers between commas")?;
    let resolve = |&n: &i64| {
        let target = if n < 0 { n.saturating_add(index as i64) } else { n };
        usize::try_from(target).ok().filter(|t| *t < index).ok_or_else(|| {
            let counted = if n < 0 { format!("{n}, which is layer {target}") } else { format!("{n}") };
            let earlier = match index {
                0 => "no layer is before this one".to_string(),
                _ => format!("only the layers 0 to {} are before this one", index - 1),
            };
            s.wrong(key, format!("leads to {counted}; {earlier}"))
        })
    };
    given.iter().map(resolve).collect()
}
