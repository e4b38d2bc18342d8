//! Random variations of a picture with boxes: place, size, shape, mirroring, colours, mosaics of four.
//!
//! Everything drawn comes from the [`Rng`] that is passed in, so a resumed run sees what an uninterrupted one would
//! have seen. The ranges are those of Darknet's `[net]` and `[yolo]` sections. Pixels and boxes are moved by
//! [`super::letterbox`].

use serde::{Deserialize, Serialize};

use super::letterbox::{Fit, Placement, Window};
use super::rng::Rng;
use crate::detection::{BBox, Labelled};

/// What is varied, and by how much. The default varies nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectionAugment {
    /// Mirror left and right with probability 1/2.
    pub flip_x: bool,
    /// Mirror top and bottom with probability 1/2.
    pub flip_y: bool,
    /// Change width and height, each by up to this share of itself, and so the shape.
    pub jitter: f32,
    /// Scale to between these factors of the size that just fits. With this or `jitter` the place is random: what is
    /// larger than the input is cropped, what is smaller has grey around it.
    pub zoom: [f32; 2],
    /// Turn the hue by up to this share of the full circle to either side.
    pub hue: f32,
    /// Multiply or divide the saturation by up to this factor.
    pub saturation: f32,
    /// Multiply or divide the brightness by up to this factor.
    pub exposure: f32,
    /// Probability of a mosaic: four pictures that meet at a random point (Bochkovskiy, Wang and Liao: YOLOv4, 2020).
    pub mosaic: f32,
    /// Boxes of which less than this share of the area remains in sight are left out.
    pub least_visible: f32,
    /// Boxes that are narrower or lower than this many pixels of the input are left out.
    pub least_pixels: f32,
}

impl Default for DetectionAugment {
    fn default() -> Self {
        Self {
            flip_x: false,
            flip_y: false,
            jitter: 0.0,
            zoom: [1.0, 1.0],
            hue: 0.0,
            saturation: 1.0,
            exposure: 1.0,
            mosaic: 0.0,
            least_visible: 0.2,
            least_pixels: 2.0,
        }
    }
}

impl DetectionAugment {
    /// What Darknet trains YOLOv3 with.
    pub fn darknet() -> Self {
        Self {
            flip_x: true,
            jitter: 0.3,
            zoom: [0.25, 2.0],
            hue: 0.1,
            saturation: 1.5,
            exposure: 1.5,
            ..Self::default()
        }
    }

    /// Where a picture comes to lie. The number of draws depends on the configuration alone.
    pub fn place(&self, fit: Fit, picture: [usize; 2], canvas: [usize; 2], rng: &mut Rng) -> Placement {
        let placement = if self.moves() {
            let size = self.size(fit, picture, canvas, self.zoom, rng);
            let [x, y] = [1, 0].map(|axis| {
                let slack = canvas[axis] as f32 - size[axis] as f32;
                (slack * rng.unit()).round() as i32
            });
            Placement::at(picture, canvas, [x, y], size)
        } else {
            Placement::new(fit, picture, canvas)
        };
        self.flip(placement, rng)
    }

    /// Where each picture of a mosaic comes to lie whose pictures meet at `[x, y]`: `quarter` is 0 for the top left, 1
    /// for the top right, 2 and 3 below. With its window, which is all of it that is seen.
    pub fn place_in_mosaic(
        &self,
        fit: Fit,
        quarter: usize,
        [x, y]: [usize; 2],
        picture: [usize; 2],
        canvas: [usize; 2],
        rng: &mut Rng,
    ) -> (Placement, Window) {
        let [h, w] = canvas;
        let size = self.size(fit, picture, canvas, MOSAIC_ZOOM, rng);
        let (left, top) = (quarter.is_multiple_of(2), quarter < 2);
        let corner = [
            if left { x as i32 - size[1] as i32 } else { x as i32 },
            if top { y as i32 - size[0] as i32 } else { y as i32 },
        ];
        let (x0, x1) = if left { (0, x) } else { (x, w) };
        let (y0, y1) = if top { (0, y) } else { (y, h) };
        (self.flip(Placement::at(picture, canvas, corner, size), rng), [x0, y0, x1, y1])
    }

    /// The point at which the pictures of a mosaic meet, or `None` for a single picture.
    pub fn meeting_point(&self, [h, w]: [usize; 2], rng: &mut Rng) -> Option<[usize; 2]> {
        let wanted = self.mosaic > 0.0 && rng.chance(self.mosaic);
        wanted.then(|| [w, h].map(|n| (n as f32 * rng.range(0.3, 0.7)) as usize))
    }

    /// Changes of colour.
    pub fn tint(&self, rng: &mut Rng) -> Tint {
        let mut factor = |most: f32| {
            if most <= 1.0 {
                return 1.0;
            }
            let by = rng.range(1.0, most);
            if rng.chance(0.5) { by } else { 1.0 / by }
        };
        let (saturation, exposure) = (factor(self.saturation), factor(self.exposure));
        let hue = if self.hue > 0.0 { rng.range(-self.hue, self.hue) } else { 0.0 };
        Tint { hue, saturation, exposure }
    }

    /// A label where its picture lies: cut off at the window, or `None` if too little of it is left.
    pub fn visible(&self, label: &Labelled, placement: &Placement, window: Window) -> Option<Labelled> {
        let whole = placement.map(label.bbox);
        let [left, top, right, bottom] = window.map(|v| v as f32);
        let bbox = BBox {
            x0: whole.x0.clamp(left, right),
            y0: whole.y0.clamp(top, bottom),
            x1: whole.x1.clamp(left, right),
            y1: whole.y1.clamp(top, bottom),
        };
        let enough = bbox.area() > 0.0
            && bbox.area() >= self.least_visible * whole.area()
            && bbox.width().min(bbox.height()) >= self.least_pixels;
        enough.then_some(Labelled { bbox, area: None, ..*label })
    }

    fn moves(&self) -> bool {
        self.jitter > 0.0 || self.zoom != [1.0, 1.0]
    }

    /// A random height and width around the one that just fits.
    fn size(&self, fit: Fit, picture: [usize; 2], canvas: [usize; 2], zoom: [f32; 2], rng: &mut Rng) -> [usize; 2] {
        let vary = |rng: &mut Rng| if self.jitter > 0.0 { 1.0 + rng.range(-self.jitter, self.jitter) } else { 1.0 };
        let (taller, wider) = (vary(rng), vary(rng));
        // What is stretched has the shape of the canvas before it is varied.
        let [h, w] = match fit {
            Fit::Letterbox => picture,
            Fit::Stretch => canvas,
        };
        let shape = [h as f32 * taller, w as f32 * wider];
        let scale = (canvas[0] as f32 / shape[0]).min(canvas[1] as f32 / shape[1]);
        let zoom = if zoom[0] < zoom[1] { rng.range(zoom[0], zoom[1]) } else { zoom[0] };
        [0, 1].map(|axis| (shape[axis] * scale * zoom).round().max(1.0) as usize)
    }

    fn flip(&self, placement: Placement, rng: &mut Rng) -> Placement {
        let flip_x = self.flip_x && rng.chance(0.5);
        let flip_y = self.flip_y && rng.chance(0.5);
        Placement { flip_x, flip_y, ..placement }
    }
}

/// Scale of the pictures of a mosaic, relative to what just fits the whole input.
const MOSAIC_ZOOM: [f32; 2] = [0.4, 1.0];

/// A change of colour in hue, saturation and value (Smith 1978).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tint {
    /// Added to the hue, in turns.
    pub hue: f32,
    /// Factor of the saturation.
    pub saturation: f32,
    /// Factor of the value.
    pub exposure: f32,
}

impl Tint {
    /// Whether it leaves colours as they are.
    pub fn is_plain(&self) -> bool {
        *self == Self { hue: 0.0, saturation: 1.0, exposure: 1.0 }
    }

    /// The changed colour, channels of 0 to 1.
    pub fn apply(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let (high, low) = (r.max(g).max(b), r.min(g).min(b));
        let spread = high - low;
        let value = (high * self.exposure).clamp(0.0, 1.0);
        if spread <= 0.0 {
            return [value; 3];
        }
        let saturation = (spread / high * self.saturation).clamp(0.0, 1.0);
        // Hue in sixths of a turn, red at 0.
        let sixth = if high == r {
            (g - b) / spread
        } else if high == g {
            (b - r) / spread + 2.0
        } else {
            (r - g) / spread + 4.0
        };
        let hue = (sixth + 6.0 * self.hue).rem_euclid(6.0);
        // A channel falls from the value to its lowest and rises again within a turn, each a third of it later.
        [5.0, 3.0, 1.0].map(|offset: f32| {
            let k = (offset + hue).rem_euclid(6.0);
            value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_letterbox() {
        let plain = DetectionAugment::default();
        let mut rng = Rng::new(1);
        let got = plain.place(Fit::Letterbox, [30, 50], [64, 64], &mut rng);
        assert_eq!(got, Placement::letterbox([30, 50], [64, 64]));
        assert!(plain.tint(&mut rng).is_plain() && plain.meeting_point([64, 64], &mut rng).is_none());
        assert_eq!(rng, Rng::new(1), "nothing was drawn");
    }

    #[test]
    fn places_and_sizes_stay_in_their_ranges() {
        let augment = DetectionAugment { jitter: 0.2, zoom: [0.5, 1.5], flip_x: true, ..DetectionAugment::default() };
        let (mut inside, mut outside, mut flips) = (0, 0, 0);
        for seed in 0..300 {
            let p = augment.place(Fit::Letterbox, [60, 80], [96, 96], &mut Rng::new(seed));
            let long = p.width.max(p.height) as f32;
            assert!((0.49 * 96.0..=1.51 * 96.0).contains(&long), "{p:?}");
            let shape = p.width as f32 / p.height as f32 / (80.0 / 60.0);
            assert!((0.8 / 1.2 * 0.97..=1.2 / 0.8 * 1.03).contains(&shape), "{shape}");
            for (start, length) in [(p.x, p.width), (p.y, p.height)] {
                let end = start + length as i32;
                assert!(if length <= 96 { start >= 0 && end <= 96 } else { start <= 0 && end >= 96 }, "{p:?}");
            }
            inside += usize::from(long < 96.0);
            outside += usize::from(long > 96.0);
            flips += usize::from(p.flip_x);
        }
        assert!(inside > 100 && outside > 100 && (100..200).contains(&flips), "{inside} {outside} {flips}");
    }

    #[test]
    fn a_stretched_picture_varies_around_the_whole_canvas() {
        let augment = DetectionAugment { zoom: [0.9, 1.1], ..DetectionAugment::default() };
        for seed in 0..50 {
            let p = augment.place(Fit::Stretch, [60, 80], [100, 50], &mut Rng::new(seed));
            let (x, y) = (p.width as f32 / 50.0, p.height as f32 / 100.0);
            assert!((0.88..1.12).contains(&x) && (x - y).abs() < 0.03, "{x} {y}");
        }
    }

    #[test]
    fn mosaic_pictures_touch_the_meeting_point() {
        let augment = DetectionAugment { mosaic: 1.0, ..DetectionAugment::default() };
        let mut rng = Rng::new(4);
        let [x, y] = augment.meeting_point([64, 96], &mut rng).unwrap();
        let mut covered = 0;
        for quarter in 0..4 {
            let (p, [x0, y0, x1, y1]) =
                augment.place_in_mosaic(Fit::Letterbox, quarter, [x, y], [30, 40], [64, 96], &mut rng);
            let (right, bottom) = (p.x + p.width as i32, p.y + p.height as i32);
            assert!([p.x, right].contains(&(x as i32)) && [p.y, bottom].contains(&(y as i32)));
            covered += (x1 - x0) * (y1 - y0);
        }
        assert_eq!(covered, 64 * 96);
    }

    #[test]
    fn boxes_are_cut_off_and_left_out() {
        let augment = DetectionAugment::default();
        let p = Placement::at([100, 100], [100, 100], [-50, 0], [100, 100]);
        let see = |x0, y0, x1, y1| augment.visible(&Labelled::new(BBox { x0, y0, x1, y1 }, 3), &p, [0, 0, 100, 100]);
        assert_eq!(see(40.0, 10.0, 60.0, 20.0).unwrap().bbox, BBox { x0: 0.0, y0: 10.0, x1: 10.0, y1: 20.0 });
        assert_eq!(see(40.0, 10.0, 60.0, 20.0).unwrap().class, 3);
        assert_eq!(see(10.0, 10.0, 55.0, 20.0), None, "a ninth is left");
        assert_eq!(see(60.0, 10.0, 61.0, 20.0), None, "too narrow");
        assert_eq!(see(0.0, 10.0, 20.0, 20.0), None, "outside");
    }

    #[test]
    fn colours_turn_and_fade() {
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let plain = Tint { hue: 0.0, saturation: 1.0, exposure: 1.0 };
        let mut rng = Rng::new(2);
        for _ in 0..200 {
            let colour = [rng.unit(), rng.unit(), rng.unit()];
            assert!(near(plain.apply(colour), colour), "{colour:?}");
            assert!(near(Tint { hue: 1.0, ..plain }.apply(colour), colour), "a whole turn");
        }
        assert!(near(Tint { hue: 1.0 / 3.0, ..plain }.apply([0.9, 0.1, 0.1]), [0.1, 0.9, 0.1]));
        assert!(near(Tint { hue: -1.0 / 3.0, ..plain }.apply([0.9, 0.1, 0.1]), [0.1, 0.1, 0.9]));
        assert!(near(Tint { saturation: 0.5, ..plain }.apply([0.8, 0.4, 0.4]), [0.8, 0.6, 0.6]));
        assert!(near(Tint { exposure: 2.0, ..plain }.apply([0.8, 0.4, 0.4]), [1.0, 0.5, 0.5]));
        assert!(near(Tint { exposure: 0.5, hue: 0.3, ..plain }.apply([0.6; 3]), [0.3; 3]), "grey stays grey");
    }

    #[test]
    fn settings_read_from_json_with_defaults() {
        let a: DetectionAugment = serde_json::from_str(r#"{"flip_x": true, "zoom": [0.5, 2.0]}"#).unwrap();
        assert!(a.flip_x && a.zoom == [0.5, 2.0] && a.saturation == 1.0);
        assert!(serde_json::from_str::<DetectionAugment>(r#"{"flipx": true}"#).is_err());
    }
}
