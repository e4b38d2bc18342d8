//! The street that vehicles stand in: sky, hills, ground with its markings, and what lines the road.
//!
//! Ground and sky are computed per pixel from the ray that the camera sends there. What stands upright
//! is in `buildings` and `roadside`.

use glam::{Vec2, Vec3, vec2};

use super::{
    buildings::{self, Building},
    noise::Noise,
    roadside::{self, Prop},
    stage::Stage,
    text::rgb,
};
use crate::data::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    City,
    Suburb,
    Country,
}

#[derive(Clone, Debug)]
pub struct Street {
    pub setting: Setting,
    /// Half the width of the road, and the width of the pavement, in metres.
    pub road: f32,
    pub walk: f32,
    noise: Noise,
    asphalt: Vec3,
    paving: Vec3,
    green: Vec3,
    crossing: Option<f32>,
    buildings: Vec<Building>,
    props: Vec<Prop>,
    cloudiness: f32,
}

impl Street {
    pub fn random(rng: &mut Rng) -> Self {
        let setting = rng.pick(&[
            Setting::City,
            Setting::City,
            Setting::City,
            Setting::Suburb,
            Setting::Suburb,
            Setting::Country,
        ]);
        let road = rng.pick(&[5.2, 5.6, 6.4]);
        let walk = if setting == Setting::Country { 0.0 } else { rng.range(1.8, 3.2) };
        let edge = road + walk;
        Street {
            setting,
            road,
            walk,
            noise: Noise::new(rng.next_u64()),
            asphalt: rgb(98, 98, 102) * rng.range(0.6, 1.3),
            paving: rng.pick(&[rgb(158, 154, 148), rgb(142, 138, 138), rgb(172, 150, 128)]),
            green: rng.pick(&[rgb(94, 124, 62), rgb(120, 136, 74), rgb(74, 108, 58)]),
            crossing: (setting == Setting::City && rng.chance(0.3)).then(|| rng.range(7.0, 22.0)),
            buildings: buildings::buildings(rng, setting, edge),
            props: roadside::props(rng, setting, road, edge),
            cloudiness: rng.range(0.2, 0.65),
        }
    }

    /// Sky, hills, ground and buildings: all that vehicles stand in front of.
    pub fn draw_behind(&self, stage: &mut Stage<'_>) {
        self.draw_sky_and_ground(stage);
        for building in &self.buildings {
            building.draw(stage);
        }
    }

    /// Trees, posts, people, from far to near.
    pub fn props(&self) -> &[Prop] {
        &self.props
    }

    fn draw_sky_and_ground(&self, stage: &mut Stage<'_>) {
        let (camera, light) = (stage.camera, stage.light);
        let cloud = light.horizon.lerp(Vec3::splat(light.horizon.max_element()), 0.7);
        stage.canvas.paint_all(|at| {
            let ray = camera.ray(at);
            let slope = ray.y / vec2(ray.x, ray.z).length();
            let heading = ray.x / ray.z;
            let hill = 0.015
                + 0.09 * self.noise.at(vec2(heading * 3.0 + 40.0, 0.5))
                + 0.02 * self.noise.at(vec2(heading * 17.0, 9.5));
            if slope > hill {
                let flat = vec2(heading, 1.4 * slope) * 5.0;
                let billow = 0.6 * self.noise.at(flat * vec2(0.8, 3.0)) + 0.4 * self.noise.at(flat * vec2(2.2, 7.0));
                let amount = ((billow - 1.0 + self.cloudiness) * 2.6).clamp(0.0, 0.75);
                return light.sky_towards(ray).lerp(cloud, amount);
            }
            if slope > -0.002 {
                let leaves = self.green * (0.4 + 0.5 * self.noise.at(vec2(heading, slope) * 70.0));
                return light.through_haze(leaves * (light.sky + light.sun * 0.5), 130.0);
            }
            let distance = -camera.position.y / ray.y;
            let place = camera.position + ray * distance;
            let footprint = camera.ray(at + vec2(1.0, 0.0)).distance(ray) * distance;
            let colour = self.ground(vec2(place.x, place.z), footprint, footprint / slope.abs().max(0.01));
            light.through_haze(colour * light.falling_on(place, Vec3::Y, camera.position), distance)
        });
    }

    /// The ground's colour at x and z, averaged over `fine` metres across and `deep` metres along.
    fn ground(&self, at: Vec2, fine: f32, deep: f32) -> Vec3 {
        let spot = Spot { at, aside: at.x.abs(), fine, deep, noise: self.noise };
        let road = within(spot.aside, 0.0, self.road - 0.05, fine);
        // Most of the ground is all road or none: the other is not computed.
        match road {
            0.0 => self.beside_road(&spot),
            1.0 => self.on_road(&spot),
            _ => self.beside_road(&spot).lerp(self.on_road(&spot), road),
        }
    }

    fn beside_road(&self, spot: &Spot) -> Vec3 {
        let Spot { at, aside, fine, deep, .. } = *spot;
        let beyond = if self.setting == Setting::City { self.paving * 0.9 } else { self.green };
        let mut colour = beyond * (0.7 * spot.grain(3.0) + 0.3 * spot.grain(14.0));
        let joint = |v: f32, reach: f32| if reach < 0.3 { within(v.rem_euclid(0.6), 0.0, 0.03, reach) } else { 0.0 };
        let tile = 1.0 - 0.35 * joint(at.x, fine).max(joint(at.y, deep));
        let walk = within(aside, self.road, self.road + self.walk, fine);
        colour = colour.lerp(self.paving * tile * spot.grain(2.0), walk);
        colour = colour.lerp(rgb(176, 172, 166), within(aside, self.road, self.road + 0.18, fine));
        colour.lerp(rgb(60, 58, 56), within(aside, self.road - 0.05, self.road, fine))
    }

    fn on_road(&self, spot: &Spot) -> Vec3 {
        let Spot { at, aside, fine, deep, .. } = *spot;
        let colour = self.asphalt * (0.5 * spot.grain(0.35) + 0.3 * spot.grain(2.5) + 0.2 * spot.grain(30.0));
        let mut painted = within(at.x, -0.07, 0.07, fine) * within(at.y.rem_euclid(6.0), 0.0, 2.6, deep.min(6.0));
        if self.setting == Setting::Country {
            painted = painted.max(within(aside, self.road - 0.45, self.road - 0.3, fine));
        }
        if let Some(z) = self.crossing {
            let bar = within(at.x.rem_euclid(1.0), 0.0, 0.5, fine.min(1.0));
            painted = painted.max(bar * within(at.y, z, z + 3.0, deep));
        }
        if painted == 0.0 {
            return colour;
        }
        colour.lerp(rgb(226, 226, 220) * (0.6 + 0.4 * spot.grain(5.0)), 0.85 * painted)
    }
}

/// A place on the ground and what one pixel covers of it.
struct Spot {
    at: Vec2,
    aside: f32,
    fine: f32,
    deep: f32,
    noise: Noise,
}

impl Spot {
    /// Grain of `scale` to the metre around 1, fading where it is finer than a pixel.
    fn grain(&self, scale: f32) -> f32 {
        let kept = (0.5 / (scale * self.deep.max(1e-3))).min(1.0);
        if kept < 0.02 { 1.0 } else { 1.0 + (self.noise.at(self.at * scale) - 0.5) * kept }
    }
}

/// How much of a stretch of length `reach` around `v` lies in `low..high`.
fn within(v: f32, low: f32, high: f32, reach: f32) -> f32 {
    let reach = reach.max(1e-4);
    ((v + 0.5 * reach).min(high) - (v - 0.5 * reach).max(low)).clamp(0.0, reach) / reach
}
