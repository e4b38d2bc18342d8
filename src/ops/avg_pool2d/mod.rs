//! Average pooling. What an average divides by follows PyTorch: the elements of the window within the padded picture, or
//! without `count_include_pad` within the picture, or a divisor of one's own. It has no dilation.

use super::lanes::wide;
use super::pool::{self, Params, Side, Window};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot::{self, Input, Output};
use crate::tensor::{Shape, TensorType};

wide!(FORWARD, "avg_pool2d.forward", "avg_pool2d/forward.wgsl", Params);
wide!(GRAD, "avg_pool2d.grad", "avg_pool2d/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "avg_pool2d",
    summary: "the mean of each window",
    args: &[Arg::f32("x")],
    attrs: &[
        Window::KERNEL,
        Window::STRIDE,
        Window::PADDING,
        Window::CEIL,
        Attr { name: "count_include_pad", default: "true", doc: "averages count the padding's zeros" },
        Attr { name: "divisor_override", default: "none", doc: "divides by this instead" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, _| {
        let window = Window::from_attrs(attrs)?;
        let count_include_pad = attrs.flag("count_include_pad", true)?;
        let divisor = match attrs.has("divisor_override") {
            false => None,
            true => match attrs.size("divisor_override", 1)? {
                0 => return Err(attrs.fail("divisor_override", "must not be zero")),
                divisor => Some(divisor),
            },
        };
        Ok(Built::images(AvgPool2d { window, count_include_pad, divisor }, 1, 1))
    },
};

/// (N, H, W, C) -> (N, H', W', C): the mean of each window.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2d {
    /// Windows; their dilation must be 1.
    pub window: Window,
    /// Averages count the zeros of the padding (but not what ceil mode adds behind it).
    pub count_include_pad: bool,
    /// Divides by this instead of the number of elements.
    pub divisor: Option<usize>,
}

impl AvgPool2d {
    fn set(&self, params: &mut Params) {
        params.divisor = self.divisor.unwrap_or(0) as f32;
        params.count_include_pad = u32::from(self.count_include_pad);
    }
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        if self.window.dilation != [1, 1] || self.divisor == Some(0) {
            let got = format!("dilation {:?}, divisor {:?}", self.window.dilation, self.divisor);
            return Err(shape_error("avg_pool2d", node, "attributes", "dilation 1, divisor not 0", got));
        }
        Ok(vec![self.window.infer("avg_pool2d", node, inputs)?])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&self.window, &cx.inputs[0].shape, &cx.outputs[0].shape, Side::Output);
        Ok(Work::one(pool::launch(cx, &FORWARD, sizes, vec![Input(0), Output(0)], |p| self.set(p))))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let op = AvgPool2dGrad { pool: *self, shape: cx.ty(cx.inputs[0]).shape };
        Ok(vec![Some(cx.emit(op, &[cx.grad()])?)])
    }
}

/// (grad_y) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct AvgPool2dGrad {
    pool: AvgPool2d,
    shape: Shape,
}

impl Op for AvgPool2dGrad {
    fn name(&self) -> &'static str {
        "avg_pool2d.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&self.pool.window, &self.shape, &cx.inputs[0].shape, Side::Input);
        Ok(Work::one(pool::launch(cx, &GRAD, sizes, vec![Input(0), Output(0)], |p| self.pool.set(p))))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
