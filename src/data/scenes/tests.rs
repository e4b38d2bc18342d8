//! What the pictures promise: the same every time, and masks that lie exactly on what was painted.

use glam::{Vec2, vec2};
use image::{GrayImage, RgbImage};

use super::{CLASS_LETTER, CropConfig, PlateCrop, Scene, SceneConfig};
use crate::detection::BBox;

const SEED: u64 = 20;

fn scenes(config: &SceneConfig) -> impl Iterator<Item = Scene> {
    (0..24).map(|index| Scene::generate(SEED, index, config))
}

fn crops(config: &CropConfig) -> impl Iterator<Item = PlateCrop> {
    (0..60).map(|index| PlateCrop::generate_with(SEED, index, config))
}

/// Whether `p` is in the convex quad grown by `slack` pixels.
fn in_quad(quad: &[Vec2; 4], p: Vec2, slack: f32) -> bool {
    let side = |i: usize| {
        let (a, b) = (quad[i], quad[(i + 1) % 4]);
        (b - a).normalize().perp_dot(p - a)
    };
    (0..4).all(|i| side(i) > -slack)
}

fn centres(mask: &GrayImage, value: impl Fn(u8) -> bool) -> Vec<Vec2> {
    let picked = mask.enumerate_pixels().filter(|(_, _, p)| value(p[0]));
    picked.map(|(x, y, _)| vec2(x as f32 + 0.5, y as f32 + 0.5)).collect()
}

fn bounds(points: &[Vec2]) -> BBox {
    let low = points.iter().fold(Vec2::INFINITY, |a, &b| a.min(b)) - 0.5;
    let high = points.iter().fold(Vec2::NEG_INFINITY, |a, &b| a.max(b)) + 0.5;
    BBox { x0: low.x, y0: low.y, x1: high.x, y1: high.y }
}

fn luminance(image: &RgbImage, at: Vec2) -> f32 {
    let p = image.get_pixel(at.x as u32, at.y as u32);
    0.3 * f32::from(p[0]) + 0.59 * f32::from(p[1]) + 0.11 * f32::from(p[2])
}

#[test]
fn same_seed_and_index_give_the_same_bytes() {
    let config = SceneConfig::default();
    assert_eq!(Scene::generate(1, 2, &config), Scene::generate(1, 2, &config));
    assert_ne!(Scene::generate(1, 2, &config).image, Scene::generate(1, 3, &config).image);
    assert_ne!(Scene::generate(1, 2, &config).image, Scene::generate(2, 2, &config).image);
    assert_eq!(PlateCrop::generate(1, 2, 128, 64), PlateCrop::generate(1, 2, 128, 64));
    assert_ne!(PlateCrop::generate(1, 2, 128, 64).image, PlateCrop::generate(1, 3, 128, 64).image);
}

#[test]
fn a_perfect_camera_has_the_same_masks_as_a_poor_one() {
    // Dirt and screws belong to the plate and are left out too, so compare what they cannot hide.
    let poor = Scene::generate(SEED, 5, &SceneConfig::default());
    let perfect = Scene::generate(SEED, 5, &SceneConfig { degrade: false, ..SceneConfig::default() });
    assert_eq!(poor.vehicle_mask, perfect.vehicle_mask);
    assert_eq!(poor.plate_mask, perfect.plate_mask);
    assert_ne!(poor.image, perfect.image);
}

#[test]
fn boxes_are_in_the_picture_and_tight_around_the_masks() {
    let config = SceneConfig::default();
    let mut plates = 0;
    for scene in scenes(&config) {
        assert!(!scene.vehicles.is_empty());
        for (k, bbox) in scene.vehicles.iter().enumerate() {
            assert!(bbox.x0 >= 0.0 && bbox.y0 >= 0.0 && bbox.x1 <= 320.0 && bbox.y1 <= 240.0, "{bbox:?}");
            assert_eq!(*bbox, bounds(&centres(&scene.vehicle_mask, |v| v as usize == k + 1)));
        }
        for (k, plate) in scene.plates.iter().enumerate() {
            let pixels = centres(&scene.plate_mask, |v| v as usize == k + 1);
            assert_eq!(plate.bbox, bounds(&pixels));
            assert!(pixels.iter().all(|&p| in_quad(&plate.quad, p, 0.5)), "plate {} leaves its quad", plate.text);
            plates += 1;
        }
        let highest = scene.plate_mask.as_raw().iter().max().copied();
        assert_eq!(highest, Some(scene.plates.len() as u8));
    }
    assert!(plates >= 24, "only {plates} plates in 24 scenes");
}

#[test]
fn digits_are_on_plates_and_nowhere_else() {
    for scene in scenes(&SceneConfig::default()) {
        for ((digit, class), plate) in
            scene.digit_mask.as_raw().iter().zip(scene.class_mask.as_raw()).zip(scene.plate_mask.as_raw())
        {
            assert!(*digit == 0 || *plate > 0, "a digit's pixel off the plates");
            assert_eq!(*digit == 1, (1..CLASS_LETTER).contains(class));
        }
    }
}

#[test]
fn every_character_of_a_clean_crop_has_a_box_of_its_own_class() {
    let config = CropConfig { width: 256, height: 128, degrade: false, ..CropConfig::default() };
    let mut whole = 0;
    for crop in crops(&config) {
        assert!(centres(&crop.plate_mask, |v| v > 0).iter().all(|&p| in_quad(&crop.quad, p, 0.5)));
        whole += usize::from(crop.characters.iter().map(|c| c.character).eq(crop.text.chars()));
        for c in &crop.characters {
            let class = c.character.to_digit(10).map_or(CLASS_LETTER, |d| d as u8 + 1);
            let pixels = centres(&crop.class_mask, |v| v == class);
            let inside = |p: &&Vec2| p.x > c.bbox.x0 && p.x < c.bbox.x1 && p.y > c.bbox.y0 && p.y < c.bbox.y1;
            assert!(pixels.iter().filter(inside).count() >= 8, "{} in {} has no ink", c.character, crop.text);
        }
    }
    // A tow ball may hide a hyphen whole; nothing hides more than that often.
    assert!(whole >= 57, "only {whole} of 60 plates show all their characters");
}

#[test]
fn ink_is_where_the_mask_says() {
    let config = CropConfig { width: 256, height: 128, degrade: false, ..CropConfig::default() };
    let (mut clear, mut agreeing, mut compared) = (0, 0, 0);
    for crop in crops(&config) {
        let ink = centres(&crop.class_mask, |v| v > 0);
        let mean =
            |points: &[Vec2]| points.iter().map(|&p| luminance(&crop.image, p)).sum::<f32>() / points.len() as f32;
        let around: Vec<Vec2> = crop
            .class_mask
            .enumerate_pixels()
            .filter(|(x, y, p)| {
                let near = crop.characters.iter().any(|c| {
                    let b = c.bbox;
                    (b.x0..b.x1).contains(&(*x as f32 + 0.5)) && (b.y0..b.y1).contains(&(*y as f32 + 0.5))
                });
                p[0] == 0 && near && crop.plate_mask.get_pixel(*x, *y)[0] > 0
            })
            .map(|(x, y, _)| vec2(x as f32 + 0.5, y as f32 + 0.5))
            .collect();
        let (dark, pale) = (mean(&ink), mean(&around));
        clear += usize::from((dark - pale).abs() > 35.0);
        // Each pixel in a character's box is nearer to its own kind's mean, but for those on edges.
        for (points, own, other) in [(&ink, dark, pale), (&around, pale, dark)] {
            compared += points.len();
            agreeing += points
                .iter()
                .filter(|&&p| (luminance(&crop.image, p) - own).abs() < (luminance(&crop.image, p) - other).abs())
                .count();
        }
    }
    assert!(clear >= 56, "ink and ground differ clearly on {clear} of 60 plates");
    assert!(
        agreeing as f32 > 0.95 * compared as f32,
        "{agreeing} of {compared} pixels look like what the mask calls them"
    );
}

#[test]
fn without_letters_every_character_is_a_digit_or_a_hyphen() {
    for crop in crops(&CropConfig { letters: 0.0, ..CropConfig::default() }) {
        assert!(crop.text.chars().all(|c| c.is_ascii_digit() || c == '-'), "{}", crop.text);
    }
}

#[test]
fn odd_and_tiny_sizes_are_drawn() {
    for (width, height) in [(1, 1), (7, 3), (33, 65)] {
        let scene = Scene::generate(3, 4, &SceneConfig { width, height, ..SceneConfig::default() });
        assert_eq!(scene.image.dimensions(), (width, height));
        assert_eq!(PlateCrop::generate(3, 4, width, height).image.dimensions(), (width, height));
    }
}
