//! One object's mask on a network's input: laid, scaled and cut like its picture, as bits.

use crate::data::orient::Orientation;
use crate::data::resize::Resized;
use crate::detection::{BBox, Mask};

/// Pixels in a word.
const WORD: usize = 32;

/// Words in a row of `width` pixels.
pub fn words(width: usize) -> usize {
    width.div_ceil(WORD)
}

/// A mask on the input, its empty rows above and below left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Stencil {
    /// The input's row in which it begins.
    pub top: usize,
    /// Words of a row: those of the kept part of the picture.
    pub stride: usize,
    /// Bit x % 32 of word x / 32 of a row is pixel x.
    pub bits: Vec<u32>,
    /// The smallest box around what is set.
    pub bbox: BBox,
    /// The share of the scaled mask that is in the kept part, 0 to 1.
    pub visible: f32,
}

impl Stencil {
    /// `None` if nothing of it is seen. `resized` is about the laid picture.
    pub fn new(mask: &Mask, laid: Orientation, resized: &Resized) -> Option<Self> {
        let [x, y, w, h] = mask.bbox();
        if w == 0 {
            return None;
        }
        let window = mask.within([x, y, w, h]);
        let size = mask.size().map(|v| v as usize);
        let around = laid.bbox(BBox::from_xywh(x as f32, y as f32, w as f32, h as f32), size);
        let [rows, columns] = [0, 1].map(|axis| resized.nearest(axis));
        let down = between(&rows, around.y0, around.y1);
        let across = between(&columns, around.x0, around.x1);
        let kept = |at: usize, axis: usize| at.checked_sub(resized.corner[axis]).filter(|v| *v < resized.size[axis]);

        let stride = words(resized.size[1]);
        let top = down.start.saturating_sub(resized.corner[0]).min(resized.size[0]);
        let end = down.end.saturating_sub(resized.corner[0]).min(resized.size[0]);
        let mut bits = vec![0u32; (end - top) * stride];
        let (mut all, mut seen) = (0usize, 0usize);
        let (mut x0, mut y0, mut x1, mut y1) = (usize::MAX, usize::MAX, 0, 0);
        for row in down {
            for column in across.clone() {
                let [sx, sy] = laid.source([columns[column], rows[row]], size);
                if window[(sy - y as usize) * w as usize + sx - x as usize] == 0 {
                    continue;
                }
                all += 1;
                if let (Some(to_y), Some(to_x)) = (kept(row, 0), kept(column, 1)) {
                    seen += 1;
                    bits[(to_y - top) * stride + to_x / WORD] |= 1 << (to_x % WORD);
                    (x0, x1) = (x0.min(to_x), x1.max(to_x + 1));
                    (y0, y1) = (y0.min(to_y), y1.max(to_y + 1));
                }
            }
        }
        let bbox = BBox { x0: x0 as f32, y0: y0 as f32, x1: x1 as f32, y1: y1 as f32 };
        (seen > 0).then(|| Self { top, stride, bits, bbox, visible: seen as f32 / all as f32 })
    }

    /// Copies it onto an input (H, `stride`) of zeros.
    pub fn put(&self, input: &mut [u32], stride: usize) {
        for (row, bits) in self.bits.chunks(self.stride).enumerate() {
            input[(self.top + row) * stride..][..self.stride].copy_from_slice(bits);
        }
    }
}

/// The positions whose source (never falling) is in `low..high`.
fn between(sources: &[usize], low: f32, high: f32) -> std::ops::Range<usize> {
    let below = |end: f32| sources.partition_point(|&s| (s as f32) < end);
    below(low)..below(high)
}
