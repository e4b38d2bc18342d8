//! Corner pooling (Law and Deng, CornerNet, 2018): running maxima along rows or columns. `top` looks from each element down to the
//! picture's bottom, `bottom` up, `left` to the right end, `right` to the left end. Each output's gradient goes to its
//! maximum; of equal elements the one nearest to where the walk starts has it.

use super::pool::picture;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::Slot::{self, Input, Output};
use crate::gpu::{Kernel, Launch, Needs, Uniform};
use crate::tensor::TensorType;

crate::uniform! {
    /// Uniform of both kernels: lines to walk, elements in each, distance between them, and whether from the end.
    pub struct Params { lines: u32, length: u32, inner: u32, backwards: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "corner_pool.forward",
    source: include_str!("../../../shaders/corner_pool/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "corner_pool.grad",
    source: include_str!("../../../shaders/corner_pool/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "corner_pool",
    summary: "running maxima towards one side, as CornerNet pools its corners",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "direction", default: "\"top\"", doc: "top, bottom, left or right" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |attrs, _| {
        let direction = match attrs.choice("direction", "top", &["top", "bottom", "left", "right"])?.as_str() {
            "bottom" => Direction::Bottom,
            "left" => Direction::Left,
            "right" => Direction::Right,
            _ => Direction::Top,
        };
        Ok(Built::images(CornerPool(direction), 1, 1))
    },
};

/// Towards which side maxima are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// y[h] is the largest of x[h..].
    Top,
    /// y[h] is the largest of x[..=h].
    Bottom,
    /// y[w] is the largest of x[w..].
    Left,
    /// y[w] is the largest of x[..=w].
    Right,
}

/// (N, H, W, C) -> (N, H, W, C): running maxima.
#[derive(Clone, Copy, Debug)]
pub struct CornerPool(pub Direction);

impl CornerPool {
    fn launch(&self, cx: &LaunchCx<'_>, kernel: &'static Kernel, slots: Vec<Slot>) -> Launch {
        let [_, h, w, c] = cx.outputs[0].shape.nhwc().expect("a picture");
        let vertical = matches!(self.0, Direction::Top | Direction::Bottom);
        let (length, inner) = if vertical { (h, w * c) } else { (w, c) };
        let lines = (cx.outputs[0].elements() / length) as u32;
        let backwards = u32::from(matches!(self.0, Direction::Top | Direction::Left));
        let params = Params { lines, length: length as u32, inner: inner as u32, backwards, ..Default::default() };
        let cost = cx.elementwise(1);
        Launch::new(kernel, params, slots, [lines.div_ceil(256), 1, 1]).costing(cost.flops, cost.bytes)
    }
}

impl Op for CornerPool {
    fn name(&self) -> &'static str {
        "corner_pool"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![picture("corner_pool", node, inputs)?.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(Work::one(self.launch(cx, &FORWARD, vec![Input(0), Output(0)])))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(cx.emit(CornerPoolGrad(*self), &[cx.grad(), cx.inputs[0]])?)])
    }
}

/// (grad_y, x) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct CornerPoolGrad(CornerPool);

impl Op for CornerPoolGrad {
    fn name(&self) -> &'static str {
        "corner_pool.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(Work::one(self.0.launch(cx, &GRAD, vec![Input(0), Input(1), Output(0)])))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
