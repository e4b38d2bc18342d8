//! Indices into a flattened table taken apart into row and column.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, divisor: u32, pad0: u32, pad1: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "split_index.forward",
    source: include_str!("../../../shaders/split_index/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "split_index",
    summary: "quotient and remainder of indices; -1 where they are negative",
    args: &[Arg::i32("index")],
    attrs: &[Attr { name: "divisor", default: "1", doc: "length of a row" }],
    outputs: &["quotient", "remainder"],
    gradient: Err("indices are whole numbers"),
    kernels: &[&FORWARD],
    build: |attrs, _| {
        let op = Arc::new(SplitIndex { divisor: attrs.size("divisor", 1)? });
        Ok(Built { op, inputs: vec![Layout::Plain], outputs: vec![Layout::Plain; 2] })
    },
};

/// index i32, any shape -> (quotient, remainder) i32: row and column of an index into a table with rows of `divisor`; -1 and -1 for
/// a negative index, which names no place.
#[derive(Clone, Copy, Debug)]
pub struct SplitIndex {
    /// Length of a row, at least 1.
    pub divisor: usize,
}

impl Op for SplitIndex {
    fn name(&self) -> &'static str {
        "split_index"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [index] = inputs else {
            return Err(shape_error("split_index", node, "inputs", "index", inputs.len()));
        };
        if index.dtype != DType::I32 || index.elements() == 0 {
            return Err(shape_error("split_index", node, "index", "i32 with elements", index));
        }
        if self.divisor == 0 || i32::try_from(self.divisor).is_err() {
            let message = format!("'{node}': divisor must be at least 1 and an i32, got {}", self.divisor);
            return Err(Error::Attribute { op: "split_index".into(), message });
        }
        Ok(vec![index.clone(), index.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let params = Params { n, divisor: self.divisor as u32, ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Output(0), Slot::Output(1)];
        let launch = Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.costing(4 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("split_index", ENTRY.gradient.expect_err("none"))
    }
}
