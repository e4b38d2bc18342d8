//! Feature pyramid: Lin, Dollar, Girshick, He, Hariharan, Belongie, "Feature Pyramid Networks for Object Detection", CVPR 2017, as
//! torchvision's `FeaturePyramidNetwork`.

use crate::Result;
use crate::nn::{Conv, Init, Net, Norm};
use crate::ops::Value;
use crate::ops::add::Add;
use crate::ops::relu::Relu;
use crate::ops::resize::{Mode, Resize};
use crate::ops::slice::Slice;
use serde::{Deserialize, Serialize};

/// Levels beyond the body's last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extra {
    /// None.
    None,
    /// One: every second row and column of the last (a pooling of kernel 1 and stride 2). Faster R-CNN's.
    #[default]
    Pool,
    /// Two: a 3x3 convolution of stride 2 on the body's last map, C5, and another on its result. RetinaNet's v2.
    P6P7FromC5,
    /// The same on the pyramid's last map, P5. RetinaNet's.
    P6P7FromP5,
}

impl Extra {
    /// How many levels it adds.
    pub fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Pool => 1,
            Self::P6P7FromC5 | Self::P6P7FromP5 => 2,
        }
    }
}

/// A feature pyramid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FpnConfig {
    /// Channels of every level.
    pub channels: usize,
    /// Batch norm behind the pyramid's convolutions, which then have no bias; torchvision's v2 models have it.
    pub norm: Option<Norm>,
    /// Levels beyond the last.
    pub extra: Extra,
    /// The body's levels that it takes, ascending.
    pub levels: Vec<usize>,
}

impl Default for FpnConfig {
    /// Faster R-CNN's.
    fn default() -> Self {
        Self { channels: 256, norm: None, extra: Extra::Pool, levels: vec![2, 3, 4, 5] }
    }
}

impl FpnConfig {
    /// Adds the pyramid over the body's maps, the largest first: as many maps (N, H_l, W_l, channels), and the extra ones.
    pub fn build(&self, net: &mut Net<'_>, maps: &[Value]) -> Result<Vec<Value>> {
        let mut levels = Vec::new();
        let mut above = None;
        for (i, &map) in maps.iter().enumerate().rev() {
            let lateral = self.conv(net, "inner_blocks", i, map, 1)?;
            let merged = match above {
                None => lateral,
                Some(above) => {
                    let [_, h, w, _] = net.graph.shape(lateral).nhwc().expect("a picture");
                    let top_down = net.graph.named("top_down", Resize::to(Mode::Nearest, [h, w]), &[above])?;
                    net.graph.named("merged", Add, &[lateral, top_down])?
                }
            };
            levels.push(self.conv(net, "layer_blocks", i, merged, 3)?);
            above = Some(merged);
        }
        levels.reverse();
        self.add_extra(net, *maps.last().expect("one level at least"), &mut levels)?;
        Ok(levels)
    }

    fn conv(&self, net: &mut Net<'_>, blocks: &str, i: usize, x: Value, kernel: usize) -> Result<Value> {
        let conv = Conv { bias: self.norm.is_none(), ..Conv::same(self.channels, kernel) };
        net.scope(&format!("{blocks}.{i}"), |net| {
            let y = uniform(conv, net, "0", x)?;
            match self.norm {
                Some(norm) => norm.build(net, "1", y),
                None => Ok(y),
            }
        })
    }

    fn add_extra(&self, net: &mut Net<'_>, body: Value, levels: &mut Vec<Value>) -> Result<()> {
        let last = *levels.last().expect("one level at least");
        let from = match self.extra {
            Extra::None => return Ok(()),
            Extra::Pool => {
                let [n, h, w, c] = net.graph.shape(last).nhwc().expect("a picture");
                let pool = Slice { start: vec![0; 4], end: vec![n, h, w, c], step: vec![1, 2, 2, 1] };
                levels.push(net.graph.named("pool", pool, &[last])?);
                return Ok(());
            }
            Extra::P6P7FromC5 => body,
            Extra::P6P7FromP5 => last,
        };
        net.scope("extra_blocks", |net| {
            let down = Conv { stride: 2, ..Conv::same(self.channels, 3) };
            let p6 = uniform(down.clone(), net, "p6", from)?;
            let rectified = net.graph.named("relu", Relu, &[p6])?;
            levels.extend([p6, uniform(down, net, "p7", rectified)?]);
            Ok(())
        })
    }
}

/// A convolution with torchvision's first values for pyramids.
fn uniform(conv: Conv, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
    let fan_in = conv.fan_in(net.graph.shape(x).channels());
    conv.build_with(net, name, x, Init::kaiming_uniform(fan_in))
}
