//! Draws the built-in pictures: a sheet of street scenes and a sheet of plate crops, with their
//! boxes and masks painted over each second one.
//!
//! `cargo run --release --example scenes -- [SEED] [FOLDER]`

use std::{path::PathBuf, time::Instant};

use image::{GrayImage, Rgb, RgbImage, imageops};
use imageproc::{drawing::draw_hollow_rect_mut, rect::Rect};
use wgvision::data::scenes::{CLASS_LETTER, PlateCrop, Scene, SceneConfig};
use wgvision::detection::BBox;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seed: u64 = arguments.next().map_or(Ok(1), |s| s.parse())?;
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| ".".into()));

    let start = Instant::now();
    let scenes: Vec<Scene> = (0..24).map(|k| Scene::generate(seed, k, &SceneConfig::default())).collect();
    println!("{:.1} ms a scene", start.elapsed().as_secs_f64() * 1e3 / 24.0);
    let start = Instant::now();
    let crops: Vec<PlateCrop> = (0..32).map(|k| PlateCrop::generate(seed, k, 128, 64)).collect();
    println!("{:.1} ms a crop", start.elapsed().as_secs_f64() * 1e3 / 32.0);

    let pictures =
        scenes.iter().enumerate().map(|(k, scene)| if k % 2 == 0 { scene.image.clone() } else { explained(scene) });
    sheet(pictures.collect(), 4).save(folder.join("scenes.png"))?;
    let pictures = crops.iter().flat_map(|crop| [crop.image.clone(), inked(crop.image.clone(), &crop.class_mask)]);
    sheet(pictures.collect(), 8).save(folder.join("crops.png"))?;
    println!("scenes.png and crops.png are in {}", folder.display());
    Ok(())
}

/// The scene with its vehicles' boxes in green, its plates' in yellow, and the ink of its plates.
fn explained(scene: &Scene) -> RgbImage {
    let mut image = inked(scene.image.clone(), &scene.class_mask);
    scene.vehicles.iter().for_each(|bbox| frame(&mut image, bbox, Rgb([60, 220, 90])));
    scene.plates.iter().for_each(|plate| frame(&mut image, &plate.bbox, Rgb([255, 230, 40])));
    image
}

fn frame(image: &mut RgbImage, bbox: &BBox, colour: Rgb<u8>) {
    let rect = Rect::at(bbox.x0 as i32, bbox.y0 as i32).of_size(bbox.width() as u32, bbox.height() as u32);
    draw_hollow_rect_mut(image, rect, colour);
}

/// Digits in red, other characters in blue.
fn inked(mut image: RgbImage, classes: &GrayImage) -> RgbImage {
    for (pixel, class) in image.pixels_mut().zip(classes.pixels()) {
        match class[0] {
            0 => {}
            CLASS_LETTER => *pixel = Rgb([40, 110, 255]),
            _ => *pixel = Rgb([255, 40, 60]),
        }
    }
    image
}

/// Pictures of one size side by side, with a gap of two pixels.
fn sheet(pictures: Vec<RgbImage>, columns: usize) -> RgbImage {
    let (width, height) = (pictures[0].width() + 2, pictures[0].height() + 2);
    let rows = pictures.len().div_ceil(columns);
    let mut out = RgbImage::from_pixel(width * columns as u32, height * rows as u32, Rgb([24, 24, 24]));
    for (k, picture) in pictures.iter().enumerate() {
        let (x, y) = ((k % columns) as i64 * i64::from(width), (k / columns) as i64 * i64::from(height));
        imageops::overlay(&mut out, picture, x + 1, y + 1);
    }
    out
}
