//! 2-d convolution as PyTorch defines it (a cross-correlation): stride, dilation, groups, four-sided zero padding, with
//! bias, residual and activation applied before the result is stored.
//!
//! All passes are one of two sums: a gather over taps and channels (forward, input gradients, transposed convolution)
//! or a product over pixels (weight gradients). [`geometry`] says what meets what; `dispatch` and `weight` choose kernels, `winograd` another way where it is
//! the faster one.

mod dispatch;
mod geometry;
mod grad;
mod halves;
mod params;
mod prepared;
mod weight;
mod winograd;

pub use dispatch::Variant;
pub(crate) use dispatch::{Fused, gather, gather_ways};
pub(crate) use geometry::{Gather, Window};
pub(crate) use grad::Rule;

use super::fold_batch_norm::FoldBatchNorm;
use super::{
    Activation, Arg, Attr, Built, Entry, Epilogue, GradCx, LaunchCx, Op, OpRef, Prepared, Value, Ways, Work,
    shape_error,
};
use crate::Result;
use crate::gpu::{Kernel, Profile, Slot};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use std::sync::Arc;

/// The kernels of both convolutions.
pub(crate) const KERNELS: &[&Kernel] = &[
    &dispatch::LANES.full,
    &dispatch::LANES.native,
    &dispatch::LANES.packed,
    &dispatch::DEPTHWISE.full,
    &dispatch::DEPTHWISE.native,
    &dispatch::DEPTHWISE.packed,
    &dispatch::REGISTERS.full,
    &dispatch::REGISTERS.native,
    &dispatch::REGISTERS.packed,
    &dispatch::SUBGROUP.full,
    &dispatch::SUBGROUP.native,
    &dispatch::SUBGROUP.packed,
    &dispatch::SUBGROUP_ANY.full,
    &dispatch::SUBGROUP_ANY.native,
    &dispatch::SUBGROUP_ANY.packed,
    &dispatch::SUBGROUP_PAIRS.full,
    &dispatch::SUBGROUP_PAIRS.native,
    &dispatch::SUBGROUP_PAIRS.packed,
    &dispatch::TILED.full,
    &dispatch::TILED.native,
    &dispatch::TILED.packed,
    &dispatch::TILED_PAIRS.full,
    &dispatch::TILED_PAIRS.native,
    &dispatch::TILED_PAIRS.packed,
    &dispatch::TILED4.full,
    &dispatch::TILED4.native,
    &dispatch::TILED4.packed,
    &dispatch::COOPERATIVE_F32X8.full,
    &dispatch::COOPERATIVE_F32X8.native,
    &dispatch::COOPERATIVE_F32X8.packed,
    &dispatch::COOPERATIVE_F16X16.full,
    &dispatch::COOPERATIVE_F16X16.native,
    &dispatch::COOPERATIVE_F16X16.packed,
    &dispatch::COOPERATIVE_F16X8.full,
    &dispatch::COOPERATIVE_F16X8.native,
    &dispatch::COOPERATIVE_F16X8.packed,
    &dispatch::TURN_WEIGHT,
    &dispatch::TURN_WEIGHT4,
    &weight::WEIGHT_LANES,
    &weight::WEIGHT_DEPTHWISE,
    &weight::WEIGHT_REGISTERS,
    &weight::WEIGHT_SUBGROUP,
    &weight::WEIGHT_SUBGROUP_ANY,
    &weight::WEIGHT_TILED,
    &weight::WEIGHT_TILED4,
    &weight::SUM_ROWS,
    &winograd::WINOGRAD_INPUT,
    &winograd::WINOGRAD_OUTPUT,
    &winograd::WINOGRAD_WEIGHT,
    &grad::ACTIVATION_GRAD,
];

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "conv2d",
    summary: "y = activation(conv2d(x, weight) + bias + residual)",
    args: &[Arg::f32("x"), Arg::f32("weight"), Arg::optional("bias"), Arg::optional("residual")],
    attrs: &[
        Attr { name: "stride", default: "1", doc: "n or [h, w]" },
        Attr { name: "padding", default: "0", doc: "n, [h, w] or [left, right, top, bottom]" },
        Attr { name: "dilation", default: "1", doc: "n or [h, w]" },
        Attr { name: "groups", default: "1", doc: "blocks of channels that do not see each other" },
        Attr { name: "activation", default: "\"none\"", doc: "none, relu, leaky_relu, silu or sigmoid" },
        Attr { name: "negative_slope", default: "0.01", doc: "of leaky_relu" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| {
        let op = Conv2d {
            stride: attrs.pair("stride", [1, 1])?,
            padding: attrs.padding("padding")?,
            dilation: attrs.pair("dilation", [1, 1])?,
            groups: attrs.size("groups", 1)?,
            bias: given[2].is_some(),
            residual: given[3].is_some(),
            activation: attrs.activation()?,
            variant: None,
        };
        let mut inputs = vec![Layout::Image, Layout::ConvWeight];
        inputs.extend(op.bias.then_some(Layout::Plain));
        inputs.extend(op.residual.then_some(Layout::Image));
        Ok(Built { op: Arc::new(op), inputs, outputs: vec![Layout::Image] })
    },
};

/// (x, weight, [bias], [residual]) -> y = activation(conv(x, weight) + bias + residual).
///
/// x (N, H, W, Cin), weight (KH, KW, Cin/groups, Cout) in f32 or, for inference, f16, bias (Cout), residual and y (N, H', W', Cout) with
/// H' = floor((H + top + bottom - dilation (KH - 1) - 1) / stride) + 1. Fails where channels, groups or extents do not fit.
/// Differentiable with any activation but SiLU (and leaky ReLU of a slope that is not positive).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Vertical and horizontal.
    pub stride: [usize; 2],
    /// Rows and columns of zeros: top, bottom, left, right.
    pub padding: [usize; 4],
    /// Vertical and horizontal.
    pub dilation: [usize; 2],
    /// Blocks of channels that do not see each other; Cin for a depthwise convolution.
    pub groups: usize,
    /// Whether there is a bias input.
    pub bias: bool,
    /// Whether there is a residual input (the last one).
    pub residual: bool,
    /// Applied last.
    pub activation: Activation,
    /// Forces a kernel where it takes the shape, for tests and benchmarks. `None`: the device decides.
    pub variant: Option<Variant>,
}

impl Default for Conv2d {
    fn default() -> Self {
        Self {
            stride: [1, 1],
            padding: [0; 4],
            dilation: [1, 1],
            groups: 1,
            bias: false,
            residual: false,
            activation: Activation::None,
            variant: None,
        }
    }
}

impl Conv2d {
    pub(crate) fn window(&self) -> Window {
        Window { stride: self.stride, padding: self.padding, dilation: self.dilation, groups: self.groups }
    }

    fn fused(&self) -> Fused {
        fused(self.bias, self.residual, self.activation)
    }

    fn problem(&self, inputs: &[TensorType], y: &Shape) -> Gather {
        let weight = &inputs[1].shape;
        Gather::new(&inputs[0].shape, y, [weight[0], weight[1]], self.groups, self.window().forward())
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let op = "conv2d";
        let ([n, h, w, _], [kh, kw, _, co]) =
            check_operands(op, node, inputs, &self.window(), self.bias, self.residual)?;
        let window = self.window();
        let out = |d: usize, input: usize, kernel: usize| {
            window.out(d, input, kernel).ok_or_else(|| {
                let reach = self.dilation[d] * (kernel - 1) + 1;
                let padded = input + self.padding[2 * d] + self.padding[2 * d + 1];
                let axis = ["height", "width"][d];
                shape_error(op, node, format!("x: padded {axis}"), format!("at least the kernel's {reach}"), padded)
            })
        };
        let y = TensorType::f32([n, out(0, h, kh)?, out(1, w, kw)?, co]);
        check_epilogue(op, node, inputs, &y, self.bias, self.residual)?;
        Ok(vec![y])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let g = self.problem(cx.inputs, &cx.outputs[0].shape);
        let fused = self.fused();
        let weight = winograd::Weight::Straight(Slot::Input(1));
        if let Some(tile) = winograd::pick(&g, weight, cx.inputs[1].dtype, cx.profile, self.variant) {
            return Ok(winograd::work(tile, &g, [Slot::Input(0), Slot::Output(0)], weight, fused, cx));
        }
        let mut scratch = Vec::new();
        let slots = [Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let launches = vec![gather(&g, slots, fused, cx, self.variant, &mut scratch)];
        Ok(Work { launches, scratch })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let rule = Rule {
            op: "conv2d",
            window: self.window(),
            transposed: false,
            bias: self.bias,
            residual: self.residual,
            activation: self.activation,
            variant: self.variant,
        };
        rule.emit(cx)
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        is_picture(tensor, self.bias, self.residual)
    }

    fn ways(&self, cx: &LaunchCx<'_>) -> Option<Ways> {
        let g = self.problem(cx.inputs, &cx.outputs[0].shape);
        let weight = winograd::Weight::Straight(Slot::Input(1));
        Some(winograd::ways(&g, weight, cx.profile, |variant| Arc::new(Self { variant: Some(variant), ..*self })))
    }

    fn half_inputs(&self) -> &'static [usize] {
        &[1]
    }

    fn multiply_adds(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        self.problem(inputs, &outputs[0].shape).multiply_adds()
    }

    fn prepare(&self, inputs: &[TensorType], outputs: &[TensorType], profile: &Profile) -> Option<Prepared> {
        let g = self.problem(inputs, &outputs[0].shape);
        let made = winograd::Weight::Made(Slot::Input(1));
        let tile = winograd::pick(&g, made, inputs[1].dtype, profile, self.variant)?;
        Some(prepared::prepare(self, &inputs[1].shape, tile))
    }

    fn fold_batch_norm(&self, eps: f32) -> Option<(OpRef, OpRef)> {
        let plain = !self.residual && self.activation == Activation::None;
        let fold = FoldBatchNorm { eps, has_bias: self.bias };
        plain.then(|| (Arc::new(fold) as OpRef, Arc::new(Self { bias: true, ..*self }) as OpRef))
    }

    fn absorb(&self, epilogue: &Epilogue) -> Option<OpRef> {
        let (bias, residual, activation) = absorbed(self.bias, self.residual, self.activation, epilogue)?;
        Some(Arc::new(Self { bias, residual, activation, ..*self }))
    }
}

/// The flags after absorbing `epilogue`, or `None` where the order of inputs or of operations forbids it.
pub(crate) fn absorbed(
    bias: bool,
    residual: bool,
    activation: Activation,
    epilogue: &Epilogue,
) -> Option<(bool, bool, Activation)> {
    let open = activation == Activation::None;
    match epilogue {
        Epilogue::Bias if open && !bias && !residual => Some((true, residual, activation)),
        Epilogue::Residual if open && !residual => Some((bias, true, activation)),
        Epilogue::Activation(function) if open => Some((bias, residual, *function)),
        _ => None,
    }
}

/// Whether a tensor of either convolution is x, the residual or y.
pub(crate) fn is_picture(tensor: Slot, bias: bool, residual: bool) -> bool {
    match tensor {
        Slot::Input(i) => i == 0 || (residual && i == 2 + usize::from(bias)),
        _ => true,
    }
}

/// Where the epilogue's tensors are among the inputs.
pub(crate) fn fused(bias: bool, residual: bool, activation: Activation) -> Fused {
    Fused {
        bias: bias.then_some(Slot::Input(2)),
        residual: residual.then_some(Slot::Input(2 + usize::from(bias))),
        activation,
    }
}

/// x and weight of either convolution: ranks, types, attributes and channels. Returns their extents.
pub(crate) fn check_operands(
    op: &str,
    node: &str,
    inputs: &[TensorType],
    window: &Window,
    bias: bool,
    residual: bool,
) -> Result<([usize; 4], [usize; 4])> {
    let count = 2 + usize::from(bias) + usize::from(residual);
    if inputs.len() != count {
        return Err(shape_error(op, node, "inputs", count, inputs.len()));
    }
    let picture = |i: usize, what: &str, layout: &str, types: &[DType]| {
        let four = inputs[i].shape.nhwc().filter(|s| types.contains(&inputs[i].dtype) && s.iter().all(|&e| e > 0));
        four.ok_or_else(|| shape_error(op, node, what, format!("f32 {layout}, no extent zero"), &inputs[i]))
    };
    let x = picture(0, "x", "(N, H, W, C)", &[DType::F32])?;
    let weight = picture(1, "weight", "(KH, KW, Cin/groups, Cout)", &[DType::F32, DType::F16])?;
    let ones = [("stride", window.stride), ("dilation", window.dilation), ("groups", [window.groups; 2])];
    if let Some((what, v)) = ones.into_iter().find(|(_, v)| v.contains(&0)) {
        return Err(shape_error(op, node, what, "at least 1", format!("{v:?}")));
    }
    let (ci, co, groups) = (x[3], weight[3], window.groups);
    if weight[2] * groups != ci {
        let expected = format!("{} input channels (x has {ci}, groups {groups})", ci as f64 / groups as f64);
        return Err(shape_error(op, node, "weight", expected, weight[2]));
    }
    if !co.is_multiple_of(groups) {
        return Err(shape_error(op, node, "weight", format!("output channels in {groups} groups"), co));
    }
    Ok((x, weight))
}

/// Bias and residual of either convolution against its output.
pub(crate) fn check_epilogue(
    op: &str,
    node: &str,
    inputs: &[TensorType],
    y: &TensorType,
    bias: bool,
    residual: bool,
) -> Result<()> {
    let channels = TensorType::f32([y.shape.channels()]);
    if bias && inputs[2] != channels {
        return Err(shape_error(op, node, "bias", channels, &inputs[2]));
    }
    let last = &inputs[inputs.len() - 1];
    if residual && last != y {
        return Err(shape_error(op, node, "residual", y, last));
    }
    Ok(())
}
