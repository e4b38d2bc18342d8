//! Boxes from what a network says of other boxes (anchors, proposals): the decoding half of torchvision's BoxCoder, for one box or one
//! for each class, cut to the picture if its size is given. Girshick et al., "Rich feature hierarchies", 2014, appendix C.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params {
        weights: [f32; 4],
        n: u32, classes: u32, box_stride: u32, sized: u32,
        max_ratio: f32, pad0: u32, pad1: u32, pad2: u32,
    }
}

static FORWARD: Kernel = Kernel {
    label: "box_decode.forward",
    source: include_str!("../../../shaders/box_decode/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "box_decode.grad",
    source: include_str!("../../../shaders/box_decode/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "box_decode",
    summary: "boxes from deltas and the boxes they refer to",
    args: &[Arg::f32("deltas"), Arg::f32("boxes"), Arg::optional("image_sizes")],
    attrs: &[
        Attr { name: "weights", default: "[1, 1, 1, 1]", doc: "what dx, dy, dw and dh are divided by" },
        Attr {
            name: "bbox_xform_clip",
            default: "4.135166556742356",
            doc: "dw and dh are cut above it: log(1000 / 16)",
        },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |attrs, inputs| {
        let op = BoxDecode {
            weights: weights_attr(attrs)?,
            max_ratio: attrs.float("bbox_xform_clip", BoxDecode::MAX_RATIO)?,
            sized: inputs[2].is_some(),
        };
        let given = inputs.iter().flatten().count();
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; given], outputs: vec![Layout::Plain] })
    },
};

/// The attribute `weights` of `box_decode` and `box_encode`.
pub(super) fn weights_attr(attrs: &super::Attrs) -> Result<[f32; 4]> {
    let given = attrs.floats("weights")?.unwrap_or_else(|| vec![1.0; 4]);
    given.try_into().map_err(|v| attrs.fail("weights", format!("must be four numbers, got {v:?}")))
}

/// Checks the weights of `op`, which stand in denominators.
pub(super) fn check_weights(op: &'static str, node: &str, weights: [f32; 4]) -> Result<()> {
    if weights.iter().all(|w| w.is_finite() && *w > 0.0) {
        return Ok(());
    }
    Err(Error::Attribute { op: op.into(), message: format!("'{node}': weights must be positive, got {weights:?}") })
}

/// Checks that `boxes` are (n, rows, 4) or (1, rows, 4).
pub(super) fn check_boxes(op: &str, node: &str, boxes: &TensorType, [n, rows]: [usize; 2]) -> Result<()> {
    let fits = boxes.dtype == DType::F32 && (boxes.shape[..] == [n, rows, 4] || boxes.shape[..] == [1, rows, 4]);
    if fits { Ok(()) } else { Err(shape_error(op, node, "boxes", format!("f32({n} or 1, {rows}, 4)"), boxes)) }
}

/// (deltas (N, R, 4K), boxes (N, R, 4) or (1, R, 4), [image_sizes (N, 2) as height, width]) -> (N, R * K, 4): K boxes of each, as
/// corners in the unit of `boxes`. Those of row r stand at r * K to r * K + K - 1.
///
/// With w, h and the centre of a box, and (dx, dy, dw, dh) divided by their weights: the centre moves by (dx * w, dy * h), the sides
/// become w * exp(min(dw, max_ratio)) and so on. Corners are cut to the picture, which lies at the top left, where sizes are given.
/// A box of four zeros is absent and gives absent boxes. The gradient goes to `deltas` alone; corners that were cut and sides beyond
/// `max_ratio` pass none on.
#[derive(Clone, Copy, Debug)]
pub struct BoxDecode {
    /// What dx, dy, dw, dh are divided by.
    pub weights: [f32; 4],
    /// What dw and dh are cut above, at most 80, so that exp stays finite.
    pub max_ratio: f32,
    /// Whether the pictures' sizes are given.
    pub sized: bool,
}

impl BoxDecode {
    /// log(1000 / 16), as torchvision has it.
    pub const MAX_RATIO: f32 = 4.135_166_6;

    /// The launch of a kernel over `slots`.
    fn launch(&self, kernel: &'static Kernel, deltas: &TensorType, boxes: &TensorType, slots: Vec<Slot>) -> Launch {
        let [pictures, rows, classes] = [deltas.shape[0], deltas.shape[1], deltas.shape[2] / 4].map(|e| e as u32);
        let params = Params {
            weights: self.weights,
            n: rows * classes,
            classes,
            box_stride: if boxes.shape[0] == 1 { 0 } else { rows },
            sized: u32::from(self.sized),
            max_ratio: self.max_ratio,
            ..Default::default()
        };
        let made = u64::from(pictures) * u64::from(params.n);
        Launch::new(kernel, params, slots, [params.n.div_ceil(256), pictures, 1]).costing(80 * made, 64 * made)
    }
}

impl Op for BoxDecode {
    fn name(&self) -> &'static str {
        "box_decode"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        check_weights("box_decode", node, self.weights)?;
        if self.max_ratio.is_nan() || self.max_ratio > 80.0 {
            let message = format!("'{node}': max_ratio must be at most 80, got {}", self.max_ratio);
            return Err(Error::Attribute { op: "box_decode".into(), message });
        }
        let given = 2 + usize::from(self.sized);
        if inputs.len() != given {
            let expected = format!("{given} (deltas, boxes, ...)");
            return Err(shape_error("box_decode", node, "inputs", expected, inputs.len()));
        }
        let deltas = &inputs[0];
        let fits = deltas.dtype == DType::F32 && deltas.shape.rank() == 3 && deltas.shape[2].is_multiple_of(4);
        if !fits || deltas.elements() == 0 {
            return Err(shape_error("box_decode", node, "deltas", "f32 of shape (N, R, 4 * classes)", deltas));
        }
        let [n, rows] = [deltas.shape[0], deltas.shape[1]];
        check_boxes("box_decode", node, &inputs[1], [n, rows])?;
        if self.sized && inputs[2] != TensorType::f32([n, 2]) {
            return Err(shape_error("box_decode", node, "image_sizes", TensorType::f32([n, 2]), &inputs[2]));
        }
        Ok(vec![TensorType::f32([n, rows * (deltas.shape[2] / 4), 4])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = Slot::Input(if self.sized { 2 } else { 1 });
        let slots = vec![Slot::Input(0), Slot::Input(1), sizes, Slot::Output(0)];
        Ok(Work::one(self.launch(&FORWARD, &cx.inputs[0], &cx.inputs[1], slots)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let mut grads = vec![None; cx.inputs.len()];
        if cx.wanted[0] {
            let inputs: Vec<Value> = [cx.grad()].iter().chain(cx.inputs).copied().collect();
            grads[0] = Some(cx.emit(BoxDecodeGrad(*self), &inputs)?);
        }
        Ok(grads)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}

/// (grad_y, deltas, boxes, [image_sizes]) -> grad_deltas.
#[derive(Clone, Copy, Debug)]
struct BoxDecodeGrad(BoxDecode);

impl Op for BoxDecodeGrad {
    fn name(&self) -> &'static str {
        "box_decode.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = Slot::Input(if self.0.sized { 3 } else { 2 });
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Input(2), sizes, Slot::Output(0)];
        Ok(Work::one(self.0.launch(&GRAD, &cx.inputs[1], &cx.inputs[2], slots)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}
