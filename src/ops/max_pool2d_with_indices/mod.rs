//! Max pooling that also tells where each maximum lies, for [`max_unpool2d`](super::max_unpool2d). Ties and NaN as in
//! [`max_pool2d`](super::max_pool2d), whose gradient it shares.

use super::lanes::wide;
use super::max_pool2d::MaxPool2dGrad;
use super::pool::{self, Params, Side, Window};
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::Slot::{Input, Output};
use crate::tensor::TensorType;

wide!(FORWARD, "max_pool2d_with_indices.forward", "max_pool2d_with_indices/forward.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "max_pool2d_with_indices",
    summary: "the largest element of each window and its place h * W + w in the picture",
    args: &[Arg::f32("x")],
    attrs: &[Window::KERNEL, Window::STRIDE, Window::PADDING, Window::DILATION, Window::CEIL],
    outputs: &["y", "indices"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    build: |attrs, _| {
        let window = Window { dilation: attrs.pair("dilation", [1, 1])?, ..Window::from_attrs(attrs)? };
        Ok(Built::images(MaxPool2dWithIndices(window), 1, 2))
    },
};

/// (N, H, W, C) -> y (N, H', W', C) and indices, an i32 of the same shape: h * W + w of the element within its channel.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dWithIndices(pub Window);

impl Op for MaxPool2dWithIndices {
    fn name(&self) -> &'static str {
        "max_pool2d_with_indices"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let y = self.0.infer(self.name(), node, inputs)?;
        let indices = TensorType::i32(y.shape.clone());
        Ok(vec![y, indices])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&self.0, &cx.inputs[0].shape, &cx.outputs[0].shape, Side::Output);
        Ok(Work::one(pool::launch(cx, &FORWARD, sizes, vec![Input(0), Output(0), Output(1)], |_| ())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if cx.grads[1].is_some() {
            return cx.not_differentiable(self.name(), "indices are whole numbers; only y carries a gradient");
        }
        let inputs = [cx.grad(), cx.inputs[0], cx.outputs[0]];
        Ok(vec![Some(cx.emit(MaxPool2dGrad(self.0), &inputs)?)])
    }
}
