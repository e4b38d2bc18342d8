//! L2 pooling: the square root of the sum of squares of each window (WebNN's l2Pool2d; PyTorch's lp_pool2d with norm 2).
//!
//! In ceil mode PyTorch weighs windows cut by the picture's end as if they were whole; here they are what the sum says. A
//! window of zeros has no direction; its gradient is zero.

use super::lanes::wide;
use super::pool::{self, Params, Side, Window};
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::Slot::{Input, Output};
use crate::tensor::TensorType;

wide!(FORWARD, "l2_pool2d.forward", "l2_pool2d/forward.wgsl", Params);
wide!(GRAD, "l2_pool2d.grad", "l2_pool2d/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "l2_pool2d",
    summary: "the square root of the sum of squares of each window",
    args: &[Arg::f32("x")],
    attrs: &[Window::KERNEL, Window::STRIDE, Window::PADDING, Window::DILATION, Window::CEIL],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, _| {
        let window = Window { dilation: attrs.pair("dilation", [1, 1])?, ..Window::from_attrs(attrs)? };
        Ok(Built::images(L2Pool2d(window), 1, 1))
    },
};

/// (N, H, W, C) -> (N, H', W', C): the Euclidean norm of each window.
#[derive(Clone, Copy, Debug)]
pub struct L2Pool2d(pub Window);

impl Op for L2Pool2d {
    fn name(&self) -> &'static str {
        "l2_pool2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![self.0.infer("l2_pool2d", node, inputs)?])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&self.0, &cx.inputs[0].shape, &cx.outputs[0].shape, Side::Output);
        Ok(Work::one(pool::launch(cx, &FORWARD, sizes, vec![Input(0), Output(0)], |_| ())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let inputs = [cx.grad(), cx.inputs[0], cx.outputs[0]];
        Ok(vec![Some(cx.emit(L2Pool2dGrad(self.0), &inputs)?)])
    }
}

/// (grad_y, x, y) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct L2Pool2dGrad(Window);

impl Op for L2Pool2dGrad {
    fn name(&self) -> &'static str {
        "l2_pool2d.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&self.0, &cx.inputs[1].shape, &cx.inputs[2].shape, Side::Input);
        let slots = vec![Input(0), Input(1), Input(2), Output(0)];
        Ok(Work::one(pool::launch(cx, &GRAD, sizes, slots, |_| ())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
