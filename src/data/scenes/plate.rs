//! Licence plates: what is written on them, in which style, and the bitmap that is mounted on a vehicle.
//!
//! The styles are after those of several countries, none to the letter, and the numbers are drawn by lot.

use std::sync::OnceLock;

use glam::{Vec2, Vec3, vec2};

use super::text::{Bitmap, FONT_COUNT, Line, rgb, rounded_box};
use crate::data::rng::Rng;

/// Millimetres, which are the texels of the bitmap.
const LONG: Vec2 = vec2(520.0, 112.0);
const SHORT: Vec2 = vec2(305.0, 152.0);
const SQUARE: Vec2 = vec2(280.0, 200.0);

/// `@` is a letter, `#` a digit, anything else is itself. A `/` begins the second row.
const ROWS_WITH_LETTERS: [&str; 8] =
    ["@@ ### @@", "@@ @@ ####", "@@## @@@", "#### @@@", "@ @@ ###", "@@@ ####", "#@@@###", "@@-###-@@"];
const ROWS_OF_DIGITS: [&str; 6] = ["### ####", "##-####", "######", "## ####", "### ###", "#####"];
const SQUARES_WITH_LETTERS: [&str; 3] = ["@@ ##/@@@", "@@@/####", "@ ###/@@"];
const SQUARES_OF_DIGITS: [&str; 3] = ["###/###", "##/####", "## #/####"];
/// Without the letters that look like digits, as on most real plates.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUVWXYZ";

/// A plate before it is mounted.
#[derive(Clone, Debug)]
pub struct PlateDesign {
    /// Width and height in metres.
    pub size: Vec2,
    /// What is written, row after row, without the spaces.
    pub text: String,
    rows: Vec<String>,
    style: Style,
    spotless: bool,
    details: Rng,
    bitmap: OnceLock<Bitmap>,
}

/// The colours of a style and what decorates it.
#[derive(Clone, Debug)]
struct Style {
    ground: Vec3,
    ink: Vec3,
    band: Option<Vec3>,
    caption: Option<&'static str>,
}

impl PlateDesign {
    /// A plate with a number drawn by lot. With `spotless` it has neither dirt nor screws.
    pub fn random(rng: &mut Rng, rear: bool, letters: bool, spotless: bool) -> Self {
        let size = match rng.unit() {
            x if x < 0.66 => LONG,
            x if x < 0.86 => SHORT,
            _ => SQUARE,
        };
        let rows = number(rng, size == SQUARE, letters);
        let style = style(rng, rear, size == SHORT);
        let text = rows.concat().chars().filter(|c| !c.is_whitespace()).collect();
        let details = rng.fork(1);
        PlateDesign { size: size / 1000.0, text, rows, style, spotless, details, bitmap: OnceLock::new() }
    }

    /// The plate as it is seen from straight ahead. Drawn when it is first asked for: most vehicles
    /// that are tried in a scene find no place.
    pub fn bitmap(&self) -> &Bitmap {
        self.bitmap.get_or_init(|| self.draw())
    }

    fn draw(&self) -> Bitmap {
        let rng = &mut self.details.clone();
        let size = (self.size * 1000.0).round();
        let mut bitmap = Bitmap::new(size.x as usize, size.y as usize, self.style.ground);
        draw_ground(&mut bitmap, &self.style);
        write_rows(rng, &mut bitmap, &self.style, &self.rows);
        bitmap.round_corners(9.0);
        if !self.spotless {
            if rng.chance(0.5) {
                add_screws(rng, &mut bitmap);
            }
            add_dirt(rng, &mut bitmap);
        }
        bitmap
    }
}

/// The rows of a number. Every character, spaces apart, gets a mark in reading order.
fn number(rng: &mut Rng, square: bool, letters: bool) -> Vec<String> {
    let pattern = match (square, letters) {
        (false, true) => rng.pick(&ROWS_WITH_LETTERS),
        (false, false) => rng.pick(&ROWS_OF_DIGITS),
        (true, true) => rng.pick(&SQUARES_WITH_LETTERS),
        (true, false) => rng.pick(&SQUARES_OF_DIGITS),
    };
    let fill = |c, rng: &mut Rng| match c {
        '@' => char::from(rng.pick(LETTERS)),
        '#' => char::from(b'0' + rng.below(10) as u8),
        other => other,
    };
    pattern.split('/').map(|row| row.chars().map(|c| fill(c, rng)).collect()).collect()
}

fn style(rng: &mut Rng, rear: bool, captioned: bool) -> Style {
    let black = rgb(18, 18, 20);
    let white = rgb(238, 238, 234);
    let (ground, ink) = match rng.unit() {
        x if x < 0.46 => (white, rng.pick(&[black, black, rgb(24, 34, 92), rgb(128, 18, 24), rgb(16, 74, 40)])),
        x if x < 0.72 => (if rear { rgb(246, 198, 34) } else { rgb(250, 220, 96) }, black),
        x if x < 0.84 => (rgb(22, 22, 26), rng.pick(&[white, rgb(212, 212, 216), rgb(240, 216, 120)])),
        x if x < 0.92 => (rgb(26, 54, 132), white),
        x if x < 0.96 => (rgb(22, 104, 62), white),
        _ => (rgb(168, 28, 30), white),
    };
    let pale = ground.element_sum() > 1.2;
    let band = (pale && !captioned && rng.chance(0.55)).then(|| rgb(20, 62, 158));
    let captions = ["SUNSHINE STATE", "GRANITE COAST", "LAKE COUNTY", "HIGH PLAINS", "RIVERLAND"];
    Style { ground, ink, band, caption: captioned.then(|| rng.pick(&captions)) }
}

fn draw_ground(bitmap: &mut Bitmap, style: &Style) {
    let size = vec2(bitmap.width as f32, bitmap.height as f32);
    let border = style.ink.lerp(style.ground, 0.25);
    bitmap.tint(|p, c| {
        if p.min(size - p).min_element() > 12.0 {
            return c;
        }
        let edge = rounded_box(p, size, 5.0, 8.0).abs();
        c.lerp(border, (2.2 - edge).clamp(0.0, 1.0))
    });
    if let Some(band) = style.band {
        bitmap.tint(|p, c| if p.x < 44.0 { band } else { c });
        // A ring of twelve dots and a country's letter.
        let centre = vec2(22.0, 0.3 * size.y);
        bitmap.tint(|p, c| {
            if p.x > 44.0 {
                return c;
            }
            let turn = (p - centre).to_angle() / std::f32::consts::TAU * 12.0;
            let near = ((p - centre).length() - 13.0).powi(2) + (7.0 * (turn - turn.round())).powi(2);
            if near < 5.0 { rgb(250, 210, 50) } else { c }
        });
        let (low, high) = (vec2(8.0, size.y - 42.0), vec2(36.0, size.y - 14.0));
        bitmap.write(&Line { text: "W", font: 0, low, high, ink: Vec3::ONE, first_mark: None });
    }
    if let Some(text) = style.caption {
        let (low, high) = (vec2(60.0, 12.0), vec2(size.x - 60.0, 26.0));
        bitmap.write(&Line { text, font: 1, low, high, ink: style.ink, first_mark: None });
    }
}

fn write_rows(rng: &mut Rng, bitmap: &mut Bitmap, style: &Style, rows: &[String]) {
    let (width, height) = (bitmap.width as f32, bitmap.height as f32);
    let font = rng.below(FONT_COUNT);
    let left = if style.band.is_some() { 56.0 } else { 20.0 };
    let top = if style.caption.is_some() { 40.0 } else { 18.0 };
    let foot = if style.caption.is_some() { height - 24.0 } else { height - 18.0 };
    let tall = (foot - top - 16.0 * (rows.len() - 1) as f32) / rows.len() as f32;
    let mut first_mark = 1;
    for (k, row) in rows.iter().enumerate() {
        let y = top + k as f32 * (tall + 16.0);
        let (low, high) = (vec2(left, y), vec2(width - 20.0, y + tall));
        // Spaces are written as gaps; a run between two gaps keeps its marks together.
        bitmap.write(&Line { text: row, font, low, high, ink: style.ink, first_mark: Some(first_mark) });
        first_mark += row.chars().filter(|c| !c.is_whitespace()).count() as u8;
    }
}

fn add_screws(rng: &mut Rng, bitmap: &mut Bitmap) {
    let (width, height) = (bitmap.width as f32, bitmap.height as f32);
    let y = rng.range(0.12, 0.5) * height;
    let colour = rng.pick(&[rgb(150, 150, 148), rgb(92, 88, 84), rgb(210, 208, 200)]);
    let from_side = rng.range(0.1, 0.32) * width;
    for x in [from_side, width - from_side] {
        let at = vec2(x, y) + rng.range(-4.0, 4.0);
        bitmap.cover(|p| p.distance_squared(at) < 36.0, colour);
    }
}

/// Mud and soot: never so thick that a person could not read through it.
fn add_dirt(rng: &mut Rng, bitmap: &mut Bitmap) {
    let thickness = rng.range(-0.5, 0.55).max(0.0);
    if thickness == 0.0 {
        return;
    }
    let colour = rng.pick(&[rgb(96, 80, 60), rgb(60, 58, 56), rgb(140, 124, 100)]);
    let height = bitmap.height as f32;
    let noise = super::noise::Noise::new(rng.next_u64());
    bitmap.tint(|p, c| {
        let cloud = noise.at(p / 42.0) * 0.65 + noise.at(p / 11.0) * 0.35;
        let low_down = 0.6 + 0.6 * p.y / height;
        c.lerp(colour, (thickness * low_down * smooth(0.3, 0.8, cloud)).clamp(0.0, 0.7))
    });
}

fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each mark occurs in a bitmap, looked up texel by texel.
    fn marks(design: &PlateDesign) -> [usize; 16] {
        let (w, h) = (design.bitmap().width, design.bitmap().height);
        let mut counts = [0; 16];
        for i in 0..w * h {
            let place = vec2((i % w) as f32 + 0.5, (i / w) as f32 + 0.5) / vec2(w as f32, h as f32);
            if let Some((_, mark)) = design.bitmap().at(place) {
                counts[mark as usize] += 1;
            }
        }
        counts
    }

    #[test]
    fn every_character_has_its_mark_and_no_more() {
        for seed in 0..60 {
            let design = PlateDesign::random(&mut Rng::new(seed), seed % 2 == 0, seed % 3 != 0, true);
            let counts = marks(&design);
            let n = design.text.chars().count();
            for (k, &count) in counts.iter().enumerate().skip(1) {
                assert_eq!(count > 0, k <= n, "plate {:?}: mark {k} on {count} texels", design.text);
            }
        }
    }

    #[test]
    fn without_letters_there_are_none() {
        for seed in 0..40 {
            let text = PlateDesign::random(&mut Rng::new(seed), true, false, true).text;
            assert!(text.chars().all(|c| c.is_ascii_digit() || c == '-'), "{text}");
        }
    }
}
