//! Padding with a constant, by mirroring or by repeating the border, in any dimensions. Gradients gather.

mod border;

use super::lanes::wide;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, image_dim, shape_error, strided};
use crate::gpu::Slot;
use crate::tensor::{Shape, TensorType};
use crate::{Error, Result};

wide!(FORWARD, "pad.forward", "pad/forward.wgsl", strided::WindowParams);
wide!(GRAD, "pad.grad", "pad/grad.wgsl", strided::WindowParams);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "pad",
    summary: "x with a margin, as torch.nn.functional.pad",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr {
            name: "pad",
            default: "[]",
            doc: "before and after, from the last dimension: [left, right, top, bottom, ...]",
        },
        Attr { name: "mode", default: "constant", doc: "constant, reflect or replicate" },
        Attr { name: "value", default: "0.0", doc: "the constant" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[
        &FORWARD.one,
        &FORWARD.four,
        &GRAD.one,
        &GRAD.four,
        &border::FORWARD.one,
        &border::FORWARD.four,
        &border::GRAD.one,
        &border::GRAD.four,
    ],
    build: |attrs, inputs| {
        let rank = inputs[0].as_ref().map_or(0, |x| x.shape.rank());
        let pad = attrs.list("pad")?.unwrap_or_default();
        if !pad.len().is_multiple_of(2) || pad.len() > 2 * rank {
            return Err(attrs.fail("pad", format!("needs up to {rank} pairs, got {} numbers", pad.len())));
        }
        let mut sides = vec![[0; 2]; rank];
        for (i, pair) in pad.chunks(2).enumerate() {
            sides[image_dim(attrs, "pad", -1 - i as i64, rank)?] = [pair[0], pair[1]];
        }
        let mode = match attrs.choice("mode", "constant", &["constant", "reflect", "replicate"])?.as_str() {
            "reflect" => Mode::Reflect,
            "replicate" => Mode::Replicate,
            _ => Mode::Constant(attrs.float("value", 0.0)?),
        };
        Ok(Built::images(Pad { sides, mode }, 1, 1))
    },
};

/// What the margin holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// One number.
    Constant(f32),
    /// The tensor mirrored at its border, which is not repeated.
    Reflect,
    /// The nearest element.
    Replicate,
}

/// x with a margin of `sides[d] = [before, after]` in dimension `d`. Negative sides cut off, in constant mode.
#[derive(Clone, Debug)]
pub struct Pad {
    /// Elements before and after, for each dimension.
    pub sides: Vec<[i64; 2]>,
    /// What the margin holds.
    pub mode: Mode,
}

impl Pad {
    /// A picture's four sides: `[top, bottom, left, right]`.
    pub fn image(sides: [usize; 4], mode: Mode) -> Self {
        let [top, bottom, left, right] = sides.map(|s| s as i64);
        Self { sides: vec![[0, 0], [top, bottom], [left, right], [0, 0]], mode }
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("pad", node, "inputs", "x", inputs.len())) };
        if x.shape.rank() != self.sides.len() {
            return Err(shape_error("pad", node, "x", format!("{} dimensions, as pad has", self.sides.len()), x));
        }
        strided::check_rank("pad", node, "x", x)?;
        let mut shape = Vec::with_capacity(self.sides.len());
        for (d, &[before, after]) in self.sides.iter().enumerate() {
            let extent = x.shape[d] as i64;
            let most = match self.mode {
                Mode::Constant(_) => i64::from(i32::MAX),
                Mode::Reflect => extent - 1,
                Mode::Replicate => i64::from(i32::MAX),
            };
            let least = if matches!(self.mode, Mode::Constant(_)) { -extent } else { 0 };
            let range = least..=most;
            if !range.contains(&before) || !range.contains(&after) || before + extent + after < 1 {
                let what = format!("pad of dimension {d} ({extent} elements)");
                let expected = format!("between {least} and {most}, leaving something");
                return Err(shape_error("pad", node, what, expected, format!("{before} and {after}")));
            }
            shape.push((before + extent + after) as usize);
        }
        Ok(vec![TensorType { shape: shape.into(), dtype: x.dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let Mode::Constant(value) = self.mode else { return Ok(border::work(self, cx)) };
        let start: Vec<i64> = self.sides.iter().map(|s| s[0]).collect();
        Ok(strided::window(&FORWARD, cx, &start, &vec![1; start.len()], value.to_bits()))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let shape = cx.ty(cx.inputs[0]).shape;
        let grad = match self.mode {
            Mode::Constant(_) => {
                let start = self.sides.iter().map(|s| -s[0]).collect();
                cx.emit(PadGrad { shape, start }, &[cx.grad()])?
            }
            _ => border::grad(self, cx, &shape)?,
        };
        Ok(vec![Some(grad)])
    }
}

/// (grad_y) -> grad_x of `shape`, for constant padding.
#[derive(Clone, Debug)]
struct PadGrad {
    shape: Shape,
    start: Vec<i64>,
}

impl Op for PadGrad {
    fn name(&self) -> &'static str {
        "pad.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType { shape: self.shape.clone(), dtype: inputs[0].dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(strided::window(&GRAD, cx, &self.start, &vec![1; self.start.len()], 0))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let why = "second derivatives are not offered".to_string();
        Err(Error::NotDifferentiable { op: self.name().into(), node: cx.node.into(), why })
    }
}
