//! Text on pictures, in the font that ships with the crate.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

/// DejaVu Sans, Latin, Greek and Cyrillic among others.
pub const FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");

static PARSED: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(FONT).expect("the font that ships with the crate"));

/// Writes `text` with its upper left corner at (x, y); `size` is the line height in pixels. What lies outside of the
/// picture is cut off.
pub fn write(picture: &mut RgbImage, x: i32, y: i32, size: f32, colour: Rgb<u8>, text: &str) {
    let (glyphs, _) = laid_out(size, text);
    for outline in glyphs.into_iter().filter_map(|g| PARSED.outline_glyph(g)) {
        let corner = outline.px_bounds().min;
        outline.draw(|gx, gy, coverage| {
            let (px, py) = (x + corner.x as i32 + gx as i32, y + corner.y as i32 + gy as i32);
            let inside = (0..picture.width() as i32).contains(&px) && (0..picture.height() as i32).contains(&py);
            if inside {
                let under = picture.get_pixel_mut(px as u32, py as u32);
                *under = mixed(*under, colour, coverage.min(1.0));
            }
        });
    }
}

/// Width of `text` in pixels.
pub fn width(size: f32, text: &str) -> u32 {
    laid_out(size, text).1.ceil() as u32
}

/// The glyphs of one line and where it ends.
fn laid_out(size: f32, text: &str) -> (Vec<Glyph>, f32) {
    let font = PARSED.as_scaled(PxScale::from(size));
    let (mut x, mut last, mut glyphs) = (0.0, None, Vec::new());
    for character in text.chars() {
        let id = font.glyph_id(character);
        x += last.map_or(0.0, |last| font.kern(last, id));
        glyphs.push(id.with_scale_and_position(size, point(x, font.ascent())));
        x += font.h_advance(id);
        last = Some(id);
    }
    (glyphs, x)
}

/// `over` laid over `under` with an opacity of 0 to 1.
pub(super) fn mixed(under: Rgb<u8>, over: Rgb<u8>, opacity: f32) -> Rgb<u8> {
    let mix = |u: u8, o: u8| (f32::from(u) * (1.0 - opacity) + f32::from(o) * opacity).round() as u8;
    Rgb(std::array::from_fn(|c| mix(under[c], over[c])))
}

/// `text`, or as much of its beginning as fits into `room` pixels, with an ellipsis.
pub fn fitted(size: f32, text: &str, room: u32) -> String {
    if width(size, text) <= room {
        return text.into();
    }
    let mut kept: String = text.into();
    while kept.pop().is_some() {
        let short = format!("{}…", kept.trim_end());
        if width(size, &short) <= room {
            return short;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_leaves_ink_where_it_says() {
        let mut picture = RgbImage::from_pixel(200, 40, Rgb([255; 3]));
        write(&mut picture, 10, 5, 20.0, Rgb([0; 3]), "Dice 0.91");
        let columns: Vec<u32> = picture.enumerate_pixels().filter(|(_, _, p)| p[0] < 128).map(|(x, _, _)| x).collect();
        let (left, right) = (*columns.iter().min().unwrap(), *columns.iter().max().unwrap());
        assert!(left >= 10 && right <= 12 + width(20.0, "Dice 0.91"), "{left} to {right}");
        assert!(right - left > 60);
    }

    #[test]
    fn long_text_is_cut_to_fit() {
        let short = fitted(16.0, "a name that is much too long.png", 100);
        assert!(short.ends_with('…') && width(16.0, &short) <= 100, "{short}");
        assert_eq!(fitted(16.0, "x.png", 100), "x.png");
        assert_eq!(fitted(16.0, "x.png", 0), "");
    }
}
