//! Indices as rows of zeros with a single one, as torch.nn.functional.one_hot: targets of losses that want a number for each class.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, classes: u32, pad0: u32, pad1: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "one_hot.forward",
    source: include_str!("../../../shaders/one_hot/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "one_hot",
    summary: "rows of zeros with a one at the index",
    args: &[Arg::i32("index")],
    attrs: &[Attr { name: "num_classes", default: "1", doc: "length of a row" }],
    outputs: &["y"],
    gradient: Err("indices are whole numbers"),
    kernels: &[&FORWARD],
    build: |attrs, _| {
        let op = Arc::new(OneHot { classes: attrs.size("num_classes", 1)? });
        Ok(Built { op, inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] })
    },
};

/// index i32 (...) -> f32 (..., classes): 1 at the index, 0 elsewhere. A row of zeros where the index lies outside 0..classes.
#[derive(Clone, Copy, Debug)]
pub struct OneHot {
    /// Length of a row, at least 1.
    pub classes: usize,
}

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [index] = inputs else { return Err(shape_error("one_hot", node, "inputs", "index", inputs.len())) };
        if index.dtype != DType::I32 || index.elements() == 0 {
            return Err(shape_error("one_hot", node, "index", "i32 with elements", index));
        }
        if self.classes == 0 || i32::try_from(self.classes).is_err() {
            let message = format!("'{node}': classes must be at least 1 and an i32, got {}", self.classes);
            return Err(Error::Attribute { op: "one_hot".into(), message });
        }
        let shape: Vec<usize> = index.shape.iter().copied().chain([self.classes]).collect();
        Ok(vec![TensorType::f32(shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.outputs[0].elements() as u32;
        let params = Params { n, classes: self.classes as u32, ..Default::default() };
        let launch = Launch::new(&FORWARD, params, vec![Slot::Input(0), Slot::Output(0)], [n.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.costing(4 * u64::from(n), 2 * cx.outputs[0].bytes())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("one_hot", ENTRY.gradient.expect_err("none"))
    }
}
