//! Masks over pictures: a translucent fill and a thin contour for each class.

use image::{Rgb, RgbImage, imageops};

use super::text::mixed;

/// Class value of pixels that do not count; drawn grey.
const IGNORE: u8 = 255;

/// How a mask is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Opacity of the fill, 0 to 1.
    pub fill: f32,
    /// Opacity of the contour, 0 to 1.
    pub contour: f32,
    /// Enlargement by a whole factor, so that contours stay thin on small pictures.
    pub zoom: u32,
}

impl Default for Style {
    fn default() -> Self {
        Self { fill: 0.35, contour: 1.0, zoom: 1 }
    }
}

impl Style {
    /// The enlargement that makes a picture of this width about 400 pixels wide.
    pub fn zoomed_for(width: u32) -> Self {
        let width = width.max(1);
        Self { zoom: ((400 + width / 2) / width).clamp(1, 8), ..Self::default() }
    }
}

/// The colour of a class, told apart well from its neighbours; the same on each run.
pub fn class_colour(class: u8) -> Rgb<u8> {
    const FIRST: [[u8; 3]; 8] = [
        [255, 140, 0],
        [40, 150, 255],
        [60, 205, 90],
        [235, 60, 180],
        [250, 220, 40],
        [30, 210, 220],
        [230, 50, 50],
        [150, 90, 235],
    ];
    match class {
        IGNORE => Rgb([150; 3]),
        // Background is not drawn on pictures; where it is shown by itself it is dark.
        0 => Rgb([24; 3]),
        1..=8 => Rgb(FIRST[usize::from(class) - 1]),
        // Hues by the golden angle are never close to the ones just before.
        _ => hue(f32::from(class) * 0.618_034),
    }
}

fn hue(turns: f32) -> Rgb<u8> {
    let channel = |offset: f32| {
        let t = (turns + offset).rem_euclid(1.0) * 6.0;
        (60.0 + 195.0 * ((t - 3.0).abs() - 1.0).clamp(0.0, 1.0)) as u8
    };
    Rgb([channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0)])
}

/// `picture` enlarged by a whole factor, each pixel a block.
pub fn enlarged(picture: &RgbImage, zoom: u32) -> RgbImage {
    imageops::resize(picture, picture.width() * zoom, picture.height() * zoom, imageops::FilterType::Nearest)
}

/// A dark picture brightened for looking at, so that its brightest half percent is white; others as they are.
pub fn brightened(picture: &RgbImage) -> RgbImage {
    let mut histogram = [0usize; 256];
    picture.iter().for_each(|&v| histogram[usize::from(v)] += 1);
    let mut above = 0;
    let reaches_half_percent = |v: &usize| {
        above += histogram[*v];
        above > picture.len() / 200
    };
    let top = (0..256).rev().find(reaches_half_percent).unwrap_or(255);
    if !(1..128).contains(&top) {
        return picture.clone();
    }
    let mut out = picture.clone();
    out.iter_mut().for_each(|v| *v = (usize::from(*v) * 255 / top).min(255) as u8);
    out
}

/// The picture with `mask` over it, one class per pixel, row by row; class 0 is left clear. The result is larger
/// than the picture by `style.zoom`.
pub fn overlay(picture: &RgbImage, mask: &[u8], style: Style) -> RgbImage {
    let (width, zoom) = (picture.width() as usize, style.zoom.max(1));
    assert_eq!(mask.len(), width * picture.height() as usize, "one class per pixel");
    let mut out = enlarged(picture, zoom);
    let (w, h) = out.dimensions();
    let class = |x: u32, y: u32| mask[(y / zoom) as usize * width + (x / zoom) as usize];
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let own = class(x, y);
        if own == 0 {
            continue;
        }
        let left = x > 0 && class(x - 1, y) != own;
        let right = x + 1 < w && class(x + 1, y) != own;
        let above = y > 0 && class(x, y - 1) != own;
        let below = y + 1 < h && class(x, y + 1) != own;
        let opacity = if left || right || above || below { style.contour } else { style.fill };
        *pixel = mixed(*pixel, class_colour(own), opacity);
    }
    out
}

/// The mask by itself, each class in its colour.
pub fn coloured(mask: &[u8], width: u32) -> RgbImage {
    let height = mask.len() as u32 / width.max(1);
    RgbImage::from_fn(width, height, |x, y| class_colour(mask[(y * width + x) as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_stays_edges_are_solid_and_insides_translucent() {
        let picture = RgbImage::from_pixel(7, 7, Rgb([100; 3]));
        let mask: Vec<u8> = (0..49).map(|i| u8::from((1..6).contains(&(i % 7)) && (1..6).contains(&(i / 7)))).collect();
        let out = overlay(&picture, &mask, Style::default());
        assert_eq!(*out.get_pixel(0, 3), Rgb([100; 3]));
        assert_eq!(*out.get_pixel(1, 3), class_colour(1));
        assert_eq!(*out.get_pixel(3, 3), mixed(Rgb([100; 3]), class_colour(1), 0.35));
        let large = overlay(&picture, &mask, Style { zoom: 3, ..Style::default() });
        assert_eq!(large.dimensions(), (21, 21));
        assert_eq!(*large.get_pixel(3, 10), class_colour(1), "the contour is one pixel wide however large");
        assert_eq!(*large.get_pixel(4, 10), mixed(Rgb([100; 3]), class_colour(1), 0.35));
    }

    #[test]
    fn dark_pictures_are_brightened_and_others_left_alone() {
        let dark = RgbImage::from_fn(50, 50, |x, _| Rgb([x as u8; 3]));
        let bright = brightened(&dark);
        assert_eq!((bright.get_pixel(49, 0)[0], bright.get_pixel(0, 0)[0]), (255, 0));
        let light = RgbImage::from_fn(50, 50, |x, _| Rgb([x as u8 * 5; 3]));
        assert_eq!(brightened(&light), light);
        assert_eq!(brightened(&RgbImage::new(4, 4)), RgbImage::new(4, 4));
    }

    #[test]
    fn neighbouring_classes_differ() {
        for class in 1..100u8 {
            let (a, b) = (class_colour(class), class_colour(class + 1));
            let distance: u32 = (0..3).map(|c| u32::from(a[c].abs_diff(b[c]))).sum();
            assert!(distance > 100, "classes {class} and {}: {a:?}, {b:?}", class + 1);
        }
    }
}
