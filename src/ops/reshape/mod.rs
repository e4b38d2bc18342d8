//! The same elements under another shape. A view: nothing is copied and no kernel runs.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::layout::Layout;
use crate::tensor::{Shape, TensorType};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "reshape",
    summary: "the same elements under another shape",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "shape", default: "[-1]", doc: "the new extents; one may be -1 and is computed" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[],
    build: |attrs, inputs| {
        let elements = inputs[0].as_ref().map_or(0, TensorType::elements);
        let mut given = attrs.list("shape")?.unwrap_or_else(|| vec![-1]);
        let known: i64 = given.iter().filter(|&&e| e != -1).product();
        if given.iter().filter(|&&e| e == -1).count() > 1 || given.iter().any(|&e| e < -1) {
            return Err(attrs.fail("shape", format!("may hold one -1 and no other negative number, got {given:?}")));
        }
        if let Some(open) = given.iter_mut().find(|e| **e == -1) {
            *open = if known > 0 { elements as i64 / known } else { 0 };
        }
        let shape: Vec<usize> = given.iter().map(|&e| e as usize).collect();
        let op = std::sync::Arc::new(Reshape { shape: shape.into() });
        // The order of elements is the caller's.
        Ok(Built { op, inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] })
    },
};

/// x under another shape of as many elements, in row-major order (of NHWC, for pictures).
#[derive(Clone, Debug)]
pub struct Reshape {
    /// The new shape.
    pub shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("reshape", node, "inputs", "x", inputs.len())) };
        if x.elements() != self.shape.elements() {
            let expected = format!("{} elements for shape {}", self.shape.elements(), self.shape);
            return Err(shape_error("reshape", node, "x", expected, format!("{} in {x}", x.elements())));
        }
        Ok(vec![TensorType { shape: self.shape.clone(), dtype: x.dtype }])
    }

    fn launches(&self, _cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(Work::default())
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let shape = cx.ty(cx.inputs[0]).shape;
        Ok(vec![Some(cx.emit(Self { shape }, &[cx.grad()])?)])
    }

    fn is_view(&self) -> bool {
        true
    }
}
