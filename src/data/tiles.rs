//! Pictures of any size through a network of one size: overlapping tiles, and their results blended back.
//!
//! Tiles are spread evenly; a picture smaller than a tile is mirrored, and so is the context that a network
//! without padding wants around its output (the overlap-tile strategy of the U-Net paper). The blending weights
//! of all tiles add up to 1 at every pixel (to rounding), exactly 1 where one tile covers it alone, so results there stay as
//! they are to the last bit.

use super::warp::mirror;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// Where the tiles of one picture lie.
#[derive(Clone, Debug)]
pub struct Tiling {
    size: [usize; 2],
    tile: [usize; 2],
    context: usize,
    axes: [Axis; 2],
}

/// Tiles along one side of the picture.
#[derive(Clone, Debug)]
struct Axis {
    /// First pixel of each tile, negative where the picture is smaller than the tile.
    starts: Vec<isize>,
    /// Blending weight of each pixel of each tile; zero outside the picture.
    weights: Vec<Vec<f32>>,
}

impl Tiling {
    /// Tiles of height and width `tile` for a picture of `size`, neighbours sharing at least `overlap` pixels.
    /// Fails if the overlap leaves no way forward or anything is zero.
    pub fn new(size: [usize; 2], tile: [usize; 2], overlap: usize) -> Result<Self> {
        if size.contains(&0) || tile.contains(&0) {
            return Err(Error::Usage(format!("a picture of {size:?} cannot be cut into tiles of {tile:?} pixels")));
        }
        if overlap >= tile[0].min(tile[1]) {
            return Err(Error::Usage(format!(
                "tiles of {} by {} pixels cannot overlap by {overlap}; choose a smaller overlap or larger tiles",
                tile[0], tile[1]
            )));
        }
        let axes = [0, 1].map(|d| Axis::new(size[d], tile[d], overlap));
        Ok(Self { size, tile, context: 0, axes })
    }

    /// The same tiles, cut with `context` more pixels on each side: for networks whose output is smaller than
    /// their input by that much.
    pub fn with_context(mut self, context: usize) -> Self {
        self.context = context;
        self
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.axes[0].starts.len() * self.axes[1].starts.len()
    }

    /// Never: every picture has a tile.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Height and width of the picture.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Row and column of the first pixel of tile `index`, without context.
    pub fn start(&self, index: usize) -> [isize; 2] {
        let [row, column] = self.place(index);
        [self.axes[0].starts[row], self.axes[1].starts[column]]
    }

    fn place(&self, index: usize) -> [usize; 2] {
        let columns = self.axes[1].starts.len();
        [index / columns, index % columns]
    }

    /// Tile `index` of `picture` (H, W, C) with its context, as (h, w, C).
    pub fn cut(&self, picture: &Tensor, index: usize) -> Tensor {
        let channels = picture.shape().channels();
        assert_eq!(picture.shape()[..2], self.size, "the picture this tiling was made for");
        let source = picture.as_f32();
        let [h, w] = self.tile.map(|t| t + 2 * self.context);
        let [y0, x0] = self.start(index).map(|s| s - self.context as isize);
        let columns: Vec<usize> = (0..w).map(|x| mirror(x0 + x as isize, self.size[1])).collect();
        let mut out = Vec::with_capacity(h * w * channels);
        for y in 0..h {
            let row = mirror(y0 + y as isize, self.size[0]) * self.size[1];
            for &column in &columns {
                let at = (row + column) * channels;
                out.extend_from_slice(&source[at..at + channels]);
            }
        }
        Tensor::f32([h, w, channels], out)
    }

    /// An empty result of `channels` values per pixel, to be filled tile by tile.
    pub fn blend(&self, channels: usize) -> Blend<'_> {
        Blend { tiling: self, channels, sum: vec![0.0; self.size[0] * self.size[1] * channels] }
    }
}

impl Axis {
    fn new(length: usize, tile: usize, overlap: usize) -> Self {
        if length <= tile {
            let before = (tile - length) / 2;
            let weight = |i: usize| if (before..before + length).contains(&i) { 1.0 } else { 0.0 };
            return Self { starts: vec![-(before as isize)], weights: vec![(0..tile).map(weight).collect()] };
        }
        let gaps = (length - tile).div_ceil(tile - overlap);
        let starts: Vec<usize> = (0..=gaps).map(|i| (i * (length - tile) + gaps / 2) / gaps).collect();
        // A ramp down to each neighbour, then shares of the sum: where ramps meet they fade into each other.
        let mut weights: Vec<Vec<f32>> = (0..starts.len())
            .map(|i| {
                let before = if i > 0 { starts[i - 1] + tile - starts[i] } else { 0 };
                let after = if i < gaps { starts[i] + tile - starts[i + 1] } else { 0 };
                let ramp = |distance: usize, over: usize| ((distance + 1) as f32 / (over + 1) as f32).min(1.0);
                (0..tile).map(|p| ramp(p, before).min(ramp(tile - 1 - p, after))).collect()
            })
            .collect();
        let mut total = vec![0.0; length];
        for (start, weights) in starts.iter().zip(&weights) {
            weights.iter().zip(&mut total[*start..]).for_each(|(w, t)| *t += w);
        }
        for (start, weights) in starts.iter().zip(&mut weights) {
            weights.iter_mut().zip(&total[*start..]).for_each(|(w, t)| *w /= t);
        }
        Self { starts: starts.into_iter().map(|s| s as isize).collect(), weights }
    }
}

/// Tile results adding up to a whole picture's.
#[derive(Debug)]
pub struct Blend<'a> {
    tiling: &'a Tiling,
    channels: usize,
    sum: Vec<f32>,
}

impl Blend<'_> {
    /// Adds the result of tile `index`: (h, w, C) row by row, without context.
    pub fn add(&mut self, index: usize, values: &[f32]) {
        let (tiling, channels) = (self.tiling, self.channels);
        let ([height, width], [h, w]) = (tiling.size, tiling.tile);
        assert_eq!(values.len(), h * w * channels, "one value per pixel of the tile and channel");
        let [row, column] = tiling.place(index);
        let [y0, x0] = tiling.start(index);
        let (wy, wx) = (&tiling.axes[0].weights[row], &tiling.axes[1].weights[column]);
        for y in (0..h).filter(|&y| (0..height as isize).contains(&(y0 + y as isize))) {
            for x in (0..w).filter(|&x| (0..width as isize).contains(&(x0 + x as isize))) {
                let to = ((y0 + y as isize) as usize * width + (x0 + x as isize) as usize) * channels;
                let from = (y * w + x) * channels;
                let weight = wy[y] * wx[x];
                for c in 0..channels {
                    self.sum[to + c] += weight * values[from + c];
                }
            }
        }
    }

    /// The blended picture (H, W, C). Every tile must have been added once.
    pub fn finish(self) -> Tensor {
        Tensor::f32([self.tiling.size[0], self.tiling.size[1], self.channels], self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rng::Rng;

    fn noise(h: usize, w: usize, c: usize) -> Tensor {
        let mut rng = Rng::new((h * 1000 + w) as u64);
        Tensor::f32([h, w, c], (0..h * w * c).map(|_| rng.unit()).collect())
    }

    /// Cuts `picture`, crops the context off, and blends.
    fn round_trip(picture: &Tensor, tiling: &Tiling) -> Tensor {
        let c = picture.shape().channels();
        let mut blend = tiling.blend(c);
        for i in 0..tiling.len() {
            let tile = tiling.cut(picture, i);
            let (k, w) = (tiling.context, tile.shape()[1]);
            let inner: Vec<f32> = (k..k + tiling.tile[0])
                .flat_map(|y| tile.as_f32()[(y * w + k) * c..(y * w + k + tiling.tile[1]) * c].to_vec())
                .collect();
            blend.add(i, &inner);
        }
        blend.finish()
    }

    #[test]
    fn every_size_comes_back() {
        for (h, w) in [(1, 1), (5, 40), (16, 16), (17, 31), (33, 64), (50, 7), (100, 81)] {
            for overlap in [0, 3, 8, 15] {
                let picture = noise(h, w, 2);
                let tiling = Tiling::new([h, w], [16, 16], overlap).unwrap().with_context(overlap % 5);
                let back = round_trip(&picture, &tiling);
                assert_eq!(back.shape(), picture.shape());
                for (a, b) in back.as_f32().iter().zip(picture.as_f32()) {
                    // Up to 16 x 16 tiles meet in a pixel: as many roundings of 2^-24.
                    assert!((a - b).abs() < 2e-5, "{h}x{w} overlap {overlap}: {a} is {b}");
                }
            }
        }
    }

    #[test]
    fn single_tiles_and_tiles_side_by_side_are_exact() {
        for (h, w) in [(48, 32), (9, 16), (16, 64)] {
            let picture = noise(h, w, 3);
            assert_eq!(round_trip(&picture, &Tiling::new([h, w], [16, 16], 0).unwrap()), picture);
        }
        // Tiles of 16 at 0 and 10: the first and last ten columns belong to one tile each.
        let picture = noise(16, 26, 1);
        let back = round_trip(&picture, &Tiling::new([16, 26], [16, 16], 4).unwrap());
        for y in 0..16 {
            for x in (0..10).chain(16..26) {
                assert_eq!(back.as_f32()[y * 26 + x].to_bits(), picture.as_f32()[y * 26 + x].to_bits());
            }
        }
    }

    #[test]
    fn neighbours_overlap_enough_and_cover_all() {
        for length in 17..90 {
            for overlap in 0..16 {
                let axis = Axis::new(length, 16, overlap);
                assert_eq!((axis.starts[0], *axis.starts.last().unwrap()), (0, length as isize - 16));
                assert!(axis.starts.windows(2).all(|s| s[0] < s[1] && s[1] - s[0] <= 16 - overlap as isize));
            }
        }
    }

    #[test]
    fn the_seam_is_smooth() {
        // Two tiles that disagree: between them the result rises in small steps.
        let tiling = Tiling::new([1, 24], [1, 16], 0).unwrap();
        assert_eq!(tiling.len(), 2);
        let mut blend = tiling.blend(1);
        blend.add(0, &[0.0; 16]);
        blend.add(1, &[1.0; 16]);
        let row = blend.finish();
        let steps: Vec<f32> = row.as_f32().windows(2).map(|p| p[1] - p[0]).collect();
        assert!(steps.iter().all(|&s| (0.0..0.2).contains(&s)), "{:?}", row.as_f32());
    }

    #[test]
    fn impossible_requests_are_refused() {
        assert!(Tiling::new([10, 10], [8, 8], 8).unwrap_err().to_string().contains("overlap by 8"));
        assert!(Tiling::new([0, 10], [8, 8], 0).is_err());
    }
}
