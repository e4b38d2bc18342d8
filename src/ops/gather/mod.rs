//! Elements chosen along a dimension by an index tensor, as torch.gather. The gradient has each element walk along the index.

use super::strided::{self, pack};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, image_dim, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, Shape, TensorType};

crate::uniform! {
    /// Uniform of the forward kernel: dimensions from the innermost out.
    pub struct Params {
        n: u32, rank: u32, length: u32, along: u32,
        extent: [[u32; 4]; 2],
        step: [[u32; 4]; 2],
    }
}

crate::uniform! {
    /// Uniform of the gradient kernel: dimensions from the innermost out.
    pub struct GradParams {
        n: u32, rank: u32, dim: u32, length: u32,
        along: u32, pad0: u32, pad1: u32, pad2: u32,
        extent: [[u32; 4]; 2],
        inside: [[u32; 4]; 2],
        step: [[u32; 4]; 2],
    }
}

static FORWARD: Kernel = Kernel {
    label: "gather.forward",
    source: include_str!("../../../shaders/gather/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "gather.grad",
    source: include_str!("../../../shaders/gather/grad.wgsl"),
    params: GradParams::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "gather",
    summary: "elements of x along a dimension, chosen by index",
    args: &[Arg::f32("x"), Arg::i32("index")],
    attrs: &[Attr { name: "dim", default: "0", doc: "the dimension, from the end if negative" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |attrs, inputs| {
        let rank = inputs[0].as_ref().map_or(0, |x| x.shape.rank());
        let dim = image_dim(attrs, "dim", attrs.int("dim", 0)?, rank)?;
        Ok(Built::images(Gather { dim }, 2, 1))
    },
};

/// (x, index) -> y of index's shape: y[i] = x[j], j[dim] = index[i], j[d] = i[d] elsewhere. An index outside x gives 0 and
/// passes no gradient on.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    /// The dimension, in this crate's order (NHWC: channels are 3).
    pub dim: usize,
}

/// Row-major strides with 0 along `dim`, and the one along `dim`.
fn strides_but(shape: &Shape, dim: usize) -> (Vec<u32>, u32) {
    let mut strides: Vec<u32> = shape.strides().into_iter().map(|s| s as u32).collect();
    let along = std::mem::take(&mut strides[dim]);
    (strides, along)
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, index] = inputs else {
            return Err(shape_error("gather", node, "inputs", "x and index", inputs.len()));
        };
        strided::check_rank("gather", node, "x", x)?;
        let rank = x.shape.rank();
        if self.dim >= rank {
            return Err(shape_error("gather", node, "x", format!("a dimension {}", self.dim), x));
        }
        let inside = index.shape.rank() == rank
            && (0..rank).all(|d| d == self.dim || index.shape[d] <= x.shape[d])
            && index.elements() > 0;
        if !inside || index.dtype != DType::I32 {
            let expected = format!("i32, no larger than {} but for dimension {}", x.shape, self.dim);
            return Err(shape_error("gather", node, "index", expected, index));
        }
        Ok(vec![TensorType { shape: index.shape.clone(), dtype: x.dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (x, index) = (&cx.inputs[0].shape, &cx.inputs[1].shape);
        let (steps, along) = strides_but(x, self.dim);
        let n = index.elements() as u32;
        let params = Params {
            n,
            rank: index.rank() as u32,
            length: x[self.dim] as u32,
            along,
            extent: pack(index.iter().map(|&e| e as u32), 1),
            step: pack(steps.into_iter(), 0),
            ..Default::default()
        };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let bytes = 3 * cx.outputs[0].bytes();
        Ok(Work::one(Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]).costing(0, bytes)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let op = GatherGrad { dim: self.dim, shape: cx.ty(cx.inputs[0]).shape };
        Ok(vec![Some(cx.emit(op, &[cx.grad(), cx.inputs[1]])?), None])
    }
}

/// (grad_y, index) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct GatherGrad {
    dim: usize,
    shape: Shape,
}

impl Op for GatherGrad {
    fn name(&self) -> &'static str {
        "gather.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let index = &cx.inputs[1].shape;
        let rank = index.rank();
        let (steps, along) = strides_but(index, self.dim);
        let n = self.shape.elements() as u32;
        let params = GradParams {
            n,
            rank: rank as u32,
            dim: (rank - 1 - self.dim) as u32,
            length: index[self.dim] as u32,
            along,
            extent: pack(self.shape.iter().map(|&e| e as u32), 1),
            inside: pack(index.iter().map(|&e| e as u32), 1),
            step: pack(steps.into_iter(), 0),
            ..Default::default()
        };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let visits = u64::from(n) * index[self.dim] as u64;
        Ok(Work::one(Launch::new(&GRAD, params, slots, [n.div_ceil(256), 1, 1]).costing(2 * visits, 4 * visits)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("gather.grad", "second derivatives are not offered")
    }
}
