//! Boxes over pictures, each with a tag that can be read, and sheets of many such pictures.
//!
//! Lines and letters grow with the picture; a small picture is enlarged by a whole factor first. A tag is filled with
//! the colour of its class, stays inside the picture, and moves to where it covers the least of the tags before it.

use image::{Rgb, RgbImage, imageops};

use super::overlay::{class_colour, enlarged};
use super::panel;
use super::text::{self, mixed};
use crate::detection::{BBox, Detection, Labelled};

/// A box with what is written on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// Where, in pixels of the picture.
    pub bbox: BBox,
    /// Decides about the colour.
    pub class: usize,
    /// The tag; none if empty.
    pub text: String,
}

impl Tagged {
    /// A detection: name and score.
    pub fn found(detection: &Detection, classes: &[String]) -> Self {
        let text = format!("{} {:.2}", name(classes, detection.class), detection.score);
        Self { bbox: detection.bbox, class: detection.class, text }
    }

    /// A label: the name, and what is special about it.
    pub fn truth(label: &Labelled, classes: &[String]) -> Self {
        let kind = match (label.crowd, label.difficult) {
            (true, _) => " (crowd)",
            (_, true) => " (difficult)",
            _ => "",
        };
        Self { bbox: label.bbox, class: label.class, text: format!("{}{kind}", name(classes, label.class)) }
    }
}

fn name(classes: &[String], class: usize) -> String {
    classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"))
}

/// Letters are never lower than this many pixels.
const LEAST_LETTERS: f32 = 11.0;
/// Pictures whose longer side is below this are enlarged.
const LEAST_SIDE: u32 = 320;

/// The picture with boxes, in the order given: what should be on top comes last.
pub fn annotated(picture: &RgbImage, boxes: &[Tagged]) -> RgbImage {
    let long = picture.width().max(picture.height()).max(1);
    let zoom = LEAST_SIDE.div_ceil(long).clamp(1, 8);
    let mut out = enlarged(picture, zoom);
    let colours: Vec<Rgb<u8>> = boxes.iter().map(|b| colour(b.class)).collect();
    draw(&mut out, zoom, boxes, &colours);
    out
}

/// Line height of tags on a picture of this longer side.
pub(super) fn letters(long: u32) -> f32 {
    (long as f32 / 45.0).clamp(13.0, 48.0)
}

/// Draws boxes and tags, each in its colour, onto a picture enlarged by `zoom`.
pub(super) fn draw(out: &mut RgbImage, zoom: u32, boxes: &[Tagged], colours: &[Rgb<u8>]) {
    let size = letters(out.width().max(out.height()));
    let line = (size / 7.0).round().max(2.0) as i32;
    let on_canvas: Vec<Frame> = boxes.iter().map(|b| Frame::new(&b.bbox, zoom as f32)).collect();
    for (colour, frame) in colours.iter().zip(&on_canvas) {
        frame.draw(out, line, *colour);
    }
    let mut tags: Vec<Frame> = Vec::new();
    for (own, tagged) in boxes.iter().enumerate().rev().filter(|(_, t)| !t.text.is_empty()) {
        let frame = &on_canvas[own];
        // Small things get small letters, that their neighbours be seen.
        let narrow = frame.width() < text::width(size, &tagged.text) as i32;
        let size = if narrow { (0.8 * size).max(LEAST_LETTERS) } else { size };
        let tag = place_tag(out, &on_canvas, own, &tags, size, &tagged.text);
        tag.paint(out, colours[own], 1.0);
        let (pad, ink) = (pad(size), contrasting(colours[own]));
        let shown = text::fitted(size, &tagged.text, (tag.width() - 2 * pad).max(0) as u32);
        text::write(out, tag.x0 + pad, tag.y0 + 1, size, ink, &shown);
        tags.push(tag);
    }
}

/// The picture with what was found, the surest on top.
pub fn detections(picture: &RgbImage, found: &[Detection], classes: &[String]) -> RgbImage {
    let mut order: Vec<&Detection> = found.iter().collect();
    order.sort_by(|a, b| a.score.total_cmp(&b.score));
    let tagged: Vec<Tagged> = order.into_iter().map(|d| Tagged::found(d, classes)).collect();
    annotated(picture, &tagged)
}

/// The picture with its labels, the smallest on top.
pub fn labels(picture: &RgbImage, truth: &[Labelled], classes: &[String]) -> RgbImage {
    let mut order: Vec<&Labelled> = truth.iter().collect();
    order.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
    let tagged: Vec<Tagged> = order.into_iter().map(|l| Tagged::truth(l, classes)).collect();
    annotated(picture, &tagged)
}

/// Labels and detections side by side.
pub fn comparison(
    picture: &RgbImage,
    truth: &[Labelled],
    found: &[Detection],
    classes: &[String],
    name: &str,
) -> RgbImage {
    panel::row(&[(name, &labels(picture, truth, classes)), ("found", &detections(picture, found, classes))])
}

/// Many pictures under their captions, `columns` in a row, each scaled to fit `width` by three quarters of that.
pub fn sheet(pictures: &[(String, RgbImage)], columns: usize, width: u32) -> RgbImage {
    let cells: Vec<(&str, RgbImage)> =
        pictures.iter().map(|(caption, picture)| (caption.as_str(), cell(picture, width))).collect();
    let rows = cells.chunks(columns.max(1)).map(|row| {
        let panels: Vec<(&str, &RgbImage)> = row.iter().map(|(caption, picture)| (*caption, picture)).collect();
        panel::row(&panels)
    });
    panel::stack(&rows.collect::<Vec<_>>())
}

/// Around pictures of another shape than the cells of a sheet.
const MOUNT: Rgb<u8> = Rgb([240; 3]);

/// A picture as large as fits, in the middle of its cell.
fn cell(picture: &RgbImage, width: u32) -> RgbImage {
    let height = (width * 3 / 4).max(1);
    let scale = (width as f32 / picture.width().max(1) as f32).min(height as f32 / picture.height().max(1) as f32);
    let [w, h] = [(picture.width(), width), (picture.height(), height)]
        .map(|(own, most)| ((own as f32 * scale).round() as u32).clamp(1, most));
    let mut out = RgbImage::from_pixel(width, height, MOUNT);
    let scaled = imageops::resize(picture, w, h, imageops::FilterType::Triangle);
    imageops::replace(&mut out, &scaled, i64::from((width - w) / 2), i64::from((height - h) / 2));
    out
}

/// The colour of a class of objects; classes of masks keep 0 for the background.
fn colour(class: usize) -> Rgb<u8> {
    class_colour((class % 254 + 1) as u8)
}

/// Black or white, whichever stands out (relative luminance, WCAG).
fn contrasting(colour: Rgb<u8>) -> Rgb<u8> {
    let linear = |v: u8| (f32::from(v) / 255.0).powf(2.2);
    let [r, g, b] = colour.0.map(linear);
    let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    if luminance > 0.18 { Rgb([0; 3]) } else { Rgb([255; 3]) }
}

fn pad(size: f32) -> i32 {
    (size / 4.0).ceil() as i32
}

/// The best of the places for the tag of box `own`: above it, inside, below, at its left or its right end.
fn place_tag(picture: &RgbImage, boxes: &[Frame], own: usize, tags: &[Frame], size: f32, text: &str) -> Frame {
    let (w, h) = (picture.width() as i32, picture.height() as i32);
    let width = (text::width(size, text) as i32 + 2 * pad(size)).min(w);
    let height = (size as i32 + 2).min(h);
    let frame = &boxes[own];
    let lefts = [frame.x0, frame.x1 - width];
    let tops = [frame.y0 - height, frame.y0, frame.y1, frame.y1 - height];
    let places = tops.iter().flat_map(|&y| lefts.map(|x| (x, y)));
    let fit = |(x, y): (i32, i32)| {
        let (x0, y0) = (x.clamp(0, w - width), y.clamp(0, h - height));
        let tag = Frame { x0, y0, x1: x0 + width, y1: y0 + height };
        // Worst is to cover other tags; then to be pushed away by the picture's edge; then to cover most of a box.
        let covered: i32 = tags.iter().map(|t| t.shared(&tag)).sum();
        let pushed = ((x0 - x).abs() * height + (y0 - y).abs() * width) as f32;
        let share = |b: &Frame| b.shared(&tag) as f32 / b.area();
        let hidden = boxes.iter().map(share).sum::<f32>() * tag.area();
        (covered as f32 + pushed / 4.0 + hidden / 4.0, tag)
    };
    places.map(fit).min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are places").1
}

/// Boxes are cut off this far from the picture's corner.
const FAR: f32 = 1e6;

/// Whole pixels: the first ones, and those after the last.
#[derive(Clone, Copy, Debug)]
struct Frame {
    x0: i32,
    y0: i32,
    x1: i32,
    y1: i32,
}

impl Frame {
    fn new(b: &BBox, zoom: f32) -> Self {
        let [x0, y0, x1, y1] = [b.x0, b.y0, b.x1, b.y1].map(|v| (v * zoom).round().clamp(-FAR, FAR) as i32);
        Self { x0, y0, x1: x1.max(x0 + 1), y1: y1.max(y0 + 1) }
    }

    fn width(&self) -> i32 {
        self.x1 - self.x0
    }

    fn area(&self) -> f32 {
        self.width() as f32 * (self.y1 - self.y0) as f32
    }

    /// Pixels shared with another.
    fn shared(&self, other: &Self) -> i32 {
        let w = self.x1.min(other.x1) - self.x0.max(other.x0);
        let h = self.y1.min(other.y1) - self.y0.max(other.y0);
        w.max(0) * h.max(0)
    }

    /// An outline of `line` pixels inside the edges, with a thin shadow within that parts it from what is as bright.
    fn draw(&self, picture: &mut RgbImage, line: i32, colour: Rgb<u8>) {
        let line = line.min((self.width().min(self.y1 - self.y0) + 1) / 2);
        let inner = Self { x0: self.x0 + line, y0: self.y0 + line, x1: self.x1 - line, y1: self.y1 - line };
        inner.outline(picture, 1, Rgb([0; 3]), 0.45);
        self.outline(picture, line, colour, 1.0);
    }

    fn outline(&self, picture: &mut RgbImage, line: i32, colour: Rgb<u8>, opacity: f32) {
        let Self { x0, y0, x1, y1 } = *self;
        if x1 <= x0 || y1 <= y0 {
            return;
        }
        let (top, bottom) = ((y0 + line).min(y1), (y1 - line).max((y0 + line).min(y1)));
        let (left, right) = ((x0 + line).min(x1), (x1 - line).max((x0 + line).min(x1)));
        for part in [
            Self { y1: top, ..*self },
            Self { y0: bottom, ..*self },
            Self { y0: top, y1: bottom, x1: left, ..*self },
            Self { y0: top, y1: bottom, x0: right, ..*self },
        ] {
            part.paint(picture, colour, opacity);
        }
    }

    /// Paints what lies inside the picture.
    fn paint(&self, picture: &mut RgbImage, colour: Rgb<u8>, opacity: f32) {
        let (w, h) = (picture.width() as i32, picture.height() as i32);
        for y in self.y0.clamp(0, h)..self.y1.clamp(0, h) {
            for x in self.x0.clamp(0, w)..self.x1.clamp(0, w) {
                let pixel = picture.get_pixel_mut(x as u32, y as u32);
                *pixel = mixed(*pixel, colour, opacity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(x: f32, y: f32, w: f32, h: f32, class: usize, text: &str) -> Tagged {
        Tagged { bbox: BBox::from_xywh(x, y, w, h), class, text: text.into() }
    }

    fn grey() -> RgbImage {
        RgbImage::from_pixel(640, 480, Rgb([120; 3]))
    }

    fn count(picture: &RgbImage, colour: Rgb<u8>) -> usize {
        picture.pixels().filter(|p| **p == colour).count()
    }

    #[test]
    fn a_box_is_outlined_and_its_inside_left_alone() {
        let out = annotated(&grey(), &[tagged(100.0, 100.0, 200.0, 150.0, 0, "")]);
        assert_eq!((out.get_pixel(100, 100), out.get_pixel(299, 249)), (&colour(0), &colour(0)));
        assert_eq!((out.get_pixel(99, 100), out.get_pixel(300, 249)), (&Rgb([120; 3]), &Rgb([120; 3])));
        assert_eq!(*out.get_pixel(200, 180), Rgb([120; 3]));
        assert_eq!(count(&out, colour(0)), 200 * 150 - 196 * 146);
    }

    #[test]
    fn tags_stay_inside_the_picture() {
        for (x, y, w, h) in
            [(0.0, 0.0, 40.0, 20.0), (620.0, 2.0, 20.0, 470.0), (600.0, 460.0, 40.0, 20.0), (0.0, 0.0, 640.0, 480.0)]
        {
            let bare = annotated(&grey(), &[tagged(x, y, w, h, 2, "")]);
            let out = annotated(&grey(), &[tagged(x, y, w, h, 2, "Platelets 0.87")]);
            let wide = text::width(640.0 / 45.0, "Platelets 0.87") as usize;
            let changed = bare.pixels().zip(out.pixels()).filter(|(a, b)| a != b).count();
            assert!(changed > wide * 8, "{changed} pixels of the tag at {x}, {y}");
            let ink = contrasting(colour(2));
            let letters = out.pixels().filter(|p| (0..3).all(|c| p[c].abs_diff(ink[c]) < 60)).count();
            assert!(letters > 30, "{letters} pixels of letters at {x}, {y}");
        }
    }

    #[test]
    fn tags_of_equal_boxes_do_not_cover_each_other() {
        let boxes: Vec<Tagged> =
            (0..4).map(|class| tagged(200.0, 200.0, 150.0, 100.0, class, "white cell 0.50")).collect();
        let out = annotated(&grey(), &boxes);
        let size = 640.0 / 45.0;
        let whole = (text::width(size, "white cell 0.50") as usize + 2 * pad(size) as usize) * (size as usize + 2);
        for class in 0..4 {
            let seen = count(&out, colour(class));
            assert!(seen > whole / 2, "{seen} of {whole} pixels of tag {class}");
        }
    }

    #[test]
    fn letters_stand_out_from_every_colour() {
        let linear = |v: u8| (f32::from(v) / 255.0).powf(2.2);
        let luminance = |c: Rgb<u8>| 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
        for class in 0..300 {
            let (a, b) = (luminance(colour(class)), luminance(contrasting(colour(class))));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast > 4.5, "class {class}: {contrast}");
        }
    }

    #[test]
    fn odd_boxes_and_small_pictures_draw_too() {
        let small = RgbImage::new(30, 20);
        assert_eq!(annotated(&small, &[tagged(1.0, 1.0, 5.0, 5.0, 0, "a long name 0.5")]).dimensions(), (240, 160));
        let boxes = [
            tagged(-50.0, -50.0, 10.0, 10.0, 0, "out"),
            tagged(5.0, 5.0, 0.0, 0.0, 1, "nothing"),
            tagged(-1e9, -1e9, 4e9, 4e9, 2, "all"),
        ];
        assert_eq!(annotated(&grey(), &boxes).dimensions(), (640, 480));
    }

    #[test]
    fn a_sheet_holds_all_pictures() {
        let pictures: Vec<_> =
            (0..5).map(|i| (format!("{i}.png"), RgbImage::from_pixel(40, 30, Rgb([250, i * 10, 0])))).collect();
        let out = sheet(&pictures, 3, 80);
        assert_eq!(out.width(), 3 * 80 + 4 * 12);
        for i in 0..5u8 {
            assert_eq!(count(&out, Rgb([250, i * 10, 0])), 80 * 60);
        }
        let tall = sheet(&[("x".into(), RgbImage::from_pixel(30, 60, Rgb([250, 0, 0])))], 1, 80);
        assert_eq!((tall.width(), count(&tall, Rgb([250, 0, 0]))), (80 + 2 * 12, 30 * 60));
        assert_eq!(comparison(&grey(), &[], &[], &[], "x").width(), 2 * 640 + 3 * 12);
    }
}
