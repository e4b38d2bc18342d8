//! Random variations of a picture with instances: orientation, size and place, colours and light.
//!
//! Everything drawn comes from the [`Rng`] that is passed in, so a resumed run sees what an uninterrupted one would
//! have seen, and the number of draws depends on the configuration alone.

use serde::{Deserialize, Serialize};

use crate::data::jitter::{DetectionAugment, Tint};
use crate::data::orient::Orientation;
use crate::data::resize::{RcnnTransform, Resized, scaled};
use crate::data::rng::Rng;

/// What is varied, and by how much. The default varies nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstanceAugment {
    /// Mirror left and right with probability 1/2.
    pub flip_x: bool,
    /// Mirror top and bottom with probability 1/2.
    pub flip_y: bool,
    /// Turn by 0, 90, 180 or 270 degrees.
    pub quarter_turns: bool,
    /// One of these takes the place of the transform's `min_size`; none leaves it.
    pub min_sizes: Vec<usize>,
    /// Scale further by a factor between these. What is then larger than the canvas, or without one than the picture
    /// would have been, is cut at a random place (Ghiasi et al.: Simple Copy-Paste, 2021, section 3).
    pub zoom: [f32; 2],
    /// Turn the hue by up to this share of the full circle to either side.
    pub hue: f32,
    /// Multiply or divide the saturation by up to this factor.
    pub saturation: f32,
    /// Multiply or divide the brightness by up to this factor.
    pub exposure: f32,
    /// Add up to this share of the full range to all channels, or subtract it.
    pub brightness: f32,
    /// Multiply the distance from the picture's mean by a factor between `1 - contrast` and `1 + contrast`.
    pub contrast: f32,
    /// Instances of which less than this share remains in sight are left out.
    pub least_visible: f32,
    /// Instances whose box is narrower or lower than this many pixels of the input are left out.
    pub least_pixels: f32,
}

impl Default for InstanceAugment {
    fn default() -> Self {
        Self {
            flip_x: false,
            flip_y: false,
            quarter_turns: false,
            min_sizes: Vec::new(),
            zoom: [1.0, 1.0],
            hue: 0.0,
            saturation: 1.0,
            exposure: 1.0,
            brightness: 0.0,
            contrast: 0.0,
            least_visible: 0.1,
            least_pixels: 1.0,
        }
    }
}

impl InstanceAugment {
    /// What torchvision trains its two-stage detectors on COCO with.
    pub fn torchvision() -> Self {
        Self { flip_x: true, ..Self::default() }
    }

    /// What pictures without an up and a down allow: any orientation, other sizes, a little light.
    pub fn microscopy() -> Self {
        Self {
            flip_x: true,
            flip_y: true,
            quarter_turns: true,
            zoom: [0.8, 1.25],
            brightness: 0.05,
            contrast: 0.2,
            ..Self::default()
        }
    }

    /// Decides on a variation for a picture of height and width `picture`.
    pub fn draw(&self, transform: &RcnnTransform, picture: [usize; 2], rng: &mut Rng) -> Variation {
        let laid = Orientation::draw(self.flip_x, self.flip_y, self.quarter_turns, rng);
        let picture = laid.size(picture);
        let mut transform = transform.clone();
        if !self.min_sizes.is_empty() {
            transform.min_size = rng.pick(&self.min_sizes);
        }
        let resized = self.place(&transform, picture, rng);
        let colours = DetectionAugment {
            hue: self.hue,
            saturation: self.saturation,
            exposure: self.exposure,
            ..Default::default()
        };
        let tint = colours.tint(rng);
        let gain = if self.contrast > 0.0 { 1.0 + rng.range(-self.contrast, self.contrast) } else { 1.0 };
        let bias = if self.brightness > 0.0 { rng.range(-self.brightness, self.brightness) } else { 0.0 };
        Variation { laid, resized, light: Light { tint, gain, bias } }
    }

    fn place(&self, transform: &RcnnTransform, picture: [usize; 2], rng: &mut Rng) -> Resized {
        let plain = transform.resized(picture);
        if self.zoom == [1.0, 1.0] {
            return plain;
        }
        let zoom = if self.zoom[0] < self.zoom[1] { rng.range(self.zoom[0], self.zoom[1]) } else { self.zoom[0] };
        let most = transform.canvas.unwrap_or(plain.size);
        let scaled = scaled(picture, transform.scale(picture) * f64::from(zoom));
        let size = [0, 1].map(|axis| scaled[axis].min(most[axis]));
        let corner = [0, 1].map(|axis| rng.below(scaled[axis] - size[axis] + 1));
        Resized { original: picture, scaled, corner, size }
    }
}

/// What [`InstanceAugment::draw`] decided for one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation {
    /// How the picture is laid.
    pub laid: Orientation,
    /// How the laid picture is scaled, and what of it is kept.
    pub resized: Resized,
    /// Changes of colour.
    pub light: Light,
}

/// A change of colours and light.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Light {
    tint: Tint,
    gain: f32,
    bias: f32,
}

impl Light {
    /// Whether it leaves colours as they are.
    pub fn is_plain(&self) -> bool {
        self.tint.is_plain() && self.gain == 1.0 && self.bias == 0.0
    }

    /// Changes a whole picture (H, W, 3) of values of 0 to 1.
    pub fn apply(&self, values: &mut [f32]) {
        if !self.tint.is_plain() {
            for pixel in values.as_chunks_mut::<3>().0 {
                *pixel = self.tint.apply(*pixel);
            }
        }
        if self.gain != 1.0 || self.bias != 0.0 {
            let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
            values.iter_mut().for_each(|v| *v = ((*v - mean) * self.gain + mean + self.bias).clamp(0.0, 1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_plain_transform() {
        let (transform, mut rng) = (RcnnTransform::default(), Rng::new(1));
        let drawn = InstanceAugment::default().draw(&transform, [300, 500], &mut rng);
        assert_eq!(drawn.resized, transform.resized([300, 500]));
        assert!(drawn.light.is_plain() && drawn.laid == Orientation::default());
        assert_eq!(rng, Rng::new(1), "nothing was drawn");
    }

    #[test]
    fn sizes_and_places_stay_in_their_ranges() {
        let augment = InstanceAugment { zoom: [0.5, 2.0], min_sizes: vec![40, 60], ..InstanceAugment::microscopy() };
        for canvas in [None, Some([64, 96])] {
            let transform = RcnnTransform { min_size: 1, max_size: 300, canvas, ..RcnnTransform::default() };
            let (mut cut, mut whole) = (0, 0);
            for seed in 0..300 {
                let drawn = augment.draw(&transform, [30, 50], &mut Rng::new(seed));
                let r = drawn.resized;
                assert_eq!(r.original, drawn.laid.size([30, 50]));
                for axis in 0..2 {
                    assert!(r.corner[axis] + r.size[axis] <= r.scaled[axis], "{r:?}");
                    assert!(canvas.is_none_or(|c| r.size[axis] <= c[axis]), "{r:?}");
                }
                let factor = r.scaled[0].min(r.scaled[1]) as f32;
                assert!((0.5 * 38.0..=2.0 * 60.0).contains(&factor), "{r:?}");
                cut += usize::from(r.size != r.scaled);
                whole += usize::from(r.size == r.scaled);
            }
            assert!(cut > 60 && whole > 60, "{cut} {whole}");
        }
    }

    #[test]
    fn settings_read_from_json_with_defaults() {
        let a: InstanceAugment = serde_json::from_str(r#"{"flip_x": true, "min_sizes": [640, 800]}"#).unwrap();
        assert!(a.flip_x && a.min_sizes == [640, 800] && a.saturation == 1.0);
        assert!(serde_json::from_str::<InstanceAugment>(r#"{"flipx": true}"#).is_err());
    }
}
