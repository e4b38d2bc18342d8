//! Losses made of one term for each pair of prediction and target: the op behind `bce_with_logits`, `focal`, `smooth_l1`,
//! `huber`, `l1` and `mse`, whose rooms only name it and read its attributes. `shaders/lib/pointwise_loss.wgsl` has the formulas.
//!
//! Not for losses that mix elements (`overlap_loss`) or classes (`cross_entropy`).

mod params;

use super::{Arg, Attrs, Built, GradCx, LaunchCx, Op, Reduction, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform, Variant};
use crate::tensor::{DType, TensorType};
use params::{FinishParams, Params};

/// The loss of one prediction and one target; the constants are those of the papers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Formula {
    /// Binary cross-entropy of a logit.
    Bce,
    /// Sigmoid focal loss. A negative `alpha` weighs both kinds of target alike.
    Focal {
        /// Weight of positive targets.
        alpha: f32,
        /// Exponent of the modulating factor.
        gamma: f32,
    },
    /// |d| with its tip rounded where |d| < beta.
    SmoothL1 {
        /// Where the parabola ends; 0 is L1.
        beta: f32,
    },
    /// Quadratic up to delta, linear beyond.
    Huber {
        /// Where the parabola ends.
        delta: f32,
    },
    /// |d|.
    L1,
    /// d^2.
    Mse,
}

impl Formula {
    fn name(self) -> &'static str {
        match self {
            Self::Bce => "bce_with_logits",
            Self::Focal { .. } => "focal",
            Self::SmoothL1 { .. } => "smooth_l1",
            Self::Huber { .. } => "huber",
            Self::L1 => "l1",
            Self::Mse => "mse",
        }
    }

    /// The override `KIND` and the two constants that the WGSL side takes.
    fn code(self) -> (f64, f32, f32) {
        match self {
            Self::Bce => (0.0, 0.0, 0.0),
            Self::Focal { alpha, gamma } => (1.0, alpha, gamma),
            Self::SmoothL1 { beta } => (2.0, beta, 0.0),
            Self::Huber { delta } => (3.0, delta, 0.0),
            Self::L1 => (4.0, 0.0, 0.0),
            Self::Mse => (5.0, 0.0, 0.0),
        }
    }
}

const KINDS: &[Variant] = &[&[("KIND", 1.0)], &[("KIND", 2.0)], &[("KIND", 3.0)], &[("KIND", 4.0)], &[("KIND", 5.0)]];

static SUM: Kernel = Kernel {
    label: "pointwise_loss.sum",
    source: include_str!("../../../shaders/pointwise_loss/sum.wgsl"),
    params: Params::FIELDS,
    variants: KINDS,
    needs: Needs::Nothing,
};

static FINISH: Kernel = Kernel {
    label: "pointwise_loss.finish",
    source: include_str!("../../../shaders/pointwise_loss/finish.wgsl"),
    params: FinishParams::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static EACH: Kernel = Kernel {
    label: "pointwise_loss.each",
    source: include_str!("../../../shaders/pointwise_loss/each.wgsl"),
    params: Params::FIELDS,
    variants: KINDS,
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "pointwise_loss.grad",
    source: include_str!("../../../shaders/pointwise_loss/grad.wgsl"),
    params: Params::FIELDS,
    variants: KINDS,
    needs: Needs::Nothing,
};

/// The kernels, for the entries of the ops that are made of them.
pub(super) const KERNELS: &[&Kernel] = &[&SUM, &FINISH, &EACH, &GRAD];

/// Elements that one workgroup of the first pass adds.
const CHUNK: usize = 4096;

/// (x, target, weight?, pos_weight?) -> a scalar, or the terms in x's shape. Any shape; channels last.
///
/// `weight` has x's shape, or x's with one channel (a map over pixels), and multiplies the terms; `pos_weight` has one
/// element or one for each channel. The mean is over all elements, weighted or not, as PyTorch has it. Gradients flow to `x` alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointwiseLoss {
    /// The loss of one pair.
    pub formula: Formula,
    /// Mean, sum, or one term for each element.
    pub reduction: Reduction,
    /// Whether `weight` is among the inputs.
    pub weight: bool,
    /// Whether `pos_weight` is among the inputs; only BCE has one.
    pub pos_weight: bool,
}

impl PointwiseLoss {
    /// The mean of a formula without weights.
    pub fn new(formula: Formula) -> Self {
        Self { formula, reduction: Reduction::Mean, weight: false, pos_weight: false }
    }

    /// With another reduction.
    pub fn reduced(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    /// With weights as the third input.
    pub fn weighted(self) -> Self {
        Self { weight: true, ..self }
    }

    /// What the entries of regression losses and of `focal` build: (x, target, weight?).
    pub(super) fn build(formula: Formula, attrs: &Attrs, given: &[Option<TensorType>]) -> Result<Built> {
        let loss = Self {
            formula,
            reduction: Reduction::from_attrs(attrs)?,
            weight: given[2].is_some(),
            pos_weight: given.get(3).is_some_and(Option::is_some),
        };
        Ok(Built::images(loss, given.iter().flatten().count(), 1))
    }

    fn params(&self, x: &TensorType, rest: &[TensorType]) -> Params {
        let (_, a, b) = self.formula.code();
        let weight_div = if self.weight { weight_div(x, &rest[0]).expect("inferred") } else { 0 };
        let pos = rest.get(usize::from(self.weight)).filter(|_| self.pos_weight);
        let mean = self.reduction == Reduction::Mean;
        Params {
            n: x.elements() as u32,
            weight_div,
            pos_channels: pos.map_or(0, |p| p.elements() as u32),
            each: u32::from(self.reduction == Reduction::None),
            a,
            b,
            divisor: if mean { x.elements() as f32 } else { 1.0 },
            ..Default::default()
        }
    }

    /// Slots of x, target, weight and pos_weight where x is input `first`; x stands in for what is absent.
    fn slots(&self, first: usize) -> Vec<Slot> {
        let weight = if self.weight { first + 2 } else { first };
        let pos = if self.pos_weight { first + 2 + usize::from(self.weight) } else { first };
        [first, first + 1, weight, pos].map(Slot::Input).to_vec()
    }

    fn kind(&self) -> [(&'static str, f64); 1] {
        [("KIND", self.formula.code().0)]
    }
}

impl Op for PointwiseLoss {
    fn name(&self) -> &'static str {
        self.formula.name()
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong =
            |what: &str, expected: String, got: String| Err(shape_error(self.name(), node, what, expected, got));
        let wanted = 2 + usize::from(self.weight) + usize::from(self.pos_weight);
        if inputs.len() != wanted {
            return wrong("inputs", wanted.to_string(), inputs.len().to_string());
        }
        let (x, target) = (&inputs[0], &inputs[1]);
        if x.dtype != DType::F32 || x.elements() == 0 {
            return wrong("x", "f32 with at least one element".into(), x.to_string());
        }
        if target != x {
            return wrong("target", x.to_string(), target.to_string());
        }
        if self.weight && weight_div(x, &inputs[2]).is_none() {
            let expected = format!("{x}, or the same with one channel");
            return wrong("weight", expected, inputs[2].to_string());
        }
        if self.pos_weight {
            let (pos, channels) = (&inputs[wanted - 1], x.shape.channels());
            if pos.dtype != DType::F32 || (pos.elements() != channels && pos.elements() != 1) {
                return wrong("pos_weight", format!("f32 with 1 or {channels} elements"), pos.to_string());
            }
        }
        let scalar: [usize; 0] = [];
        Ok(vec![if self.reduction == Reduction::None { x.clone() } else { TensorType::f32(scalar) }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.inputs[0];
        let params = self.params(x, &cx.inputs[2..]);
        let flops = 20 * u64::from(params.n);
        let mut slots = self.slots(0);
        if self.reduction == Reduction::None {
            slots.push(Slot::Output(0));
            let launch = Launch::new(&EACH, params, slots, [params.n.div_ceil(256), 1, 1]).with(&self.kind());
            return Ok(Work::one(launch.costing(flops, cx.traffic())));
        }
        slots.push(Slot::Scratch(0));
        let groups = x.elements().div_ceil(CHUNK) as u32;
        let finish = FinishParams { n: groups, divisor: params.divisor, ..Default::default() };
        let launches = vec![
            Launch::new(&SUM, params, slots, [groups, 1, 1]).with(&self.kind()).costing(flops, cx.traffic()),
            Launch::new(&FINISH, finish, vec![Slot::Scratch(0), Slot::Output(0)], [1, 1, 1])
                .costing(u64::from(groups), 4 * u64::from(groups)),
        ];
        Ok(Work { launches, scratch: vec![4 * u64::from(groups)] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if let Some(i) = (1..cx.wanted.len()).find(|&i| cx.wanted[i] && !cx.wanted[0]) {
            return cx.not_differentiable(self.name(), &format!("input {i} is a target or a weight; only x has one"));
        }
        let inputs: Vec<Value> = [cx.grad()].into_iter().chain(cx.inputs.iter().copied()).collect();
        let grad = cx.emit(PointwiseLossGrad(*self), &inputs)?;
        Ok((0..cx.inputs.len()).map(|i| (i == 0).then_some(grad)).collect())
    }
}

/// (grad_y, x, target, weight?, pos_weight?) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct PointwiseLossGrad(PointwiseLoss);

impl Op for PointwiseLossGrad {
    fn name(&self) -> &'static str {
        "pointwise_loss.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let params = self.0.params(&cx.inputs[1], &cx.inputs[3..]);
        let mut slots = vec![Slot::Input(0)];
        slots.extend(self.0.slots(1));
        slots.push(Slot::Output(0));
        let launch = Launch::new(&GRAD, params, slots, [params.n.div_ceil(256), 1, 1]).with(&self.0.kind());
        Ok(Work::one(launch.costing(20 * u64::from(params.n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(1, 0)]
    }
}

/// x, target and the optional weight.
pub(super) const ARGS: &[Arg] = &[Arg::f32("x"), Arg::f32("target"), Arg::optional("weight")];

/// Elements of `x` that share one weight (1, or the channels for a map over pixels), or `None` if the weights do not fit.
pub(super) fn weight_div(x: &TensorType, weight: &TensorType) -> Option<u32> {
    let Some((&channels, pixels)) = x.shape.split_last() else { return (weight == x).then_some(1) };
    let map = weight.shape.split_last().is_some_and(|(&one, rest)| one == 1 && rest == pixels);
    match weight.dtype {
        DType::F32 if weight.shape == x.shape => Some(1),
        DType::F32 if map => Some(channels as u32),
        _ => None,
    }
}
