//! Moving pixels: one map from output to picture coordinates, applied to pictures and masks alike.
//!
//! Pictures are sampled bilinearly, masks by the nearest pixel; outside, the picture is mirrored. What the map
//! looks like is drawn in [`super::augment`].

use image::{GrayImage, RgbImage};

/// Index `i` mirrored into `0..n` without repeating the edge: -1 is 1, n is n - 2. A single pixel repeats.
pub fn mirror(i: isize, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let i = i.rem_euclid(period as isize) as usize;
    i.min(period - i)
}

/// A smooth field of displacements in pixels: a coarse square grid spanning the output, in between bicubic
/// (Catmull and Rom, 1974).
#[derive(Clone, Debug, PartialEq)]
pub struct Elastic {
    /// Grid points a side, at least 2.
    pub side: usize,
    /// (x, y) at each grid point, row by row; the corners lie on the output's corners.
    pub points: Vec<[f32; 2]>,
}

impl Elastic {
    /// The four weights around `t` in [0, 1] between the second and the third point.
    fn weights(t: f32) -> [f32; 4] {
        let (t2, t3) = (t * t, t * t * t);
        [
            0.5 * (-t3 + 2.0 * t2 - t),
            0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
            0.5 * (-3.0 * t3 + 4.0 * t2 + t),
            0.5 * (t3 - t2),
        ]
    }

    /// Weights and clamped grid indices for pixel `i` of `n` along one axis.
    fn taps(&self, i: usize, n: usize) -> [(usize, f32); 4] {
        let at = i as f32 * (self.side - 1) as f32 / (n.max(2) - 1) as f32;
        let cell = (at as usize).min(self.side - 2);
        let weights = Self::weights(at - cell as f32);
        std::array::from_fn(|k| ((cell + k).saturating_sub(1).min(self.side - 1), weights[k]))
    }
}

/// Where each output pixel comes from: `source = matrix * (output - centre) + origin`, bent by `elastic`.
#[derive(Clone, Debug, PartialEq)]
pub struct Warp {
    /// Height and width of the output in pixels.
    pub size: [usize; 2],
    /// Rows of the 2x2 matrix from output offsets (x, y) to source offsets.
    pub matrix: [[f32; 2]; 2],
    /// Source position (x, y) of the output's centre; pixel centres are at whole numbers.
    pub origin: [f32; 2],
    /// Displacement added to the output position.
    pub elastic: Option<Elastic>,
}

impl Warp {
    /// Every output pixel is the picture's, in place. `size` is height and width.
    pub fn identity(size: [usize; 2]) -> Self {
        let origin = [(size[1] as f32 - 1.0) / 2.0, (size[0] as f32 - 1.0) / 2.0];
        Self { size, matrix: [[1.0, 0.0], [0.0, 1.0]], origin, elastic: None }
    }

    /// Interleaved RGB in 0 to 255, (H, W, 3).
    pub fn picture(&self, picture: &RgbImage) -> Vec<f32> {
        let (w, h) = (picture.width() as usize, picture.height() as usize);
        let raw = picture.as_raw();
        let mut out = Vec::with_capacity(self.size[0] * self.size[1] * 3);
        self.each(|x, y| {
            let (x0, y0) = (x.floor(), y.floor());
            let (fx, fy) = (x - x0, y - y0);
            let (xa, xb) = (mirror(x0 as isize, w) * 3, mirror(x0 as isize + 1, w) * 3);
            let (ya, yb) = (mirror(y0 as isize, h) * w * 3, mirror(y0 as isize + 1, h) * w * 3);
            for c in 0..3 {
                let at = |row: usize, column: usize| f32::from(raw[row + column + c]);
                let top = at(ya, xa) * (1.0 - fx) + at(ya, xb) * fx;
                let bottom = at(yb, xa) * (1.0 - fx) + at(yb, xb) * fx;
                out.push(top * (1.0 - fy) + bottom * fy);
            }
        });
        out
    }

    /// The mask's values at the nearest pixels, (H, W).
    pub fn mask(&self, mask: &GrayImage) -> Vec<u8> {
        let (w, h) = (mask.width() as usize, mask.height() as usize);
        let raw = mask.as_raw();
        let mut out = Vec::with_capacity(self.size[0] * self.size[1]);
        self.each(|x, y| {
            let (x, y) = ((x + 0.5).floor() as isize, (y + 0.5).floor() as isize);
            out.push(raw[mirror(y, h) * w + mirror(x, w)]);
        });
        out
    }

    /// Calls `visit` with the source position (x, y) of every output pixel, row by row.
    fn each(&self, mut visit: impl FnMut(f32, f32)) {
        let [height, width] = self.size;
        let (cx, cy) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
        let taps = |i, n| self.elastic.as_ref().map(|e| (e, e.taps(i, n)));
        let columns: Vec<_> = (0..width).map(|x| taps(x, width)).collect();
        for y in 0..height {
            let rows = taps(y, height);
            for (x, column) in columns.iter().enumerate() {
                let (mut dx, mut dy) = (x as f32 - cx, y as f32 - cy);
                if let (Some((elastic, rows)), Some((_, columns))) = (&rows, column) {
                    for (r, wr) in rows {
                        for (c, wc) in columns {
                            let [px, py] = elastic.points[r * elastic.side + c];
                            dx += wr * wc * px;
                            dy += wr * wc * py;
                        }
                    }
                }
                let [[a, b], [c, d]] = self.matrix;
                visit(a * dx + b * dy + self.origin[0], c * dx + d * dy + self.origin[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Luma, Rgb};

    fn picture(w: u32, h: u32) -> RgbImage {
        RgbImage::from_fn(w, h, |x, y| Rgb([(x * 5) as u8, (y * 7) as u8, (x * y) as u8]))
    }

    #[test]
    fn mirroring_bounces_as_often_as_needed() {
        let got: Vec<usize> = (-5..8).map(|i| mirror(i, 3)).collect();
        assert_eq!(got, [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(mirror(-7, 1), 0);
    }

    #[test]
    fn the_identity_changes_nothing() {
        for (w, h) in [(7, 5), (8, 6), (1, 1)] {
            let p = picture(w, h);
            let warp = Warp::identity([h as usize, w as usize]);
            assert_eq!(warp.picture(&p), p.iter().map(|&v| f32::from(v)).collect::<Vec<_>>());
            let mask = GrayImage::from_fn(w, h, |x, y| Luma([(x + 10 * y) as u8]));
            assert_eq!(warp.mask(&mask), mask.into_raw());
        }
    }

    #[test]
    fn a_quarter_turn_is_exact() {
        let p = picture(5, 5);
        let warp = Warp { matrix: [[0.0, 1.0], [-1.0, 0.0]], ..Warp::identity([5, 5]) };
        let want = image::imageops::rotate90(&p);
        assert_eq!(warp.picture(&p), want.iter().map(|&v| f32::from(v)).collect::<Vec<_>>());
    }

    #[test]
    fn an_output_beyond_the_picture_is_mirrored() {
        let mask = GrayImage::from_raw(3, 1, vec![1, 2, 3]).unwrap();
        let warp = Warp { size: [1, 7], ..Warp::identity([1, 3]) };
        assert_eq!(warp.mask(&mask), [3, 2, 1, 2, 3, 2, 1]);
    }

    #[test]
    fn a_uniform_elastic_grid_is_a_shift() {
        let mask = GrayImage::from_fn(16, 16, |x, y| Luma([(x + 16 * y) as u8]));
        let elastic = Some(Elastic { side: 3, points: vec![[2.0, -3.0]; 9] });
        let got = Warp { elastic, ..Warp::identity([16, 16]) }.mask(&mask);
        for y in 3..16 {
            for x in 0..14 {
                assert_eq!(got[y * 16 + x], ((x + 2) + 16 * (y - 3)) as u8, "({x}, {y})");
            }
        }
    }

    #[test]
    fn the_elastic_field_goes_through_its_grid_points() {
        let points: Vec<[f32; 2]> = (0..9).map(|i| [i as f32 / 7.0, -(i as f32) / 5.0]).collect();
        let elastic = Elastic { side: 3, points: points.clone() };
        let warp = Warp { elastic: Some(elastic), ..Warp::identity([9, 9]) };
        let mut at = Vec::new();
        warp.each(|x, y| at.push([x, y]));
        for (i, want) in points.iter().enumerate() {
            let (x, y) = (i % 3 * 4, i / 3 * 4);
            let got = at[y * 9 + x];
            assert!((got[0] - x as f32 - want[0]).abs() < 1e-5 && (got[1] - y as f32 - want[1]).abs() < 1e-5);
        }
    }
}
