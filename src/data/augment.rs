//! Random variations of a training picture, the same for picture and mask.
//!
//! Everything drawn comes from the [`Rng`] that is passed in, a pure function of seed, epoch and sample, so a
//! resumed run sees what an uninterrupted one would have seen. The pixels are moved in [`super::warp`].

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::rng::Rng;
use super::warp::{Elastic, Warp};

/// What is varied, and by how much. The default varies nothing and keeps the whole picture.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Height and width of the output in pixels, cut at a random place; mirrored where the picture is smaller.
    pub crop: Option<[usize; 2]>,
    /// Mirror left and right with probability 1/2.
    pub flip_x: bool,
    /// Mirror top and bottom with probability 1/2.
    pub flip_y: bool,
    /// Turn by 0, 90, 180 or 270 degrees.
    pub quarter_turns: bool,
    /// Turn by up to this many degrees to either side.
    pub rotate: f32,
    /// Enlarge by a factor between `1 / (1 + scale)` and `1 + scale`, in the logarithm uniform.
    pub scale: f32,
    /// Smooth deformation.
    pub elastic: Option<ElasticNoise>,
    /// Add up to this share of the full range to all channels, or subtract it.
    pub brightness: f32,
    /// Multiply the distance from the picture's mean by a factor between `1 - contrast` and `1 + contrast`.
    pub contrast: f32,
}

/// Displacements of a coarse grid, normally distributed (Ronneberger, Fischer and Brox: U-Net, 2015, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticNoise {
    /// Grid points a side, at least 2.
    pub side: usize,
    /// Standard deviation in pixels.
    pub sigma: f32,
}

impl Default for ElasticNoise {
    /// The paper's 3x3 points and 10 pixels.
    fn default() -> Self {
        Self { side: 3, sigma: 10.0 }
    }
}

/// What [`Augment::draw`] decided for one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation {
    /// Where the pixels come from.
    pub warp: Warp,
    gain: f32,
    bias: f32,
}

impl Augment {
    /// What the U-Net paper does and what pictures without an up and a down allow: any orientation, a smooth
    /// deformation, a little light. `crop` is height and width.
    pub fn microscopy(crop: [usize; 2]) -> Self {
        Self {
            crop: Some(crop),
            flip_x: true,
            flip_y: true,
            quarter_turns: true,
            rotate: 15.0,
            scale: 0.2,
            elastic: Some(ElasticNoise { side: 3, sigma: 4.0 }),
            brightness: 0.05,
            contrast: 0.2,
        }
    }

    /// Decides on a variation for a picture of height and width `size`. The number of draws depends on the
    /// configuration alone.
    pub fn draw(&self, size: [usize; 2], rng: &mut Rng) -> Variation {
        let out = self.crop.unwrap_or(size);
        let flip_x = self.flip_x && rng.chance(0.5);
        let flip_y = self.flip_y && rng.chance(0.5);
        let turns = if self.quarter_turns { rng.below(4) } else { 0 };
        let angle = if self.rotate > 0.0 { rng.range(-self.rotate, self.rotate).to_radians() } else { 0.0 };
        let zoom = if self.scale > 0.0 { (rng.range(-1.0, 1.0) * (1.0 + self.scale).ln()).exp() } else { 1.0 };

        // Quarter turns from a table: a sine that is not quite 0 would blur what should be exact.
        let (sin, cos) = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)][turns];
        let (sin, cos) = if angle == 0.0 {
            (sin, cos)
        } else {
            (sin * angle.cos() + cos * angle.sin(), cos * angle.cos() - sin * angle.sin())
        };
        let (sx, sy) = (if flip_x { -1.0 } else { 1.0 } / zoom, if flip_y { -1.0 } else { 1.0 } / zoom);
        let matrix = [[cos * sx, -sin * sy], [sin * sx, cos * sy]];

        // A quarter turn needs the picture's height where the output is wide.
        let needed = if turns % 2 == 1 { [out[1], out[0]] } else { out };
        let origin = [1, 0].map(|axis| {
            let slack = size[axis].saturating_sub(needed[axis]);
            let corner = if self.crop.is_some() { rng.below(slack + 1) as f32 } else { 0.0 };
            if size[axis] >= needed[axis] {
                corner + (needed[axis] as f32 - 1.0) / 2.0
            } else {
                // Whole pixels also where the picture is smaller and an odd number of pixels is missing.
                (needed[axis] as f32 - 1.0) / 2.0 - ((needed[axis] - size[axis]) / 2) as f32
            }
        });
        let elastic = self.elastic.map(|e| {
            let side = e.side.max(2);
            let points = (0..side * side).map(|_| [rng.normal() * e.sigma, rng.normal() * e.sigma]).collect();
            Elastic { side, points }
        });
        let gain = if self.contrast > 0.0 { 1.0 + rng.range(-self.contrast, self.contrast) } else { 1.0 };
        let bias = if self.brightness > 0.0 { 255.0 * rng.range(-self.brightness, self.brightness) } else { 0.0 };
        Variation { warp: Warp { size: out, matrix, origin, elastic }, gain, bias }
    }
}

impl Variation {
    /// The varied picture, interleaved RGB in 0 to 255, (H, W, 3).
    pub fn picture(&self, picture: &RgbImage) -> Vec<f32> {
        let mut values = self.warp.picture(picture);
        if self.gain != 1.0 || self.bias != 0.0 {
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            values.iter_mut().for_each(|v| *v = ((*v - mean) * self.gain + mean + self.bias).clamp(0.0, 255.0));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb};

    /// A picture whose red is the column and whose green is the row, and a mask that is 1 where red > green.
    fn pair(w: u32, h: u32) -> (RgbImage, GrayImage) {
        let picture = RgbImage::from_fn(w, h, |x, y| Rgb([x as u8 * 4, y as u8 * 4, 0]));
        (picture.clone(), GrayImage::from_fn(w, h, |x, y| Luma([u8::from(x > y)])))
    }

    #[test]
    fn the_default_is_the_picture_itself() {
        let (picture, mask) = pair(13, 8);
        let variation = Augment::default().draw([8, 13], &mut Rng::new(3));
        assert_eq!(variation.picture(&picture), picture.iter().map(|&v| f32::from(v)).collect::<Vec<_>>());
        assert_eq!(variation.warp.mask(&mask), mask.into_raw());
    }

    #[test]
    fn picture_and_mask_move_together() {
        // The mask can be recomputed from the moved picture, except on the edge itself and at mirrored borders.
        let (picture, mask) = pair(60, 50);
        let augment = Augment { brightness: 0.0, contrast: 0.0, ..Augment::microscopy([24, 32]) };
        let mut both = 0;
        for seed in 0..50 {
            let variation = augment.draw([50, 60], &mut Rng::new(seed));
            let moved = variation.picture(&picture);
            let labels = variation.warp.mask(&mask);
            assert_eq!((moved.len(), labels.len()), (24 * 32 * 3, 24 * 32));
            for (pixel, &label) in moved.chunks_exact(3).zip(&labels) {
                let distance = (pixel[0] - pixel[1]) / 4.0;
                if distance.abs() > 1.5 {
                    assert_eq!(label, u8::from(distance > 0.0), "seed {seed}, {pixel:?}");
                }
            }
            both += usize::from(labels.contains(&0) && labels.contains(&1));
        }
        assert!(both > 20, "the crops see both classes: {both} of 50");
    }

    #[test]
    fn flips_and_quarter_turns_keep_every_pixel() {
        let (picture, _) = pair(12, 12);
        let augment = Augment { flip_x: true, flip_y: true, quarter_turns: true, ..Augment::default() };
        let mut seen = std::collections::HashSet::new();
        for seed in 0..64 {
            let moved = augment.draw([12, 12], &mut Rng::new(seed)).picture(&picture);
            let bytes: Vec<u8> = moved.iter().map(|&v| v as u8).collect();
            let mut pixels: Vec<&[u8]> = bytes.chunks(3).collect();
            pixels.sort_unstable();
            let mut want: Vec<&[u8]> = picture.chunks(3).collect();
            want.sort_unstable();
            assert_eq!(pixels, want, "seed {seed}");
            seen.insert(bytes);
        }
        assert_eq!(seen.len(), 8, "the eight symmetries of the square, all of them and no others");
    }

    #[test]
    fn crops_reach_every_place_and_small_pictures_are_mirrored() {
        let (picture, _) = pair(6, 5);
        let augment = Augment { crop: Some([4, 4]), ..Augment::default() };
        let corners: std::collections::HashSet<[u8; 2]> = (0..200)
            .map(|seed| augment.draw([5, 6], &mut Rng::new(seed)).picture(&picture))
            .map(|crop| [crop[0] as u8 / 4, crop[1] as u8 / 4])
            .collect();
        assert_eq!(corners.len(), 3 * 2);
        let wide = Augment { crop: Some([8, 9]), ..Augment::default() }.draw([5, 6], &mut Rng::new(1));
        assert!(wide.picture(&picture).iter().all(|v| v.fract() == 0.0), "whole pixels");
    }

    #[test]
    fn a_draw_is_a_function_of_the_generator() {
        let augment = Augment::microscopy([16, 16]);
        let draw = |tag| augment.draw([40, 40], &mut Rng::new(9).fork(tag));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn light_changes_the_picture_within_its_range() {
        let picture = RgbImage::from_fn(8, 8, |x, _| Rgb([100 + x as u8; 3]));
        let augment = Augment { brightness: 0.1, contrast: 0.5, ..Augment::default() };
        for seed in 0..50 {
            let got = augment.draw([8, 8], &mut Rng::new(seed)).picture(&picture);
            assert!(got.iter().all(|&v| (v - 103.5).abs() <= 25.5 + 1.5 * 3.5 + 1e-3), "seed {seed}");
            assert!(got[0] < got[21], "contrast keeps the order");
        }
    }

    #[test]
    fn settings_read_from_json_with_defaults() {
        let a: Augment = serde_json::from_str(r#"{"crop": [128, 96], "flip_x": true, "elastic": {}}"#).unwrap();
        assert_eq!(a.crop, Some([128, 96]));
        assert_eq!(a.elastic, Some(ElasticNoise { side: 3, sigma: 10.0 }));
        assert!(serde_json::from_str::<Augment>(r#"{"flipx": true}"#).is_err(), "a typo is not ignored");
    }
}
