//! Crops around one plate, as a detector would cut them out of a larger picture: not quite centred,
//! some margin on each side, stretched to a fixed size.
//!
//! The picture is drawn at the resolution that the plate would have had in the larger picture,
//! developed by a camera with its faults, and then resized; the masks are drawn at the crop's own
//! resolution, so that they are exact whatever the picture went through.

use glam::{Vec2, Vec3, vec2};
use image::{GrayImage, RgbImage, imageops};

use super::{
    camera::Camera, canvas::Canvas, lens::Lens, light::Light, plate::PlateDesign, stage::Stage, street::Street, truth,
    truth::CharacterBox, vehicle::Vehicle,
};
use crate::data::rng::Rng;

/// What crops are like.
#[derive(Clone, Debug, PartialEq)]
pub struct CropConfig {
    /// Size of the crop in pixels.
    pub width: u32,
    pub height: u32,
    /// The share of plates that have letters as well as digits, 0 to 1.
    pub letters: f32,
    /// Low resolution, blur, noise, dirt and screws.
    pub degrade: bool,
}

impl Default for CropConfig {
    fn default() -> Self {
        CropConfig { width: 128, height: 64, letters: 0.6, degrade: true }
    }
}

/// One plate, roughly rectified, with its masks.
#[derive(Clone, Debug, PartialEq)]
pub struct PlateCrop {
    pub image: RgbImage,
    /// The corners of the plate in the crop's pixels, clockwise from the plate's own top left.
    pub quad: [Vec2; 4],
    /// Its characters in reading order, row after row, without spaces.
    pub text: String,
    /// Those of its characters of which ink is visible.
    pub characters: Vec<CharacterBox>,
    /// 1 where the plate is, else 0.
    pub plate_mask: GrayImage,
    /// 1 where there is the ink of a digit, else 0.
    pub digit_mask: GrayImage,
    /// 1 to 10 for the ink of digits 0 to 9, [`super::CLASS_LETTER`] for other characters, else 0.
    pub class_mask: GrayImage,
}

impl PlateCrop {
    /// Crop number `index` of the series `seed`, otherwise by default.
    pub fn generate(seed: u64, index: u64, width: u32, height: u32) -> Self {
        Self::generate_with(seed, index, &CropConfig { width, height, ..CropConfig::default() })
    }

    /// Crop number `index` of the series `seed`. Panics if a side of the crop is 0.
    pub fn generate_with(seed: u64, index: u64, config: &CropConfig) -> Self {
        assert!(
            config.width > 0 && config.height > 0,
            "a crop of {}x{} pixels has nothing to show",
            config.width,
            config.height
        );
        // Another branch than a scene's, so that crop 7 does not show scene 7's vehicle.
        let rng = Rng::new(seed).fork(0xc0ffee).fork(index);
        let light = Light::random(&mut rng.fork(1));
        let camera = Camera::random(&mut rng.fork(2), 320, 240, -0.12..=0.12);
        let street = Street::random(&mut rng.fork(3));
        let vehicle = subject(&mut rng.fork(4), &camera, &light, config);
        let size = vec2(config.width as f32, config.height as f32);
        let (low, high) = cut(&mut rng.fork(5), &vehicle, &camera, size, &light);
        let image = photograph(&mut rng.fork(6), &vehicle, &street, &camera, &light, (low, high), config);

        let window = camera.window(low, high, size);
        let mut canvas = Canvas::new(config.width as usize, config.height as usize);
        let mut stage = Stage { canvas: &mut canvas, camera: &window, light: &light };
        stage.canvas.owner = 1;
        let quad = vehicle.draw(&mut stage).expect("the plate is in front of the camera");
        let classes = truth::class_mask(&canvas, &[&vehicle.plate.text]);
        let extents = truth::Extents::of(&canvas, 1);
        PlateCrop {
            image,
            quad,
            characters: extents.characters(1, &vehicle.plate.text),
            plate_mask: truth::mask(&canvas, |i| canvas.plate[i]),
            digit_mask: truth::digit_mask(&classes),
            class_mask: classes,
            text: vehicle.plate.text,
        }
    }
}

/// A vehicle near the middle of the street, turned a little further than most.
fn subject(rng: &mut Rng, camera: &Camera, light: &Light, config: &CropConfig) -> Vehicle {
    let rear = rng.chance(0.5);
    let letters = rng.chance(config.letters);
    let plate = PlateDesign::random(&mut rng.fork(1), rear, letters, !config.degrade);
    let position = vec2(camera.position.x + rng.range(-2.0, 2.0), rng.range(4.0, 9.0));
    let yaw = (rng.normal() * 0.25).clamp(-0.6, 0.6);
    Vehicle::random(rng, Vec3::new(position.x, 0.0, position.y), yaw, rear, plate, light.is_dark())
}

/// The part of the camera's picture to cut out: the plate's box, with a margin on each side.
fn cut(rng: &mut Rng, vehicle: &Vehicle, camera: &Camera, size: Vec2, light: &Light) -> (Vec2, Vec2) {
    // A drawing of nothing but the plate's place: the vehicle knows where it hangs.
    let mut canvas = Canvas::new(1, 1);
    let mut stage = Stage { canvas: &mut canvas, camera, light };
    let quad = vehicle.draw(&mut stage).expect("the plate is in front of the camera");
    let low = quad.iter().fold(Vec2::INFINITY, |a, &b| a.min(b));
    let high = quad.iter().fold(Vec2::NEG_INFINITY, |a, &b| a.max(b));
    let span = high - low;
    let mut margin = || vec2(rng.range(0.04, 0.2), rng.range(0.06, 0.42)) * span;
    let (mut low, mut high) = (low - margin(), high + margin());
    // A long plate is not pulled up to more than two and a half times its height.
    let least = (high.x - low.x) * size.y / size.x / 2.5;
    let missing = (least - (high.y - low.y)).max(0.0);
    let share = rng.range(0.3, 0.7);
    low.y -= missing * share;
    high.y += missing * (1.0 - share);
    (low, high)
}

/// The picture of the cut-out at some resolution up to the crop's, resized to the crop's.
fn photograph(
    rng: &mut Rng,
    vehicle: &Vehicle,
    street: &Street,
    camera: &Camera,
    light: &Light,
    (low, high): (Vec2, Vec2),
    config: &CropConfig,
) -> RgbImage {
    let size = vec2(config.width as f32, config.height as f32);
    let native = if config.degrade {
        // Square pixels, as the larger picture has them; two thirds of the crops have fewer than they show.
        let wide = size.x * rng.range(0.42, 1.3).min(1.0);
        let tall = wide * (high.y - low.y) / (high.x - low.x);
        vec2(wide, tall).round().clamp(Vec2::splat(8.0).min(size), size)
    } else {
        size
    };
    let window = camera.window(low, high, native);
    let mut canvas = Canvas::new(native.x as usize, native.y as usize);
    let mut stage = Stage { canvas: &mut canvas, camera: &window, light };
    street.draw_behind(&mut stage);
    // Nothing stands in front: the masks are drawn from the vehicle alone.
    street.props().iter().filter(|prop| prop.at.z > vehicle.position.z).for_each(|prop| prop.draw(&mut stage));
    stage.canvas.owner = 1;
    vehicle.draw(&mut stage);
    let lens = if config.degrade {
        let mut lens = Lens::random(rng, light.is_dark(), 1.0);
        lens.motion = lens.motion.clamp_length_max(2.0);
        lens.blur = lens.blur.min(0.8);
        lens.exposure = lens.exposure.max(0.12);
        lens
    } else {
        Lens::perfect(light.is_dark())
    };
    let picture = lens.develop(&canvas);
    imageops::resize(&picture, config.width, config.height, imageops::FilterType::Triangle)
}
