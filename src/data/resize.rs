//! Pictures as two-stage detectors want them: normalised, scaled by their sides, zeros to the right and below.
//!
//! The arithmetic is that of torchvision's `GeneralizedRCNNTransform`, in f32 where it is: pictures are normalised before
//! they are resized, bilinear without smoothing (`align_corners=False`); masks take the nearest pixel; boxes are
//! multiplied by the ratio of whole sizes.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::normalise::Normalise;
use crate::detection::BBox;
use crate::tensor::Tensor;

/// How pictures are brought to a network. The default is torchvision's for ResNet-50 with a feature pyramid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RcnnTransform {
    /// The shorter side becomes this many pixels,
    pub min_size: usize,
    /// unless the longer one would be more than this; then it becomes this.
    pub max_size: usize,
    /// Mean of red, green and blue in 0 to 1.
    pub mean: [f32; 3],
    /// Their standard deviation.
    pub std: [f32; 3],
    /// Sides of a batch are multiples of this.
    pub divisible: usize,
    /// Height and width of every batch, whatever is in it, so that one plan serves all: pictures are made smaller until
    /// they fit. Without it a batch is as large as its largest pictures.
    pub canvas: Option<[usize; 2]>,
}

impl Default for RcnnTransform {
    fn default() -> Self {
        let Normalise::Channels { mean, std } = Normalise::IMAGENET else { unreachable!("fixed scales") };
        Self { min_size: 800, max_size: 1333, mean, std, divisible: 32, canvas: None }
    }
}

impl RcnnTransform {
    /// The factor for a picture of height and width `picture`.
    pub fn scale(&self, picture: [usize; 2]) -> f64 {
        let [h, w] = picture.map(|v| v as f64);
        let scale = (self.min_size as f64 / h.min(w)).min(self.max_size as f64 / h.max(w));
        self.canvas.map_or(scale, |[most_h, most_w]| scale.min(most_h as f64 / h).min(most_w as f64 / w))
    }

    /// The whole of a picture of height and width `picture`, scaled.
    pub fn resized(&self, picture: [usize; 2]) -> Resized {
        let scaled = scaled(picture, self.scale(picture));
        Resized { original: picture, scaled, corner: [0, 0], size: scaled }
    }

    /// Height and width of a batch with pictures of these sizes.
    pub fn padded(&self, sizes: impl IntoIterator<Item = [usize; 2]>) -> [usize; 2] {
        let largest = |a: [usize; 2], b: [usize; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        let whole = |v: usize| v.next_multiple_of(self.divisible.max(1));
        self.canvas.unwrap_or_else(|| sizes.into_iter().fold([1, 1], largest).map(whole))
    }

    /// Each byte of each channel as the network sees it.
    pub fn levels(&self) -> Levels {
        let level = |c: usize, v: usize| self.normalised(c, v as f32 / 255.0);
        Levels(std::array::from_fn(|c| std::array::from_fn(|v| level(c, v))))
    }

    /// A value of 0 to 1 of channel `c` as the network sees it.
    pub fn normalised(&self, c: usize, value: f32) -> f32 {
        (value - self.mean[c]) / self.std[c]
    }

    /// Pictures as a batch for inference.
    pub fn batch(&self, pictures: &[&RgbImage]) -> RcnnBatch {
        let sizes = pictures.iter().map(|p| self.resized([p.height() as usize, p.width() as usize]));
        let resized: Vec<Resized> = sizes.collect();
        let [h, w] = self.padded(resized.iter().map(|r| r.size));
        let levels = self.levels();
        let mut images = vec![0.0; pictures.len() * h * w * 3];
        for ((picture, resized), image) in pictures.iter().zip(&resized).zip(images.chunks_mut((h * w * 3).max(1))) {
            let raw = picture.as_raw();
            resized.draw(|at| levels.0[at % 3][usize::from(raw[at])], image, w);
        }
        let n = pictures.len();
        RcnnBatch { images: Tensor::f32([n, h, w, 3], images), image_sizes: sizes_tensor(&resized), resized }
    }
}

/// Bytes normalised, by channel and value.
pub struct Levels(pub [[f32; 256]; 3]);

/// A side times a factor, cut to whole pixels.
pub(super) fn scaled(picture: [usize; 2], scale: f64) -> [usize; 2] {
    picture.map(|side| ((side as f64 * scale).floor() as usize).max(1))
}

/// f32 (N, 2): height and width of each resized picture.
pub(super) fn sizes_tensor(resized: &[Resized]) -> Tensor {
    let sizes = resized.iter().flat_map(|r| r.size).map(|v| v as f32).collect();
    Tensor::f32([resized.len(), 2], sizes)
}

/// What a two-stage detector needs to look at pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct RcnnBatch {
    /// (N, H, W, 3), normalised; zeros beside and below each picture.
    pub images: Tensor,
    /// f32 (N, 2): height and width of each picture in it.
    pub image_sizes: Tensor,
    /// How each picture was resized, and the way back.
    pub resized: Vec<Resized>,
}

/// A picture scaled, and the part of it that is kept; that part lies in the top left corner of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resized {
    /// Height and width of the original picture.
    pub original: [usize; 2],
    /// Height and width of the whole picture when scaled.
    pub scaled: [usize; 2],
    /// Top and left of the part that is kept, in pixels of the scaled picture.
    pub corner: [usize; 2],
    /// Its height and width.
    pub size: [usize; 2],
}

impl Resized {
    /// A box of the original in pixels of the input; it may reach over the kept part.
    pub fn map(&self, b: BBox) -> BBox {
        let [ry, rx] = self.ratios(self.scaled, self.original);
        let [y, x] = self.corner.map(|v| v as f32);
        BBox { x0: b.x0 * rx - x, y0: b.y0 * ry - y, x1: b.x1 * rx - x, y1: b.y1 * ry - y }
    }

    /// A box of the input in pixels of the original picture.
    pub fn map_back(&self, b: BBox) -> BBox {
        let [ry, rx] = self.ratios(self.original, self.scaled);
        let [y, x] = self.corner.map(|v| v as f32);
        BBox { x0: (b.x0 + x) * rx, y0: (b.y0 + y) * ry, x1: (b.x1 + x) * rx, y1: (b.y1 + y) * ry }
    }

    fn ratios(&self, to: [usize; 2], from: [usize; 2]) -> [f32; 2] {
        [0, 1].map(|axis| to[axis] as f32 / from[axis] as f32)
    }

    /// Draws the kept part onto an input of `width` pixels a row (H, width, 3). `value` gives the original's values
    /// (H, W, 3) by their place.
    pub fn draw(&self, value: impl Fn(usize) -> f32, input: &mut [f32], width: usize) {
        let [rows, columns] = [0, 1].map(|axis| self.taps(axis));
        let stride = self.original[1] * 3;
        for (y, &(top, bottom, fy)) in rows.iter().enumerate() {
            for (x, &(left, right, fx)) in columns.iter().enumerate() {
                for c in 0..3 {
                    let across = |row: usize| {
                        let start = row * stride + c;
                        (1.0 - fx) * value(start + left * 3) + fx * value(start + right * 3)
                    };
                    input[(y * width + x) * 3 + c] = (1.0 - fy) * across(top) + fy * across(bottom);
                }
            }
        }
    }

    /// For each kept position along an axis (0 down, 1 across): the two source pixels, and the share of the second.
    fn taps(&self, axis: usize) -> Vec<(usize, usize, f32)> {
        let last = self.original[axis] - 1;
        let step = self.original[axis] as f32 / self.scaled[axis] as f32;
        let tap = |at: usize| {
            // Rounded once, as PyTorch's kernels have it.
            let position = step.mul_add(at as f32 + 0.5, -0.5).max(0.0);
            let low = (position as usize).min(last);
            (low, (low + 1).min(last), (position - low as f32).min(1.0))
        };
        (self.corner[axis]..self.corner[axis] + self.size[axis]).map(tap).collect()
    }

    /// For each position of the whole scaled picture along an axis (0 down, 1 across): the source pixel of a mask.
    pub fn nearest(&self, axis: usize) -> Vec<usize> {
        let step = self.original[axis] as f32 / self.scaled[axis] as f32;
        (0..self.scaled[axis]).map(|at| ((at as f32 * step) as usize).min(self.original[axis] - 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// What `tools/make_mask_goldens.py` wrote.
    #[derive(Deserialize)]
    struct Golden {
        min_size: usize,
        max_size: usize,
        divisible: usize,
        sizes: Vec<[usize; 2]>,
        resized: Vec<[usize; 2]>,
        shape: [usize; 4],
        pictures: Vec<Vec<u8>>,
        boxes: Vec<Vec<f32>>,
        boxes_moved: Vec<Vec<f32>>,
        boxes_back: Vec<Vec<f32>>,
        masks: Vec<String>,
        masks_moved: Vec<String>,
        images: Vec<f32>,
        /// Height, width, min and max size, height and width when scaled.
        #[serde(default)]
        scaled: Vec<[usize; 6]>,
    }

    fn golden() -> Vec<Golden> {
        serde_json::from_str(include_str!("golden/resize.json")).unwrap()
    }

    impl Golden {
        fn transform(&self) -> RcnnTransform {
            let Self { min_size, max_size, divisible, .. } = *self;
            RcnnTransform { min_size, max_size, divisible, ..RcnnTransform::default() }
        }
    }

    #[test]
    fn sizes_are_those_of_torchvision() {
        let golden = golden();
        assert!(golden[0].scaled.len() >= 400);
        for &[h, w, min_size, max_size, new_h, new_w] in &golden[0].scaled {
            let transform = RcnnTransform { min_size, max_size, ..RcnnTransform::default() };
            assert_eq!(transform.resized([h, w]).size, [new_h, new_w], "{h}x{w} to {min_size}, {max_size}");
        }
    }

    #[test]
    fn pictures_are_those_of_torchvision() {
        for g in golden() {
            let pictures: Vec<RgbImage> = (g.sizes.iter().zip(&g.pictures))
                .map(|(&[h, w], raw)| RgbImage::from_raw(w as u32, h as u32, raw.clone()).unwrap())
                .collect();
            let batch = g.transform().batch(&pictures.iter().collect::<Vec<_>>());
            assert_eq!(batch.images.shape()[..], g.shape);
            let sizes: Vec<f32> = g.resized.iter().flatten().map(|&v| v as f32).collect();
            assert_eq!(batch.image_sizes.as_f32(), sizes);
            let values = batch.images.as_f32().iter().zip(&g.images);
            let worst = values.map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f32::max);
            assert!(worst < 1e-6, "{worst}");
        }
    }

    #[test]
    fn boxes_and_masks_are_those_of_torchvision() {
        for g in golden() {
            for (i, &size) in g.sizes.iter().enumerate() {
                let resized = g.transform().resized(size);
                let boxes = |list: &[f32]| -> Vec<BBox> {
                    list.chunks(4).map(|b| BBox { x0: b[0], y0: b[1], x1: b[2], y1: b[3] }).collect()
                };
                let moved: Vec<BBox> = boxes(&g.boxes[i]).into_iter().map(|b| resized.map(b)).collect();
                assert_eq!(moved, boxes(&g.boxes_moved[i]), "bit for bit");
                let back: Vec<BBox> = moved.into_iter().map(|b| resized.map_back(b)).collect();
                assert_eq!(back, boxes(&g.boxes_back[i]));
                let (rows, columns) = (resized.nearest(0), resized.nearest(1));
                for (mask, want) in g.masks[i]
                    .as_bytes()
                    .chunks(size[0] * size[1])
                    .zip(g.masks_moved[i].as_bytes().chunks(rows.len() * columns.len()))
                {
                    let got: Vec<u8> =
                        rows.iter().flat_map(|y| columns.iter().map(move |x| mask[y * size[1] + x])).collect();
                    assert_eq!(got, want);
                }
            }
        }
    }

    #[test]
    fn everything_fits_a_canvas() {
        let transform = RcnnTransform { canvas: Some([64, 96]), ..RcnnTransform::default() };
        for (h, w) in (1..400).flat_map(|h| [(h, 37), (h, 211), (3 * h, h)]) {
            let [new_h, new_w] = transform.resized([h, w]).size;
            assert!(new_h <= 64 && new_w <= 96 && (new_h >= 63 || new_w >= 95), "{h}x{w}: {new_h}x{new_w}");
        }
        assert_eq!(transform.batch(&[&RgbImage::new(50, 50)]).images.shape()[..], [1, 64, 96, 3]);
        let small = RcnnTransform { min_size: 20, ..transform };
        assert_eq!(small.resized([40, 50]).size, [20, 25], "a canvas makes nothing larger");
    }

    #[test]
    fn a_kept_part_is_cut_out_of_the_whole() {
        let picture = RgbImage::from_fn(13, 9, |x, y| image::Rgb([x as u8 * 17, y as u8 * 25, (x * y) as u8]));
        let whole = Resized { original: [9, 13], scaled: [20, 29], corner: [0, 0], size: [20, 29] };
        let part = Resized { corner: [7, 5], size: [10, 12], ..whole };
        let value = |at: usize| f32::from(picture.as_raw()[at]);
        let (mut all, mut some) = (vec![0.0; 20 * 29 * 3], vec![-1.0; 11 * 16 * 3]);
        whole.draw(value, &mut all, 29);
        part.draw(value, &mut some, 16);
        for (i, pixel) in some.chunks(3).enumerate() {
            let (x, y) = (i % 16, i / 16);
            let inside = x < 12 && y < 10;
            let want = if inside { &all[((y + 7) * 29 + x + 5) * 3..][..3] } else { &[-1.0; 3] };
            assert_eq!(pixel, want);
        }
        let b = BBox { x0: 2.0, y0: 3.0, x1: 8.0, y1: 9.0 };
        let back = part.map_back(part.map(b));
        assert!((back.x0 - b.x0).abs() < 1e-5 && (back.y1 - b.y1).abs() < 1e-5, "{back:?}");
    }
}
