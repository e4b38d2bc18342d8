//! Canvas, camera and light together: paints flat pieces of the world, lit, through the haze.
//!
//! Pieces are painted in the order given; nothing here sorts them or tests depth.

use glam::{Vec2, Vec3};

use super::{camera::Camera, canvas::Canvas, light::Light, text::Bitmap};

pub struct Stage<'a> {
    pub canvas: &'a mut Canvas,
    pub camera: &'a Camera,
    pub light: &'a Light,
}

impl Stage<'_> {
    /// A lit polygon seen from both sides. Degenerate ones are left out.
    pub fn panel(&mut self, corners: &[Vec3], albedo: Vec3) {
        self.graded_panel(corners, albedo, albedo);
    }

    /// A lit polygon that goes from the colour `top` at its highest corner to `bottom` at its lowest on the canvas.
    pub fn graded_panel(&mut self, corners: &[Vec3], top: Vec3, bottom: Vec3) {
        let Some((middle, normal)) = self.facing(corners) else { return };
        let light = self.light.falling_on(middle, normal, self.camera.position);
        self.plain(corners, top * light, bottom * light);
    }

    /// A polygon that shines by itself.
    pub fn bright(&mut self, corners: &[Vec3], colour: Vec3) {
        self.plain(corners, colour, colour);
    }

    /// A polygon if it is seen from its front, that is, clockwise. Returns whether it was.
    pub fn front_panel(&mut self, corners: &[Vec3], top: Vec3, bottom: Vec3) -> bool {
        let seen = self.is_front(corners);
        if seen {
            self.graded_panel(corners, top, bottom);
        }
        seen
    }

    pub fn is_front(&self, corners: &[Vec3]) -> bool {
        let normal = (corners[1] - corners[0]).cross(corners[2] - corners[1]);
        normal.dot(corners[0] - self.camera.position) < 0.0
    }

    /// A shadow on the ground or on a wall.
    pub fn shadow(&mut self, corners: &[Vec3], softness: f32, factor: f32) {
        let flat = self.camera.project_polygon(corners);
        let middle = corners.iter().sum::<Vec3>() / corners.len() as f32;
        let scale = self.camera.scale_at(middle);
        self.canvas.shadow(&flat, softness * scale, factor, None);
    }

    /// The shadow of a solid on the ground: the hull of its corners' shadows.
    pub fn hull_shadow(&mut self, corners: &[Vec3], softness: f32, factor: f32) {
        let middle = corners.iter().sum::<Vec3>() / corners.len() as f32;
        let flat = hull(self.camera.project_polygon(corners));
        self.canvas.shadow(&flat, softness * self.camera.scale_at(middle), factor, None);
    }

    /// The outline of a solid with these corners, in the light of a wall that faces the camera.
    pub fn outline(&mut self, corners: &[Vec3], albedo: Vec3) {
        let middle = corners.iter().sum::<Vec3>() / corners.len() as f32;
        let eye = self.camera.position;
        let light = self.light.falling_on(middle, (eye - middle).normalize(), eye);
        let colour = self.light.through_haze(albedo * light, self.camera.depth(middle));
        let flat = hull(self.camera.project_polygon(corners));
        self.canvas.polygon(&flat, |_| colour);
    }

    /// A lit disc that faces the camera, `radius` in metres.
    pub fn ball(&mut self, at: Vec3, radius: Vec2, albedo: Vec3) {
        let eye = self.camera.position;
        let light = self.light.falling_on(at, ((eye - at).normalize() + Vec3::Y * 0.6).normalize(), eye);
        let distance = self.camera.depth(at);
        let Some((centre, radii)) = self.disc(at, radius) else { return };
        let (top, bottom) = (albedo * light * 1.15, albedo * light * 0.7);
        let (top, bottom) = (self.light.through_haze(top, distance), self.light.through_haze(bottom, distance));
        self.canvas
            .ellipse(centre, radii, |p| top.lerp(bottom, (0.5 + 0.5 * (p.y - centre.y) / radii.y).clamp(0.0, 1.0)));
    }

    /// A shining disc, and light around it out to `halo` times its radius.
    pub fn lamp(&mut self, at: Vec3, radius: f32, colour: Vec3, halo: f32) {
        let Some((centre, radii)) = self.disc(at, Vec2::splat(radius)) else { return };
        if radius > 0.0 && halo > 0.0 {
            self.canvas.glow(centre, radii.y.max(0.6) * halo, colour * 0.25);
        }
        self.canvas.ellipse(centre, radii, |_| colour);
    }

    /// Text or a picture on a flat quad, given clockwise from its top left.
    pub fn bitmap(&mut self, corners: &[Vec3; 4], bitmap: &Bitmap) {
        let Some((middle, normal)) = self.facing(corners) else { return };
        let light = self.light.falling_on(middle, normal, self.camera.position);
        let Some(quad) = self.quad(corners) else { return };
        let kept = (-self.camera.depth(middle).max(0.0) / self.light.haze_distance).exp();
        self.canvas.bitmap(&quad, bitmap, None, |_| light * kept);
    }

    /// Whether text on this quad would be on the canvas and not a mere line: ask before making the text.
    pub fn shows(&self, corners: &[Vec3; 4]) -> bool {
        let Some(quad) = self.quad(corners) else { return false };
        let low = quad.iter().fold(Vec2::INFINITY, |a, &b| a.min(b));
        let high = quad.iter().fold(Vec2::NEG_INFINITY, |a, &b| a.max(b));
        let size = Vec2::new(self.canvas.width as f32, self.canvas.height as f32);
        high.min_element() > 0.0 && (size - low).min_element() > 0.0 && (high - low).min_element() > 1.0
    }

    /// The four corners on the canvas, unless one is too near.
    pub fn quad(&self, corners: &[Vec3; 4]) -> Option<[Vec2; 4]> {
        let mut quad = [Vec2::ZERO; 4];
        for (flat, &corner) in quad.iter_mut().zip(corners) {
            *flat = self.camera.project(corner)?;
        }
        Some(quad)
    }

    /// The middle of a polygon and its normal on the camera's side.
    pub fn facing(&self, corners: &[Vec3]) -> Option<(Vec3, Vec3)> {
        let middle = corners.iter().sum::<Vec3>() / corners.len() as f32;
        let normal = (corners[1] - corners[0]).cross(corners[2] - corners[1]).try_normalize()?;
        let away = normal.dot(middle - self.camera.position) > 0.0;
        Some((middle, if away { -normal } else { normal }))
    }

    fn plain(&mut self, corners: &[Vec3], top: Vec3, bottom: Vec3) {
        let flat = self.camera.project_polygon(corners);
        if flat.len() < 3 {
            return;
        }
        let middle = corners.iter().sum::<Vec3>() / corners.len() as f32;
        let distance = self.camera.depth(middle);
        let (top, bottom) = (self.light.through_haze(top, distance), self.light.through_haze(bottom, distance));
        if top == bottom {
            self.canvas.polygon(&flat, |_| top);
        } else {
            let low = flat.iter().map(|p| p.y).fold(f32::INFINITY, f32::min);
            let high = flat.iter().map(|p| p.y).fold(f32::NEG_INFINITY, f32::max);
            let per_pixel = 1.0 / (high - low).max(0.1);
            self.canvas.polygon(&flat, |p| top.lerp(bottom, ((p.y - low) * per_pixel).clamp(0.0, 1.0)));
        }
    }

    fn disc(&self, at: Vec3, radius: Vec2) -> Option<(Vec2, Vec2)> {
        let centre = self.camera.project(at)?;
        let edge_up = self.camera.project(at + Vec3::Y * radius.y)?;
        let wide = radius.x / radius.y.max(1e-4) * edge_up.distance(centre);
        let stretch = self.camera.aspect();
        Some((centre, Vec2::new(wide * stretch, edge_up.distance(centre))))
    }
}

/// The convex hull (Andrew's monotone chain, 1979).
fn hull(mut points: Vec<Vec2>) -> Vec<Vec2> {
    points.sort_by(|p, q| p.x.total_cmp(&q.x).then(p.y.total_cmp(&q.y)));
    let half = |points: &mut dyn Iterator<Item = Vec2>| {
        let mut chain: Vec<Vec2> = Vec::new();
        for p in points {
            while let [.., o, m] = chain[..]
                && (m - o).perp_dot(p - o) <= 0.0
            {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut out = half(&mut points.iter().copied());
    out.extend(half(&mut points.iter().rev().copied()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::vec2;

    #[test]
    fn hull_of_a_square_with_points_inside_is_the_square() {
        let corners = [vec2(0.0, 0.0), vec2(4.0, 0.0), vec2(4.0, 4.0), vec2(0.0, 4.0)];
        let mut points = corners.to_vec();
        points.extend([vec2(1.0, 2.0), vec2(2.0, 0.0), vec2(3.0, 3.0)]);
        let found = hull(points);
        assert_eq!(found.len(), 4);
        assert!(corners.iter().all(|c| found.contains(c)));
    }
}
