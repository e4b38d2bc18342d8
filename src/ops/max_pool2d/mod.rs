//! Max pooling. The padding never wins. The gradient goes to the first of equal elements in row-major order, as in PyTorch.
//!
//! A NaN in the input is not propagated: it never replaces a number, and stays only where it comes first in its window.
//! The gradient finds the winners again from x and y, which a network keeps anyway, instead of storing an index for each y.
//! Windows that lie apart take a kernel of their own, several times faster than the general one.

use super::lanes::wide;
use super::pool::{self, Params, Side};
use super::{Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::Slot::{self, Input, Output};
use crate::tensor::TensorType;

pub use super::pool::Window;

wide!(FORWARD, "max_pool2d.forward", "max_pool2d/forward.wgsl", Params);
wide!(GRAD, "max_pool2d.grad", "max_pool2d/grad.wgsl", Params);
wide!(GRAD_APART, "max_pool2d.grad_apart", "max_pool2d/grad_apart.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "max_pool2d",
    summary: "the largest element of each window",
    args: &[super::Arg::f32("x")],
    attrs: &[Window::KERNEL, Window::STRIDE, Window::PADDING, Window::DILATION, Window::CEIL],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four, &GRAD_APART.one, &GRAD_APART.four],
    build: |attrs, _| {
        let window = Window { dilation: attrs.pair("dilation", [1, 1])?, ..Window::from_attrs(attrs)? };
        Ok(Built::images(MaxPool2d(window), 1, 1))
    },
};

/// (N, H, W, C) -> (N, H', W', C): the largest element of each window.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d(pub Window);

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![self.0.infer("max_pool2d", node, inputs)?])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&self.0, &cx.inputs[0].shape, &cx.outputs[0].shape, Side::Output);
        Ok(Work::one(pool::launch(cx, &FORWARD, sizes, vec![Input(0), Output(0)], |_| ())))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let inputs = [cx.grad(), cx.inputs[0], cx.outputs[0]];
        Ok(vec![Some(cx.emit(MaxPool2dGrad(self.0), &inputs)?)])
    }
}

/// (grad_y, x, y) -> grad_x.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxPool2dGrad(pub Window);

impl Op for MaxPool2dGrad {
    fn name(&self) -> &'static str {
        "max_pool2d.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let window = &self.0;
        let apart = window.dilation == [1, 1] && (0..2).all(|axis| window.stride[axis] >= window.kernel[axis]);
        let (kernel, side) = if apart { (&GRAD_APART, Side::Output) } else { (&GRAD, Side::Input) };
        let sizes = (window, &cx.inputs[1].shape, &cx.inputs[2].shape, side);
        let slots = vec![Input(0), Input(1), Input(2), Output(0)];
        Ok(Work::one(pool::launch(cx, kernel, sizes, slots, |_| ())))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
