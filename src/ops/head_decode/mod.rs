//! The boxes and scores that a raw detection head means: YOLOv1's, v2's and v3's. Nothing is dropped or sorted here.

use super::head::{HeadSpec, Params, VARIANTS};
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;

static FORWARD: Kernel = Kernel {
    label: "head_decode.forward",
    source: include_str!("../../../shaders/head_decode/forward.wgsl"),
    params: Params::FIELDS,
    variants: VARIANTS,
    needs: Needs::Nothing,
};

const NO_GRADIENT: &str = "decoded boxes are for detecting; losses work on the raw head";

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "head_decode",
    summary: "boxes (N, M, 4) and class scores (N, M, C) of a raw YOLO head",
    args: &[Arg::f32("x")],
    attrs: &HeadSpec::ATTRS,
    outputs: &["boxes", "scores"],
    gradient: Err(NO_GRADIENT),
    kernels: &[&FORWARD],
    build: |attrs, _| Ok(Built::images(HeadDecode { head: HeadSpec::from_attrs(attrs)? }, 1, 2)),
};

/// (raw head) -> (boxes (N, M, 4), scores (N, M, C)), M by row, column, number in the cell.
///
/// Boxes are corners x0, y0, x1, y1 in pixels of the network's input, not clipped to it. A score is objectness times the probability of
/// a class. Exponents of width and height are kept within +-30.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadDecode {
    /// The head.
    pub head: HeadSpec,
}

impl Op for HeadDecode {
    fn name(&self) -> &'static str {
        "head_decode"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error(self.name(), node, "inputs", "x", inputs.len())) };
        let grid = self.head.grid(self.name(), node, x)?;
        let places = self.head.places(grid);
        Ok(vec![TensorType::f32([grid[0], places, 4]), TensorType::f32([grid[0], places, self.head.classes])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let grid = self.head.grid(self.name(), "", &cx.inputs[0])?;
        let n = grid[0] * self.head.places(grid);
        let slots = vec![Slot::Input(0), Slot::Output(0), Slot::Output(1)];
        let launch = Launch::new(&FORWARD, self.head.params(grid), slots, [n.div_ceil(256) as u32, 1, 1])
            .with(&self.head.overrides())
            .costing(8 * cx.inputs[0].elements() as u64, cx.traffic());
        Ok(Work::one(launch))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), NO_GRADIENT)
    }
}
