//! A fully connected layer: y = x weight + bias over the last dimension. The product itself is `matmul`'s.

use super::matmul::dispatch::{Factor, Product};
use super::matmul::{KERNELS, Variant};
use super::reduce_sum::ReduceSum;
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use std::sync::Arc;

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "linear",
    summary: "y = x weight^T + bias over the last dimension; weight (out, in)",
    args: &[Arg::f32("x"), Arg::f32("weight"), Arg::optional("bias")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |_, given| {
        let op = Linear { bias: given[2].is_some(), variant: None };
        let mut inputs = vec![Layout::Plain; given.iter().flatten().count()];
        inputs[1] = Layout::LinearWeight;
        Ok(Built { op: Arc::new(op), inputs, outputs: vec![Layout::Plain] })
    },
};

/// (..., in), weight (in, out) in f32 or, for inference, f16, bias (out)? -> (..., out).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Linear {
    /// Whether the bias is among the inputs.
    pub bias: bool,
    /// A kernel of one's own choice; `None` leaves it to the device's kind.
    pub variant: Option<Variant>,
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong = |what: &str, expected: String, got: String| Err(shape_error("linear", node, what, expected, got));
        let wanted = 2 + usize::from(self.bias);
        if inputs.len() != wanted {
            return wrong("inputs", wanted.to_string(), inputs.len().to_string());
        }
        let (x, weight) = (&inputs[0], &inputs[1]);
        let Some((&channels, rows)) = x.shape.split_last().filter(|_| x.dtype == DType::F32 && x.elements() > 0) else {
            return wrong("x", "f32 of rank 1 or more".into(), x.to_string());
        };
        let number = matches!(weight.dtype, DType::F32 | DType::F16);
        if !number || weight.shape.rank() != 2 || weight.shape[0] != channels || weight.shape[1] == 0 {
            return wrong(
                "weight",
                format!("f32 or f16 with {channels} input channels, as x {x} has"),
                weight.to_string(),
            );
        }
        let out = weight.shape[1];
        if self.bias && inputs[2] != TensorType::f32([out]) {
            return wrong("bias", format!("f32({out})"), inputs[2].to_string());
        }
        let mut shape = rows.to_vec();
        shape.push(out);
        Ok(vec![TensorType::f32(shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let [inputs, outputs] = [cx.inputs[1].shape[0], cx.inputs[1].shape[1]];
        let product = Product {
            size: [cx.inputs[0].elements() / inputs, outputs, inputs],
            batch: [1, 1],
            a: Factor::matrix(Slot::Input(0), inputs, false),
            b: Factor::matrix(Slot::Input(1), outputs, false),
            bias: self.bias.then_some(Slot::Input(2)),
            c: Slot::Output(0),
        };
        let mut work = product.work(cx.profile, self.variant);
        if cx.inputs[1].dtype == DType::F16 {
            let halved = |slot| (slot == Slot::Input(1)).then(|| (inputs * outputs) as u64);
            work.launches.iter_mut().for_each(|launch| launch.halving(halved));
        }
        Ok(work)
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn half_inputs(&self) -> &'static [usize] {
        &[1]
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if cx.ty(cx.inputs[1]).dtype != DType::F32 {
            return cx.not_differentiable("linear", "weights in half precision are for inference");
        }
        let (x, weight, g, variant) = (cx.inputs[0], cx.inputs[1], cx.grad(), self.variant);
        let mut grads = vec![None; cx.inputs.len()];
        if cx.wanted[0] {
            let shape = cx.ty(x).shape;
            grads[0] = Some(cx.emit(LinearGrad { of: Of::Input, shape, variant }, &[g, weight])?);
        }
        if cx.wanted[1] {
            let shape = cx.ty(weight).shape;
            grads[1] = Some(cx.emit(LinearGrad { of: Of::Weight, shape, variant }, &[x, g])?);
        }
        if self.bias && cx.wanted[2] {
            let rows = cx.ty(g).shape.rank() - 1;
            grads[2] = Some(match rows {
                0 => g,
                _ => cx.emit(ReduceSum { dims: (0..rows).collect(), keepdim: false, mean: false }, &[g])?,
            });
        }
        Ok(grads)
    }

    fn multiply_adds(&self, inputs: &[TensorType], _outputs: &[TensorType]) -> u64 {
        inputs[0].elements() as u64 * inputs[1].shape[1] as u64
    }
}

#[derive(Clone, Copy, Debug)]
enum Of {
    /// grad_y weight^T
    Input,
    /// x^T grad_y
    Weight,
}

/// (grad_y, weight) -> grad_x, or (x, grad_y) -> grad_weight.
#[derive(Clone, Debug)]
struct LinearGrad {
    of: Of,
    shape: Shape,
    variant: Option<Variant>,
}

impl Op for LinearGrad {
    fn name(&self) -> &'static str {
        match self.of {
            Of::Input => "linear.grad_x",
            Of::Weight => "linear.grad_weight",
        }
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (first, second) = (&cx.inputs[0], &cx.inputs[1]);
        let (columns, others) = (first.shape.channels(), second.shape.channels());
        let rows = first.elements() / columns;
        let (size, transposed) = match self.of {
            Of::Input => ([rows, self.shape.channels(), columns], [false, true]),
            Of::Weight => ([columns, others, rows], [true, false]),
        };
        let product = Product {
            size,
            batch: [1, 1],
            a: Factor::matrix(Slot::Input(0), columns, transposed[0]),
            b: Factor::matrix(Slot::Input(1), others, transposed[1]),
            bias: None,
            c: Slot::Output(0),
        };
        Ok(product.work(cx.profile, self.variant))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        match self.of {
            Of::Input => matches!(tensor, Slot::Input(0) | Slot::Output(0)),
            Of::Weight => matches!(tensor, Slot::Input(_)),
        }
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
