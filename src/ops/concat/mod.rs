//! Concatenation along one dimension. Each part is copied by a launch of its own; the gradient cuts the parts out again.

use super::lanes::wide;
use super::slice::Slice;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, image_dim, shape_error};
use crate::Result;
use crate::gpu::{Launch, Slot};
use crate::tensor::TensorType;

crate::uniform! {
    /// Uniform of the kernel; sizes in lanes.
    pub struct Params { n: u32, inner: u32, total: u32, offset: u32 }
}

wide!(COPY, "concat.copy", "concat/copy.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "concat",
    summary: "x0, x1, ... one after the other along a dimension",
    args: &[
        Arg::f32("x0"),
        Arg::optional("x1"),
        Arg::optional("x2"),
        Arg::optional("x3"),
        Arg::optional("x4"),
        Arg::optional("x5"),
        Arg::optional("x6"),
        Arg::optional("x7"),
    ],
    attrs: &[Attr { name: "dim", default: "0", doc: "the dimension, from the end if negative" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&COPY.one, &COPY.four],
    build: |attrs, inputs| {
        let rank = inputs[0].as_ref().map_or(0, |x| x.shape.rank());
        let dim = image_dim(attrs, "dim", attrs.int("dim", 0)?, rank)?;
        Ok(Built::images(Concat { dim }, inputs.iter().flatten().count(), 1))
    },
};

/// All inputs (one or more, of one element type, equal but for `dim`) in order along `dim`.
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    /// The dimension, in this crate's order (NHWC: channels are 3).
    pub dim: usize,
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let Some(first) = inputs.first() else {
            return Err(shape_error("concat", node, "inputs", "one or more", 0));
        };
        if self.dim >= first.shape.rank() {
            return Err(shape_error("concat", node, "x0", format!("a dimension {}", self.dim), first));
        }
        let mut shape = first.shape.to_vec();
        for (i, x) in inputs.iter().enumerate().skip(1) {
            let others_agree = x.shape.rank() == shape.len()
                && (0..shape.len()).all(|d| d == self.dim || x.shape[d] == first.shape[d]);
            if !others_agree || x.dtype != first.dtype {
                let expected = format!("{first} but for dimension {}", self.dim);
                return Err(shape_error("concat", node, format!("x{i}"), expected, x));
            }
            shape[self.dim] += x.shape[self.dim];
        }
        Ok(vec![TensorType { shape: shape.into(), dtype: first.dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let inner = |ty: &TensorType| ty.shape[self.dim..].iter().product::<usize>() as u32;
        let total = inner(&cx.outputs[0]);
        let (kernel, lanes) = COPY.pick(cx.inputs.iter().all(|x| inner(x) % 4 == 0));
        let mut offset = 0;
        let mut work = Work::default();
        for (i, x) in cx.inputs.iter().enumerate() {
            let n = x.elements() as u32 / lanes;
            let params = Params {
                n,
                inner: inner(x) / lanes,
                total: total / lanes,
                offset: offset / lanes,
                ..Default::default()
            };
            let slots = vec![Slot::Input(i), Slot::Output(0)];
            work.launches.push(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(0, 2 * x.bytes()));
            offset += inner(x);
        }
        Ok(work)
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let grad = cx.grad();
        let rank = cx.ty(grad).shape.rank();
        let mut start = 0;
        let mut grads = Vec::new();
        for (&input, &wanted) in cx.inputs.iter().zip(cx.wanted) {
            let extent = cx.ty(input).shape[self.dim];
            let part = Slice::along(rank, self.dim, start, start + extent);
            start += extent;
            grads.push(if wanted { Some(cx.emit(part, &[grad])?) } else { None });
        }
        Ok(grads)
    }
}
