//! Two of Darknet's ways of moving pixels about, made of existing ops: what a shortcut makes of pictures of another size, and the
//! reorg layer run backwards.

use super::build::wrong;
use crate::Result;
use crate::graph::Graph;
use crate::ops::Value;
use crate::ops::pad::{Mode, Pad};
use crate::ops::permute::Permute;
use crate::ops::reshape::Reshape;
use crate::ops::slice::Slice;
use crate::tensor::Shape;

/// `other` in the shape `to`, as Darknet's shortcut adds it: of extents that are a multiple of the wanted ones every so many'th
/// element, smaller ones spread out with zeros between, channels cut off or filled with zeros.
pub fn fit(g: &mut Graph, other: Value, to: &Shape) -> Result<Value> {
    let from = g.shape(other);
    if from == *to {
        return Ok(other);
    }
    let (Some([n, h1, w1, c1]), Some([_, h2, w2, c2])) = (from.nhwc(), to.nhwc()) else {
        return Err(wrong(format!("cannot add {from} to {to}")));
    };
    let (stride, sample) = ((w1 / w2).max(1), (w2 / w1).max(1));
    if w1 / w2 != h1 / h2 || w2 / w1 != h2 / h1 {
        return Err(wrong(format!("cannot add {from} to {to}: height and width differ by different factors")));
    }
    // Darknet walks over the smaller extents of the two.
    let (h, w, c) = (h1.min(h2), w1.min(w2), c1.min(c2));
    if (h - 1) * sample >= h2 || (w - 1) * sample >= w2 || (h - 1) * stride >= h1 || (w - 1) * stride >= w1 {
        return Err(wrong(format!("cannot add {from} to {to}: extents are no multiples of each other")));
    }
    let end = vec![n, (h - 1) * stride + 1, (w - 1) * stride + 1, c];
    let cut = Slice { start: vec![0; 4], end, step: vec![1, stride, stride, 1] };
    let mut y = g.named("cut", cut, &[other])?;
    if sample > 1 {
        y = g.named("apart", Reshape { shape: [n, h, 1, w, 1, c].into() }, &[y])?;
        let mut sides = vec![[0, 0]; 6];
        sides[2][1] = sample as i64 - 1;
        sides[4][1] = sample as i64 - 1;
        y = g.named("between", Pad { sides, mode: Mode::Constant(0.0) }, &[y])?;
        y = g.named("spread", Reshape { shape: [n, h * sample, w * sample, c].into() }, &[y])?;
    }
    // Negative where the last zeros between lie outside.
    let missing = |have: usize, want: usize| [0, want as i64 - have as i64];
    let sides = vec![[0, 0], missing(h * sample, h2), missing(w * sample, w2), missing(c, c2)];
    if sides.iter().all(|s| s[1] == 0) {
        return Ok(y);
    }
    g.named("fill", Pad { sides, mode: Mode::Constant(0.0) }, &[y])
}

/// Darknet's reorg with `reverse=1`: (N, H, W, C) -> (N, H s, W s, C / s^2). Channel (dy s + dx) C / s^2 + c becomes channel c of pixel
/// (dy, dx) of its block.
pub fn unfold(g: &mut Graph, x: Value, s: usize) -> Result<Value> {
    let [n, h, w, c] = g.shape(x).nhwc().expect("a picture");
    if !c.is_multiple_of(s * s) {
        return Err(wrong(format!("the square of its stride {s} does not divide the {c} channels it reads")));
    }
    let inner = c / (s * s);
    let y = g.named("blocks", Reshape { shape: [n, h, w, s, s, inner].into() }, &[x])?;
    let y = g.named("reorg", Permute { order: vec![0, 1, 3, 2, 4, 5] }, &[y])?;
    g.named("joined", Reshape { shape: [n, h * s, w * s, inner].into() }, &[y])
}
