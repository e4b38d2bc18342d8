//! From linear light to a picture file's bytes, with what cameras do wrong: exposure, blur, vignetting,
//! sensor noise, and the blocks of a compressed video.
//!
//! The labels are not touched: they say where things are, not where their light was smeared to.

use glam::{Vec2, Vec3, vec2, vec3};
use image::RgbImage;

use super::canvas::Canvas;
use crate::data::rng::Rng;

/// One camera's faults. Lengths in pixels.
#[derive(Clone, Debug)]
pub struct Lens {
    /// The mean that the exposure aims at, in linear light.
    pub exposure: f32,
    pub blur: f32,
    pub motion: Vec2,
    pub vignette: f32,
    pub noise: f32,
    pub tint: Vec3,
    /// The coarseness of block compression; 0 for none.
    pub blocks: f32,
    noise_source: Rng,
}

impl Lens {
    /// No fault, and a middling exposure.
    pub fn perfect(dark: bool) -> Self {
        Lens {
            exposure: if dark { 0.11 } else { 0.4 },
            blur: 0.0,
            motion: Vec2::ZERO,
            vignette: 0.0,
            noise: 0.0,
            tint: Vec3::ONE,
            blocks: 0.0,
            noise_source: Rng::new(0),
        }
    }

    /// A camera drawn by lot; most are good. `scale` is the picture's width over 320.
    pub fn random(rng: &mut Rng, dark: bool, scale: f32) -> Self {
        let perfect = Self::perfect(dark);
        let shaken = rng.chance(if dark { 0.35 } else { 0.2 });
        let pan = Vec2::from_angle(rng.normal() * 0.4) * rng.range(0.8, 2.6) * scale;
        Lens {
            exposure: perfect.exposure * (rng.normal() * 0.28).exp2(),
            blur: rng.range(-0.4, 0.9).max(0.0) * scale,
            motion: if shaken { pan } else { Vec2::ZERO },
            vignette: rng.range(0.0, 0.35),
            noise: rng.range(0.002, 0.02) * if dark { 2.2 } else { 1.0 },
            tint: vec3(rng.range(0.93, 1.07), 1.0, rng.range(0.93, 1.07)),
            blocks: if rng.chance(0.5) { rng.range(0.01, 0.06) } else { 0.0 },
            noise_source: rng.fork(0x9015e),
        }
    }

    /// Develops the canvas.
    pub fn develop(&self, canvas: &Canvas) -> RgbImage {
        let (width, height) = (canvas.width, canvas.height);
        let mut light = canvas.light.clone();
        if self.motion.length() > 0.5 {
            light = smear(&light, width, height, self.motion);
        }
        if self.blur > 0.2 {
            blur(&mut light, width, height, self.blur);
        }
        let gain = self.tint * (self.exposure / mean_of_most(&light));
        let mut noise = self.noise_source.clone();
        let half = 0.5 * vec2(width as f32, height as f32);
        for (i, c) in light.iter_mut().enumerate() {
            let off = (vec2((i % width) as f32, (i / width) as f32) - half) / half;
            let signal = *c * gain * (1.0 - 0.5 * self.vignette * off.length_squared());
            *c = tone(signal);
            if self.noise > 0.0 {
                // Shot noise in the light is even once its root is taken; the dark parts carry the sensor's own.
                *c += grain(&mut noise) * self.noise * (1.4 - c.y);
            }
        }
        if self.blocks > 0.0 {
            compress(&mut light, width, height, self.blocks);
        }
        RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let c = light[y as usize * width + x as usize] * 255.0 + 0.5;
            image::Rgb([c.x as u8, c.y as u8, c.z as u8])
        })
    }
}

/// The mean luminance with lamps counted as no more than white.
fn mean_of_most(light: &[Vec3]) -> f32 {
    light.iter().map(|c| c.y.min(1.0)).sum::<f32>() / light.len() as f32 + 1e-3
}

/// Film's shoulder (Reinhard, 2002, with white at 2), gamma 2, and a little more contrast and colour.
fn tone(c: Vec3) -> Vec3 {
    let c = c.max(Vec3::ZERO);
    let pressed = c * (Vec3::ONE + c / 4.0) / (Vec3::ONE + c);
    let c = (pressed * 1.15).map(f32::sqrt).min(Vec3::ONE);
    let c = c + 0.35 * c * (Vec3::ONE - c) * (2.0 * c - 1.0);
    let grey = Vec3::splat(c.dot(vec3(0.3, 0.59, 0.11)));
    grey + 1.2 * (c - grey)
}

/// Nearly normal noise, most of it common to the three colours: sums of four 8-bit numbers.
fn grain(rng: &mut Rng) -> Vec3 {
    let bits = rng.next_u64();
    let sum = |shift: u32| -> f32 {
        let four = (0..4).map(|k| (bits >> (shift + 8 * k)) & 0xff).sum::<u64>();
        (four as f32 - 510.0) / 147.8
    };
    let (common, own) = (sum(0), sum(32));
    Vec3::splat(common * 0.85) + vec3(own, -0.3 * own, -own) * 0.4
}

fn blur(light: &mut [Vec3], width: usize, height: usize, sigma: f32) {
    let reach = (2.5 * sigma).ceil() as isize;
    let weights: Vec<f32> = (-reach..=reach).map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let mut pass = |along_x: bool| {
        let from = light.to_vec();
        for (i, out) in light.iter_mut().enumerate() {
            let (x, y) = ((i % width) as isize, (i / width) as isize);
            let mut sum = Vec3::ZERO;
            for (k, &w) in (-reach..=reach).zip(&weights) {
                let (sx, sy) = if along_x { (x + k, y) } else { (x, y + k) };
                let (sx, sy) = (sx.clamp(0, width as isize - 1), sy.clamp(0, height as isize - 1));
                sum += from[sy as usize * width + sx as usize] * w;
            }
            *out = sum / total;
        }
    };
    pass(true);
    pass(false);
}

/// The mean along a line of `motion` through each pixel.
fn smear(light: &[Vec3], width: usize, height: usize, motion: Vec2) -> Vec<Vec3> {
    let taps = motion.length().ceil() as usize + 2;
    let at = |x: isize, y: isize| {
        light[y.clamp(0, height as isize - 1) as usize * width + x.clamp(0, width as isize - 1) as usize]
    };
    (0..light.len())
        .map(|i| {
            let centre = vec2((i % width) as f32, (i / width) as f32);
            let mut sum = Vec3::ZERO;
            for k in 0..taps {
                let p = centre + motion * ((k as f32 + 0.5) / taps as f32 - 0.5);
                let (base, t) = (p.floor(), p.fract_gl());
                let (x, y) = (base.x as isize, base.y as isize);
                let top = at(x, y).lerp(at(x + 1, y), t.x);
                sum += top.lerp(at(x, y + 1).lerp(at(x + 1, y + 1), t.x), t.y);
            }
            sum / taps as f32
        })
        .collect()
}

/// What block compression leaves: the small terms of each 8x8 block's cosine transform are dropped
/// from the luminance, and colour is kept at half the resolution. Incomplete blocks at the far edges stay.
fn compress(picture: &mut [Vec3], width: usize, height: usize, step: f32) {
    let luma = |c: Vec3| 0.299 * c.x + 0.587 * c.y + 0.114 * c.z;
    let basis = cosine_basis();
    for by in (0..height / 8).map(|b| 8 * b) {
        for bx in (0..width / 8).map(|b| 8 * b) {
            let place = |x: usize, y: usize| (by + y) * width + bx + x;
            for y in (0..8).step_by(2) {
                for x in (0..8).step_by(2) {
                    let four = [place(x, y), place(x + 1, y), place(x, y + 1), place(x + 1, y + 1)];
                    let mean = four.iter().map(|&i| picture[i]).sum::<Vec3>() * 0.25;
                    let chroma = mean - luma(mean);
                    four.iter().for_each(|&i| picture[i] = chroma + luma(picture[i]));
                }
            }
            let block: [[f32; 8]; 8] = std::array::from_fn(|y| std::array::from_fn(|x| luma(picture[place(x, y)])));
            let mut terms = product(&product(&basis, &block), &transpose(&basis));
            for (v, row) in terms.iter_mut().enumerate() {
                for (u, term) in row.iter_mut().enumerate() {
                    let quantum = step * (1.0 + 0.5 * (u + v) as f32);
                    *term = (*term / quantum).round() * quantum;
                }
            }
            let kept = product(&product(&transpose(&basis), &terms), &basis);
            for y in 0..8 {
                for x in 0..8 {
                    picture[place(x, y)] += kept[y][x] - block[y][x];
                }
            }
        }
    }
}

type Block = [[f32; 8]; 8];

/// Row `k` is the k-th orthonormal cosine of eight samples.
fn cosine_basis() -> Block {
    std::array::from_fn(|k| {
        std::array::from_fn(|n| {
            let scale = if k == 0 { 0.125f32.sqrt() } else { 0.5 };
            scale * (std::f32::consts::PI / 8.0 * (n as f32 + 0.5) * k as f32).cos()
        })
    })
}

fn product(a: &Block, b: &Block) -> Block {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..8).map(|k| a[i][k] * b[k][j]).sum()))
}

fn transpose(a: &Block) -> Block {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_and_smear_keep_the_light() {
        let mut light = vec![Vec3::ZERO; 31 * 31];
        light[15 * 31 + 15] = Vec3::ONE;
        let smeared = smear(&light, 31, 31, vec2(4.0, 1.0));
        blur(&mut light, 31, 31, 1.5);
        for picture in [light, smeared] {
            let sum: f32 = picture.iter().map(|c| c.x).sum();
            assert!((sum - 1.0).abs() < 1e-3, "{sum}");
            let middle: Vec2 =
                picture.iter().enumerate().map(|(i, c)| vec2((i % 31) as f32, (i / 31) as f32) * c.x).sum();
            assert!(middle.distance(vec2(15.0, 15.0)) < 0.05, "the light moved to {middle}");
        }
    }

    #[test]
    fn fine_steps_change_nothing_in_grey() {
        let mut rng = Rng::new(4);
        let picture: Vec<Vec3> = (0..24 * 16).map(|_| Vec3::splat(rng.unit())).collect();
        let mut squeezed = picture.clone();
        compress(&mut squeezed, 24, 16, 1e-5);
        let worst = picture.iter().zip(&squeezed).map(|(a, b)| a.distance(*b)).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{worst}");
    }
}
