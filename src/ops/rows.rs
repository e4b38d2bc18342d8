//! What softmax and log_softmax share, which is all but two formulas: rows along one dimension, and which invocations work on them. A room says its
//! name and formula by [`rows_op`].

use super::{GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Slot};
use crate::tensor::{DType, TensorType};

crate::uniform! {
    /// Uniform of `softmax.wgsl` and `softmax_grad.wgsl`.
    pub struct Params { rows: u32, length: u32, inner: u32, pad0: u32 }
}

/// Rows of this many elements get a workgroup each.
const LONG: usize = 256;

/// Type of a float tensor that has dimension `dim`.
pub fn infer(op: &str, node: &str, dim: usize, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
    match inputs {
        [x] if x.dtype == DType::F32 && dim < x.shape.rank() => Ok(vec![x.clone()]),
        [x] => Err(shape_error(op, node, "x", format!("an f32 tensor with a dimension {dim}"), x)),
        _ => Err(shape_error(op, node, "inputs", "x", inputs.len())),
    }
}

/// The launch over all rows along `dim` of output 0.
pub fn launch(kernel: &'static Kernel, cx: &LaunchCx<'_>, dim: usize, slots: Vec<Slot>) -> Work {
    let shape = &cx.outputs[0].shape;
    let length = shape[dim];
    let inner: usize = shape[dim + 1..].iter().product();
    let rows = (shape.elements() / length) as u32;
    let params = Params { rows, length: length as u32, inner: inner as u32, ..Default::default() };
    let cost = cx.elementwise(12);
    let long = length >= LONG;
    let groups = if long { rows } else { rows.div_ceil(256) };
    let launch = Launch::new(kernel, params, slots, [groups, 1, 1]).costing(cost.flops, cost.bytes);
    Work::one(if long { launch.with(&[("LONG", 1.0)]) } else { launch })
}

/// (grad_y, y) -> grad_x, for ops whose gradient needs their output alone.
#[derive(Clone, Copy, Debug)]
pub struct RowsGrad {
    /// Its name.
    pub name: &'static str,
    /// What makes it; binds grad_y, y, grad_x.
    pub kernel: &'static Kernel,
    /// The dimension of the rows.
    pub dim: usize,
}

impl Op for RowsGrad {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(launch(self.kernel, cx, self.dim, vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)]))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name, "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}

/// An op over rows along one dimension whose gradient needs its output alone: the type with its documentation, the op's name, the summary.
/// Its kernels are `shaders/NAME/forward.wgsl` and `grad.wgsl`.
macro_rules! rows_op {
    ($(#[$doc:meta])* $ty:ident, $name:literal, $summary:literal) => {
        $crate::ops::rows::rows_op!(kernel FORWARD, $name, "forward");
        $crate::ops::rows::rows_op!(kernel GRAD, $name, "grad");

        /// The registry's entry.
        pub static ENTRY: $crate::ops::Entry = $crate::ops::Entry {
            name: $name,
            summary: $summary,
            args: &[$crate::ops::Arg::f32("x")],
            attrs: &[$crate::ops::Attr { name: "dim", default: "-1", doc: "the dimension, from the end if negative" }],
            outputs: &["y"],
            gradient: Ok(()),
            kernels: &[&FORWARD, &GRAD],
            build: |attrs, inputs| {
                let rank = inputs[0].as_ref().map_or(0, |x| x.shape.rank());
                let dim = $crate::ops::image_dim(attrs, "dim", attrs.int("dim", -1)?, rank)?;
                Ok($crate::ops::Built::images($ty { dim }, 1, 1))
            },
        };

        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $ty {
            /// The dimension, in this crate's order (NHWC: channels are 3).
            pub dim: usize,
        }

        impl $crate::ops::Op for $ty {
            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&self, node: &str, inputs: &[$crate::tensor::TensorType]) -> $crate::Result<Vec<$crate::tensor::TensorType>> {
                $crate::ops::rows::infer($name, node, self.dim, inputs)
            }

            fn launches(&self, cx: &$crate::ops::LaunchCx<'_>) -> $crate::Result<$crate::ops::Work> {
                let slots = vec![$crate::gpu::Slot::Input(0), $crate::gpu::Slot::Output(0)];
                Ok($crate::ops::rows::launch(&FORWARD, cx, self.dim, slots))
            }

            fn grad(&self, cx: &mut $crate::ops::GradCx<'_>) -> $crate::Result<Vec<Option<$crate::ops::Value>>> {
                let grad = $crate::ops::rows::RowsGrad { name: concat!($name, ".grad"), kernel: &GRAD, dim: self.dim };
                Ok(vec![Some(cx.emit(grad, &[cx.grad(), cx.outputs[0]])?)])
            }

            // Whoever writes an element is the only one to read it after the reductions.
            fn in_place(&self) -> &'static [(usize, usize)] {
                &[(0, 0)]
            }
        }
    };
    (kernel $kernel:ident, $name:literal, $file:literal) => {
        static $kernel: $crate::gpu::Kernel = $crate::gpu::Kernel {
            label: concat!($name, ".", $file),
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name, "/", $file, ".wgsl")),
            params: <$crate::ops::rows::Params as $crate::gpu::Uniform>::FIELDS,
            variants: &[&[("LONG", 1.0)]],
            needs: $crate::gpu::Needs::Nothing,
        };
    };
}

pub(super) use rows_op;
