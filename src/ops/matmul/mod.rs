//! Products of matrices, in batches that broadcast: PyTorch's `matmul` for ranks 2 to 4, with either factor transposed.
//! Vectors are refused: give them a dimension of extent 1.

pub(super) mod dispatch;
mod params;

pub use dispatch::Variant;

use super::reduce_sum::ReduceSum;
use super::reshape::Reshape;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Slot};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use dispatch::{Factor, PACK, Product, REGISTERS, SUBGROUP, TILED, TILED4};
use std::sync::Arc;

/// The kernels, for the entries of the ops that multiply.
pub(super) const KERNELS: &[&Kernel] = &[&PACK, &REGISTERS, &SUBGROUP, &TILED, &TILED4];

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "matmul",
    summary: "product of matrices in the last two dimensions; batch dimensions broadcast",
    args: &[Arg::f32("a"), Arg::f32("b")],
    attrs: &[
        Attr { name: "transpose_a", default: "false", doc: "a holds (k, m)" },
        Attr { name: "transpose_b", default: "false", doc: "b holds (n, k)" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, _| {
        let op = MatMul {
            transpose_a: attrs.flag("transpose_a", false)?,
            transpose_b: attrs.flag("transpose_b", false)?,
            variant: None,
        };
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// (..., M, K), (..., K, N) -> (..., M, N), ranks 2 to 4.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MatMul {
    /// The first factor is (..., K, M).
    pub transpose_a: bool,
    /// The second factor is (..., N, K).
    pub transpose_b: bool,
    /// A kernel of one's own choice; `None` leaves it to the device's kind.
    pub variant: Option<Variant>,
}

/// Batch extents of a tensor of rank 2 to 4, ones in front.
fn batches(shape: &Shape) -> [usize; 2] {
    match shape.rank() {
        4 => [shape[0], shape[1]],
        3 => [1, shape[0]],
        _ => [1, 1],
    }
}

/// (rows, columns) as multiplied.
fn extents(shape: &Shape, transposed: bool) -> [usize; 2] {
    let [.., rows, columns] = shape[..] else { panic!("rank 2 or more was inferred") };
    if transposed { [columns, rows] } else { [rows, columns] }
}

fn factor(slot: usize, shape: &Shape, transposed: bool) -> Factor {
    let own_batch = batches(shape);
    let [.., rows, columns] = shape[..] else { panic!("rank 2 or more was inferred") };
    let matrix = rows * columns;
    let step = |extent: usize, step: usize| if extent > 1 { step } else { 0 };
    let batch = [step(own_batch[0], own_batch[1] * matrix), step(own_batch[1], matrix)];
    Factor { batch, own_batch, ..Factor::matrix(Slot::Input(slot), columns, transposed) }
}

impl MatMul {
    /// Without transposition, by the device's kind.
    pub fn new(transpose_a: bool, transpose_b: bool) -> Self {
        Self { transpose_a, transpose_b, variant: None }
    }

    fn product(&self, inputs: &[TensorType], output: &TensorType) -> Product {
        let [m, k] = extents(&inputs[0].shape, self.transpose_a);
        let [_, n] = extents(&inputs[1].shape, self.transpose_b);
        Product {
            size: [m, n, k],
            batch: batches(&output.shape),
            a: factor(0, &inputs[0].shape, self.transpose_a),
            b: factor(1, &inputs[1].shape, self.transpose_b),
            bias: None,
            c: Slot::Output(0),
        }
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong = |what: &str, expected: String, got: String| Err(shape_error("matmul", node, what, expected, got));
        let [a, b] = inputs else { return wrong("inputs", "a and b".into(), inputs.len().to_string()) };
        for (name, ty) in [("a", a), ("b", b)] {
            if ty.dtype != DType::F32 || !(2..=4).contains(&ty.shape.rank()) || ty.elements() == 0 {
                return wrong(name, "f32 of rank 2 to 4".into(), ty.to_string());
            }
        }
        let [m, k] = extents(&a.shape, self.transpose_a);
        let [kb, n] = extents(&b.shape, self.transpose_b);
        if k != kb {
            return wrong("b", format!("{k} rows to multiply with a {}", a.shape), format!("{kb} in {}", b.shape));
        }
        let rank = a.shape.rank().max(b.shape.rank());
        let mut shape = Vec::with_capacity(rank);
        for (x, y) in batches(&a.shape).into_iter().zip(batches(&b.shape)).skip(4 - rank) {
            if x != y && x != 1 && y != 1 {
                return wrong("b", format!("batch dimensions that broadcast with {}", a.shape), b.shape.to_string());
            }
            shape.push(x.max(y));
        }
        shape.extend([m, n]);
        Ok(vec![TensorType::f32(shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(self.product(cx.inputs, &cx.outputs[0]).work(cx.profile, self.variant))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let (a, b, g) = (cx.inputs[0], cx.inputs[1], cx.grad());
        let Self { transpose_a: ta, transpose_b: tb, variant } = *self;
        let product = |transpose_a, transpose_b| MatMul { transpose_a, transpose_b, variant };
        let mut grads = vec![None, None];
        if cx.wanted[0] {
            let full = if ta { cx.emit(product(tb, true), &[b, g])? } else { cx.emit(product(false, !tb), &[g, b])? };
            grads[0] = Some(unbroadcast(cx, full, a)?);
        }
        if cx.wanted[1] {
            let full = if tb { cx.emit(product(true, ta), &[g, a])? } else { cx.emit(product(!ta, false), &[a, g])? };
            grads[1] = Some(unbroadcast(cx, full, b)?);
        }
        Ok(grads)
    }

    fn multiply_adds(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        outputs[0].elements() as u64 * extents(&inputs[0].shape, self.transpose_a)[1] as u64
    }
}

/// Sums a gradient over the batch dimensions along which `like` was repeated.
fn unbroadcast(cx: &mut GradCx<'_>, grad: Value, like: Value) -> Result<Value> {
    let (have, want) = (cx.ty(grad).shape, cx.ty(like).shape);
    if have == want {
        return Ok(grad);
    }
    let missing = have.rank() - want.rank();
    let repeated = |&d: &usize| d < missing || (want[d - missing] == 1 && have[d] > 1);
    let dims: Vec<usize> = (0..have.rank() - 2).filter(repeated).filter(|&d| have[d] > 1).collect();
    let sum = match dims.is_empty() {
        true => grad,
        false => cx.emit(ReduceSum { dims, keepdim: true, mean: false }, &[grad])?,
    };
    if cx.ty(sum).shape == want { Ok(sum) } else { cx.emit(Reshape { shape: want }, &[sum]) }
}
