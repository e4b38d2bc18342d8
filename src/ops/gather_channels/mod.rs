//! One channel of each picture, chosen by index: of a mask head's channels, that of the region's class.

use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params { n: u32, pixels: u32, channels: u32, pad0: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "gather_channels.forward",
    source: include_str!("../../../shaders/gather_channels/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "gather_channels.grad",
    source: include_str!("../../../shaders/gather_channels/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "gather_channels",
    summary: "y[m, 0] = x[m, index[m]], one channel of each picture",
    args: &[Arg::f32("x"), Arg::i32("index")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |_, _| {
        let inputs = vec![Layout::Image, Layout::Plain];
        Ok(Built { op: Arc::new(GatherChannels), inputs, outputs: vec![Layout::Image] })
    },
};

/// (x (M, H, W, C), index i32 (M)) -> (M, H, W, 1): channel index[m] of picture m. An index outside 0..C gives 0 and passes no gradient on.
#[derive(Clone, Copy, Debug)]
pub struct GatherChannels;

/// A launch of one of the kernels, from or for x of `shape`; `groups` takes the uniform and the number of pictures.
fn launch(
    kernel: &'static Kernel,
    shape: &Shape,
    cx: &LaunchCx<'_>,
    groups: impl FnOnce(&Params, u32) -> [u32; 3],
) -> Work {
    let [m, h, w, c] = shape.nhwc().expect("checked by infer");
    let n = cx.outputs[0].elements() as u32;
    let params = Params { n, pixels: (h * w) as u32, channels: c as u32, ..Default::default() };
    let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
    let launch = Launch::new(kernel, params, slots, groups(&params, m as u32));
    Work::one(launch.costing(0, 3 * cx.outputs[0].bytes()))
}

impl Op for GatherChannels {
    fn name(&self) -> &'static str {
        "gather_channels"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, index] = inputs else {
            return Err(shape_error("gather_channels", node, "inputs", "x and index", inputs.len()));
        };
        if x.dtype != DType::F32 || x.shape.rank() != 4 || x.elements() == 0 {
            return Err(shape_error("gather_channels", node, "x", "f32(M, H, W, C)", x));
        }
        let wanted = TensorType::i32([x.shape[0]]);
        if *index != wanted {
            return Err(shape_error("gather_channels", node, "index", wanted, index));
        }
        Ok(vec![TensorType::f32([x.shape[0], x.shape[1], x.shape[2], 1])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(launch(&FORWARD, &cx.inputs[0].shape, cx, |params, _| [params.n.div_ceil(256), 1, 1]))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let op = GatherChannelsGrad { shape: cx.ty(cx.inputs[0]).shape };
        Ok(vec![Some(cx.emit(op, &[cx.grad(), cx.inputs[1]])?), None])
    }
}

/// (grad_y, index) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct GatherChannelsGrad {
    shape: Shape,
}

impl Op for GatherChannelsGrad {
    fn name(&self) -> &'static str {
        "gather_channels.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(launch(&GRAD, &self.shape, cx, |params, m| [(params.pixels * params.channels).div_ceil(2048), m, 1]))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("gather_channels.grad", "second derivatives are not offered")
    }
}
