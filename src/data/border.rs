//! The U-Net paper's pixel weights: classes balanced, and the thin background between two objects emphasised.
//!
//! `w(x) = w_c(x) + w0 * exp(-(d1(x) + d2(x))^2 / (2 sigma^2))` (Ronneberger, Fischer and Brox, 2015, equation 2),
//! where `d1` and `d2` are the distances to the nearest and to the second nearest object. The second term is for
//! background pixels; objects are the 8-connected components of everything that is not background.

use image::GrayImage;
use imageproc::region_labelling::{Connectivity, connected_components};
use serde::{Deserialize, Serialize};

use super::pairs::IGNORE;

/// Parameters of the weight map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BorderWeights {
    /// Height of the border term.
    pub w0: f32,
    /// Width of the border term in pixels.
    pub sigma: f32,
    /// What `w_c` is.
    pub balance: ClassBalance,
}

impl Default for BorderWeights {
    /// The paper's 10 and 5 pixels; balance by frequency.
    fn default() -> Self {
        Self { w0: 10.0, sigma: 5.0, balance: ClassBalance::Frequency }
    }
}

/// The class term `w_c` of the weight map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassBalance {
    /// 1 everywhere.
    None,
    /// One weight for background and one for everything else.
    Fixed {
        /// Weight of background pixels.
        background: f32,
        /// Weight of all others.
        foreground: f32,
    },
    /// In inverse proportion to how often background and foreground occur in the mask, 1 on average, at most 10.
    Frequency,
}

impl ClassBalance {
    /// Weights of background and foreground.
    fn weights(self, mask: &[u8]) -> [f32; 2] {
        match self {
            Self::None => [1.0, 1.0],
            Self::Fixed { background, foreground } => [background, foreground],
            Self::Frequency => {
                let counted = mask.iter().filter(|&&v| v != IGNORE).count();
                let foreground = mask.iter().filter(|&&v| v != IGNORE && v != 0).count();
                let share = |n: usize| if n == 0 { 1.0 } else { (counted as f32 / (2 * n) as f32).min(10.0) };
                // A mask of one class has nothing to balance.
                if foreground == 0 || foreground == counted {
                    [1.0, 1.0]
                } else {
                    [share(counted - foreground), share(foreground)]
                }
            }
        }
    }
}

impl BorderWeights {
    /// The weight of each pixel of a mask of classes (H, W); 0 where it is [`IGNORE`].
    pub fn map(&self, mask: &[u8], [height, width]: [usize; 2]) -> Vec<f32> {
        assert_eq!(mask.len(), height * width, "one class per pixel");
        let balance = self.balance.weights(mask);
        let [first, second] = nearest_two(mask, [height, width], self.reach());
        let weight = |i: usize| match mask[i] {
            IGNORE => 0.0,
            0 => {
                let distance = first[i].sqrt() + second[i].sqrt();
                balance[0] + self.w0 * (-distance * distance / (2.0 * self.sigma * self.sigma)).exp()
            }
            _ => balance[1],
        };
        (0..mask.len()).map(weight).collect()
    }

    /// Beyond this distance the border term is lost in the rounding of a weight of 1.
    fn reach(&self) -> usize {
        let cutoff = (self.w0.abs().max(1.0) * 2f32.powi(25)).ln();
        (self.sigma.abs() * (2.0 * cutoff).sqrt()).ceil() as usize
    }
}

/// Squared distances in pixels from every pixel to the nearest and the second nearest object, exact up to `reach`;
/// infinite beyond, or where there is none.
fn nearest_two(mask: &[u8], [height, width]: [usize; 2], reach: usize) -> [Vec<f32>; 2] {
    let binary = mask.iter().map(|&v| u8::from(v != 0 && v != IGNORE)).collect();
    let binary = GrayImage::from_raw(width as u32, height as u32, binary).expect("one byte per pixel");
    let labels = connected_components(&binary, Connectivity::Eight, image::Luma([0])).into_raw();

    let mut nearest = [vec![f32::INFINITY; mask.len()], vec![f32::INFINITY; mask.len()]];
    for (label, window) in windows(&labels, [height, width], reach) {
        let distances = window.squared_distances(|y, x| labels[y * width + x] == label);
        let [first, second] = &mut nearest;
        for (y, row) in (window.y0..window.y1).zip(distances.chunks_exact(window.width())) {
            for (x, &distance) in (window.x0..window.x1).zip(row) {
                let i = y * width + x;
                if distance < first[i] {
                    second[i] = std::mem::replace(&mut first[i], distance);
                } else if distance < second[i] {
                    second[i] = distance;
                }
            }
        }
    }
    nearest
}

/// Pixels `y0..y1`, `x0..x1`.
#[derive(Clone, Copy, Debug)]
struct Window {
    y0: usize,
    y1: usize,
    x0: usize,
    x1: usize,
}

/// The bounding box of every label but 0, grown by `reach` within the picture: an object says nothing farther away.
fn windows(labels: &[u32], [height, width]: [usize; 2], reach: usize) -> Vec<(u32, Window)> {
    let count = labels.iter().copied().max().unwrap_or(0) as usize;
    let mut boxes = vec![Window { y0: height, y1: 0, x0: width, x1: 0 }; count];
    for (i, &label) in labels.iter().enumerate().filter(|(_, label)| **label != 0) {
        let (y, x, b) = (i / width, i % width, &mut boxes[label as usize - 1]);
        (b.y0, b.y1, b.x0, b.x1) = (b.y0.min(y), b.y1.max(y + 1), b.x0.min(x), b.x1.max(x + 1));
    }
    let grow = |b: Window| Window {
        y0: b.y0.saturating_sub(reach),
        y1: (b.y1 + reach).min(height),
        x0: b.x0.saturating_sub(reach),
        x1: (b.x1 + reach).min(width),
    };
    boxes.into_iter().enumerate().map(|(i, b)| (i as u32 + 1, grow(b))).collect()
}

impl Window {
    fn width(&self) -> usize {
        self.x1 - self.x0
    }

    /// Squared distance from each pixel of the window to the nearest one that is `inside`: one dimension after the
    /// other, each a lower envelope of parabolas (Felzenszwalb and Huttenlocher, 2012).
    fn squared_distances(&self, inside: impl Fn(usize, usize) -> bool) -> Vec<f32> {
        let (h, w) = (self.y1 - self.y0, self.width());
        let mut field: Vec<f32> =
            (0..h * w).map(|i| if inside(self.y0 + i / w, self.x0 + i % w) { 0.0 } else { f32::INFINITY }).collect();
        let mut envelope = Envelope::default();
        let mut column = vec![0.0; h];
        for x in 0..w {
            (0..h).for_each(|y| column[y] = field[y * w + x]);
            envelope.lower(&mut column);
            (0..h).for_each(|y| field[y * w + x] = column[y]);
        }
        field.chunks_exact_mut(w).for_each(|row| envelope.lower(row));
        field
    }
}

/// Working memory of the one-dimensional transform.
#[derive(Default)]
struct Envelope {
    /// Apex and height of each parabola of the envelope, and where it begins to be the lowest.
    parabolas: Vec<(usize, f32, f32)>,
}

impl Envelope {
    /// Replaces each value by `min over q of (p - q)^2 + values[q]`. Squared pixel distances are whole numbers,
    /// exact in f32 up to 4,000 pixels.
    fn lower(&mut self, values: &mut [f32]) {
        self.parabolas.clear();
        for (q, &height) in values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let mut start = f32::NEG_INFINITY;
            while let Some(&(p, other, begins)) = self.parabolas.last() {
                let (q, p) = (q as f32, p as f32);
                start = ((height + q * q) - (other + p * p)) / (2.0 * (q - p));
                if start > begins {
                    break;
                }
                self.parabolas.pop();
                start = f32::NEG_INFINITY;
            }
            self.parabolas.push((q, height, start));
        }
        if self.parabolas.is_empty() {
            return;
        }
        let mut k = 0;
        for (p, value) in values.iter_mut().enumerate() {
            while self.parabolas.get(k + 1).is_some_and(|next| next.2 < p as f32) {
                k += 1;
            }
            let (q, height, _) = self.parabolas[k];
            *value = (p.abs_diff(q) * p.abs_diff(q)) as f32 + height;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rng::Rng;

    /// The formula by trying all pairs of pixels. `objects` holds one list of pixels each.
    fn by_definition(w: &BorderWeights, mask: &[u8], size: [usize; 2], objects: &[Vec<[usize; 2]>]) -> Vec<f32> {
        let balance = w.balance.weights(mask);
        (0..mask.len())
            .map(|i| {
                let (y, x) = (i / size[1], i % size[1]);
                let mut d: Vec<f64> = objects
                    .iter()
                    .map(|o| {
                        o.iter()
                            .map(|&[oy, ox]| ((oy as f64 - y as f64).powi(2) + (ox as f64 - x as f64).powi(2)).sqrt())
                            .fold(f64::INFINITY, f64::min)
                    })
                    .collect();
                d.sort_by(f64::total_cmp);
                let term = match d[..] {
                    [d1, d2, ..] => f64::from(w.w0) * (-(d1 + d2).powi(2) / (2.0 * f64::from(w.sigma).powi(2))).exp(),
                    _ => 0.0,
                };
                if mask[i] == 0 { balance[0] + term as f32 } else { balance[1] }
            })
            .collect()
    }

    /// Blocks of up to 5x5 pixels on a grid with gaps of 2, hence separate; about a third is missing.
    fn blocks(size: [usize; 2], seed: u64) -> (Vec<u8>, Vec<Vec<[usize; 2]>>) {
        let mut rng = Rng::new(seed);
        let mut mask = vec![0; size[0] * size[1]];
        let mut objects = Vec::new();
        for (gy, gx) in (0..size[0] / 7).flat_map(|y| (0..size[1] / 7).map(move |x| (y, x))) {
            let (h, w) = (1 + rng.below(5), 1 + rng.below(5));
            if rng.chance(0.33) {
                continue;
            }
            let pixels: Vec<_> = (0..h * w).map(|i| [gy * 7 + i / w, gx * 7 + i % w]).collect();
            pixels.iter().for_each(|&[y, x]| mask[y * size[1] + x] = 1);
            objects.push(pixels);
        }
        (mask, objects)
    }

    #[test]
    fn agrees_with_the_definition() {
        for (seed, size) in [(1, [40, 37]), (2, [23, 60]), (3, [64, 64])] {
            let (mask, objects) = blocks(size, seed);
            for sigma in [1.0, 5.0] {
                let weights = BorderWeights { sigma, ..BorderWeights::default() };
                let want = by_definition(&weights, &mask, size, &objects);
                for (i, (got, want)) in weights.map(&mask, size).iter().zip(&want).enumerate() {
                    assert!(
                        (got - want).abs() <= 2e-5 * want,
                        "seed {seed}, sigma {sigma}, pixel {i}: {got} is {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn without_a_second_object_there_is_no_border() {
        let (size, weights) = ([9, 9], BorderWeights { balance: ClassBalance::None, ..BorderWeights::default() });
        let mut mask = vec![0; 81];
        assert!(weights.map(&mask, size).iter().all(|&w| w == 1.0));
        mask[40] = 1;
        assert!(weights.map(&mask, size).iter().all(|&w| w == 1.0));
        mask[44] = 1;
        let map = weights.map(&mask, size);
        let between = 1.0 + 10.0 * (-16.0f32 / 50.0).exp();
        assert!((map[42] - between).abs() < 1e-5 && map[40] == 1.0, "{} is {between}", map[42]);
    }

    #[test]
    fn balance_gives_both_classes_the_same_total() {
        let mask: Vec<u8> = (0..100).map(|i| u8::from(i < 20)).collect();
        let weights = ClassBalance::Frequency.weights(&mask);
        assert_eq!(weights, [100.0 / 160.0, 100.0 / 40.0]);
        assert_eq!(ClassBalance::Frequency.weights(&[1; 5]), [1.0, 1.0]);
    }

    #[test]
    fn ignored_pixels_weigh_nothing() {
        let map = BorderWeights::default().map(&[0, 1, IGNORE, 2], [2, 2]);
        assert_eq!(map[2], 0.0);
        assert!(map[0] > 0.0 && map[1] > 0.0);
    }

    #[test]
    fn the_gaps_of_a_crowded_picture_stand_out() {
        let (mask, objects) = blocks([256, 256], 4);
        assert!(objects.len() > 500);
        let start = std::time::Instant::now();
        let map = BorderWeights::default().map(&mask, [256, 256]);
        eprintln!("{} objects on 256x256 in {:?}", objects.len(), start.elapsed());
        let top = map.iter().copied().fold(0.0, f32::max);
        assert!(map.iter().all(|w| w.is_finite()) && top > 8.0, "the gaps stand out: {top}");
    }
}
