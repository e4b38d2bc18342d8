//! Max unpooling: each element goes to the place its index names, everything else is zero; undoes
//! [`max_pool2d_with_indices`](super::max_pool2d_with_indices).
//!
//! Where several elements name one place, the last in row-major order wins, and it alone gets a gradient; PyTorch leaves that
//! undefined. Indices outside the picture are left out.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot::{Input, Output, Scratch};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, TensorType};

crate::uniform! {
    /// Uniform of all kernels of the room.
    pub struct Params { n: u32, in_plane: u32, out_plane: u32, channels: u32 }
}

macro_rules! kernel {
    ($name:ident, $file:literal) => {
        static $name: Kernel = Kernel {
            label: concat!("max_unpool2d.", $file),
            source: include_str!(concat!("../../../shaders/max_unpool2d/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(CLEAR, "clear");
kernel!(CLAIM, "claim");
kernel!(GATHER, "gather");
kernel!(GRAD, "grad");

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "max_unpool2d",
    summary: "each element at the place its index names, zeros elsewhere",
    args: &[Arg::f32("x"), Arg::i32("indices")],
    attrs: &[
        Attr { name: "output_size", default: "none", doc: "[h, w] of the result; else from kernel_size and stride" },
        Attr { name: "kernel_size", default: "none", doc: "the pooling's kernel, n or [h, w]" },
        Attr { name: "stride", default: "kernel_size", doc: "the pooling's stride, n or [h, w]" },
        Attr { name: "padding", default: "0", doc: "the pooling's padding, n or [h, w]" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&CLEAR, &CLAIM, &GATHER, &GRAD],
    build: |attrs, inputs| {
        let kernel = attrs.pair("kernel_size", [0, 0])?;
        let stride = attrs.pair("stride", kernel)?;
        let padding = attrs.pair("padding", [0, 0])?;
        let output_size = match (attrs.has("output_size"), inputs[0].as_ref().map(|x| x.shape.to_vec())) {
            (true, _) => attrs.pair("output_size", [0, 0])?,
            (false, Some(x)) if x.len() == 4 && attrs.has("kernel_size") => {
                let size = |d: usize| ((x[2 + d] - 1) * stride[d] + kernel[d]).saturating_sub(2 * padding[d]);
                [size(0), size(1)]
            }
            _ => return Err(attrs.fail("output_size", "or kernel_size must be given, and x must be (N, C, H, W)")),
        };
        Ok(Built::images(MaxUnpool2d { output_size }, 2, 1))
    },
};

/// x (N, H, W, C) and indices of its shape -> (N, output height, output width, C).
#[derive(Clone, Copy, Debug)]
pub struct MaxUnpool2d {
    /// Height and width of the output; an index is row * width + column within it.
    pub output_size: [usize; 2],
}

impl MaxUnpool2d {
    fn params(&self, x: &TensorType, n: usize) -> Params {
        let [_, h, w, c] = x.shape.nhwc().expect("a picture");
        let out_plane = self.output_size[0] * self.output_size[1];
        Params {
            n: n as u32,
            in_plane: (h * w) as u32,
            out_plane: out_plane as u32,
            channels: c as u32,
            ..Default::default()
        }
    }

    /// Who wins each place, into scratch 0; the output's elements are counted from `x`.
    fn winners(&self, x: &TensorType, indices: Slot) -> Work {
        let [n, _, _, c] = x.shape.nhwc().expect("a picture");
        let places = n * self.output_size[0] * self.output_size[1] * c;
        let bytes = 4 * places as u64;
        let clear = elementwise(&CLEAR, self.params(x, places), vec![Scratch(0)], bytes);
        let claim = elementwise(&CLAIM, self.params(x, x.elements()), vec![indices, Scratch(0)], 2 * x.bytes());
        Work { launches: vec![clear, claim], scratch: vec![bytes] }
    }
}

fn elementwise(kernel: &'static Kernel, params: Params, slots: Vec<Slot>, bytes: u64) -> Launch {
    Launch::new(kernel, params, slots, [params.n.div_ceil(256), 1, 1]).costing(u64::from(params.n), bytes)
}

impl Op for MaxUnpool2d {
    fn name(&self) -> &'static str {
        "max_unpool2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, indices] = inputs else {
            return Err(shape_error("max_unpool2d", node, "inputs", "x, indices", inputs.len()));
        };
        if x.dtype != DType::F32 || x.shape.rank() != 4 || x.elements() == 0 {
            return Err(shape_error("max_unpool2d", node, "x", "f32(N, H, W, C)", x));
        }
        let wanted = TensorType::i32(&x.shape);
        if *indices != wanted {
            return Err(shape_error("max_unpool2d", node, "indices", wanted, indices));
        }
        let [h, w] = self.output_size;
        let ([n, _, _, c], places) = (x.shape.nhwc().expect("a picture"), h.saturating_mul(w));
        if places == 0 || places > i32::MAX as usize {
            return Err(shape_error("max_unpool2d", node, "output_size", "1 to 2^31 places", format!("[{h}, {w}]")));
        }
        Ok(vec![TensorType::f32([n, h, w, c])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (x, y) = (&cx.inputs[0], &cx.outputs[0]);
        let mut work = self.winners(x, Input(1));
        let slots = vec![Input(0), Scratch(0), Output(0)];
        work.launches.push(elementwise(&GATHER, self.params(x, y.elements()), slots, 3 * y.bytes()));
        Ok(work)
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let grad = cx.emit(MaxUnpool2dGrad(*self), &[cx.grad(), cx.inputs[1]])?;
        Ok(vec![Some(grad), None])
    }
}

/// (grad_y, indices) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct MaxUnpool2dGrad(MaxUnpool2d);

impl Op for MaxUnpool2dGrad {
    fn name(&self) -> &'static str {
        "max_unpool2d.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&inputs[1].shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.outputs[0];
        let mut work = self.0.winners(x, Input(1));
        let slots = vec![Input(0), Input(1), Scratch(0), Output(0)];
        work.launches.push(elementwise(&GRAD, self.0.params(x, x.elements()), slots, 4 * x.bytes()));
        Ok(work)
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
