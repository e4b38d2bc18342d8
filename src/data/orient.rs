//! The eight ways to lay a picture: mirrored, turned by quarters, or both. Every pixel is kept.

use std::borrow::Cow;

use image::{RgbImage, imageops};

use super::rng::Rng;
use crate::detection::BBox;

/// First rows and columns change places, then left and right, then top and bottom, each if it is said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Rows become columns.
    pub transposed: bool,
    /// Mirrored left and right.
    pub flip_x: bool,
    /// Mirrored top and bottom.
    pub flip_y: bool,
}

impl Orientation {
    /// A random one: mirrored with probability 1/2 along each axis that is allowed, turned by 0 to 3 quarters.
    pub fn draw(flip_x: bool, flip_y: bool, quarter_turns: bool, rng: &mut Rng) -> Self {
        let flip_x = flip_x && rng.chance(0.5);
        let flip_y = flip_y && rng.chance(0.5);
        let turns = if quarter_turns { rng.below(4) } else { 0 };
        Self {
            transposed: turns % 2 == 1,
            flip_x: flip_x ^ matches!(turns, 1 | 2),
            flip_y: flip_y ^ matches!(turns, 2 | 3),
        }
    }

    /// Height and width of a picture of height and width `size` when it is laid like this.
    pub fn size(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        if self.transposed { [width, height] } else { [height, width] }
    }

    /// The picture laid like this.
    pub fn picture<'a>(&self, picture: &'a RgbImage) -> Cow<'a, RgbImage> {
        let mut out = Cow::Borrowed(picture);
        if self.transposed {
            // A quarter turn clockwise mirrors what was to change places only.
            let mut turned = imageops::rotate90(picture);
            imageops::flip_horizontal_in_place(&mut turned);
            out = Cow::Owned(turned);
        }
        if self.flip_x {
            imageops::flip_horizontal_in_place(out.to_mut());
        }
        if self.flip_y {
            imageops::flip_vertical_in_place(out.to_mut());
        }
        out
    }

    /// A box of a picture of height and width `size` when the picture is laid like this.
    pub fn bbox(&self, b: BBox, size: [usize; 2]) -> BBox {
        let [height, width] = self.size(size).map(|v| v as f32);
        let mut out = if self.transposed { BBox { x0: b.y0, y0: b.x0, x1: b.y1, y1: b.x1 } } else { b };
        if self.flip_x {
            (out.x0, out.x1) = (width - out.x1, width - out.x0);
        }
        if self.flip_y {
            (out.y0, out.y1) = (height - out.y1, height - out.y0);
        }
        out
    }

    /// Where the pixel at `[x, y]` of the laid picture was in the original of height and width `size`.
    pub fn source(&self, [x, y]: [usize; 2], size: [usize; 2]) -> [usize; 2] {
        let [height, width] = self.size(size);
        let x = if self.flip_x { width - 1 - x } else { x };
        let y = if self.flip_y { height - 1 - y } else { y };
        if self.transposed { [y, x] } else { [x, y] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn all() -> impl Iterator<Item = Orientation> {
        let bit = |i: u8, b: u8| i >> b & 1 == 1;
        (0..8u8).map(move |i| Orientation { transposed: bit(i, 0), flip_x: bit(i, 1), flip_y: bit(i, 2) })
    }

    #[test]
    fn pictures_pixels_and_boxes_move_together() {
        let picture = RgbImage::from_fn(7, 4, |x, y| Rgb([x as u8, y as u8, 0]));
        for o in all() {
            let laid = o.picture(&picture);
            assert_eq!([laid.height(), laid.width()].map(|v| v as usize), o.size([4, 7]));
            for (x, y, pixel) in laid.enumerate_pixels() {
                let [sx, sy] = o.source([x as usize, y as usize], [4, 7]);
                assert_eq!(pixel.0, [sx as u8, sy as u8, 0], "{o:?}");
                let one = o.bbox(BBox::from_xywh(sx as f32, sy as f32, 1.0, 1.0), [4, 7]);
                assert_eq!(one, BBox::from_xywh(x as f32, y as f32, 1.0, 1.0), "{o:?}");
            }
        }
        let turned = Orientation { transposed: true, flip_x: true, flip_y: false };
        assert_eq!(*turned.picture(&picture), imageops::rotate90(&picture), "a quarter turn clockwise");
    }

    #[test]
    fn all_that_are_allowed_are_drawn() {
        let drawn = |x, y, turns| {
            let draws = (0..200).map(|seed| Orientation::draw(x, y, turns, &mut Rng::new(seed)));
            draws.map(|o| (o.transposed, o.flip_x, o.flip_y)).collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!([drawn(false, false, false), drawn(true, false, false), drawn(false, true, false)], [1, 2, 2]);
        assert_eq!([drawn(true, true, false), drawn(false, false, true), drawn(true, true, true)], [4, 4, 8]);
    }
}
