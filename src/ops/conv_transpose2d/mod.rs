//! 2-d transposed convolution as PyTorch defines it: the input gradient of a convolution, as an op of its own. It has no kernels of
//! its own either: outputs that differ modulo the stride meet different taps, and each such phase is a gathering convolution
//! (see `conv2d::geometry`), so nothing is scattered and nothing is multiplied by inserted zeros.

use super::conv2d::{
    Fused, Gather, KERNELS, Rule, Variant, Window, absorbed, check_epilogue, check_operands, fused, gather,
    gather_ways, is_picture,
};
use super::fold_batch_norm::FoldBatchNorm;
use super::{
    Activation, Arg, Attr, Built, Entry, Epilogue, GradCx, LaunchCx, Op, OpRef, Value, Ways, Work, shape_error,
};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::layout::Layout;
use crate::tensor::{Shape, TensorType};
use std::sync::Arc;

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "conv_transpose2d",
    summary: "y = activation(conv_transpose2d(x, weight) + bias + residual)",
    args: &[Arg::f32("x"), Arg::f32("weight"), Arg::optional("bias"), Arg::optional("residual")],
    attrs: &[
        Attr { name: "stride", default: "1", doc: "n or [h, w]" },
        Attr { name: "padding", default: "0", doc: "n, [h, w] or [left, right, top, bottom]" },
        Attr { name: "output_padding", default: "0", doc: "n or [h, w]: rows and columns added at the end" },
        Attr { name: "groups", default: "1", doc: "blocks of channels that do not see each other" },
        Attr { name: "dilation", default: "1", doc: "n or [h, w]" },
        Attr { name: "activation", default: "\"none\"", doc: "none, relu, leaky_relu, silu or sigmoid" },
        Attr { name: "negative_slope", default: "0.01", doc: "of leaky_relu" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| {
        let op = ConvTranspose2d {
            stride: attrs.pair("stride", [1, 1])?,
            padding: attrs.padding("padding")?,
            output_padding: attrs.pair("output_padding", [0, 0])?,
            dilation: attrs.pair("dilation", [1, 1])?,
            groups: attrs.size("groups", 1)?,
            bias: given[2].is_some(),
            residual: given[3].is_some(),
            activation: attrs.activation()?,
            variant: None,
        };
        // The layout cuts the weight into groups, so they must fit before anything is converted.
        let inputs = given[1].as_ref().map_or(1, |w| w.shape.first().copied().unwrap_or(1));
        if op.groups == 0 || !inputs.is_multiple_of(op.groups) {
            return Err(
                attrs.fail("groups", format!("must divide the weight's {inputs} input channels, got {}", op.groups))
            );
        }
        let mut layouts = vec![Layout::Image, Layout::ConvTransposeWeight { groups: op.groups }];
        layouts.extend(op.bias.then_some(Layout::Plain));
        layouts.extend(op.residual.then_some(Layout::Image));
        Ok(Built { op: Arc::new(op), inputs: layouts, outputs: vec![Layout::Image] })
    },
};

/// (x, weight, [bias], [residual]) -> y = activation(conv_transpose(x, weight) + bias + residual).
///
/// x (N, H, W, Cin), weight (KH, KW, Cin/groups, Cout), bias (Cout), residual and y (N, H', W', Cout) with
/// H' = (H - 1) stride - top - bottom + dilation (KH - 1) + output_padding + 1. Fails where channels, groups or extents do not
/// fit, and where the output padding is not smaller than the stride or the dilation.
/// Differentiable with any activation but SiLU (and leaky ReLU of a slope that is not positive).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvTranspose2d {
    /// Vertical and horizontal.
    pub stride: [usize; 2],
    /// Rows and columns cut off the result: top, bottom, left, right.
    pub padding: [usize; 4],
    /// Rows and columns added at the end.
    pub output_padding: [usize; 2],
    /// Vertical and horizontal.
    pub dilation: [usize; 2],
    /// Blocks of channels that do not see each other.
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

impl Default for ConvTranspose2d {
    fn default() -> Self {
        Self {
            stride: [1, 1],
            padding: [0; 4],
            output_padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
            bias: false,
            residual: false,
            activation: Activation::None,
            variant: None,
        }
    }
}

impl ConvTranspose2d {
    fn window(&self) -> Window {
        Window { stride: self.stride, padding: self.padding, dilation: self.dilation, groups: self.groups }
    }

    fn problem(&self, inputs: &[TensorType], y: &Shape) -> Gather {
        let weight = &inputs[1].shape;
        Gather::new(&inputs[0].shape, y, [weight[0], weight[1]], self.groups, self.window().transposed())
    }
}

impl Op for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let op = "conv_transpose2d";
        let window = self.window();
        let ([n, h, w, _], [kh, kw, _, co]) = check_operands(op, node, inputs, &window, self.bias, self.residual)?;
        for d in 0..2 {
            if self.output_padding[d] >= self.stride[d].max(self.dilation[d]) {
                let expected = format!("less than the stride {} or the dilation {}", self.stride[d], self.dilation[d]);
                return Err(shape_error(op, node, "output_padding", expected, self.output_padding[d]));
            }
        }
        let out = |d: usize, input: usize, kernel: usize| {
            window.out_transposed(d, input, kernel, self.output_padding[d]).ok_or_else(|| {
                let cut = self.padding[2 * d] + self.padding[2 * d + 1];
                let axis = ["height", "width"][d];
                shape_error(op, node, format!("padding: {axis}"), "some rows and columns to be left", cut)
            })
        };
        let y = TensorType::f32([n, out(0, h, kh)?, out(1, w, kw)?, co]);
        check_epilogue(op, node, inputs, &y, self.bias, self.residual)?;
        Ok(vec![y])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let g = self.problem(cx.inputs, &cx.outputs[0].shape);
        let fused: Fused = fused(self.bias, self.residual, self.activation);
        let mut scratch = Vec::new();
        let slots = [Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let launches = vec![gather(&g, slots, fused, cx, self.variant, &mut scratch)];
        Ok(Work { launches, scratch })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let rule = Rule {
            op: "conv_transpose2d",
            window: self.window(),
            transposed: true,
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
        Some(gather_ways(&g, cx.profile, |variant| Arc::new(Self { variant: Some(variant), ..*self })))
    }

    fn half_inputs(&self) -> &'static [usize] {
        &[1]
    }

    fn multiply_adds(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        self.problem(inputs, &outputs[0].shape).multiply_adds()
    }

    fn fold_batch_norm(&self, eps: f32) -> Option<(OpRef, OpRef)> {
        if self.residual || self.activation != Activation::None {
            return None;
        }
        Some((Arc::new(FoldBatchNorm { eps, has_bias: self.bias }), Arc::new(Self { bias: true, ..*self })))
    }

    fn absorb(&self, epilogue: &Epilogue) -> Option<OpRef> {
        let (bias, residual, activation) = absorbed(self.bias, self.residual, self.activation, epilogue)?;
        Some(Arc::new(Self { bias, residual, activation, ..*self }))
    }
}
