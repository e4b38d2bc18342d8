//! PReLU: a leaky ReLU whose slope is learnt. He et al., "Delving Deep into Rectifiers", 2015.

use super::clamp::Clamp;
use super::lanes::wide;
use super::mul::Mul;
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, broadcast, shape_error};
use crate::Result;
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};

wide!(FORWARD, "prelu.forward", "prelu/forward.wgsl", broadcast::Params);
wide!(SLOPE, "prelu.slope", "prelu/slope.wgsl", broadcast::Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "prelu",
    summary: "y = x where x > 0, weight * x elsewhere",
    args: &[Arg::f32("x"), Arg::f32("weight")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &SLOPE.one, &SLOPE.four],
    build: |_, _| {
        let op = std::sync::Arc::new(Prelu);
        Ok(Built { op, inputs: vec![Layout::Image, Layout::Plain], outputs: vec![Layout::Image] })
    },
};

/// (x, weight) -> y: x where positive, weight * x elsewhere. `weight` has one element, or one for each channel (the last
/// dimension) of x.
#[derive(Clone, Copy, Debug)]
pub struct Prelu;

impl Op for Prelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, weight] = inputs else {
            return Err(shape_error("prelu", node, "inputs", "x and weight", inputs.len()));
        };
        if x.dtype != DType::F32 || x.shape.rank() == 0 {
            return Err(shape_error("prelu", node, "x", "an f32 tensor with channels", x));
        }
        let channels = x.shape.channels();
        let fits = weight.shape.rank() == 1 && [1, channels].contains(&weight.elements());
        if !fits || weight.dtype != DType::F32 {
            return Err(shape_error("prelu", node, "weight", format!("f32(1) or f32({channels})"), weight));
        }
        broadcast::infer("prelu", node, inputs)
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(broadcast::launch(&FORWARD, cx))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let (x, weight, grad) = (cx.inputs[0], cx.inputs[1], cx.grad());
        let mut grads = vec![None; 2];
        if cx.wanted[0] {
            let slope = cx.emit(PreluSlope, &[x, weight])?;
            grads[0] = Some(cx.emit(Mul, &[grad, slope])?);
        }
        if cx.wanted[1] {
            let shape = cx.ty(weight).shape;
            let negative = cx.emit(Clamp { min: f32::MIN, max: 0.0 }, &[x])?;
            let whole = cx.emit(Mul, &[grad, negative])?;
            grads[1] = Some(broadcast::reduce_to(cx, whole, &shape)?);
        }
        Ok(grads)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}

/// (x, weight) -> 1 where x > 0, weight elsewhere.
#[derive(Clone, Copy, Debug)]
struct PreluSlope;

impl Op for PreluSlope {
    fn name(&self) -> &'static str {
        "prelu.slope"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Prelu.infer(node, inputs)
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(broadcast::launch(&SLOPE, cx))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("prelu.slope", "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
