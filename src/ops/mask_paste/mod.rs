//! Masks of boxes, as a mask head gives them, put into the picture (He et al. 2017; torchvision's `paste_masks_in_image`). The result
//! is probabilities: where a mask begins is decided elsewhere.

use super::roi_align::check_size;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { size: u32, height: u32, width: u32, growth: f32 }
}

static FORWARD: Kernel = Kernel {
    label: "mask_paste.forward",
    source: include_str!("../../../shaders/mask_paste/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "mask_paste",
    summary: "masks of boxes, resized to their boxes and put into pictures",
    args: &[Arg::f32("masks"), Arg::f32("boxes")],
    attrs: &[Attr { name: "size", default: "none", doc: "rows and columns of the picture, n or [h, w]" }],
    outputs: &["y"],
    gradient: Err("it is for results; nothing is learned through it"),
    kernels: &[&FORWARD],
    build: |attrs, _| {
        let op = MaskPaste { size: attrs.pair("size", [0, 0])? };
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// (masks (N, K, M, M), boxes (N, K, 4), corners in pixels) -> (N, K, height, width): each mask, with a border of one zero, resized bilinearly
/// (`align_corners` false) to its box, which grows by (M + 2) / M about its centre and is cut to whole pixels, in an else empty picture. Boxes that are
/// all zeros (absent), or with a NaN or an infinity, give empty pictures.
#[derive(Clone, Copy, Debug)]
pub struct MaskPaste {
    /// Rows and columns of the picture, 1 to 65535.
    pub size: [usize; 2],
}

impl Op for MaskPaste {
    fn name(&self) -> &'static str {
        "mask_paste"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [masks, boxes] = inputs else {
            return Err(shape_error("mask_paste", node, "inputs", "masks and boxes", inputs.len()));
        };
        if !self.size.iter().all(|s| (1..=65535).contains(s)) {
            let message = format!("'{node}': size must be 1 to 65535 each way, got {:?}", self.size);
            return Err(Error::Attribute { op: "mask_paste".into(), message });
        }
        let square = masks.shape.rank() == 4 && masks.shape[2] == masks.shape[3];
        if masks.dtype != DType::F32 || !square || masks.elements() == 0 {
            return Err(shape_error("mask_paste", node, "masks", "f32(N, K, M, M)", masks));
        }
        check_size("mask_paste", node, [masks.shape[2], masks.shape[3]])?;
        let [n, k] = [masks.shape[0], masks.shape[1]];
        if *boxes != TensorType::f32([n, k, 4]) {
            return Err(shape_error("mask_paste", node, "boxes", TensorType::f32([n, k, 4]), boxes));
        }
        Ok(vec![TensorType::f32([n, k, self.size[0], self.size[1]])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let masks = &cx.inputs[0].shape;
        let [height, width] = self.size.map(|s| s as u32);
        let side = masks[2];
        let growth = ((side + 2) as f64 / side as f64) as f32;
        let params = Params { size: side as u32, height, width, growth, ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let groups = [1, height, (masks[0] * masks[1]) as u32];
        // Boxes cover a part of their pictures.
        let cost = cx.elementwise(4);
        Ok(Work::one(Launch::new(&FORWARD, params, slots, groups).costing(cost.flops, cost.bytes)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("mask_paste", ENTRY.gradient.expect_err("none"))
    }
}
