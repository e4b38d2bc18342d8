//! Intersection over union of every pair of boxes, as torchvision.ops.box_iou. For matching boxes; losses on single pairs have
//! their own ops and their own gradients.

use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { rows: u32, columns: u32, pad0: u32, pad1: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "box_iou.forward",
    source: include_str!("../../../shaders/box_iou/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "box_iou",
    summary: "intersection over union of every box of a with every box of b",
    args: &[Arg::f32("a"), Arg::f32("b")],
    attrs: &[],
    outputs: &["iou"],
    gradient: Err("it serves matching, which passes no gradient on; IoU losses are ops of their own"),
    kernels: &[&FORWARD],
    build: |_, _| Ok(Built { op: Arc::new(BoxIou), inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] }),
};

/// (a (N, A, 4), b (N, B, 4)), corners x0, y0, x1, y1 -> iou (N, A, B); 0 where the union is empty (torchvision has NaN there).
#[derive(Clone, Copy, Debug)]
pub struct BoxIou;

impl Op for BoxIou {
    fn name(&self) -> &'static str {
        "box_iou"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [a, b] = inputs else { return Err(shape_error("box_iou", node, "inputs", "a and b", inputs.len())) };
        for (name, x) in [("a", a), ("b", b)] {
            if x.dtype != DType::F32 || x.shape.rank() != 3 || x.shape[2] != 4 || x.elements() == 0 {
                return Err(shape_error("box_iou", node, name, "f32 of shape (N, boxes, 4)", x));
            }
        }
        if a.shape[0] != b.shape[0] {
            return Err(shape_error("box_iou", node, "b", format!("{} pictures", a.shape[0]), b));
        }
        Ok(vec![TensorType::f32([a.shape[0], a.shape[1], b.shape[1]])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let [n, rows, columns] = [0, 1, 2].map(|d| cx.outputs[0].shape[d] as u32);
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let params = Params { rows, columns, ..Default::default() };
        let cost = cx.elementwise(20);
        let launch = Launch::new(&FORWARD, params, slots, [columns.div_ceil(256), rows, n]);
        Ok(Work::one(launch.costing(cost.flops, cost.bytes)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("box_iou", ENTRY.gradient.expect_err("none"))
    }
}
