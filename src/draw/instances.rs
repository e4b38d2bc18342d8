//! Instances over pictures: a translucent fill and a thin outline for each, in colours that neighbours do not share.
//!
//! Few instances have boxes and tags as well; where tags would hide too much of the picture, as with many small cells,
//! there are masks alone. Small pictures are enlarged by a whole factor, dark ones brightened.

use image::{Rgb, RgbImage};

use super::boxes::{self, Tagged};
use super::overlay::{brightened, class_colour, enlarged};
use super::panel;
use super::text::{self, mixed};
use crate::detection::{BBox, Instance, Labelled, Mask};

/// Opacity of the fill.
const FILL: f32 = 0.35;
/// Pictures are enlarged until their longer side is not below this.
const LEAST_SIDE: u32 = 640;
/// Tags may cover this share of the picture; if they would cover more, there are none, and no boxes.
const MOST_TAGS: f32 = 0.08;
/// As many colours as are told apart at a glance.
const COLOURS: u8 = 8;
/// Instances whose boxes are not farther apart than this, in pixels of the picture, have different colours.
const NEAR: f32 = 6.0;

/// An object with what is written on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked<'a> {
    /// Its box and tag.
    pub tagged: Tagged,
    /// Its pixels.
    pub mask: Option<&'a Mask>,
}

/// The picture with objects, in the order given: what should be on top comes last. Masks are of the picture's size.
pub fn masked(picture: &RgbImage, objects: &[Masked]) -> RgbImage {
    let long = picture.width().max(picture.height()).max(1);
    let zoom = LEAST_SIDE.div_ceil(long).clamp(1, 8);
    let mut out = enlarged(&brightened(picture), zoom);
    let boxes: Vec<BBox> = objects.iter().map(|o| o.tagged.bbox).collect();
    let colours: Vec<Rgb<u8>> = distinct(&boxes).into_iter().map(|c| class_colour(c + 1)).collect();
    let tagged: Vec<Tagged> = objects.iter().map(|o| o.tagged.clone()).collect();
    let tags = tags_share(&out, &tagged) <= MOST_TAGS;
    let line = if tags { (long * zoom).div_ceil(500) } else { 1 };
    for (object, colour) in objects.iter().zip(&colours) {
        if let Some(mask) = object.mask {
            paint(&mut out, mask, zoom, *colour, line);
        }
    }
    if tags {
        boxes::draw(&mut out, zoom, &tagged, &colours);
    }
    out
}

/// The picture with what was found, the surest on top.
pub fn instances(picture: &RgbImage, found: &[Instance], classes: &[String]) -> RgbImage {
    let mut order: Vec<&Instance> = found.iter().collect();
    order.sort_by(|a, b| a.found.score.total_cmp(&b.found.score));
    let object = |i: &&'_ Instance| -> Tagged { Tagged::found(&i.found, classes) };
    let objects: Vec<Masked> = order.iter().map(|i| Masked { tagged: object(i), mask: Some(&i.mask) }).collect();
    masked(picture, &objects)
}

/// The picture with its labels, the smallest on top. `masks` holds one for each label, or is empty.
pub fn labels(picture: &RgbImage, truth: &[Labelled], masks: &[Option<Mask>], classes: &[String]) -> RgbImage {
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.sort_by(|&a, &b| truth[b].bbox.area().total_cmp(&truth[a].bbox.area()));
    let object =
        |i: usize| Masked { tagged: Tagged::truth(&truth[i], classes), mask: masks.get(i).and_then(Option::as_ref) };
    masked(picture, &order.into_iter().map(object).collect::<Vec<_>>())
}

/// Labels and what was found, side by side.
pub fn comparison(
    picture: &RgbImage,
    truth: (&[Labelled], &[Option<Mask>]),
    found: &[Instance],
    classes: &[String],
    name: &str,
) -> RgbImage {
    let truth = labels(picture, truth.0, truth.1, classes);
    panel::row(&[(name, &truth), ("found", &instances(picture, found, classes))])
}

/// Share of the picture that tags would cover if none covered another.
fn tags_share(picture: &RgbImage, objects: &[Tagged]) -> f32 {
    let size = boxes::letters(picture.width().max(picture.height()));
    let tag = |t: &Tagged| text::width(size, &t.text) as f32 * size;
    objects.iter().map(tag).sum::<f32>() / (picture.width() * picture.height()).max(1) as f32
}

/// A colour's number for each box, such that neighbours differ as long as there are colours: the one least used so far of
/// those that no neighbour has.
fn distinct(boxes: &[BBox]) -> Vec<u8> {
    let mut colours: Vec<u8> = Vec::with_capacity(boxes.len());
    let mut used = [0usize; COLOURS as usize];
    for bbox in boxes {
        let mut around = [0usize; COLOURS as usize];
        for (other, &colour) in boxes.iter().zip(&colours) {
            let apart = (other.x0 - bbox.x1).max(bbox.x0 - other.x1).max(other.y0 - bbox.y1).max(bbox.y0 - other.y1);
            around[usize::from(colour)] += usize::from(apart <= NEAR);
        }
        let best =
            (0..COLOURS).min_by_key(|&c| (around[usize::from(c)], used[usize::from(c)])).expect("there are some");
        used[usize::from(best)] += 1;
        colours.push(best);
    }
    colours
}

/// Paints a mask onto a picture enlarged by `zoom`; its outermost `line` pixels are the outline.
fn paint(out: &mut RgbImage, mask: &Mask, zoom: u32, colour: Rgb<u8>, line: u32) {
    let [x, y, w, h] = mask.bbox();
    let window = mask.within([x, y, w, h]);
    let inside = |px: i64, py: i64| {
        let (px, py) = (px.div_euclid(i64::from(zoom)) - i64::from(x), py.div_euclid(i64::from(zoom)) - i64::from(y));
        let within = (0..i64::from(w)).contains(&px) && (0..i64::from(h)).contains(&py);
        within && window[py as usize * w as usize + px as usize] == 1
    };
    let (width, height) = (i64::from(out.width()), i64::from(out.height()));
    let beyond = |px: i64, py: i64| px < 0 || py < 0 || px >= width || py >= height;
    for py in y * zoom..((y + h) * zoom).min(out.height()) {
        for px in x * zoom..((x + w) * zoom).min(out.width()) {
            let (cx, cy) = (i64::from(px), i64::from(py));
            if !inside(cx, cy) {
                continue;
            }
            // Cut at the picture's edge is no outline.
            let open = |dx: i64, dy: i64| !inside(cx + dx, cy + dy) && !beyond(cx + dx, cy + dy);
            let edge = (1..=i64::from(line)).any(|d| open(d, 0) || open(-d, 0) || open(0, d) || open(0, -d));
            let pixel = out.get_pixel_mut(px, py);
            *pixel = mixed(*pixel, colour, if edge { 1.0 } else { FILL });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rng::Rng;
    use crate::detection::Detection;

    fn grey(w: u32, h: u32) -> RgbImage {
        RgbImage::from_pixel(w, h, Rgb([150; 3]))
    }

    fn block(size: [u32; 2], x: f64, y: f64, w: f64, h: f64) -> (BBox, Mask) {
        let bbox = BBox::from_xywh(x as f32, y as f32, w as f32, h as f32);
        (bbox, Mask::from_xywh(size, [x, y, w, h]).unwrap())
    }

    #[test]
    fn insides_are_translucent_and_outlines_solid() {
        let (bbox, mask) = block([480, 640], 100.0, 120.0, 200.0, 150.0);
        let tagged = Tagged { bbox: BBox::from_xywh(0.0, 0.0, 1.0, 1.0), class: 0, text: String::new() };
        let out = masked(&grey(640, 480), &[Masked { tagged, mask: Some(&mask) }]);
        let colour = class_colour(1);
        assert_eq!([*out.get_pixel(100, 200), *out.get_pixel(101, 200), *out.get_pixel(299, 269)], [colour; 3]);
        assert_eq!(*out.get_pixel(102, 200), mixed(Rgb([150; 3]), colour, FILL));
        assert_eq!(*out.get_pixel(99, 200), Rgb([150; 3]));
        let found = Instance { found: Detection { bbox, class: 0, score: 0.9 }, mask };
        let out = instances(&grey(640, 480), &[found], &["cell".into()]);
        let solid = out.pixels().filter(|p| **p == colour).count();
        assert!(solid > 4 * 350 + 500, "{solid} pixels of outline, box and tag");
    }

    #[test]
    fn neighbours_have_different_colours() {
        let mut rng = Rng::new(3);
        // A honeycomb: every cell touches up to eight others.
        let at = |i: usize| (i % 12, i / 12);
        let cell = |i: usize| {
            let (x, y) = (at(i).0 as f32 * 20.0, at(i).1 as f32 * 20.0);
            BBox::from_xywh(x, y, 20.0, 20.0)
        };
        let mut order: Vec<usize> = (0..144).collect();
        rng.shuffle(&mut order);
        let boxes: Vec<BBox> = order.iter().map(|&i| cell(i)).collect();
        let colours = distinct(&boxes);
        let mut pairs = 0;
        for (a, b) in (0..144).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let ((ax, ay), (bx, by)) = (at(order[a]), at(order[b]));
            if ax.abs_diff(bx) <= 1 && ay.abs_diff(by) <= 1 {
                pairs += 1;
                assert!(colours[a] != colours[b], "cells {a} and {b} have one colour");
            }
        }
        assert!(pairs > 400, "{pairs}");
        assert!((0..COLOURS).all(|c| colours.contains(&c)));
    }

    #[test]
    fn many_small_objects_have_masks_alone() {
        let truth: Vec<(BBox, Mask)> = (0..60)
            .map(|i| block([256, 256], f64::from(i % 10) * 25.0, f64::from(i / 10) * 40.0, 12.0, 12.0))
            .collect();
        let labelled: Vec<Labelled> = truth.iter().map(|t| Labelled::new(t.0, 0)).collect();
        let masks: Vec<Option<Mask>> = truth.into_iter().map(|t| Some(t.1)).collect();
        let out = labels(&grey(256, 256), &labelled, &masks, &["nucleus".into()]);
        assert_eq!(out.dimensions(), (768, 768));
        let untouched = out.pixels().filter(|p| **p == Rgb([150; 3])).count();
        assert_eq!(untouched, 768 * 768 - 60 * 36 * 36, "nothing beside the masks");
        let few = labels(&grey(256, 256), &labelled[..3], &masks[..3], &["nucleus".into()]);
        assert!(few.pixels().filter(|p| **p != Rgb([150; 3])).count() > 3 * 36 * 36 + 1000, "tags");
        let both = comparison(&grey(256, 256), (&labelled, &masks), &[], &[], "x");
        assert_eq!(both.width(), 2 * 768 + 3 * 12);
    }

    #[test]
    fn objects_without_masks_and_at_edges_draw_too() {
        let (bbox, mask) = block([20, 30], -5.0, -5.0, 90.0, 90.0);
        let whole = labels(&grey(30, 20), &[Labelled::new(bbox, 3)], &[Some(mask)], &[]);
        assert_eq!(whole.dimensions(), (240, 160));
        labels(&grey(30, 20), &[Labelled::new(bbox, 3)], &[], &[]);
        labels(&grey(30, 20), &[Labelled::new(bbox, 3)], &[Some(Mask::empty([20, 30]))], &[]);
        masked(&grey(30, 20), &[]);
    }
}
