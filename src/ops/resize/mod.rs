//! Resizing of pictures with the coordinates of PyTorch's `interpolate`. The gradient gathers.

use super::lanes::{Wide, wide};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Launch, Slot};
use crate::tensor::{DType, Shape, TensorType};
use crate::{Error, Result};

crate::uniform! {
    /// Uniform of both kernels; `n` and `channels` in lanes, extents of the forward direction.
    pub struct Params {
        n: u32, channels: u32, mode: u32, pad0: u32,
        in_h: i32, in_w: i32, out_h: i32, out_w: i32,
        step_h: f32, step_w: f32, pad1: u32, pad2: u32,
    }
}

wide!(FORWARD, "resize.forward", "resize/forward.wgsl", Params);
wide!(GRAD, "resize.grad", "resize/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "resize",
    summary: "pictures at another size, as torch.nn.functional.interpolate",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr { name: "size", default: "none", doc: "output height and width; this or scale_factor" },
        Attr { name: "scale_factor", default: "none", doc: "output size over input size, one number or [h, w]" },
        Attr { name: "mode", default: "nearest", doc: "nearest, nearest-exact or bilinear" },
        Attr { name: "align_corners", default: "false", doc: "bilinear: corner pixels lie on corner pixels" },
        Attr {
            name: "recompute_scale_factor",
            default: "false",
            doc: "take the coordinates from the rounded sizes, not from scale_factor",
        },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, _| {
        let align_corners = attrs.flag("align_corners", false)?;
        let mode = match attrs.choice("mode", "nearest", &["nearest", "nearest-exact", "bilinear"])?.as_str() {
            "bilinear" if align_corners => Mode::BilinearAlignCorners,
            "bilinear" => Mode::Bilinear,
            _ if align_corners => return Err(attrs.fail("align_corners", "goes with mode bilinear only")),
            "nearest" => Mode::Nearest,
            _ => Mode::NearestExact,
        };
        let recompute = attrs.flag("recompute_scale_factor", false)?;
        let target = match (attrs.has("size"), attrs.float_pair("scale_factor")?) {
            (true, None) if !recompute => Target::Size(attrs.pair("size", [1, 1])?),
            (false, Some(factor)) => Target::Factor { factor, recompute },
            (true, None) => return Err(attrs.fail("recompute_scale_factor", "goes with scale_factor only")),
            _ => return Err(attrs.fail("size", "or 'scale_factor' must be given, and not both")),
        };
        Ok(Built::images(Resize { mode, target }, 1, 1))
    },
};

/// How output pixels are made of source pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Source pixel floor(i * step).
    Nearest,
    /// Source pixel floor((i + 0.5) * step).
    NearestExact,
    /// Linear in both directions; pixel centres lie at halves.
    Bilinear,
    /// Linear in both directions; corner pixels lie on corner pixels.
    BilinearAlignCorners,
}

/// How large the output is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Height and width.
    Size([usize; 2]),
    /// floor(extent * factor), for height and width. The step between source coordinates is 1 / factor, or the quotient of
    /// the extents with `recompute`.
    Factor {
        /// Output extent over input extent.
        factor: [f64; 2],
        /// PyTorch's `recompute_scale_factor`.
        recompute: bool,
    },
}

/// (N, H, W, C) -> (N, H', W', C).
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    /// How pixels are made.
    pub mode: Mode,
    /// Output size.
    pub target: Target,
}

impl Resize {
    /// To `size` (height, width).
    pub fn to(mode: Mode, size: [usize; 2]) -> Self {
        Self { mode, target: Target::Size(size) }
    }

    /// Height and width of the output.
    fn size(&self, [h, w]: [usize; 2]) -> [usize; 2] {
        match self.target {
            Target::Size(size) => size,
            Target::Factor { factor, .. } => {
                [(h as f64 * factor[0]).floor() as usize, (w as f64 * factor[1]).floor() as usize]
            }
        }
    }

    /// Source pixels per output pixel along axis 0 (height) or 1, in f32 as PyTorch computes it.
    fn step(&self, axis: usize, from: usize, to: usize) -> f32 {
        match (self.mode, self.target) {
            (Mode::BilinearAlignCorners, _) if to > 1 => (from - 1) as f32 / (to - 1) as f32,
            (Mode::BilinearAlignCorners, _) => 0.0,
            (_, Target::Factor { factor, recompute: false }) => (1.0 / factor[axis]) as f32,
            _ => from as f32 / to as f32,
        }
    }

    fn work(&self, kernel: &'static Wide, cx: &LaunchCx<'_>, small: &Shape, large: &Shape) -> Work {
        let ([_, in_h, in_w, channels], [_, out_h, out_w, _]) = (extents(small), extents(large));
        let (kernel, lanes) = kernel.pick(channels.is_multiple_of(4));
        let n = cx.outputs[0].elements() as u32 / lanes;
        let params = Params {
            n,
            channels: channels as u32 / lanes,
            mode: self.mode as u32,
            in_h: in_h as i32,
            in_w: in_w as i32,
            out_h: out_h as i32,
            out_w: out_w as i32,
            step_h: self.step(0, in_h, out_h),
            step_w: self.step(1, in_w, out_w),
            ..Default::default()
        };
        let slots = vec![Slot::Input(0), Slot::Output(0)];
        let work = 16 * cx.inputs[0].elements().max(cx.outputs[0].elements()) as u64;
        Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(work, cx.traffic()))
    }
}

fn extents(shape: &Shape) -> [usize; 4] {
    shape.nhwc().expect("rank 4 was checked")
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("resize", node, "inputs", "x", inputs.len())) };
        let (Some([n, h, w, c]), DType::F32) = (x.shape.nhwc(), x.dtype) else {
            return Err(shape_error("resize", node, "x", "f32(N, H, W, C)", x));
        };
        if let Target::Factor { factor, .. } = self.target
            && !factor.iter().all(|f| f.is_finite() && *f > 0.0 && *f <= 65536.0)
        {
            return Err(shape_error("resize", node, "scale_factor", "between 0 and 65536", format!("{factor:?}")));
        }
        let [out_h, out_w] = self.size([h, w]);
        if out_h == 0 || out_w == 0 || out_h > 1 << 24 || out_w > 1 << 24 {
            let got = format!("{out_h} x {out_w}");
            return Err(shape_error("resize", node, "size", "between 1 and 2^24 in each direction", got));
        }
        Ok(vec![TensorType::f32([n, out_h, out_w, c])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(self.work(&FORWARD, cx, &cx.inputs[0].shape, &cx.outputs[0].shape))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let op = ResizeGrad { forward: *self, shape: cx.ty(cx.inputs[0]).shape };
        Ok(vec![Some(cx.emit(op, &[cx.grad()])?)])
    }
}

/// (grad_y) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct ResizeGrad {
    forward: Resize,
    shape: Shape,
}

impl Op for ResizeGrad {
    fn name(&self) -> &'static str {
        "resize.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(self.forward.work(&GRAD, cx, &self.shape, &cx.inputs[0].shape))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let why = "second derivatives are not offered".to_string();
        Err(Error::NotDifferentiable { op: self.name().into(), node: cx.node.into(), why })
    }
}
