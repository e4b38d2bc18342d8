//! What a mask head should answer: for each region the mask of its true box, cropped to the region and brought to the head's size
//! (He et al. 2017; torchvision's `project_masks_on_boxes`). Masks come as bits, a word for 32 pixels.

use super::roi_align::{check_rois, check_size};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params {
        n: u32, size: u32, rois: u32, truths: u32,
        height: u32, words: u32, sized: u32, pad0: u32,
    }
}

static FORWARD: Kernel = Kernel {
    label: "mask_targets.forward",
    source: include_str!("../../../shaders/mask_targets/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "mask_targets",
    summary: "the mask of each region's true box, cropped to the region",
    args: &[Arg::u32("gt_masks"), Arg::f32("rois"), Arg::i32("matched"), Arg::optional("image_sizes")],
    attrs: &[Attr { name: "size", default: "28", doc: "rows and columns of the result" }],
    outputs: &["y"],
    gradient: Err("targets are given; nothing is learned through them"),
    kernels: &[&FORWARD],
    build: |attrs, inputs| {
        let op = MaskTargets { size: attrs.size("size", 28)?, sized: inputs[3].is_some() };
        let given = inputs.iter().flatten().count();
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; given], outputs: vec![Layout::Image] })
    },
};

/// (gt_masks u32 (N, T, H, words), rois (N, R, 4), matched i32 (N, R), [image_sizes (N, 2)]) -> (N * R, size, size, 1): RoIAlign at scale 1, not
/// aligned, with as many samples as a bin has pixels, of the mask of true box `matched`; 0 where that is not in 0..T and for absent regions.
///
/// Bit x % 32 of word x / 32 is pixel (y, x) of a mask. `image_sizes` has height and width of each picture: where its masks end. Without,
/// they end with their words.
#[derive(Clone, Copy, Debug)]
pub struct MaskTargets {
    /// Rows and columns of the result, 1 to 1024.
    pub size: usize,
    /// Whether image_sizes are given.
    pub sized: bool,
}

impl Op for MaskTargets {
    fn name(&self) -> &'static str {
        "mask_targets"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong = |what: &str, expected: String, got: &TensorType| {
            Err(shape_error("mask_targets", node, what, expected, got))
        };
        check_size("mask_targets", node, [self.size; 2])?;
        let given = 3 + usize::from(self.sized);
        if inputs.len() != given {
            let expected = format!("{given} (gt_masks, rois, matched, ...)");
            return Err(shape_error("mask_targets", node, "inputs", expected, inputs.len()));
        }
        let [masks, rois, matched] = [&inputs[0], &inputs[1], &inputs[2]];
        if masks.dtype != DType::U32 || masks.shape.rank() != 4 || masks.elements() == 0 {
            return wrong("gt_masks", "u32(N, T, H, words)".into(), masks);
        }
        let n = masks.shape[0];
        let count = check_rois("mask_targets", node, n, rois)?;
        if *matched != TensorType::i32([n, count]) {
            return wrong("matched", TensorType::i32([n, count]).to_string(), matched);
        }
        match inputs.get(3) {
            Some(sizes) if *sizes != TensorType::f32([n, 2]) => {
                wrong("image_sizes", TensorType::f32([n, 2]).to_string(), sizes)
            }
            _ => Ok(vec![TensorType::f32([n * count, self.size, self.size, 1])]),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let [_, truths, height, words] = cx.inputs[0].shape.nhwc().expect("checked by infer");
        let n = cx.outputs[0].elements() as u32;
        let params = Params {
            n,
            size: self.size as u32,
            rois: cx.inputs[1].shape[1] as u32,
            truths: truths as u32,
            height: height as u32,
            words: words as u32,
            sized: u32::from(self.sized),
            ..Default::default()
        };
        let sizes = Slot::Input(if self.sized { 3 } else { 1 });
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Input(2), sizes, Slot::Output(0)];
        // A guess: regions of some hundred pixels have some thirty samples in a bin of the usual size.
        let samples = 32 * u64::from(n);
        Ok(Work::one(Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]).costing(16 * samples, 4 * samples)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("mask_targets", ENTRY.gradient.expect_err("none"))
    }
}
