//! What every optimiser looks at before it touches a parameter: the factor that clips the gradients to a global norm, whether
//! norm and loss are finite at all, and this step's rates. Second half of the global norm; [`super::square_sum`] is the first.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Gang, Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, max_norm: f32, has_loss: u32, growth: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "clip_guard.forward",
    source: include_str!("../../../shaders/clip_guard/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// Elements of the vector of rates that the host uploads for each step; `optim::Hyper` names them.
pub const HYPER: usize = 6;

/// Elements of the vector that the optimisers read: clip factor, finite (1 or 0), then the rates.
pub const CONTROL: usize = HYPER + 2;

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "clip_guard",
    summary: "control = (clip factor, finite, hyper) and the global norm, from sums of squares",
    args: &[Arg::f32("sums"), Arg::f32("hyper"), Arg::optional("loss")],
    attrs: &[Attr { name: "max_norm", default: "0", doc: "largest norm that is not clipped; 0: no clipping" }],
    outputs: &["control", "norm"],
    gradient: Err("it decides on gradients and has none"),
    kernels: &[&FORWARD],
    build: |attrs, given| {
        let max_norm = attrs.float("max_norm", 0.0)?;
        if !max_norm.is_finite() || max_norm < 0.0 {
            return Err(attrs.fail("max_norm", format!("must be 0 or positive, got {max_norm}")));
        }
        let inputs = vec![Layout::Plain; given.iter().flatten().count()];
        Ok(Built {
            op: Arc::new(ClipGuard { max_norm, ..Default::default() }),
            inputs,
            outputs: vec![Layout::Plain; 2],
        })
    },
};

/// (sums (P), hyper (6), loss?) -> (control (8), norm). The loss, one float, only takes part in the test for finiteness.
///
/// With loss scaling, (sums, hyper, loss, scaling (2)) -> (control, norm, new scaling (2)): the gradients are those of the loss times
/// scaling[0]. The clip factor, by which optimisers multiply gradients, takes the scale out again, and the norm is without it. Scaling is
/// (scale, finite steps since it last changed).
#[derive(Clone, Copy, Debug, Default)]
pub struct ClipGuard {
    /// Largest norm that is not clipped; 0 for no clipping.
    pub max_norm: f32,
    /// Loss scaling: finite steps after which the scale is doubled. 0: the loss was not scaled.
    pub growth: u32,
}

/// Elements of the state of loss scaling.
pub const SCALING: usize = 2;

impl Op for ClipGuard {
    fn name(&self) -> &'static str {
        "clip_guard"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong = |what: &str, expected: &str, got: String| Err(shape_error("clip_guard", node, what, expected, got));
        let inputs = match inputs {
            [others @ .., scaling] if self.growth > 0 && others.len() == 3 => {
                if *scaling != TensorType::f32([SCALING]) {
                    return wrong("scaling", "f32(2)", scaling.to_string());
                }
                others
            }
            _ if self.growth > 0 => return wrong("inputs", "sums, hyper, loss and scaling", inputs.len().to_string()),
            _ => inputs,
        };
        let (sums, hyper) = match inputs {
            [sums, hyper] => (sums, hyper),
            [_, _, loss] if *loss != TensorType::f32(&loss.shape) || loss.elements() != 1 => {
                return wrong("loss", "one f32", loss.to_string());
            }
            [sums, hyper, _] => (sums, hyper),
            _ => return wrong("inputs", "sums, hyper and perhaps loss", inputs.len().to_string()),
        };
        if sums.dtype != DType::F32 || sums.shape.rank() != 1 || sums.elements() == 0 {
            return wrong("sums", "f32 vector", sums.to_string());
        }
        if *hyper != TensorType::f32([HYPER]) {
            return wrong("hyper", "f32(6)", hyper.to_string());
        }
        let scalar: [usize; 0] = [];
        let mut outputs = vec![TensorType::f32([CONTROL]), TensorType::f32(scalar)];
        outputs.extend((self.growth > 0).then(|| TensorType::f32([SCALING])));
        Ok(outputs)
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let has_loss = u32::from(cx.inputs.len() >= 3);
        let params = Params { n, max_norm: self.max_norm, has_loss, growth: self.growth, ..Default::default() };
        // The sums stand in for an absent loss.
        let loss = Slot::Input(if has_loss == 1 { 2 } else { 0 });
        let (scaling, scratch) = match self.growth {
            0 => ([Slot::Scratch(0), Slot::Scratch(1)], vec![16; 2]),
            _ => ([Slot::Input(3), Slot::Output(2)], Vec::new()),
        };
        let slots =
            vec![Slot::Input(0), Slot::Input(1), loss, scaling[0], Slot::Output(0), Slot::Output(1), scaling[1]];
        let launch = Launch::new(&FORWARD, params, slots, [1, 1, 1]).costing(u64::from(n), cx.traffic());
        Ok(Work { launches: vec![launch], scratch })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("clip_guard", "it decides on gradients and has none")
    }
}

/// How an op on (tensors of one type..., control) goes together with its like: all tensors in windows of their own.
pub(super) fn optimiser_gang<P: Uniform>(
    kernel: &'static Kernel,
    params: P,
    inputs: &[TensorType],
    in_place: &[(usize, usize)],
) -> Gang {
    let control = inputs.len() - 1;
    Gang {
        in_place: in_place.iter().map(|&(i, o)| (Slot::Input(i), Slot::Output(o))).collect(),
        elements: inputs[0].elements() as u32,
        ..Gang::new(kernel, params, (0..control).map(Slot::Input).collect(), vec![Slot::Input(control)])
    }
}

/// The shape rule of all optimisers: a parameter, a gradient and moments of one type, then the control vector.
pub(super) fn infer_optimiser(op: &str, node: &str, inputs: &[TensorType], names: &[&str]) -> Result<Vec<TensorType>> {
    if inputs.len() != names.len() + 1 {
        let expected = format!("{} and control", names.join(", "));
        return Err(shape_error(op, node, "inputs", expected, inputs.len()));
    }
    let (control, tensors) = inputs.split_last().expect("at least one");
    let param = &tensors[0];
    if param.dtype != DType::F32 || param.elements() == 0 {
        return Err(shape_error(op, node, names[0], "f32 with at least one element", param));
    }
    if let Some(i) = tensors.iter().position(|t| t != param) {
        return Err(shape_error(op, node, names[i], param, &tensors[i]));
    }
    if *control != TensorType::f32([CONTROL]) {
        return Err(shape_error(op, node, "control", format!("f32({CONTROL})"), control));
    }
    Ok(std::iter::once(param).chain(&tensors[2..]).cloned().collect())
}

/// Why no optimiser has a gradient.
pub(super) const NO_GRADIENT: &str = "an optimiser's step is not differentiated";
