//! The ground truth of a painted canvas: boxes, masks and texts, read off the pixels' labels.

use glam::{Vec2, vec2};
use image::{GrayImage, RgbImage};

use super::{Scene, canvas::Canvas, vehicle::Vehicle};
use crate::detection::BBox;

/// The class of the characters of plates that are not digits.
pub const CLASS_LETTER: u8 = 11;

/// A vehicle of which fewer pixels are visible is not listed.
const LEAST_VEHICLE: usize = 12;

/// A licence plate in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Plate {
    /// Its corners in pixels, clockwise from the plate's own top left. They may lie outside the picture
    /// or behind something nearer.
    pub quad: [Vec2; 4],
    /// What is visible of it.
    pub bbox: BBox,
    /// Its characters in reading order, row after row, without spaces.
    pub text: String,
    /// Those of its characters of which ink is visible, in reading order.
    pub characters: Vec<CharacterBox>,
}

/// A character on a plate and the box of its visible ink.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CharacterBox {
    pub character: char,
    pub bbox: BBox,
}

impl Plate {
    /// The digits among the visible characters, 0 to 9, with the boxes of their ink.
    pub fn digit_boxes(&self) -> impl Iterator<Item = (u8, BBox)> {
        self.characters.iter().filter_map(|c| Some((c.character.to_digit(10)? as u8, c.bbox)))
    }
}

/// The class of a character's ink: 1 to 10 for the digits, else [`CLASS_LETTER`].
pub fn class_of(character: char) -> u8 {
    character.to_digit(10).map_or(CLASS_LETTER, |digit| digit as u8 + 1)
}

/// Where on the canvas each vehicle, plate and character is seen, found in one pass.
pub struct Extents {
    vehicles: Vec<Extent>,
    plates: Vec<Extent>,
    /// For each vehicle in turn, its plate's characters.
    characters: Vec<Extent>,
}

/// More characters than any plate has.
const MOST_CHARACTERS: usize = 16;

#[derive(Clone, Copy)]
struct Extent {
    low: Vec2,
    high: Vec2,
    pixels: usize,
}

impl Extent {
    const NONE: Extent = Extent { low: Vec2::INFINITY, high: Vec2::NEG_INFINITY, pixels: 0 };

    fn add(&mut self, at: Vec2) {
        self.low = self.low.min(at);
        self.high = self.high.max(at + 1.0);
        self.pixels += 1;
    }

    fn pixel_box(&self) -> Option<BBox> {
        let (low, high) = (self.low, self.high);
        (self.pixels > 0).then_some(BBox { x0: low.x, y0: low.y, x1: high.x, y1: high.y })
    }
}

impl Extents {
    /// `vehicles` is the highest number on the canvas.
    pub fn of(canvas: &Canvas, vehicles: usize) -> Self {
        let mut out = Extents {
            vehicles: vec![Extent::NONE; vehicles + 1],
            plates: vec![Extent::NONE; vehicles + 1],
            characters: vec![Extent::NONE; (vehicles + 1) * MOST_CHARACTERS],
        };
        for i in (0..canvas.vehicle.len()).filter(|&i| canvas.vehicle[i] > 0) {
            let at = vec2((i % canvas.width) as f32, (i / canvas.width) as f32);
            out.vehicles[canvas.vehicle[i] as usize].add(at);
            let plate = canvas.plate[i] as usize;
            if plate > 0 {
                out.plates[plate].add(at);
                out.characters[plate * MOST_CHARACTERS + canvas.character[i] as usize].add(at);
            }
        }
        out
    }

    /// The characters of plate `id` whose ink is visible.
    pub fn characters(&self, id: u8, text: &str) -> Vec<CharacterBox> {
        let own = &self.characters[id as usize * MOST_CHARACTERS + 1..];
        text.chars()
            .zip(own)
            .filter_map(|(character, extent)| Some(CharacterBox { character, bbox: extent.pixel_box()? }))
            .collect()
    }
}

/// One byte a pixel, from its index.
pub fn mask(canvas: &Canvas, value: impl Fn(usize) -> u8) -> GrayImage {
    let pixels = (0..canvas.width * canvas.height).map(value).collect();
    GrayImage::from_raw(canvas.width as u32, canvas.height as u32, pixels).expect("one byte for every pixel")
}

/// The class of the ink at each pixel, where `texts` holds the text of vehicle `k + 1` at `k`.
pub fn class_mask(canvas: &Canvas, texts: &[&str]) -> GrayImage {
    let classes: Vec<Vec<u8>> = texts.iter().map(|text| text.chars().map(class_of).collect()).collect();
    mask(canvas, |i| match (canvas.plate[i], canvas.character[i]) {
        (0, _) | (_, 0) => 0,
        (plate, character) => classes[plate as usize - 1][character as usize - 1],
    })
}

/// 1 where a class mask shows a digit.
pub fn digit_mask(classes: &GrayImage) -> GrayImage {
    let digit = |&class: &u8| u8::from((1..CLASS_LETTER).contains(&class));
    let pixels = classes.as_raw().iter().map(digit).collect();
    GrayImage::from_raw(classes.width(), classes.height(), pixels).expect("one byte for every pixel")
}

/// Everything that the labels say. `vehicles` and `quads` are in the order of the canvas's numbers.
pub fn read_off(image: RgbImage, canvas: &Canvas, vehicles: &[Vehicle], quads: &[Option<[Vec2; 4]>]) -> Scene {
    let extents = Extents::of(canvas, vehicles.len());
    // Numbers on the canvas become instances without gaps: what is hidden has none.
    let mut vehicle_instance = vec![0u8; vehicles.len() + 1];
    let mut plate_instance = vec![0u8; vehicles.len() + 1];
    let (mut boxes, mut plates) = (Vec::new(), Vec::new());
    for (k, (vehicle, quad)) in vehicles.iter().zip(quads).enumerate() {
        let seen = extents.vehicles[k + 1];
        if let Some(bbox) = seen.pixel_box()
            && seen.pixels >= LEAST_VEHICLE
        {
            boxes.push(bbox);
            vehicle_instance[k + 1] = boxes.len() as u8;
        }
        if let (Some(quad), Some(bbox)) = (quad, extents.plates[k + 1].pixel_box()) {
            let text = vehicle.plate.text.clone();
            let characters = extents.characters(k as u8 + 1, &text);
            plates.push(Plate { quad: *quad, bbox, text, characters });
            plate_instance[k + 1] = plates.len() as u8;
        }
    }
    let texts: Vec<&str> = vehicles.iter().map(|v| v.plate.text.as_str()).collect();
    let classes = class_mask(canvas, &texts);
    Scene {
        image,
        vehicles: boxes,
        plates,
        vehicle_mask: mask(canvas, |i| vehicle_instance[canvas.vehicle[i] as usize]),
        plate_mask: mask(canvas, |i| plate_instance[canvas.plate[i] as usize]),
        digit_mask: digit_mask(&classes),
        class_mask: classes,
    }
}
