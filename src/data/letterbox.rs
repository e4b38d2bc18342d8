//! A picture on a network's input: where it lies, its pixels there, and the way of its boxes there and back.
//!
//! Resizing is Darknet's, so that its networks see what they were trained on: bilinear with the corner pixels on the
//! corners, no smoothing before shrinking, whole pixels for place and size, and grey around.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::detection::BBox;

/// Value of the input where there is no picture, of 0 to 1.
pub const GREY: f32 = 0.5;

/// How a whole picture is brought to the size of a network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// As large as fits, in the middle, grey beside it.
    #[default]
    Letterbox,
    /// Stretched to fill it.
    Stretch,
}

/// A picture scaled onto a canvas. It may reach over the edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Height and width of the canvas in pixels.
    pub canvas: [usize; 2],
    /// Height and width of the original picture.
    pub picture: [usize; 2],
    /// Left edge of the scaled picture on the canvas.
    pub x: i32,
    /// Its top edge.
    pub y: i32,
    /// Its width.
    pub width: usize,
    /// Its height.
    pub height: usize,
    /// Mirrored left and right.
    pub flip_x: bool,
    /// Mirrored top and bottom.
    pub flip_y: bool,
}

/// A part of the canvas: left, top, right and bottom.
pub type Window = [usize; 4];

impl Placement {
    /// The whole picture of height and width `picture` on a canvas of height and width `canvas`.
    pub fn new(fit: Fit, picture: [usize; 2], canvas: [usize; 2]) -> Self {
        match fit {
            Fit::Letterbox => Self::letterbox(picture, canvas),
            Fit::Stretch => Self::at(picture, canvas, [0, 0], canvas),
        }
    }

    /// As large as fits, in the middle.
    pub fn letterbox(picture: [usize; 2], canvas: [usize; 2]) -> Self {
        let ([ih, iw], [h, w]) = (picture.map(|v| v.max(1)), canvas);
        let (width, height) = if (w as f32 / iw as f32) < (h as f32 / ih as f32) {
            (w, (ih * w / iw).max(1))
        } else {
            ((iw * h / ih).max(1), h)
        };
        Self::at(picture, canvas, [((w - width) / 2) as i32, ((h - height) / 2) as i32], [height, width])
    }

    /// At left and top `[x, y]`, scaled to height and width `size`.
    pub fn at(picture: [usize; 2], canvas: [usize; 2], [x, y]: [i32; 2], size: [usize; 2]) -> Self {
        Self { canvas, picture, x, y, width: size[1], height: size[0], flip_x: false, flip_y: false }
    }

    /// A box of the picture on the canvas, in pixels of each.
    pub fn map(&self, b: BBox) -> BBox {
        let [sx, sy] = self.scale();
        let (x, y) = (self.x as f32, self.y as f32);
        self.flipped(BBox { x0: x + b.x0 * sx, y0: y + b.y0 * sy, x1: x + b.x1 * sx, y1: y + b.y1 * sy })
    }

    /// A box of the canvas on the original picture; it is not cut off at the edges.
    pub fn map_back(&self, b: BBox) -> BBox {
        let ([sx, sy], b) = (self.scale(), self.flipped(b));
        let (x, y) = (self.x as f32, self.y as f32);
        BBox { x0: (b.x0 - x) / sx, y0: (b.y0 - y) / sy, x1: (b.x1 - x) / sx, y1: (b.y1 - y) / sy }
    }

    /// Canvas pixels per picture pixel, across and down.
    pub fn scale(&self) -> [f32; 2] {
        [self.width as f32 / self.picture[1].max(1) as f32, self.height as f32 / self.picture[0].max(1) as f32]
    }

    /// A box on the canvas mirrored within the placement.
    fn flipped(&self, mut b: BBox) -> BBox {
        if self.flip_x {
            let sum = 2.0 * self.x as f32 + self.width as f32;
            (b.x0, b.x1) = (sum - b.x1, sum - b.x0);
        }
        if self.flip_y {
            let sum = 2.0 * self.y as f32 + self.height as f32;
            (b.y0, b.y1) = (sum - b.y1, sum - b.y0);
        }
        b
    }

    /// The canvas (H, W, 3) with the picture on it, 0 to 1.
    pub fn image(&self, picture: &RgbImage) -> Vec<f32> {
        let [h, w] = self.canvas;
        let mut canvas = vec![GREY; h * w * 3];
        self.draw(picture, [0, 0, w, h], &mut canvas, |pixel| pixel);
        canvas
    }

    /// Draws what lies in `window` onto the canvas (H, W, 3), each pixel (0 to 1) changed by `tint`.
    pub fn draw(&self, picture: &RgbImage, window: Window, canvas: &mut [f32], tint: impl Fn([f32; 3]) -> [f32; 3]) {
        let width = self.canvas[1];
        assert_eq!(canvas.len(), self.canvas[0] * width * 3, "a canvas of the placement's size");
        let columns = taps(self.x, self.width, picture.width() as usize, self.flip_x, [window[0], window[2]]);
        let rows = taps(self.y, self.height, picture.height() as usize, self.flip_y, [window[1], window[3]]);
        let (raw, stride) = (picture.as_raw(), picture.width() as usize * 3);
        let value = |at: usize| f32::from(raw[at]) / 255.0;
        for (y, top, bottom, fy) in rows {
            for &(x, left, right, fx) in &columns {
                let pixel = std::array::from_fn(|c| {
                    let across = |row: usize| {
                        let start = row * stride + c;
                        (1.0 - fx) * value(start + left * 3) + fx * value(start + right * 3)
                    };
                    (1.0 - fy) * across(top) + fy * across(bottom)
                });
                canvas[(y * width + x) * 3..][..3].copy_from_slice(&tint(pixel));
            }
        }
    }
}

/// For each position on the canvas within `window`: the position, the two source pixels, and the share of the second.
fn taps(start: i32, length: usize, source: usize, flip: bool, window: [usize; 2]) -> Vec<(usize, usize, usize, f32)> {
    let step = if length > 1 { (source - 1) as f32 / (length - 1) as f32 } else { 0.0 };
    let first = i64::from(start).max(window[0] as i64);
    let end = (i64::from(start) + length as i64).min(window[1] as i64);
    let tap = |at: i64| {
        let i = (at - i64::from(start)) as usize;
        let i = if flip { length - 1 - i } else { i };
        let position = i as f32 * step;
        let low = (position as usize).min(source - 1);
        (at as usize, low, (low + 1).min(source - 1), position - low as f32)
    };
    (first..end).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn ramp(w: u32, h: u32) -> RgbImage {
        RgbImage::from_fn(w, h, |x, y| Rgb([x as u8 * 5, y as u8 * 7, (x * y) as u8]))
    }

    fn near(a: BBox, b: BBox) -> bool {
        [a.x0 - b.x0, a.y0 - b.y0, a.x1 - b.x1, a.y1 - b.y1].iter().all(|d| d.abs() < 1e-3)
    }

    #[test]
    fn a_wide_picture_has_grey_above_and_below() {
        // 768x576 on 416x416, as Darknet's dog.jpg: 416x312 from row 52 on.
        let p = Placement::letterbox([576, 768], [416, 416]);
        assert_eq!((p.x, p.y, p.width, p.height), (0, 52, 416, 312));
        let tall = Placement::letterbox([576, 401], [320, 416]);
        assert_eq!((tall.width, tall.height, tall.x, tall.y), (222, 320, 97, 0));
        assert_eq!(Placement::letterbox([1, 5000], [32, 32]).height, 1, "never nothing");
    }

    #[test]
    fn its_own_size_leaves_the_picture_alone() {
        let picture = ramp(13, 9);
        let image = Placement::letterbox([9, 13], [9, 13]).image(&picture);
        let want: Vec<f32> = picture.iter().map(|&v| f32::from(v) / 255.0).collect();
        assert!(image.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn corners_lie_on_corners_and_between_them_it_is_linear() {
        let picture = ramp(9, 5);
        let p = Placement::at([5, 9], [20, 30], [4, 3], [11, 17]);
        let image = p.image(&picture);
        let at = |x: usize, y: usize| &image[(y * 30 + x) * 3..][..3];
        assert_eq!(at(3, 3), [GREY; 3]);
        assert_eq!(at(4, 14), [GREY; 3]);
        for (x, y) in [(0, 0), (16, 0), (0, 10), (16, 10), (8, 4), (3, 7)] {
            let got = at(4 + x, 3 + y);
            let (sx, sy) = (x as f32 * 8.0 / 16.0, y as f32 * 4.0 / 10.0);
            assert!((got[0] - sx * 5.0 / 255.0).abs() < 1e-6 && (got[1] - sy * 7.0 / 255.0).abs() < 1e-6, "{x} {y}");
        }
    }

    #[test]
    fn boxes_go_there_and_back() {
        let b = BBox { x0: 10.0, y0: 20.0, x1: 60.0, y1: 45.0 };
        for flips in 0..4 {
            let p = Placement {
                flip_x: flips & 1 > 0,
                flip_y: flips & 2 > 0,
                ..Placement::at([50, 100], [64, 96], [-7, 12], [33, 71])
            };
            assert!(near(p.map_back(p.map(b)), b), "{:?}", p.map_back(p.map(b)));
        }
        let p = Placement::letterbox([50, 100], [100, 100]);
        assert!(near(p.map(b), BBox { x0: 10.0, y0: 45.0, x1: 60.0, y1: 70.0 }));
        let mirrored = Placement { flip_x: true, ..p };
        assert!(near(mirrored.map(b), BBox { x0: 40.0, y0: 45.0, x1: 90.0, y1: 70.0 }));
        let stretched = Placement::new(Fit::Stretch, [50, 100], [100, 100]);
        assert!(near(stretched.map(b), BBox { x0: 10.0, y0: 40.0, x1: 60.0, y1: 90.0 }));
    }

    #[test]
    fn flips_mirror_the_pixels() {
        let picture = ramp(8, 6);
        let plain = Placement::letterbox([6, 8], [6, 8]);
        let turned = Placement { flip_x: true, flip_y: true, ..plain }.image(&picture);
        let mut pixels: Vec<[f32; 3]> = plain.image(&picture).chunks(3).map(|p| [p[0], p[1], p[2]]).collect();
        pixels.reverse();
        assert!(turned.iter().zip(pixels.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn only_the_window_is_drawn() {
        let mut canvas = vec![0.0; 10 * 10 * 3];
        let p = Placement::at([4, 4], [10, 10], [-2, -2], [14, 14]);
        p.draw(&RgbImage::from_pixel(4, 4, Rgb([255; 3])), [2, 3, 5, 9], &mut canvas, |v| v);
        for (i, pixel) in canvas.chunks(3).enumerate() {
            let inside = (2..5).contains(&(i % 10)) && (3..9).contains(&(i / 10));
            assert_eq!(pixel, [f32::from(u8::from(inside)); 3], "{i}");
        }
    }
}
