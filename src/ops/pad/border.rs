//! Margins made from the tensor itself: reflect and replicate. The gradient undoes one dimension after the other.

use super::super::lanes::wide;
use super::super::strided::pack;
use super::super::{GradCx, LaunchCx, Op, Value, Work};
use super::{Mode, Pad};
use crate::gpu::{Launch, Slot};
use crate::tensor::{Shape, TensorType};
use crate::{Error, Result};

crate::uniform! {
    /// Uniform of the forward kernel: dimensions from the innermost out, in lanes.
    pub struct Params {
        n: u32, rank: u32, reflect: u32, pad0: u32,
        extent: [[u32; 4]; 2],
        before: [[i32; 4]; 2],
        inside: [[i32; 4]; 2],
        stride: [[u32; 4]; 2],
    }
}

crate::uniform! {
    /// Uniform of the gradient kernel; `n` and `inner` in lanes.
    pub struct GradParams {
        n: u32, inner: u32, length: i32, padded: i32,
        before: i32, reflect: u32, pad0: u32, pad1: u32,
    }
}

wide!(pub(super) FORWARD, "pad.border", "pad/border.wgsl", Params);
wide!(pub(super) GRAD, "pad.border_grad", "pad/border_grad.wgsl", GradParams);

/// The launch that fills output 0.
pub fn work(pad: &Pad, cx: &LaunchCx<'_>) -> Work {
    let (x, y) = (&cx.inputs[0].shape, &cx.outputs[0].shape);
    let rank = x.rank();
    let fits = rank > 0 && x[rank - 1] % 4 == 0 && pad.sides[rank - 1] == [0, 0];
    let (kernel, lanes) = FORWARD.pick(fits);
    let scaled = |shape: &Shape| {
        let mut shape = shape.to_vec();
        if let Some(inner) = shape.last_mut() {
            *inner /= lanes as usize;
        }
        Shape::from(shape)
    };
    let (inside, extent) = (scaled(x), scaled(y));
    let n = extent.elements() as u32;
    let params = Params {
        n,
        rank: rank as u32,
        reflect: u32::from(pad.mode == Mode::Reflect),
        extent: pack(extent.iter().map(|&e| e as u32), 1),
        before: pack(pad.sides.iter().map(|s| s[0] as i32), 0),
        inside: pack(inside.iter().map(|&e| e as i32), 1),
        stride: pack(inside.strides().iter().map(|&s| s as u32), 0),
        ..Default::default()
    };
    let slots = vec![Slot::Input(0), Slot::Output(0)];
    Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(0, cx.traffic()))
}

/// Emits one node for each padded dimension, the innermost first.
pub fn grad(pad: &Pad, cx: &mut GradCx<'_>, shape: &Shape) -> Result<Value> {
    let mut grad = cx.grad();
    for dim in (0..shape.rank()).rev().filter(|&d| pad.sides[d] != [0, 0]) {
        let op = BorderGrad { dim, length: shape[dim], before: pad.sides[dim][0], reflect: pad.mode == Mode::Reflect };
        grad = cx.emit(op, &[grad])?;
    }
    Ok(grad)
}

/// Takes the margin of one dimension back: (.., padded, ..) -> (.., length, ..).
#[derive(Clone, Copy, Debug)]
struct BorderGrad {
    dim: usize,
    length: usize,
    before: i64,
    reflect: bool,
}

impl Op for BorderGrad {
    fn name(&self) -> &'static str {
        "pad.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let mut shape = inputs[0].shape.to_vec();
        shape[self.dim] = self.length;
        Ok(vec![TensorType::f32(shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let padded = &cx.inputs[0].shape;
        let inner: usize = padded[self.dim + 1..].iter().product();
        let (kernel, lanes) = GRAD.pick(inner.is_multiple_of(4));
        let n = cx.outputs[0].elements() as u32 / lanes;
        let params = GradParams {
            n,
            inner: inner as u32 / lanes,
            length: self.length as i32,
            padded: padded[self.dim] as i32,
            before: self.before as i32,
            reflect: u32::from(self.reflect),
            ..Default::default()
        };
        let slots = vec![Slot::Input(0), Slot::Output(0)];
        let cost = cx.elementwise(1);
        Ok(Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(cost.flops, cost.bytes)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let why = "second derivatives are not offered".to_string();
        Err(Error::NotDifferentiable { op: self.name().into(), node: cx.node.into(), why })
    }
}
