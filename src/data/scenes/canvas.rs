//! The picture while it is being painted: linear light, with a label for every pixel.
//!
//! Shapes are convex polygons and ellipses with analytic edge coverage, and bitmaps seen in
//! perspective, supersampled. A shape takes a pixel's labels over when it covers more than half of
//! it; shadows and glows change the light and leave the labels. It knows nothing of the third
//! dimension: whoever paints does so from far to near.

use glam::{Mat3, Vec2, Vec3, vec2};

use super::text::Bitmap;

/// Linear light and labels, row by row from the top.
pub struct Canvas {
    pub width: usize,
    pub height: usize,
    pub light: Vec<Vec3>,
    /// The vehicle that a pixel shows: its number from 1, or 0.
    pub vehicle: Vec<u8>,
    /// The plate that a pixel shows: the number of its vehicle, or 0.
    pub plate: Vec<u8>,
    /// The character of that plate whose ink a pixel shows: its place in the text from 1, or 0.
    pub character: Vec<u8>,
    /// The vehicle that is being painted, 0 for the street.
    pub owner: u8,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        let pixels = width * height;
        Canvas {
            width,
            height,
            light: vec![Vec3::ZERO; pixels],
            vehicle: vec![0; pixels],
            plate: vec![0; pixels],
            character: vec![0; pixels],
            owner: 0,
        }
    }

    /// Lets `colour` set every pixel from its centre.
    pub fn paint_all(&mut self, colour: impl Fn(Vec2) -> Vec3) {
        for (i, light) in self.light.iter_mut().enumerate() {
            *light = colour(vec2((i % self.width) as f32 + 0.5, (i / self.width) as f32 + 0.5));
        }
    }

    /// Fills a convex polygon of either winding, with edges one pixel soft.
    pub fn polygon(&mut self, corners: &[Vec2], colour: impl Fn(Vec2) -> Vec3) {
        let owner = self.owner;
        self.each_covered(corners, 1.0, |canvas, i, at, coverage| {
            canvas.light[i] = canvas.light[i].lerp(colour(at), coverage);
            if coverage > 0.5 {
                canvas.label(i, owner);
            }
        });
    }

    /// Multiplies the light inside a convex polygon by `factor`, with edges `softness` pixels wide.
    /// With `only`, the pixels of that vehicle alone.
    pub fn shadow(&mut self, corners: &[Vec2], softness: f32, factor: f32, only: Option<u8>) {
        self.each_covered(corners, softness.max(1.0), |canvas, i, _, coverage| {
            if only.is_none_or(|id| canvas.vehicle[i] == id) {
                canvas.light[i] *= 1.0 + (factor - 1.0) * coverage;
            }
        });
    }

    /// Fills an axis-aligned ellipse.
    pub fn ellipse(&mut self, centre: Vec2, radii: Vec2, colour: impl Fn(Vec2) -> Vec3) {
        let owner = self.owner;
        let radii = radii.max(Vec2::splat(0.05));
        for (i, at) in self.pixels_within(centre - radii - 1.0, centre + radii + 1.0) {
            let p = (at - centre) / radii;
            // The distance to first order: the implicit function over the length of its gradient.
            let gradient = 2.0 * (p / radii).length();
            let distance = (p.length_squared() - 1.0) / gradient.max(1e-6);
            let coverage = (0.5 - distance).clamp(0.0, 1.0);
            if coverage > 0.0 {
                self.light[i] = self.light[i].lerp(colour(at), coverage);
                if coverage > 0.5 {
                    self.label(i, owner);
                }
            }
        }
    }

    /// Adds light that falls off from `centre` and ends at `radius` pixels.
    pub fn glow(&mut self, centre: Vec2, radius: f32, colour: Vec3) {
        for (i, at) in self.pixels_within(centre - radius, centre + radius) {
            let rest = 1.0 - (at - centre).length_squared() / (radius * radius);
            if rest > 0.0 {
                self.light[i] += colour * rest * rest * rest;
            }
        }
    }

    /// Paints a bitmap onto `quad` (its corners clockwise from the bitmap's top left), in perspective.
    ///
    /// `shade` is the light at a place of the bitmap, (0, 0) to (1, 1). With `plate` the pixels that the
    /// bitmap covers by more than half become that plate's, and those that one character's ink covers by
    /// more than half become that character's. Does nothing if the quad is degenerate.
    pub fn bitmap(&mut self, quad: &[Vec2; 4], bitmap: &Bitmap, plate: Option<u8>, shade: impl Fn(Vec2) -> Vec3) {
        let Some(to_unit) = unit_square_from(quad) else { return };
        let low = quad.iter().fold(Vec2::INFINITY, |a, &b| a.min(b));
        let high = quad.iter().fold(Vec2::NEG_INFINITY, |a, &b| a.max(b));
        let texels_per_pixel = bitmap.width as f32 / quad[0].distance(quad[1]).max(1.0);
        // Masks want finer samples than signs do.
        let finest = if plate.is_some() { 8 } else { 4 };
        let samples = (texels_per_pixel.ceil() as usize).clamp(finest / 2, finest);
        let owner = self.owner;
        for (i, at) in self.pixels_within(low - 1.0, high + 1.0) {
            let seen = sample(bitmap, &to_unit, at, samples);
            if seen.covered == 0 {
                continue;
            }
            let total = (samples * samples) as f32;
            let coverage = seen.covered as f32 / total;
            let colour = seen.colour / seen.covered as f32 * shade(seen.place);
            self.light[i] = self.light[i].lerp(colour, coverage);
            if coverage > 0.5 {
                self.label(i, owner);
                if let Some(plate) = plate {
                    self.plate[i] = plate;
                    self.character[i] = if seen.ink as f32 > 0.5 * total { seen.character } else { 0 };
                }
            }
        }
    }

    fn label(&mut self, i: usize, owner: u8) {
        self.vehicle[i] = owner;
        self.plate[i] = 0;
        self.character[i] = 0;
    }

    /// The indices and centres of the pixels in a box that may lie partly outside the picture.
    fn pixels_within(&self, low: Vec2, high: Vec2) -> impl Iterator<Item = (usize, Vec2)> + use<> {
        // A float that does not fit saturates, and NaN becomes 0: an absurd box is an empty one.
        let clip = |v: f32, limit: usize| (v.max(0.0) as usize).min(limit);
        let (x0, x1) = (clip(low.x, self.width), clip(high.x.ceil(), self.width));
        let (y0, y1) = (clip(low.y, self.height), clip(high.y.ceil(), self.height));
        let width = self.width;
        (y0..y1).flat_map(move |y| (x0..x1).map(move |x| (y * width + x, vec2(x as f32 + 0.5, y as f32 + 0.5))))
    }

    fn each_covered(&mut self, corners: &[Vec2], softness: f32, mut paint: impl FnMut(&mut Self, usize, Vec2, f32)) {
        if corners.len() < 3 {
            return;
        }
        let low = corners.iter().fold(Vec2::INFINITY, |a, &b| a.min(b));
        let high = corners.iter().fold(Vec2::NEG_INFINITY, |a, &b| a.max(b));
        let edges = outward_edges(corners);
        for (i, at) in self.pixels_within(low - softness, high + softness) {
            // What lies beyond each edge is taken away once per edge: exact along edges and for strips
            // thinner than a pixel, a little rounded at corners.
            let mut coverage = 1.0;
            for edge in &edges {
                let distance = edge.0.dot(at) - edge.1;
                coverage -= (0.5 + distance / softness).clamp(0.0, 1.0);
                if coverage <= 0.0 {
                    break;
                }
            }
            if coverage > 0.0 {
                paint(self, i, at, coverage);
            }
        }
    }
}

/// Each edge as its outward unit normal and its offset along it.
fn outward_edges(corners: &[Vec2]) -> Vec<(Vec2, f32)> {
    let n = corners.len();
    let area: f32 = (0..n).map(|i| corners[i].perp_dot(corners[(i + 1) % n])).sum();
    let side = if area < 0.0 { -1.0 } else { 1.0 };
    (0..n)
        .filter_map(|i| {
            let along = corners[(i + 1) % n] - corners[i];
            let normal = side * vec2(along.y, -along.x).try_normalize()?;
            Some((normal, normal.dot(corners[i])))
        })
        .collect()
}

/// What the samples of one pixel saw of a bitmap.
struct Seen {
    covered: usize,
    colour: Vec3,
    place: Vec2,
    ink: usize,
    character: u8,
}

fn sample(bitmap: &Bitmap, to_unit: &Mat3, at: Vec2, samples: usize) -> Seen {
    let mut seen = Seen { covered: 0, colour: Vec3::ZERO, place: Vec2::ZERO, ink: 0, character: 0 };
    for k in 0..samples * samples {
        let offset = vec2((k % samples) as f32 + 0.5, (k / samples) as f32 + 0.5) / samples as f32;
        let h = *to_unit * (at - 0.5 + offset).extend(1.0);
        let place = vec2(h.x / h.z, h.y / h.z);
        let Some((colour, character)) = bitmap.at(place) else { continue };
        seen.covered += 1;
        seen.colour += colour;
        seen.place = place;
        if character > 0 {
            seen.ink += 1;
            seen.character = character;
        }
    }
    seen
}

/// The projective map that takes `quad` to the unit square (Heckbert, 1989), if there is one.
pub fn unit_square_from(quad: &[Vec2; 4]) -> Option<Mat3> {
    let [a, b, c, d] = *quad;
    let (d1, d2, d3) = (b - c, d - c, a - b + c - d);
    let det = d1.perp_dot(d2);
    if !det.is_finite() || det.abs() < 1e-6 {
        return None;
    }
    let g = d3.perp_dot(d2) / det;
    let h = d1.perp_dot(d3) / det;
    let from_unit = Mat3::from_cols((b - a + g * b).extend(g), (d - a + h * d).extend(h), a.extend(1.0));
    (from_unit.determinant().abs() > 1e-9).then(|| from_unit.inverse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projective_map_takes_corners_to_corners() {
        let quad = [vec2(3.0, 4.0), vec2(40.0, 8.0), vec2(37.0, 21.0), vec2(2.0, 15.0)];
        let map = unit_square_from(&quad).unwrap();
        for (corner, expected) in quad.iter().zip([vec2(0.0, 0.0), vec2(1.0, 0.0), vec2(1.0, 1.0), vec2(0.0, 1.0)]) {
            let h = map * corner.extend(1.0);
            assert!((vec2(h.x, h.y) / h.z).distance(expected) < 1e-4);
        }
        assert!(unit_square_from(&[Vec2::ONE; 4]).is_none());
    }

    #[test]
    fn polygon_covers_its_area() {
        let mut canvas = Canvas::new(20, 20);
        canvas.owner = 3;
        canvas.polygon(&[vec2(2.0, 3.0), vec2(12.0, 3.0), vec2(12.0, 3.25), vec2(2.0, 3.25)], |_| Vec3::ONE);
        let light: f32 = canvas.light.iter().map(|c| c.x).sum();
        assert!((light - 10.0 * 0.25).abs() < 0.01, "a strip a quarter of a pixel thin: {light}");
        assert!(canvas.vehicle.iter().all(|&v| v == 0), "a quarter is not more than half");
        canvas.polygon(&[vec2(2.0, 5.0), vec2(2.0, 9.0), vec2(8.0, 9.0), vec2(8.0, 5.0)], |_| Vec3::ONE);
        assert_eq!(canvas.vehicle.iter().filter(|&&v| v == 3).count(), 24);
    }
}
