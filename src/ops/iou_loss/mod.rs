//! IoU, GIoU, DIoU and CIoU losses of pairs of boxes; `shaders/lib/iou.wgsl` has the formulas. One loss for each pair: means and sums are
//! other ops' concern.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, TensorType};

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params { n: u32, kind: u32, pad0: u32, pad1: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "iou_loss.forward",
    source: include_str!("../../../shaders/iou_loss/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "iou_loss.grad",
    source: include_str!("../../../shaders/iou_loss/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "iou_loss",
    summary: "IoU, GIoU, DIoU or CIoU loss of pairs of boxes x0, y0, x1, y1",
    args: &[Arg::f32("x"), Arg::f32("target")],
    attrs: &[Attr { name: "kind", default: "iou", doc: IouKind::DOC }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |attrs, _| {
        let name = attrs.choice("kind", "iou", &["iou", "giou", "diou", "ciou"])?;
        Ok(Built::images(IouLoss { kind: IouKind::named(&name).expect("one of the choices") }, 2, 1))
    },
};

/// Which of the losses; each is 1 minus an index that is 1 for equal boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IouKind {
    /// Intersection over union.
    Iou,
    /// Generalised: Rezatofighi et al., 2019.
    Giou,
    /// With the distance of the centres: Zheng et al., 2020.
    Diou,
    /// With distance and aspect: Zheng et al., 2020. The weight alpha of the aspect carries no gradient.
    Ciou,
}

impl IouKind {
    const DOC: &'static str = "iou, giou, diou or ciou";

    /// By its name in attributes.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "iou" => Some(Self::Iou),
            "giou" => Some(Self::Giou),
            "diou" => Some(Self::Diou),
            "ciou" => Some(Self::Ciou),
            _ => None,
        }
    }

    /// The number that the kernels take; 0 is no IoU loss.
    pub fn code(self) -> u32 {
        match self {
            Self::Iou => 1,
            Self::Giou => 2,
            Self::Diou => 3,
            Self::Ciou => 4,
        }
    }
}

/// (x (..., 4), target (..., 4)) -> y (...): corners x0, y0, x1, y1 in any unit; eps is 1e-7, as torchvision has it. Gradients flow to both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IouLoss {
    /// Which loss.
    pub kind: IouKind,
}

impl IouLoss {
    fn launch(&self, kernel: &'static Kernel, cx: &LaunchCx<'_>, boxes: &TensorType, slots: Vec<Slot>) -> Work {
        let n = (boxes.elements() / 4) as u32;
        let params = Params { n, kind: self.kind.code(), ..Default::default() };
        Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(80 * u64::from(n), cx.traffic()))
    }
}

impl Op for IouLoss {
    fn name(&self) -> &'static str {
        "iou_loss"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, target] = inputs else {
            return Err(shape_error(self.name(), node, "inputs", "x, target", inputs.len()));
        };
        match x.shape.split_last() {
            Some((4, outer)) if x.dtype == DType::F32 && x.elements() > 0 => {
                if target == x {
                    return Ok(vec![TensorType::f32(outer)]);
                }
                Err(shape_error(self.name(), node, "target", x, target))
            }
            _ => Err(shape_error(self.name(), node, "x", "f32 (..., 4)", x)),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(self.launch(&FORWARD, cx, &cx.inputs[0], vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)]))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let (grad_y, x, target) = (cx.grad(), cx.inputs[0], cx.inputs[1]);
        let mut grads = vec![None, None];
        for (i, pair) in [[x, target], [target, x]].into_iter().enumerate() {
            if cx.wanted[i] {
                grads[i] = Some(cx.emit(IouLossGrad(*self), &[grad_y, pair[0], pair[1]])?);
            }
        }
        Ok(grads)
    }
}

/// (grad_y, x, target) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct IouLossGrad(IouLoss);

impl Op for IouLossGrad {
    fn name(&self) -> &'static str {
        "iou_loss.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Input(2), Slot::Output(0)];
        Ok(self.0.launch(&GRAD, cx, &cx.inputs[1], slots))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(1, 0), (2, 0)]
    }
}
