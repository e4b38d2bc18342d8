//! Small bitmaps with text on them, made from the fonts that ship with the crate.
//!
//! A bitmap remembers which of its texels are the ink of which character, for the masks. There is no
//! kerning and no bidirectional text: licence plates and street signs have neither.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, point};
use glam::{Vec2, Vec3};

/// The fonts of plates and signs; each holds the digits and the capital letters.
static FONTS: LazyLock<[FontRef<'static>; FONT_COUNT]> = LazyLock::new(|| {
    let font = |bytes| FontRef::try_from_slice(bytes).expect("the font compiled into the crate is valid");
    [
        font(include_bytes!("../../../assets/fonts/Overpass-Bold.subset.ttf")),
        font(include_bytes!("../../../assets/fonts/BarlowSemiCondensed-SemiBold.subset.ttf")),
        font(include_bytes!("../../../assets/fonts/Oxanium-SemiBold.subset.ttf")),
        font(include_bytes!("../../../assets/fonts/RobotoMono-Bold.subset.ttf")),
        font(include_bytes!("../../../assets/fonts/DejaVuSansMono-Bold.subset.ttf")),
    ]
});

pub const FONT_COUNT: usize = 5;

/// The colour that 8-bit components stand for, in linear light. Gamma is 2, as in `lens`.
pub fn rgb(r: u8, g: u8, b: u8) -> Vec3 {
    let c = Vec3::new(f32::from(r), f32::from(g), f32::from(b)) / 255.0;
    c * c
}

const CLEAR: u8 = 255;

/// Reflectance and ink. Texels may be clear (outside rounded corners).
#[derive(Clone, Debug)]
pub struct Bitmap {
    pub width: usize,
    pub height: usize,
    colour: Vec<Vec3>,
    mark: Vec<u8>,
}

/// Where and how a line of text goes, in texels.
pub struct Line<'a> {
    pub text: &'a str,
    pub font: usize,
    /// The box that the text is centred in; its height is the height of the capitals.
    pub low: Vec2,
    pub high: Vec2,
    pub ink: Vec3,
    /// The mark of the first character, counting up and passing over spaces; `None` for text that needs no mask.
    pub first_mark: Option<u8>,
}

impl Bitmap {
    pub fn new(width: usize, height: usize, colour: Vec3) -> Self {
        Bitmap { width, height, colour: vec![colour; width * height], mark: vec![0; width * height] }
    }

    /// Colour and mark at (0, 0) to (1, 1); `None` outside or where the bitmap is clear.
    pub fn at(&self, place: Vec2) -> Option<(Vec3, u8)> {
        if !(0.0..1.0).contains(&place.x) || !(0.0..1.0).contains(&place.y) {
            return None;
        }
        let x = (place.x * self.width as f32) as usize;
        let y = (place.y * self.height as f32) as usize;
        let i = y.min(self.height - 1) * self.width + x.min(self.width - 1);
        (self.mark[i] != CLEAR).then(|| (self.colour[i], self.mark[i]))
    }

    /// Lets `paint` change every texel's colour, given its centre. Ink stays ink.
    pub fn tint(&mut self, mut paint: impl FnMut(Vec2, Vec3) -> Vec3) {
        for (i, colour) in self.colour.iter_mut().enumerate() {
            *colour = paint(Vec2::new((i % self.width) as f32 + 0.5, (i / self.width) as f32 + 0.5), *colour);
        }
    }

    /// Paints something opaque over the texels within; ink beneath it is gone.
    pub fn cover(&mut self, within: impl Fn(Vec2) -> bool, colour: Vec3) {
        self.replace(within, Some(colour), 0);
    }

    /// Makes everything clear that is not ink: letters painted straight onto a wall or a door.
    pub fn keep_ink_only(&mut self) {
        self.mark.iter_mut().filter(|mark| **mark == 0).for_each(|mark| *mark = CLEAR);
    }

    /// Cuts the corners round.
    pub fn round_corners(&mut self, radius: f32) {
        let size = Vec2::new(self.width as f32, self.height as f32);
        let near_corner = |p: Vec2| ((p - 0.5 * size).abs() - 0.5 * size + radius).min_element() > 0.0;
        self.replace(|p| near_corner(p) && rounded_box(p, size, 0.0, radius) > 0.0, None, CLEAR);
    }

    fn replace(&mut self, within: impl Fn(Vec2) -> bool, colour: Option<Vec3>, mark: u8) {
        for i in 0..self.colour.len() {
            if within(Vec2::new((i % self.width) as f32 + 0.5, (i / self.width) as f32 + 0.5)) {
                self.colour[i] = colour.unwrap_or(self.colour[i]);
                self.mark[i] = mark;
            }
        }
    }

    /// Writes one line, pressed together where it is too wide for its box.
    pub fn write(&mut self, line: &Line<'_>) {
        let font = &FONTS[line.font];
        let box_size = line.high - line.low;
        // Scale so that a capital is as tall as the box.
        let capital =
            font.outline_glyph(font.glyph_id('H').with_scale(100.0)).expect("every font has an H").px_bounds();
        let tall = 100.0 * box_size.y / capital.height();
        let unit = tall / font.height_unscaled();
        let spacing = 0.1 * box_size.y;
        let advance = |c: char| font.h_advance_unscaled(font.glyph_id(c)) * unit + spacing;
        let natural: f32 = line.text.chars().map(advance).sum::<f32>() - spacing;
        let squeeze = (box_size.x / natural.max(1.0)).min(1.0);
        let scale = PxScale { x: tall * squeeze, y: tall };
        let mut x = 0.5 * (line.low.x + line.high.x - natural * squeeze);
        let mut mark = line.first_mark;
        for c in line.text.chars() {
            let glyph = font.glyph_id(c).with_scale_and_position(scale, point(x, line.high.y));
            x += advance(c) * squeeze;
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let bounds = outline.px_bounds();
            let this = mark.unwrap_or(0);
            mark = mark.map(|m| m + 1);
            outline.draw(|dx, dy, coverage| {
                let (tx, ty) = (bounds.min.x as i64 + i64::from(dx), bounds.min.y as i64 + i64::from(dy));
                if (0..self.width as i64).contains(&tx) && (0..self.height as i64).contains(&ty) {
                    let i = ty as usize * self.width + tx as usize;
                    self.colour[i] = self.colour[i].lerp(line.ink, coverage.clamp(0.0, 1.0));
                    if coverage > 0.5 && self.mark[i] != CLEAR {
                        self.mark[i] = this;
                    }
                }
            });
        }
    }
}

/// The signed distance from `p` to a box of `size` from the origin, shrunk by `inset`, with round corners.
pub fn rounded_box(p: Vec2, size: Vec2, inset: f32, radius: f32) -> f32 {
    let q = (p - 0.5 * size).abs() - (0.5 * size - inset) + radius;
    q.max(Vec2::ZERO).length() + q.x.max(q.y).min(0.0) - radius
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::vec2;

    #[test]
    fn every_font_has_every_character() {
        for font in FONTS.iter() {
            for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.".chars() {
                assert!(font.outline_glyph(font.glyph_id(c).with_scale(50.0)).is_some(), "no outline for {c}");
            }
        }
    }

    #[test]
    fn a_line_stays_in_its_box() {
        for font in 0..FONT_COUNT {
            let mut bitmap = Bitmap::new(200, 60, Vec3::ONE);
            let (low, high) = (vec2(20.0, 10.0), vec2(180.0, 50.0));
            bitmap.write(&Line { text: "W0OM88", font, low, high, ink: Vec3::ZERO, first_mark: Some(1) });
            for (i, &mark) in bitmap.mark.iter().enumerate() {
                let (x, y) = ((i % 200) as f32, (i / 200) as f32);
                // Round letters overshoot the capitals a little.
                let inside = (16.0..184.0).contains(&x) && (7.0..53.0).contains(&y);
                assert!(mark == 0 || inside, "font {font} writes at {x}, {y}");
            }
            for k in 1..=6 {
                assert!(bitmap.mark.iter().filter(|&&m| m == k).count() > 50, "font {font}, character {k}");
            }
        }
    }
}
