//! Turning 8-bit pixels into the numbers a network sees.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::tensor::Tensor;

/// How pixel values are shifted and scaled.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// By the picture's own mean and standard deviation over all pixels and channels: for pictures whose
    /// brightness differs by instrument, as in microscopy.
    #[default]
    Standardise,
    /// Divided by 255, to [0, 1].
    Unit,
    /// Divided by 255, then `(x - mean) / std` for each channel.
    Channels {
        /// Mean of red, green and blue in [0, 1].
        mean: [f32; 3],
        /// Standard deviation of red, green and blue in [0, 1].
        std: [f32; 3],
    },
}

impl Normalise {
    /// The means and deviations of ImageNet, which pretrained backbones expect.
    pub const IMAGENET: Self = Self::Channels { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// What it does to values in 0 to 255 of `picture`. Take it from the whole picture, also when only a part
    /// goes into the network, so that training on crops and running on tiles agree.
    pub fn of(self, picture: &RgbImage) -> Affine {
        match self {
            Self::Standardise => {
                let (mean, deviation) = moments(picture);
                // A picture in one colour has nothing to scale by; it becomes zero.
                let scale = (1.0 / deviation.max(1.0)) as f32;
                Affine { scale: [scale; 3], shift: [-mean as f32 * scale; 3] }
            }
            Self::Unit => Affine { scale: [1.0 / 255.0; 3], shift: [0.0; 3] },
            Self::Channels { mean, std } => {
                Affine { scale: std.map(|s| 1.0 / (255.0 * s)), shift: std::array::from_fn(|c| -mean[c] / std[c]) }
            }
        }
    }

    /// The whole picture as (H, W, 3).
    pub fn picture(self, picture: &RgbImage) -> Tensor {
        let mut values: Vec<f32> = picture.iter().map(|&v| v.into()).collect();
        self.of(picture).apply(&mut values);
        Tensor::f32([picture.height() as usize, picture.width() as usize, 3], values)
    }
}

/// `value * scale + shift` for each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Factor of red, green and blue.
    pub scale: [f32; 3],
    /// Added to red, green and blue.
    pub shift: [f32; 3],
}

impl Affine {
    /// Changes interleaved RGB values in place.
    pub fn apply(&self, values: &mut [f32]) {
        for pixel in values.chunks_exact_mut(3) {
            for (c, v) in pixel.iter_mut().enumerate() {
                *v = *v * self.scale[c] + self.shift[c];
            }
        }
    }
}

/// Mean and standard deviation over all bytes. Sums are integers, hence exact.
fn moments(picture: &RgbImage) -> (f64, f64) {
    let n = picture.len().max(1) as f64;
    let (sum, squares) =
        picture.iter().fold((0u64, 0u64), |(s, q), &v| (s + u64::from(v), q + u64::from(v) * u64::from(v)));
    let mean = sum as f64 / n;
    (mean, (squares as f64 / n - mean * mean).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_standardised_picture_has_mean_0_and_deviation_1() {
        let picture = RgbImage::from_fn(17, 9, |x, y| Rgb([x as u8 * 9, y as u8 * 20, 100]));
        let t = Normalise::Standardise.picture(&picture);
        assert_eq!(t.shape()[..], [9, 17, 3]);
        let n = t.as_f32().len() as f32;
        let mean = t.as_f32().iter().sum::<f32>() / n;
        let variance = t.as_f32().iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "mean {mean}, variance {variance}");
    }

    #[test]
    fn a_picture_in_one_colour_becomes_zero() {
        let t = Normalise::Standardise.picture(&RgbImage::from_pixel(4, 4, Rgb([90; 3])));
        assert!(t.as_f32().iter().all(|v| v.abs() < 1e-5));
    }

    #[test]
    fn fixed_scales() {
        let picture = RgbImage::from_pixel(1, 1, Rgb([255, 0, 51]));
        let channels = Normalise::Channels { mean: [0.5, 0.5, 0.2], std: [0.5, 0.25, 1.0] };
        for (normalise, want) in [(Normalise::Unit, [1.0, 0.0, 0.2]), (channels, [1.0, -2.0, 0.0])] {
            for (got, want) in normalise.picture(&picture).as_f32().iter().zip(want) {
                assert!((got - want).abs() < 1e-6, "{normalise:?}: {got} is {want}");
            }
        }
    }

    #[test]
    fn serde_names_are_plain() {
        assert_eq!(serde_json::to_string(&Normalise::Standardise).unwrap(), "\"standardise\"");
        let text = serde_json::to_string(&Normalise::IMAGENET).unwrap();
        assert_eq!(serde_json::from_str::<Normalise>(&text).unwrap(), Normalise::IMAGENET);
    }
}
