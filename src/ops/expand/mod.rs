//! Repeats a tensor along dimensions of extent 1 and along new ones in front: broadcasting made real. The gradient sums.

use super::lanes::wide;
use super::strided::{self, Dim};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, broadcast, shape_error};
use crate::Result;
use crate::tensor::layout::Layout;
use crate::tensor::{Shape, TensorType};

wide!(FORWARD, "expand.forward", "expand/forward.wgsl", strided::Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "expand",
    summary: "x repeated along dimensions of extent 1",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "size", default: "the extents of x", doc: "the new extents; -1 keeps one" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    build: |attrs, inputs| {
        let x = inputs[0].as_ref().map(|x| x.shape.clone()).unwrap_or_default();
        let size = attrs.list("size")?.unwrap_or_else(|| x.iter().map(|&e| e as i64).collect());
        let mut shape = Vec::with_capacity(size.len());
        for (d, &extent) in size.iter().enumerate() {
            let own = (d + x.rank()).checked_sub(size.len()).map(|o| x[o]);
            match (extent, own) {
                (-1, Some(own)) => shape.push(own),
                (e, _) if e >= 1 => shape.push(e as usize),
                _ => return Err(attrs.fail("size", format!("cannot have {extent} at {d} for a tensor {x}"))),
            }
        }
        let op = std::sync::Arc::new(Expand { shape: shape.into() });
        Ok(Built { op, inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] })
    },
};

/// x broadcast to `shape`, as PyTorch's expand, but in memory of its own.
#[derive(Clone, Debug)]
pub struct Expand {
    /// The new shape.
    pub shape: Shape,
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("expand", node, "inputs", "x", inputs.len())) };
        let y = TensorType { shape: self.shape.clone(), dtype: x.dtype };
        strided::check_rank("expand", node, "size", &y)?;
        let fits = x.shape.rank() <= self.shape.rank()
            && x.shape.iter().rev().zip(self.shape.iter().rev()).all(|(&own, &new)| own == new || own == 1);
        if !fits {
            return Err(shape_error("expand", node, "x", format!("a shape that broadcasts to {}", self.shape), x));
        }
        Ok(vec![y])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let steps = broadcast::steps(&cx.inputs[0].shape, &self.shape);
        let dims: Vec<Dim<1>> = self.shape.iter().zip(steps).map(|(&extent, step)| (extent, [step])).collect();
        Ok(strided::walk(&FORWARD, cx, 0, &dims))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let shape = cx.ty(cx.inputs[0]).shape;
        Ok(vec![Some(broadcast::reduce_to(cx, cx.grad(), &shape)?)])
    }
}
