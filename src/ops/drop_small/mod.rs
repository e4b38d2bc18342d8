//! Takes the scores away from boxes that are too small, as torchvision.ops.remove_small_boxes takes the boxes, and from those that
//! score too little: NaN, which `top_k` and `nms` leave out.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, min_size: f32, scored: u32, min_score: f32 }
}

static FORWARD: Kernel = Kernel {
    label: "drop_small.forward",
    source: include_str!("../../../shaders/drop_small/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "drop_small",
    summary: "scores, NaN where the box is too small or the score too low",
    args: &[Arg::f32("boxes"), Arg::f32("scores")],
    attrs: &[
        Attr { name: "min_size", default: "0.001", doc: "boxes with a smaller side lose their score" },
        Attr { name: "min_score", default: "null", doc: "lower scores are lost" },
    ],
    outputs: &["kept"],
    gradient: Err("it serves the choice of boxes, which passes no gradient on"),
    kernels: &[&FORWARD],
    build: |attrs, _| {
        let min_score = attrs.has("min_score").then(|| attrs.float("min_score", 0.0)).transpose()?;
        let op = Arc::new(DropSmall { min_size: attrs.float("min_size", 1e-3)?, min_score });
        Ok(Built { op, inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// (boxes (N, R, 4) corners, scores (N, R)) -> (N, R): the scores; NaN where a side is below `min_size`, where the score is below
/// `min_score`, where the score is NaN and where a coordinate is not finite. A side or a score equal to its bound stays.
#[derive(Clone, Copy, Debug)]
pub struct DropSmall {
    /// Smallest side, in the unit of the boxes.
    pub min_size: f32,
    /// Smallest score, if there is a bound.
    pub min_score: Option<f32>,
}

impl Op for DropSmall {
    fn name(&self) -> &'static str {
        "drop_small"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [boxes, scores] = inputs else {
            return Err(shape_error("drop_small", node, "inputs", "boxes and scores", inputs.len()));
        };
        if scores.dtype != DType::F32 || scores.shape.rank() != 2 || scores.elements() == 0 {
            return Err(shape_error("drop_small", node, "scores", "f32 of rank 2 with elements", scores));
        }
        let wanted = TensorType::f32([scores.shape[0], scores.shape[1], 4]);
        if *boxes != wanted {
            return Err(shape_error("drop_small", node, "boxes", wanted, boxes));
        }
        if self.min_size.is_nan() || self.min_score.is_some_and(f32::is_nan) {
            let message = format!("'{node}': min_size and min_score must be numbers");
            return Err(Error::Attribute { op: "drop_small".into(), message });
        }
        Ok(vec![scores.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.outputs[0].elements() as u32;
        let (scored, min_score) = (u32::from(self.min_score.is_some()), self.min_score.unwrap_or(0.0));
        let params = Params { n, min_size: self.min_size, scored, min_score, ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let launch = Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.costing(10 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("drop_small", ENTRY.gradient.expect_err("none"))
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(1, 0)]
    }
}
