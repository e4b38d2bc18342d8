//! Pictures side by side under captions, and rows of them.

use image::{Rgb, RgbImage, imageops};

use super::overlay::{Style, brightened, enlarged, overlay};
use super::text;

const PAPER: Rgb<u8> = Rgb([255; 3]);
const INK: Rgb<u8> = Rgb([40; 3]);
/// Pixels around and between pictures.
const GAP: u32 = 12;
/// Line height of captions.
const CAPTION: f32 = 18.0;

/// Pictures in a row, each under its caption.
pub fn row(panels: &[(&str, &RgbImage)]) -> RgbImage {
    let width = GAP + panels.iter().map(|(_, p)| p.width() + GAP).sum::<u32>();
    let tallest = panels.iter().map(|(_, p)| p.height()).max().unwrap_or(0);
    let top = GAP + CAPTION as u32 + 4;
    let mut out = RgbImage::from_pixel(width, top + tallest + GAP, PAPER);
    let mut x = GAP;
    for (caption, picture) in panels {
        let caption = text::fitted(CAPTION, caption, picture.width());
        text::write(&mut out, x as i32, (GAP - 3) as i32, CAPTION, INK, &caption);
        imageops::replace(&mut out, *picture, x.into(), top.into());
        x += picture.width() + GAP;
    }
    out
}

/// Rows below each other, as wide as the widest.
pub fn stack(rows: &[RgbImage]) -> RgbImage {
    let width = rows.iter().map(RgbImage::width).max().unwrap_or(0);
    let mut out = RgbImage::from_pixel(width, rows.iter().map(RgbImage::height).sum(), PAPER);
    let mut y = 0;
    for row in rows {
        imageops::replace(&mut out, row, 0, y);
        y += i64::from(row.height());
    }
    out
}

/// Picture, truth and prediction side by side. Masks hold one class per pixel, row by row; without a truth there
/// are two panels. Dark pictures are brightened. `name` goes over the picture and `score`, such as `Dice 0.93`, beside "prediction".
pub fn comparison(picture: &RgbImage, truth: Option<&[u8]>, prediction: &[u8], name: &str, score: &str) -> RgbImage {
    let style = Style::zoomed_for(picture.width());
    let picture = &brightened(picture);
    let plain = enlarged(picture, style.zoom);
    let truth = truth.map(|mask| overlay(picture, mask, style));
    let predicted = overlay(picture, prediction, style);
    let caption = if score.is_empty() { "prediction".into() } else { format!("prediction  {score}") };
    let mut panels = vec![(name, &plain)];
    panels.extend(truth.as_ref().map(|t| ("truth", t)));
    panels.push((&caption, &predicted));
    row(&panels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_keep_their_pictures_whole() {
        let (a, b) = (RgbImage::from_pixel(50, 30, Rgb([1, 2, 3])), RgbImage::from_pixel(20, 40, Rgb([4, 5, 6])));
        let out = row(&[("first", &a), ("second", &b)]);
        assert_eq!(out.dimensions(), (12 + 50 + 12 + 20 + 12, 12 + 22 + 40 + 12));
        let count = |out: &RgbImage, colour| out.pixels().filter(|p| **p == colour).count();
        assert_eq!((count(&out, Rgb([1, 2, 3])), count(&out, Rgb([4, 5, 6]))), (50 * 30, 20 * 40));
        let both = stack(&[out.clone(), row(&[("third", &a)])]);
        assert_eq!(count(&both, Rgb([1, 2, 3])), 2 * 50 * 30);
        assert_eq!(both.width(), out.width());
    }

    #[test]
    fn a_comparison_has_three_panels_or_two() {
        let picture = RgbImage::new(100, 80);
        let mask = vec![1; 100 * 80];
        assert_eq!(comparison(&picture, Some(&mask), &mask, "x.png", "").width(), 3 * 400 + 4 * 12);
        assert_eq!(comparison(&picture, None, &mask, "x.png", "Dice 0.9").width(), 2 * 400 + 3 * 12);
    }
}
