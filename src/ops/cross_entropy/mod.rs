//! Cross-entropy of class indices over logits: class weights, an index that does not count, label smoothing (Szegedy et al., "Rethinking
//! the Inception Architecture", 2016) and a weight for each pixel (Ronneberger et al., "U-Net", 2015). PyTorch's `cross_entropy`.
//!
//! Targets are indices, not probabilities.

mod params;

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Reduction, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use params::Params;
use std::sync::Arc;

static FORWARD: Kernel = Kernel {
    label: "cross_entropy.forward",
    source: include_str!("../../../shaders/cross_entropy/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static FINISH: Kernel = Kernel {
    label: "cross_entropy.finish",
    source: include_str!("../../../shaders/cross_entropy/finish.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "cross_entropy.grad",
    source: include_str!("../../../shaders/cross_entropy/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "cross_entropy",
    summary: "cross-entropy of class indices over logits; weight: one for each class; weight_map: one for each pixel",
    args: &[Arg::f32("x"), Arg::i32("target"), Arg::optional("weight"), Arg::optional("weight_map")],
    attrs: &[
        Attr { name: "ignore_index", default: "-100", doc: "targets that do not count" },
        Attr { name: "label_smoothing", default: "0", doc: "share of the target spread over all classes" },
        Reduction::ATTR,
    ],
    outputs: &["y", "sums"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &FINISH, &GRAD],
    build: |attrs, given| {
        let smoothing = attrs.float("label_smoothing", 0.0)?;
        if !(0.0..=1.0).contains(&smoothing) {
            return Err(attrs.fail("label_smoothing", format!("must be between 0 and 1, got {smoothing}")));
        }
        let ignore = attrs.int("ignore_index", -100)?;
        let ignore_index =
            i32::try_from(ignore).map_err(|_| attrs.fail("ignore_index", format!("must fit 32 bits, got {ignore}")))?;
        if let Some(x) = given[0].as_ref().filter(|x| !matches!(x.shape.rank(), 2 | 4)) {
            return Err(shape_error("cross_entropy", "op", "x", "(N, C) or (N, C, H, W)", x));
        }
        let op = CrossEntropy {
            reduction: Reduction::from_attrs(attrs)?,
            ignore_index,
            label_smoothing: smoothing,
            weight: given[2].is_some(),
            weight_map: given[3].is_some(),
        };
        // Targets and maps have no channels to move.
        let mut inputs = vec![Layout::Plain; given.iter().flatten().count()];
        inputs[0] = Layout::Image;
        let outputs = vec![Layout::Plain; if op.reduction == Reduction::None { 1 } else { 2 }];
        Ok(Built { op: Arc::new(op), inputs, outputs })
    },
};

/// (x (..., C), target i32 (...), weight (C)?, weight_map (...)?) -> (y, sums (2)), or the losses (...) alone if not reduced.
///
/// The mean divides the sum of the losses by the sum of the targets' class weights, as PyTorch does; the weight map multiplies losses and
/// leaves the divisor alone. `sums` holds both sums. Where no target counts the mean is 0 (PyTorch: NaN). A target outside 0..C that is
/// not `ignore_index` makes the loss NaN, which stops a training run. Gradients flow to `x` alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropy {
    /// Mean, sum, or one loss for each target.
    pub reduction: Reduction,
    /// Targets that do not count.
    pub ignore_index: i32,
    /// Share of the target spread over all classes.
    pub label_smoothing: f32,
    /// Whether class weights are among the inputs.
    pub weight: bool,
    /// Whether a map of weights is among the inputs.
    pub weight_map: bool,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        let reduction = Reduction::Mean;
        Self { reduction, ignore_index: -100, label_smoothing: 0.0, weight: false, weight_map: false }
    }
}

/// Pixels that one workgroup of the first pass adds.
const CHUNK: u32 = 1024;

impl CrossEntropy {
    fn params(&self, x: &TensorType) -> Params {
        let channels = x.shape.channels();
        Params {
            pixels: (x.elements() / channels) as u32,
            channels: channels as u32,
            each: u32::from(self.reduction == Reduction::None),
            mean: u32::from(self.reduction == Reduction::Mean),
            has_weight: u32::from(self.weight),
            has_map: u32::from(self.weight_map),
            ignore_index: self.ignore_index,
            smoothing: self.label_smoothing,
            nan: f32::NAN.to_bits(),
            ..Default::default()
        }
    }

    /// Slots of x, target, weight and map where x is input `first`; x stands in for what is absent.
    fn slots(&self, first: usize) -> Vec<Slot> {
        let weight = if self.weight { first + 2 } else { first };
        let map = if self.weight_map { first + 2 + usize::from(self.weight) } else { first };
        [first, first + 1, weight, map].map(Slot::Input).to_vec()
    }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong =
            |what: &str, expected: String, got: String| Err(shape_error("cross_entropy", node, what, expected, got));
        let wanted = 2 + usize::from(self.weight) + usize::from(self.weight_map);
        if inputs.len() != wanted {
            return wrong("inputs", wanted.to_string(), inputs.len().to_string());
        }
        let (x, target) = (&inputs[0], &inputs[1]);
        if x.dtype != DType::F32 || x.shape.rank() < 2 || x.elements() == 0 {
            return wrong("x", "f32 of rank 2 or more, classes last".into(), x.to_string());
        }
        let (channels, pixels) = x.shape.split_last().expect("rank 2 or more");
        if *target != TensorType::i32(pixels) {
            return wrong("target", TensorType::i32(pixels).to_string(), target.to_string());
        }
        if self.weight && inputs[2] != TensorType::f32([*channels]) {
            return wrong("weight", format!("f32({channels})"), inputs[2].to_string());
        }
        if self.weight_map && inputs[wanted - 1] != TensorType::f32(pixels) {
            return wrong("weight_map", TensorType::f32(pixels).to_string(), inputs[wanted - 1].to_string());
        }
        Ok(match self.reduction {
            Reduction::None => vec![TensorType::f32(pixels)],
            _ => vec![TensorType::f32(Shape::default()), TensorType::f32([2])],
        })
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let params = self.params(&cx.inputs[0]);
        let groups = params.pixels.div_ceil(CHUNK);
        let flops = 12 * cx.inputs[0].elements() as u64;
        let mut slots = self.slots(0);
        if self.reduction == Reduction::None {
            slots.push(Slot::Output(0));
            return Ok(Work::one(Launch::new(&FORWARD, params, slots, [groups, 1, 1]).costing(flops, cx.traffic())));
        }
        slots.push(Slot::Scratch(0));
        let finish = Params { pixels: groups, ..params };
        let launches = vec![
            Launch::new(&FORWARD, params, slots, [groups, 1, 1]).costing(flops, cx.traffic()),
            Launch::new(&FINISH, finish, vec![Slot::Scratch(0), Slot::Output(0), Slot::Output(1)], [1, 1, 1])
                .costing(2 * u64::from(groups), 8 * u64::from(groups)),
        ];
        Ok(Work { launches, scratch: vec![8 * u64::from(groups)] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if !cx.wanted[0] {
            return cx.not_differentiable("cross_entropy", "targets and weights have none; only x does");
        }
        let Some(grad_y) = cx.grads[0] else {
            return cx.not_differentiable("cross_entropy", "the sums are kept for the gradient; only y has one");
        };
        let mut inputs = vec![grad_y];
        inputs.extend_from_slice(cx.inputs);
        inputs.extend(cx.outputs.get(1));
        let grad = cx.emit(CrossEntropyGrad(*self), &inputs)?;
        Ok((0..cx.inputs.len()).map(|i| (i == 0).then_some(grad)).collect())
    }
}

/// (grad_y, x, target, weight?, weight_map?, sums?) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct CrossEntropyGrad(CrossEntropy);

impl Op for CrossEntropyGrad {
    fn name(&self) -> &'static str {
        "cross_entropy.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let params = self.0.params(&cx.inputs[1]);
        let mut slots = vec![Slot::Input(0)];
        slots.extend(self.0.slots(1));
        // Without a reduction there are no sums; grad_y stands in.
        let sums = if params.each == 1 { 0 } else { cx.inputs.len() - 1 };
        slots.extend([Slot::Input(sums), Slot::Output(0)]);
        let launch = Launch::new(&GRAD, params, slots, [params.pixels.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.costing(16 * cx.inputs[1].elements() as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    /// An invocation reads and writes the channels of its own pixel only.
    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(1, 0)]
    }
}
