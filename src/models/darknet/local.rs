//! A locally connected layer: a convolution with weights of its own at every place, made of existing ops.
//!
//! The windows of a picture are cut out and laid in rows, (places, N, window), and multiplied by one matrix for each place. The
//! matrices of one row of places are one parameter: YOLOv1's are 462 MB in all, more than many devices bind at once.

use super::build::{bias, check_size, wrong};
use super::weights::Record;
use crate::Result;
use crate::nn::{Init, Net};
use crate::ops::Value;
use crate::ops::add::Add;
use crate::ops::concat::Concat;
use crate::ops::matmul::MatMul;
use crate::ops::pad::{Mode, Pad};
use crate::ops::permute::Permute;
use crate::ops::reshape::Reshape;
use crate::ops::slice::Slice;
use crate::tensor::layout::Layout;
use crate::tensor::{Shape, TensorType};

/// Most nodes that a layer may take; published networks have 7 rows of 3x3 windows.
const MOST_PIECES: usize = 1024;

/// The windows of the layer.
pub struct Window {
    /// Output channels.
    pub filters: usize,
    /// Side of the window.
    pub size: usize,
    /// Step.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
}

/// Adds the layer: (N, H, W, C) -> (N, H', W', filters).
pub fn build(net: &mut Net<'_>, index: usize, window: &Window, x: Value) -> Result<(Value, Record)> {
    let shape = net.graph.shape(x);
    let [n, h, w, c] = shape.nhwc().expect("a picture");
    let Window { filters, size, stride, padding } = *window;
    let places = |extent: usize| (extent + 2 * padding).checked_sub(size).map(|room| room / stride + 1);
    let (Some(rows), Some(columns)) = (places(h), places(w)) else {
        return Err(wrong(format!("its windows of {size}x{size} do not fit into {shape}")));
    };
    if rows + size * size > MOST_PIECES {
        return Err(wrong(format!("is made of {rows} rows and {size}x{size} taps, more than {MOST_PIECES} pieces")));
    }
    let taps = size * size * c;
    check_size(&[rows, columns, taps, filters])?;
    check_size(&[n, rows, columns, taps])?;
    let patches = patches(net, window, x, [rows, columns])?;
    net.scope("local", |net| {
        let init = Init::He { fan_in: taps };
        let mut made = Vec::with_capacity(rows);
        for row in 0..rows {
            let ty = TensorType::f32([columns, taps, filters]);
            let weight = net.parameter(&format!("weight.{row}"), ty, init, Layout::Plain)?;
            let own = net.graph.named("row", Slice::along(4, 0, row, row + 1), &[patches])?;
            let own = net.graph.named("windows", Reshape { shape: [columns, n, taps].into() }, &[own])?;
            let y = net.graph.named("matmul", MatMul::new(false, false), &[own, weight])?;
            made.push(net.graph.named("made", Reshape { shape: [1, columns, n, filters].into() }, &[y])?);
        }
        let y = if rows == 1 { made[0] } else { net.graph.named("rows", Concat { dim: 0 }, &made)? };
        let y = net.graph.named("pictures", Permute { order: vec![2, 0, 1, 3] }, &[y])?;
        let shift = bias(net, [rows, columns, filters].into(), Layout::Chw)?;
        let y = net.graph.named("bias_add", Add, &[y, shift])?;
        let record = Record::local(format!("layers.{index}.local"), rows, [size * size, c]);
        Ok((y, record))
    })
}

/// The windows of `x` as (rows, columns, N, taps), taps in the order y, x, channel.
fn patches(net: &mut Net<'_>, window: &Window, x: Value, [rows, columns]: [usize; 2]) -> Result<Value> {
    let g = &mut net.graph;
    let Window { size, stride, padding, .. } = *window;
    let padded = match padding {
        0 => x,
        p => g.named("padded", Pad::image([p; 4], Mode::Constant(0.0)), &[x])?,
    };
    let [n, _, _, c] = g.shape(x).nhwc().expect("a picture");
    let mut taps = Vec::with_capacity(size * size);
    for (ty, tx) in (0..size).flat_map(|ty| (0..size).map(move |tx| (ty, tx))) {
        let end = vec![n, ty + (rows - 1) * stride + 1, tx + (columns - 1) * stride + 1, c];
        let cut = Slice { start: vec![0, ty, tx, 0], end, step: vec![1, stride, stride, 1] };
        taps.push(g.named("tap", cut, &[padded])?);
    }
    let joined = if taps.len() == 1 { taps[0] } else { g.named("taps", Concat { dim: 3 }, &taps)? };
    let order = Permute { order: vec![1, 2, 0, 3] };
    let shape: Shape = [rows, columns, n, size * size * c].into();
    let laid = g.named("patches", order, &[joined])?;
    debug_assert_eq!(g.shape(laid), shape);
    Ok(laid)
}
