//! What a network should have said of a box (an anchor, a proposal) to get another: the encoding half of torchvision's BoxCoder,
//! the targets of box regression.

use super::box_decode::{check_boxes, check_weights, weights_attr};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { weights: [f32; 4], n: u32, box_stride: u32, pad0: u32, pad1: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "box_encode.forward",
    source: include_str!("../../../shaders/box_encode/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "box_encode",
    summary: "the deltas that make reference boxes of boxes",
    args: &[Arg::f32("reference"), Arg::f32("boxes")],
    attrs: &[Attr { name: "weights", default: "[1, 1, 1, 1]", doc: "what dx, dy, dw and dh are multiplied by" }],
    outputs: &["y"],
    gradient: Err("it makes targets, which pass no gradient on"),
    kernels: &[&FORWARD],
    build: |attrs, _| {
        let op = Arc::new(BoxEncode { weights: weights_attr(attrs)? });
        Ok(Built { op, inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// (reference (N, R, 4), boxes (N, R, 4) or (1, R, 4)), corners -> (N, R, 4): the (dx, dy, dw, dh) from which `BoxDecode` of the
/// same weights makes `reference` of `boxes`. 0 where either box has a side that is not positive, absent boxes among them.
#[derive(Clone, Copy, Debug)]
pub struct BoxEncode {
    /// What dx, dy, dw, dh are multiplied by.
    pub weights: [f32; 4],
}

impl Op for BoxEncode {
    fn name(&self) -> &'static str {
        "box_encode"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        check_weights("box_encode", node, self.weights)?;
        let [reference, boxes] = inputs else {
            return Err(shape_error("box_encode", node, "inputs", "reference and boxes", inputs.len()));
        };
        let fits = reference.dtype == DType::F32 && reference.shape.rank() == 3 && reference.shape[2] == 4;
        if !fits || reference.elements() == 0 {
            return Err(shape_error("box_encode", node, "reference", "f32 of shape (N, R, 4)", reference));
        }
        check_boxes("box_encode", node, boxes, [reference.shape[0], reference.shape[1]])?;
        Ok(vec![reference.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let [pictures, n] = [0, 1].map(|d| cx.outputs[0].shape[d] as u32);
        let box_stride = if cx.inputs[1].shape[0] == 1 { 0 } else { n };
        let params = Params { weights: self.weights, n, box_stride, ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let launch = Launch::new(&FORWARD, params, slots, [n.div_ceil(256), pictures, 1]);
        Ok(Work::one(launch.costing(60 * u64::from(n) * u64::from(pictures), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("box_encode", ENTRY.gradient.expect_err("none"))
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
