//! The reorg layer as Darknet computes it, which is not a space-to-depth: networks trained with it (YOLO v2) need exactly this
//! order. The gradient is the same map backwards.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;

crate::uniform! {
    /// Uniform of the kernel; extents of the forward direction's input.
    pub struct Params {
        n: u32, inverse: u32, stride: u32, pad0: u32,
        width: u32, height: u32, channels: u32, pad1: u32,
    }
}

static FORWARD: Kernel = Kernel {
    label: "darknet_reorg.forward",
    source: include_str!("../../../shaders/darknet_reorg/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "darknet_reorg",
    summary: "Darknet's [reorg] layer",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "stride", default: "2", doc: "height and width are divided by it" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD],
    build: |attrs, _| Ok(Built::images(DarknetReorg { stride: attrs.size("stride", 2)? }, 1, 1)),
};

/// (N, H, W, C) -> (N, H / s, W / s, C * s * s), elements in the order of Darknet's `reorg_cpu` with `forward = 0`.
#[derive(Clone, Copy, Debug)]
pub struct DarknetReorg {
    /// The layer's stride; its square divides the channels, itself height and width.
    pub stride: usize,
}

impl Op for DarknetReorg {
    fn name(&self) -> &'static str {
        "darknet_reorg"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("darknet_reorg", node, "inputs", "x", inputs.len())) };
        let s = self.stride;
        match x.shape.nhwc() {
            Some([n, h, w, c]) if (1..=256).contains(&s) && h % s == 0 && w % s == 0 && c % (s * s) == 0 && c > 0 => {
                Ok(vec![TensorType { shape: [n, h / s, w / s, c * s * s].into(), dtype: x.dtype }])
            }
            _ => {
                let expected = format!("(N, H, W, C), H and W divisible by the stride {s}, C by {}", s * s);
                Err(shape_error("darknet_reorg", node, "x", expected, x))
            }
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(self.work(cx, &cx.inputs[0], false))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let op = ReorgBack { forward: *self, x: cx.ty(cx.inputs[0]) };
        Ok(vec![Some(cx.emit(op, &[cx.grad()])?)])
    }
}

impl DarknetReorg {
    fn work(&self, cx: &LaunchCx<'_>, x: &TensorType, inverse: bool) -> Work {
        let [_, height, width, channels] = x.shape.nhwc().expect("rank 4 was checked").map(|e| e as u32);
        let n = x.elements() as u32;
        let inverse = u32::from(inverse);
        let stride = self.stride as u32;
        let params = Params { n, inverse, stride, width, height, channels, ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Output(0)];
        Work::one(Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]).costing(0, cx.traffic()))
    }
}

/// (grad_y) -> grad_x of type `x`.
#[derive(Clone, Debug)]
struct ReorgBack {
    forward: DarknetReorg,
    x: TensorType,
}

impl Op for ReorgBack {
    fn name(&self) -> &'static str {
        "darknet_reorg.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![self.x.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(self.forward.work(cx, &self.x, true))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("darknet_reorg.grad", "second derivatives are not offered")
    }
}
