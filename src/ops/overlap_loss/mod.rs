//! Losses of the overlap between a predicted and a true mask, over whole batches or pictures: the op behind `dice`, `jaccard` and
//! `bce_jaccard`, whose rooms only name it and read its attributes.
//!
//! With p = sigmoid(x), I = sum p t, P = sum p and T = sum t over a batch (or over each picture, then averaged):
//! dice is 1 - (2 I + eps) / (P + T + eps); the soft Jaccard index is J = (I + eps) / (P + T - I + eps), its loss 1 - J or 1 - log J;
//! `bce_jaccard` is alpha BCE + (1 - alpha) Jaccard, with BCE's mean over all elements, in one pass over the logits.

use super::pointwise_loss::weight_div;
use super::{Attrs, Built, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, TensorType};

/// Which loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Overlap {
    /// 1 - dice coefficient.
    Dice,
    /// 1 - J, or 1 - log J.
    Jaccard {
        /// Take the logarithm.
        log: bool,
    },
    /// alpha BCE + (1 - alpha) Jaccard.
    BceJaccard {
        /// Share of the cross-entropy.
        alpha: f32,
        /// Take the logarithm of J.
        log: bool,
    },
}

crate::uniform! {
    /// Uniform of all three kernels.
    pub struct Params {
        rows: u32,
        row: u32,
        chunks: u32,
        weight_div: u32,
        kind: u32,
        log: u32,
        eps: f32,
        alpha: f32,
    }
}

static SUMS: Kernel = Kernel {
    label: "overlap_loss.sums",
    source: include_str!("../../../shaders/overlap_loss/sums.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static FINISH: Kernel = Kernel {
    label: "overlap_loss.finish",
    source: include_str!("../../../shaders/overlap_loss/finish.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "overlap_loss.grad",
    source: include_str!("../../../shaders/overlap_loss/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The kernels, for the entries of the ops that are made of them.
pub(super) const KERNELS: &[&Kernel] = &[&SUMS, &FINISH, &GRAD];

/// Names of the outputs: the loss, and the sums (I, P, T, BCE) of each row, which the gradient reads.
pub(super) const OUTPUTS: &[&str] = &["y", "sums"];

/// Elements that one workgroup of the first pass adds.
const CHUNK: usize = 4096;

/// (x, target, weight?) -> (scalar, sums (rows, 4)). x: logits of any shape; target: the same, in [0, 1].
///
/// `weight` (x's shape, or x's with one channel) is `bce_jaccard`'s alone and weighs its entropy. Gradients flow to `x` alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OverlapLoss {
    /// Which loss.
    pub overlap: Overlap,
    /// Added above and below the fraction line; positive.
    pub eps: f32,
    /// Sum over each picture (the first dimension) and average the losses, instead of one sum over the batch.
    pub per_picture: bool,
    /// Whether `weight` is among the inputs.
    pub weight: bool,
}

impl OverlapLoss {
    /// Over the batch, eps 1, without weights.
    pub fn new(overlap: Overlap) -> Self {
        Self { overlap, eps: 1.0, per_picture: false, weight: false }
    }

    /// What the entries build. `eps` has the name PyTorch users know it by.
    pub(super) fn build(
        overlap: Overlap,
        eps: &'static str,
        attrs: &Attrs,
        given: &[Option<TensorType>],
    ) -> Result<Built> {
        let value = attrs.float(eps, 1.0)?;
        if value.is_nan() || value <= 0.0 {
            return Err(attrs.fail(eps, format!("must be positive, got {value}")));
        }
        let per_picture = attrs.flag("per_picture", false)?;
        let weight = given.get(2).is_some_and(Option::is_some);
        let loss = Self { overlap, eps: value, per_picture, weight };
        Ok(Built::images(loss, given.iter().flatten().count(), 2))
    }

    fn rows(&self, x: &TensorType) -> usize {
        if self.per_picture { x.shape.first().copied().unwrap_or(1) } else { 1 }
    }

    fn params(&self, x: &TensorType, weight: Option<&TensorType>) -> Params {
        let rows = self.rows(x);
        let row = x.elements() / rows;
        let (kind, log, alpha) = match self.overlap {
            Overlap::Dice => (0, false, 0.0),
            Overlap::Jaccard { log } => (1, log, 0.0),
            Overlap::BceJaccard { alpha, log } => (2, log, alpha),
        };
        Params {
            rows: rows as u32,
            row: row as u32,
            chunks: row.div_ceil(CHUNK) as u32,
            weight_div: weight.map_or(0, |w| weight_div(x, w).expect("inferred")),
            kind,
            log: u32::from(log),
            eps: self.eps,
            alpha,
            ..Default::default()
        }
    }

    /// Slots of x, target and weight where x is input `first`; x stands in for an absent weight.
    fn slots(&self, first: usize) -> Vec<Slot> {
        let weight = if self.weight { first + 2 } else { first };
        [first, first + 1, weight].map(Slot::Input).to_vec()
    }
}

impl Op for OverlapLoss {
    fn name(&self) -> &'static str {
        match self.overlap {
            Overlap::Dice => "dice",
            Overlap::Jaccard { .. } => "jaccard",
            Overlap::BceJaccard { .. } => "bce_jaccard",
        }
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong =
            |what: &str, expected: String, got: String| Err(shape_error(self.name(), node, what, expected, got));
        let wanted = 2 + usize::from(self.weight);
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
            return wrong("weight", format!("{x}, or the same with one channel"), inputs[2].to_string());
        }
        let scalar: [usize; 0] = [];
        Ok(vec![TensorType::f32(scalar), TensorType::f32([self.rows(x), 4])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.inputs[0];
        let params = self.params(x, cx.inputs.get(2));
        let pieces = u64::from(params.rows) * u64::from(params.chunks);
        let mut slots = self.slots(0);
        slots.push(Slot::Scratch(0));
        let launches = vec![
            Launch::new(&SUMS, params, slots, [params.chunks, params.rows, 1])
                .costing(30 * x.elements() as u64, cx.traffic()),
            Launch::new(&FINISH, params, vec![Slot::Scratch(0), Slot::Output(0), Slot::Output(1)], [1, 1, 1])
                .costing(4 * pieces, 16 * pieces),
        ];
        Ok(Work { launches, scratch: vec![16 * pieces] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if !cx.wanted[0] {
            return cx.not_differentiable(self.name(), "targets and weights have none; only x does");
        }
        let Some(grad_y) = cx.grads[0] else {
            return cx.not_differentiable(self.name(), "the sums are kept for the gradient; only y has one");
        };
        let mut inputs = vec![grad_y];
        inputs.extend_from_slice(cx.inputs);
        inputs.push(cx.outputs[1]);
        let grad = cx.emit(OverlapLossGrad(*self), &inputs)?;
        Ok((0..cx.inputs.len()).map(|i| (i == 0).then_some(grad)).collect())
    }
}

/// (grad_y, x, target, weight?, sums) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct OverlapLossGrad(OverlapLoss);

impl Op for OverlapLossGrad {
    fn name(&self) -> &'static str {
        "overlap_loss.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.inputs[1];
        let params = self.0.params(x, cx.inputs.get(3).filter(|_| self.0.weight));
        let mut slots = vec![Slot::Input(0)];
        slots.extend(self.0.slots(1));
        slots.extend([Slot::Input(cx.inputs.len() - 1), Slot::Output(0)]);
        let n = x.elements() as u32;
        let launch = Launch::new(&GRAD, params, slots, [n.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.costing(30 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(1, 0)]
    }
}
