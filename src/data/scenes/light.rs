//! What lights a street: sun and sky, haze, street lamps, the headlights of whoever holds the camera.
//!
//! Surfaces are matt. Shadows are shapes that darken what lies under them, not traced.

use glam::{Vec3, vec3};

use super::text::rgb;
use crate::data::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hour {
    Day,
    Overcast,
    Dusk,
    Night,
}

/// The light of one scene, linear, about 1 for a white wall in the sun.
#[derive(Clone, Debug)]
pub struct Light {
    pub hour: Hour,
    /// Towards the sun.
    pub sun_direction: Vec3,
    pub sun: Vec3,
    pub sky: Vec3,
    pub zenith: Vec3,
    pub horizon: Vec3,
    /// The distance over which haze takes about two thirds, in metres.
    pub haze_distance: f32,
    /// The strength of the light from the camera, at one metre.
    pub headlight: f32,
    pub lamps: Vec<Vec3>,
    pub lamp: Vec3,
}

impl Light {
    pub fn random(rng: &mut Rng) -> Self {
        let hour = match rng.unit() {
            x if x < 0.42 => Hour::Day,
            x if x < 0.68 => Hour::Overcast,
            x if x < 0.84 => Hour::Dusk,
            _ => Hour::Night,
        };
        let low = if hour == Hour::Dusk { rng.range(0.12, 0.3) } else { rng.range(0.5, 1.4) };
        // Mostly the sun is behind the camera, or the faces of vehicles would always be in the shade.
        let sun_direction = vec3(rng.range(-1.0, 1.0), low, rng.range(-1.0, 0.3)).normalize();
        let (sun, sky, zenith, horizon) = match hour {
            Hour::Day => (rgb(255, 246, 226) * 1.1, rgb(186, 210, 244) * 0.42, rgb(78, 132, 206), rgb(196, 218, 238)),
            Hour::Overcast => {
                (rgb(255, 252, 248) * 0.12, rgb(226, 230, 236) * 0.8, rgb(150, 160, 172), rgb(206, 210, 214))
            }
            Hour::Dusk => (rgb(255, 172, 104) * 0.8, rgb(150, 150, 196) * 0.42, rgb(72, 84, 142), rgb(226, 158, 108)),
            Hour::Night => (Vec3::ZERO, rgb(82, 94, 140) * 0.12, rgb(8, 11, 26), rgb(36, 38, 58)),
        };
        let spread = |rng: &mut Rng| rng.range(0.85, 1.15);
        let mut lamps = Vec::new();
        if hour == Hour::Night {
            let side = if rng.chance(0.5) { -4.6 } else { 4.6 };
            let first = rng.range(3.0, 12.0);
            lamps.extend((0..5).map(|k| vec3(side, 5.2, first + 16.0 * k as f32)));
        }
        Light {
            hour,
            sun_direction,
            sun: sun * spread(rng),
            sky: sky * spread(rng),
            zenith: zenith * spread(rng),
            horizon: horizon * spread(rng),
            haze_distance: rng.pick(&[80.0, 250.0, 600.0, 600.0]),
            headlight: if hour == Hour::Night { rng.range(4.0, 14.0) } else { 0.0 },
            lamps,
            lamp: rng.pick(&[rgb(255, 206, 140), rgb(236, 240, 255), rgb(255, 190, 96)]) * 2.4,
        }
    }

    pub fn is_dark(&self) -> bool {
        self.hour == Hour::Night
    }

    /// The light that falls on a surface, per colour.
    pub fn falling_on(&self, at: Vec3, normal: Vec3, eye: Vec3) -> Vec3 {
        let mut light = self.sky * (0.65 + 0.35 * normal.y) + self.sun * normal.dot(self.sun_direction).max(0.0);
        for &lamp in &self.lamps {
            let to = lamp - at;
            let distance = to.length();
            light +=
                self.lamp * ((0.25 + 0.75 * normal.dot(to / distance).max(0.0)) * 3.0 / (3.0 + distance * distance));
        }
        if self.headlight > 0.0 {
            let to = eye - at;
            let facing = normal.dot(to.normalize()).max(0.0);
            light += Vec3::splat(self.headlight * (0.2 + 0.8 * facing) / (12.0 + to.length_squared()));
        }
        light
    }

    /// What is left of a colour after `distance` metres of haze.
    pub fn through_haze(&self, colour: Vec3, distance: f32) -> Vec3 {
        let kept = (-distance.max(0.0) / self.haze_distance).exp();
        self.horizon.lerp(colour, kept)
    }

    /// The sky in a direction.
    pub fn sky_towards(&self, direction: Vec3) -> Vec3 {
        let up = (direction.y / direction.length() * 2.2).clamp(0.0, 1.0);
        self.horizon.lerp(self.zenith, up)
    }
}
