//! The built-in pictures: street scenes with vehicles and licence plates, and crops around plates,
//! drawn from a seed with exact boxes and masks. Nothing is downloaded and no GPU is used.
//!
//! A scene is a pure function of its seed, its index and its configuration. Masks are decided by
//! coverage over half a pixel in the undistorted picture, before blur and noise; what something nearer
//! hides is not in them. Every plate that is painted is listed. Digits elsewhere, on signs, shops,
//! buses and vans, are part of no mask. The numbers on plates are drawn by lot.

mod buildings;
mod camera;
mod canvas;
mod crop;
mod face;
mod lens;
mod light;
mod noise;
mod plate;
mod roadside;
mod stage;
mod street;
mod text;
mod truth;
mod vehicle;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use glam::{Vec2, Vec3};
use image::{GrayImage, RgbImage};

use self::{
    camera::Camera, canvas::Canvas, lens::Lens, light::Light, plate::PlateDesign, stage::Stage, street::Street,
    vehicle::Vehicle,
};
use super::rng::Rng;
use crate::detection::BBox;

pub use self::crop::{CropConfig, PlateCrop};
pub use self::truth::{CLASS_LETTER, CharacterBox, Plate};

/// What scenes are like.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneConfig {
    /// Size of the picture in pixels.
    pub width: u32,
    pub height: u32,
    /// How many vehicles are tried; one that would be all but hidden is left out.
    pub vehicles: RangeInclusive<usize>,
    /// The share of plates that have letters as well as digits, 0 to 1.
    pub letters: f32,
    /// Blur, noise, dirt, screws, shadow bands' softness and the like; without it the picture is as clean as the masks.
    pub degrade: bool,
}

impl Default for SceneConfig {
    fn default() -> Self {
        SceneConfig { width: 320, height: 240, vehicles: 1..=5, letters: 0.6, degrade: true }
    }
}

/// A street with vehicles, and where everything in it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    pub image: RgbImage,
    /// What is visible of each vehicle, in pixels; vehicle `k` is instance `k + 1` of `vehicle_mask`.
    pub vehicles: Vec<BBox>,
    /// Plate `k` is instance `k + 1` of `plate_mask`.
    pub plates: Vec<Plate>,
    /// 0, or the instance of a vehicle; its plate belongs to it.
    pub vehicle_mask: GrayImage,
    /// 0, or the instance of a plate.
    pub plate_mask: GrayImage,
    /// 1 where there is the ink of a plate's digit, else 0.
    pub digit_mask: GrayImage,
    /// 1 to 10 for the ink of digits 0 to 9, [`CLASS_LETTER`] for other characters of plates, else 0.
    pub class_mask: GrayImage,
}

impl Scene {
    /// Scene number `index` of the series `seed`.
    ///
    /// Panics if a side of the picture is 0 or the range of vehicles is empty or beyond 200.
    pub fn generate(seed: u64, index: u64, config: &SceneConfig) -> Self {
        let (width, height) = (config.width as usize, config.height as usize);
        assert!(width > 0 && height > 0, "a scene of {width}x{height} pixels has nothing to show");
        assert!(
            !config.vehicles.is_empty() && *config.vehicles.end() <= 200,
            "no number of vehicles in {:?}",
            config.vehicles
        );
        let rng = Rng::new(seed).fork(index);
        let light = Light::random(&mut rng.fork(1));
        let camera = Camera::random(&mut rng.fork(2), width, height, -0.05..=0.05);
        let street = Street::random(&mut rng.fork(3));
        let vehicles = park(&mut rng.fork(4), &street, &camera, &light, config);
        let mut canvas = Canvas::new(width, height);
        let mut stage = Stage { canvas: &mut canvas, camera: &camera, light: &light };
        street.draw_behind(&mut stage);
        let quads = draw_in_depth(&mut stage, &street, &vehicles);
        let lens = if config.degrade {
            Lens::random(&mut rng.fork(5), light.is_dark(), width as f32 / 320.0)
        } else {
            Lens::perfect(light.is_dark())
        };
        let image = lens.develop(&canvas);
        truth::read_off(image, &canvas, &vehicles, &quads)
    }
}

/// Puts vehicles in lanes and along the kerb, none inside another and none all but hidden.
fn park(rng: &mut Rng, street: &Street, camera: &Camera, light: &Light, config: &SceneConfig) -> Vec<Vehicle> {
    let (low, high) = (*config.vehicles.start(), *config.vehicles.end());
    let wanted = low + rng.below(high - low + 1);
    let mut out: Vec<Vehicle> = Vec::new();
    let mut spans: Vec<[f32; 3]> = Vec::new();
    for attempt in 0..4 * wanted {
        if out.len() == wanted {
            break;
        }
        // The first stands near enough to be the picture's subject.
        let z = if attempt == 0 { rng.range(4.2, 8.5) } else { 4.5 + 32.0 * rng.unit().powf(1.4) };
        let own_side = rng.chance(0.5);
        let kerb = rng.chance(0.45);
        let x = if kerb { street.road - 1.15 } else { rng.range(0.28, 0.45) * street.road };
        let x = if own_side { x } else { -x };
        let rear = if kerb { rng.chance(0.5) } else { own_side };
        let yaw = rng.normal() * if rng.chance(0.15) { 0.25 } else { 0.04 };
        let letters = rng.chance(config.letters);
        let plate = PlateDesign::random(&mut rng.fork(100 + attempt as u64), rear, letters, !config.degrade);
        let vehicle = Vehicle::random(rng, Vec3::new(x, 0.0, z), yaw, rear, plate, light.is_dark());
        let Some(span) = span_on_canvas(&vehicle, camera, config.width as f32) else { continue };
        let collides = out.iter().any(|other| {
            let (a, b) = (vehicle.position, other.position);
            (a.x - b.x).abs() < 2.5 && a.z < b.z + other.shape.length + 1.0 && b.z < a.z + vehicle.shape.length + 1.0
        });
        let hidden = spans.iter().any(|other| overlap(*other, span) > 0.45);
        if !collides && !hidden {
            out.push(vehicle);
            spans.push(span);
        }
    }
    out.sort_by(|a, b| b.position.z.total_cmp(&a.position.z));
    out
}

/// Left, right and depth of the vehicle's seen end, if a fair part of it is in the picture.
fn span_on_canvas(vehicle: &Vehicle, camera: &Camera, width: f32) -> Option<[f32; 3]> {
    let half = 0.5 * vehicle.shape.width;
    let left = camera.project(vehicle.at(-half, 0.5, 0.0))?.x;
    let right = camera.project(vehicle.at(half, 0.5, 0.0))?.x;
    let seen = right.min(width) - left.max(0.0);
    (seen > 0.55 * (right - left)).then_some([left, right, vehicle.position.z])
}

/// The share of the farther one's width that the nearer one covers.
fn overlap(a: [f32; 3], b: [f32; 3]) -> f32 {
    let far = if a[2] > b[2] { a } else { b };
    (a[1].min(b[1]) - a[0].max(b[0])).max(0.0) / (far[1] - far[0]).max(1e-3)
}

/// Paints vehicles and what stands beside the road from far to near. `vehicles` must be in that order;
/// the quads of their plates come back in it.
fn draw_in_depth(stage: &mut Stage<'_>, street: &Street, vehicles: &[Vehicle]) -> Vec<Option<[Vec2; 4]>> {
    let mut props = street.props().iter().peekable();
    let mut quads = Vec::with_capacity(vehicles.len());
    for (k, vehicle) in vehicles.iter().enumerate() {
        while let Some(prop) = props.next_if(|prop| prop.at.z > vehicle.position.z) {
            prop.draw(stage);
        }
        stage.canvas.owner = k as u8 + 1;
        quads.push(vehicle.draw(stage));
        stage.canvas.owner = 0;
    }
    props.for_each(|prop| prop.draw(stage));
    quads
}
