//! From the street to the picture: a pinhole camera over flat ground, and a window into its picture.
//!
//! The world is in metres: x to the right, y up, z along the street. Pictures have y downward.

use std::ops::RangeInclusive;

use glam::{Quat, Vec2, Vec3, vec2};

use crate::data::rng::Rng;

/// Nothing nearer than this is drawn, in metres.
const NEAR: f32 = 0.3;

/// A pinhole camera; its window maps a part of its picture to the canvas.
#[derive(Clone, Debug)]
pub struct Camera {
    pub position: Vec3,
    right: Vec3,
    up: Vec3,
    forward: Vec3,
    focal: f32,
    centre: Vec2,
    origin: Vec2,
    zoom: Vec2,
}

impl Camera {
    /// A camera somewhere at the street's side or over the road, for a picture of this size in pixels.
    pub fn random(rng: &mut Rng, width: usize, height: usize, roll: RangeInclusive<f32>) -> Self {
        let high = rng.chance(0.25);
        let position =
            Vec3::new(rng.range(-2.2, 2.6), if high { rng.range(2.4, 3.6) } else { rng.range(1.1, 1.9) }, 0.0);
        let pitch = if high { rng.range(0.06, 0.16) } else { rng.range(-0.01, 0.07) };
        let yaw = rng.range(-0.12, 0.12) - 0.03 * position.x;
        let turn = Quat::from_rotation_y(yaw)
            * Quat::from_rotation_x(pitch)
            * Quat::from_rotation_z(rng.range(*roll.start(), *roll.end()));
        let size = vec2(width as f32, height as f32);
        Camera {
            position,
            right: turn * Vec3::X,
            up: turn * Vec3::Y,
            forward: turn * Vec3::Z,
            focal: rng.range(0.85, 1.35) * size.x,
            centre: 0.5 * size + vec2(0.0, -0.03 * size.y),
            origin: Vec2::ZERO,
            zoom: Vec2::ONE,
        }
    }

    /// The same camera, showing the part of its picture from `low` to `high` on a canvas of `size` pixels.
    pub fn window(&self, low: Vec2, high: Vec2, size: Vec2) -> Self {
        Camera { origin: low, zoom: size / (high - low), ..self.clone() }
    }

    /// Pixels that a metre takes at the distance of `at`, in the finer direction.
    pub fn scale_at(&self, at: Vec3) -> f32 {
        self.focal * self.zoom.max_element() / self.depth(at).max(NEAR)
    }

    /// How much wider than high the window makes a circle.
    pub fn aspect(&self) -> f32 {
        self.zoom.x / self.zoom.y
    }

    /// The distance of `at` along the line of sight.
    pub fn depth(&self, at: Vec3) -> f32 {
        (at - self.position).dot(self.forward)
    }

    /// Where `at` is on the canvas, or `None` if it is behind the camera or too near.
    pub fn project(&self, at: Vec3) -> Option<Vec2> {
        (self.depth(at) >= NEAR).then(|| self.onto_canvas(at))
    }

    /// A polygon on the canvas, cut off where it comes too near; empty if all of it is.
    pub fn project_polygon(&self, corners: &[Vec3]) -> Vec<Vec2> {
        let mut out = Vec::with_capacity(corners.len() + 2);
        for (i, &a) in corners.iter().enumerate() {
            let b = corners[(i + 1) % corners.len()];
            let (da, db) = (self.depth(a) - NEAR, self.depth(b) - NEAR);
            if da >= 0.0 {
                out.push(self.onto_canvas(a));
            }
            if (da >= 0.0) != (db >= 0.0) {
                out.push(self.onto_canvas(a.lerp(b, da / (da - db))));
            }
        }
        out
    }

    /// The direction, not normalised, in which a place on the canvas looks: one metre deep.
    pub fn ray(&self, at: Vec2) -> Vec3 {
        let p = (at / self.zoom + self.origin - self.centre) / self.focal;
        self.forward + self.right * p.x - self.up * p.y
    }

    fn onto_canvas(&self, at: Vec3) -> Vec2 {
        let d = at - self.position;
        let p = vec2(d.dot(self.right), -d.dot(self.up)) * (self.focal / d.dot(self.forward).max(1e-3));
        (p + self.centre - self.origin) * self.zoom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rays_lead_back_to_where_they_came_from() {
        let camera = Camera::random(&mut Rng::new(3), 320, 240, -0.1..=0.1).window(
            vec2(10.0, 20.0),
            vec2(110.0, 60.0),
            vec2(128.0, 64.0),
        );
        for at in [vec2(0.5, 0.5), vec2(100.0, 30.0)] {
            let seen = camera.project(camera.position + 7.0 * camera.ray(at)).unwrap();
            assert!(seen.distance(at) < 1e-2, "{seen} is not {at}");
        }
        assert!(camera.project(camera.position - camera.ray(vec2(3.0, 3.0))).is_none());
    }
}
