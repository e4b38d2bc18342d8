//! What the pooling rooms share: windows over pictures, the size they give, and the uniform struct of their kernels.

use super::lanes::Wide;
use super::{Attr, Attrs, LaunchCx, shape_error};
use crate::Result;
use crate::gpu::{Launch, Slot};
use crate::tensor::{DType, Shape, TensorType};

/// Windows that slide over a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width in elements.
    pub kernel: [usize; 2],
    /// Distance between windows, down and across.
    pub stride: [usize; 2],
    /// Elements around the picture: top, bottom, left, right.
    pub padding: [usize; 4],
    /// Distance between a window's elements, down and across.
    pub dilation: [usize; 2],
    /// Round the output size up. A window that would start behind the picture's end (padding after it included) is dropped.
    pub ceil_mode: bool,
}

impl Window {
    /// Square windows without dilation, sizes rounded down.
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 4], dilation: [1; 2], ceil_mode: false }
    }

    /// `kernel_size`, `stride` (default: the kernel), `padding`, `ceil_mode`.
    pub(super) fn from_attrs(attrs: &Attrs) -> Result<Self> {
        if !attrs.has("kernel_size") {
            return Err(attrs.fail("kernel_size", "must be given"));
        }
        let kernel = attrs.pair("kernel_size", [1, 1])?;
        let stride = attrs.pair("stride", kernel)?;
        Ok(Self {
            kernel,
            stride,
            padding: attrs.padding("padding")?,
            dilation: [1, 1],
            ceil_mode: attrs.flag("ceil_mode", false)?,
        })
    }

    /// The attributes that [`Window::from_attrs`] reads.
    pub(super) const KERNEL: Attr = Attr { name: "kernel_size", default: "none", doc: "n or [h, w]; must be given" };
    pub(super) const STRIDE: Attr = Attr { name: "stride", default: "kernel_size", doc: "n or [h, w]" };
    pub(super) const PADDING: Attr =
        Attr { name: "padding", default: "0", doc: "n, [h, w] or [left, right, top, bottom]" };
    pub(super) const DILATION: Attr = Attr { name: "dilation", default: "1", doc: "n or [h, w]" };
    pub(super) const CEIL: Attr = Attr { name: "ceil_mode", default: "false", doc: "round the output size up" };

    /// (N, H, W, C) -> (N, H', W', C). Fails unless x is such a picture and every window holds at least one element of it.
    pub(super) fn infer(&self, op: &str, node: &str, inputs: &[TensorType]) -> Result<TensorType> {
        let x = picture(op, node, inputs)?;
        let [n, h, w, c] = x.shape.nhwc().expect("a picture");
        let [top, bottom, left, right] = self.padding;
        let rows = self.windows(op, node, 0, h, [top, bottom])?;
        let columns = self.windows(op, node, 1, w, [left, right])?;
        Ok(TensorType::f32([n, rows, columns, c]))
    }

    /// Number of windows along one axis.
    fn windows(&self, op: &str, node: &str, axis: usize, extent: usize, [before, after]: [usize; 2]) -> Result<usize> {
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        let name = ["height", "width"][axis];
        for (what, v) in [("kernel_size", kernel), ("stride", stride), ("dilation", dilation)] {
            if v == 0 || v > MAX_EXTENT {
                return Err(shape_error(op, node, what, format!("{name} of 1 to {MAX_EXTENT}"), v));
            }
        }
        let reach = dilation * (kernel - 1) + 1;
        let Some(room) = (extent + before + after).checked_sub(reach) else {
            let expected = format!("a padded {name} of at least {reach}, the reach of the kernel");
            return Err(shape_error(op, node, "x", expected, extent + before + after));
        };
        let mut windows = if self.ceil_mode { room.div_ceil(stride) } else { room / stride } + 1;
        if self.ceil_mode && (windows - 1) * stride >= extent + before {
            windows -= 1;
        }
        let inside =
            |tap: usize, window: usize| (before..before + extent).contains(&(window * stride + tap * dilation));
        match (0..windows).find(|&o| !(0..kernel).any(|t| inside(t, o))) {
            None => Ok(windows),
            Some(o) => {
                let got = format!("window {o} of the {name} wholly outside");
                Err(shape_error(op, node, "padding", "windows that all touch the picture", got))
            }
        }
    }
}

/// Largest kernel, stride or dilation; keeps positions within an i32.
const MAX_EXTENT: usize = 1 << 15;

/// The type of x, the only input, if it is a float picture that is not empty.
pub(super) fn picture<'a>(op: &str, node: &str, inputs: &'a [TensorType]) -> Result<&'a TensorType> {
    let [x] = inputs else { return Err(shape_error(op, node, "inputs", "x", inputs.len())) };
    if x.dtype != DType::F32 || x.shape.rank() != 4 || x.elements() == 0 {
        return Err(shape_error(op, node, "x", "f32(N, H, W, C)", x));
    }
    Ok(x)
}

/// (N, H, W, C) -> (N, rows, columns, C), for windows that divide the picture.
pub(super) fn adaptive_shape(op: &str, node: &str, inputs: &[TensorType], size: [usize; 2]) -> Result<[usize; 4]> {
    let [n, _, _, c] = picture(op, node, inputs)?.shape.nhwc().expect("a picture");
    match size.iter().all(|s| (1..=MAX_EXTENT).contains(s)) {
        true => Ok([n, size[0], size[1], c]),
        false => Err(shape_error(op, node, "output_size", format!("1 to {MAX_EXTENT} each way"), format!("{size:?}"))),
    }
}

crate::uniform! {
    /// Uniform of the pooling kernels, `shaders/lib/pool2d.wgsl`.
    pub struct Params {
        in_height: i32,
        in_width: i32,
        out_height: i32,
        out_width: i32,
        kernel_height: i32,
        kernel_width: i32,
        stride_height: i32,
        stride_width: i32,
        pad_top: i32,
        pad_left: i32,
        pad_bottom: i32,
        pad_right: i32,
        dilation_height: i32,
        dilation_width: i32,
        channels: u32,
        /// Divisor of averages; 0 for the number of elements.
        divisor: f32,
        /// Whether averages count the padding.
        count_include_pad: u32,
        pad0: u32,
        pad1: u32,
        pad2: u32,
    }
}

/// Which side an invocation makes one element of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A forward kernel.
    Output,
    /// A gradient.
    Input,
}

/// One invocation for each element (four channels where they allow) of the picture `x` or of its pooled form `y`.
/// `set` fills in what only some kernels read.
pub(super) fn launch(
    cx: &LaunchCx<'_>,
    kernel: &'static Wide,
    (window, x, y, side): (&Window, &Shape, &Shape, Side),
    slots: Vec<Slot>,
    set: impl FnOnce(&mut Params),
) -> Launch {
    let [images, h, w, c] = x.nhwc().expect("a picture");
    let [_, out_h, out_w, _] = y.nhwc().expect("a picture");
    let (kernel, width) = kernel.pick(c % 4 == 0);
    let channels = c as u32 / width;
    let mut params = Params {
        in_height: h as i32,
        in_width: w as i32,
        out_height: out_h as i32,
        out_width: out_w as i32,
        kernel_height: window.kernel[0] as i32,
        kernel_width: window.kernel[1] as i32,
        stride_height: window.stride[0] as i32,
        stride_width: window.stride[1] as i32,
        pad_top: window.padding[0] as i32,
        pad_bottom: window.padding[1] as i32,
        pad_left: window.padding[2] as i32,
        pad_right: window.padding[3] as i32,
        dilation_height: window.dilation[0] as i32,
        dilation_width: window.dilation[1] as i32,
        channels,
        ..Default::default()
    };
    set(&mut params);
    let (rows, columns) = if side == Side::Output { (out_h, out_w) } else { (h, w) };
    let groups = [(columns as u32 * channels).div_ceil(256), rows as u32, images as u32];
    let flops = y.elements() as u64 * (window.kernel[0] * window.kernel[1]) as u64;
    Launch::new(kernel, params, slots, groups).costing(2 * flops, cx.traffic())
}
