//! Batches of generated pictures: what is said of their boxes and masks is read off the pixels.

use std::sync::Arc;

use image::{Rgb, RgbImage};

use super::*;
use crate::data::labelled::PictureLabels;
use crate::data::loader::{Loader, LoaderOptions};
use crate::detection::Mask;

/// Blue pictures with red ellipses and their masks; the ellipses of a picture do not touch.
struct Made {
    pictures: Vec<Arc<LabelledPicture>>,
    classes: Vec<String>,
}

impl LabelledPictures for Made {
    fn len(&self) -> usize {
        self.pictures.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn labels(&self, index: usize) -> Result<PictureLabels> {
        let picture = &self.pictures[index];
        Ok(PictureLabels { size: dimensions(picture), boxes: picture.boxes.clone() })
    }
    fn get(&self, index: usize) -> Result<Arc<LabelledPicture>> {
        Ok(self.pictures[index].clone())
    }
}

/// Height and width, and the ellipses: centre x, y and radii x, y.
fn drawn(name: usize, [h, w]: [u32; 2], ellipses: &[[f32; 4]]) -> LabelledPicture {
    let mut picture = RgbImage::from_pixel(w, h, Rgb([0, 0, 255]));
    let (mut boxes, mut masks) = (Vec::new(), Vec::new());
    for (class, &[cx, cy, rx, ry]) in ellipses.iter().enumerate() {
        let mut bits = vec![0; (h * w) as usize];
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if ((x as f32 + 0.5 - cx) / rx).powi(2) + ((y as f32 + 0.5 - cy) / ry).powi(2) < 1.0 {
                *pixel = Rgb([255, 0, 0]);
                bits[(y * w + x) as usize] = 1;
            }
        }
        let mask = Mask::encode(&bits, [h, w]);
        let [x, y, w, h] = mask.bbox().map(|v| v as f32);
        boxes.push(Labelled::new(BBox::from_xywh(x, y, w, h), class));
        masks.push(Some(mask));
    }
    LabelledPicture { name: format!("made {name}"), id: name as u64, picture, boxes, masks }
}

fn made() -> Made {
    let pictures = vec![
        drawn(0, [48, 64], &[[16.0, 14.0, 11.0, 8.0], [48.0, 30.0, 10.0, 15.0], [12.0, 38.0, 6.5, 7.0]]),
        drawn(1, [70, 40], &[[20.0, 20.0, 14.0, 12.0], [18.0, 55.0, 17.0, 9.0]]),
        drawn(2, [50, 50], &[]),
    ];
    Made { pictures: pictures.into_iter().map(Arc::new).collect(), classes: vec!["a".into(), "b".into(), "c".into()] }
}

fn source(augment: InstanceAugment) -> InstanceSource<Made> {
    let transform = RcnnTransform { min_size: 60, max_size: 90, mean: [0.0; 3], std: [1.0; 3], ..Default::default() };
    InstanceSource { pictures: made(), transform, capacity: 4, masks: true, augment }
}

fn batches(source: InstanceSource<Made>, options: LoaderOptions, n: usize) -> Vec<InstanceBatch> {
    Loader::new(source, options).unwrap().take(n).map(|b| b.unwrap()).collect()
}

/// Set pixels (x, y) of the mask in a slot.
fn set(batch: &InstanceBatch, slot: usize) -> Vec<[usize; 2]> {
    let masks = batch.gt_masks.as_ref().unwrap();
    let [_, _, h, stride] = masks.shape()[..] else { panic!("four sides") };
    let words = &masks.as_u32()[slot * h * stride..][..h * stride];
    let pixel = |i: usize| [i % (stride * 32), i / (stride * 32)];
    (0..h * stride * 32).filter(|i| words[i / 32] >> (i % 32) & 1 == 1).map(pixel).collect()
}

fn around(pixels: &[[usize; 2]]) -> [f32; 4] {
    let ends = |axis: usize| {
        let values = || pixels.iter().map(|p| p[axis]);
        [values().min().unwrap() as f32, values().max().unwrap() as f32 + 1.0]
    };
    let ([x0, x1], [y0, y1]) = (ends(0), ends(1));
    [x0, y0, x1, y1]
}

/// Checks one batch; `exact` allows boxes and pixels no difference from their masks. `stray` is the share of a picture
/// that may be of objects that were left out. Gives the number of instances.
fn check(batch: &InstanceBatch, exact: bool, stray: f32) -> usize {
    let [n, h, w, _] = batch.images.shape()[..] else { panic!("four sides") };
    let t = batch.gt_labels.shape()[1];
    let image = |i: usize, [x, y]: [usize; 2]| &batch.images.as_f32()[((i * h + y) * w + x) * 3..][..3];
    let mut seen = 0;
    for i in 0..n {
        let size = &batch.image_sizes.as_f32()[i * 2..][..2];
        let mut red = 0;
        for (x, y) in (0..h).flat_map(|y| (0..w).map(move |x| (x, y))) {
            let inside = (y as f32) < size[0] && (x as f32) < size[1];
            assert_eq!(image(i, [x, y]) == [0.0; 3], !inside, "pixel {x}, {y} of {size:?}");
            red += usize::from(image(i, [x, y])[0] > 0.5);
        }
        for slot in i * t..(i + 1) * t {
            let (label, bbox) = (batch.gt_labels.as_i32()[slot], &batch.gt_boxes.as_f32()[slot * 4..][..4]);
            let pixels = set(batch, slot);
            if label < 0 {
                assert!(bbox == [0.0; 4] && pixels.is_empty(), "slot {slot} is absent");
                continue;
            }
            seen += 1;
            let most = if exact { 0.0 } else { 1.0 };
            let near = bbox.iter().zip(around(&pixels)).all(|(a, b)| (a - b).abs() <= most);
            assert!(near, "{bbox:?} around {:?}", around(&pixels));
            assert!(bbox[0] >= 0.0 && bbox[1] >= 0.0 && bbox[2] <= size[1] && bbox[3] <= size[0], "{bbox:?}");
            let hit = pixels.iter().filter(|p| image(i, **p)[0] > 0.4).count();
            let least = if exact { 1.0 } else { 0.7 };
            assert!(hit as f32 >= least * pixels.len() as f32, "{hit} of {} pixels are red", pixels.len());
            red = red.saturating_sub(pixels.len());
        }
        let area = size[0] * size[1];
        assert!(red as f32 <= stray * area, "{red} red pixels of {area} are in no mask");
    }
    seen
}

#[test]
fn batches_have_the_promised_shapes() {
    let all = batches(source(InstanceAugment::default()), LoaderOptions::evaluation(3), 9);
    let batch = &all[0];
    // 48x64 becomes 60x80, 70x40 is bounded by 90: 90x51, 50x50 becomes 60x60.
    assert_eq!(batch.image_sizes.as_f32(), [60.0, 80.0, 90.0, 51.0, 60.0, 60.0]);
    assert_eq!(batch.images.shape()[..], [3, 96, 96, 3]);
    assert_eq!(batch.gt_boxes.shape()[..], [3, 4, 4]);
    assert_eq!(batch.gt_masks.as_ref().unwrap().shape()[..], [3, 4, 96, 3]);
    assert_eq!(batch.gt_labels.as_i32(), [1, 2, 3, -1, 1, 2, -1, -1, -1, -1, -1, -1]);
    assert_eq!((batch.names[1].as_str(), batch.left_out, batch.without_mask), ("made 1", 0, 0));
    assert_eq!(batch.gt_boxes.as_f32()[..4], [6.25, 7.5, 33.75, 27.5], "the label's box times 60 / 48");
    assert_eq!(check(batch, false, 0.02), 5);
    let fixed = RcnnTransform { canvas: Some([64, 128]), ..source(InstanceAugment::default()).transform };
    let source = InstanceSource { transform: fixed, masks: false, ..source(InstanceAugment::default()) };
    let batch = &batches(source, LoaderOptions::evaluation(1), 3)[1];
    assert_eq!((&batch.images.shape()[..], &batch.gt_masks), (&[1, 64, 128, 3][..], &None));
    assert_eq!(batch.image_sizes.as_f32(), [64.0, 36.0]);
}

#[test]
fn boxes_are_those_of_the_moved_masks() {
    let plain = InstanceAugment { least_pixels: 4.0, least_visible: 0.05, ..InstanceAugment::default() };
    let turned = InstanceAugment { flip_x: true, flip_y: true, quarter_turns: true, ..plain.clone() };
    let zoomed = InstanceAugment { zoom: [0.6, 2.0], ..plain.clone() };
    let all = InstanceAugment { zoom: [0.6, 2.0], min_sizes: vec![40, 60, 75], ..turned.clone() };
    for (augment, own_size) in [(plain, true), (turned.clone(), true), (turned, false), (zoomed, false), (all, false)] {
        for canvas in [None, Some([96, 96])] {
            let mut source = source(augment.clone());
            source.transform.canvas = canvas;
            if own_size {
                // Each picture at its own size, where nothing is rounded.
                source.transform.max_size = 1000;
                source.pictures.pictures.truncate(1);
                source.transform.min_size = 48;
            }
            let found = batches(source, LoaderOptions::training(3, 5), 20);
            let seen: usize = found.iter().map(|batch| check(batch, own_size, if own_size { 0.0 } else { 0.05 })).sum();
            assert!(seen > 60, "{seen} instances of {augment:?}");
        }
    }
}

#[test]
fn what_is_cut_off_has_the_box_of_the_rest() {
    let augment = InstanceAugment { zoom: [2.0, 2.0], least_visible: 0.3, ..InstanceAugment::default() };
    let (mut cut, mut fewer) = (0, 0);
    for batch in batches(source(augment), LoaderOptions::training(3, 2), 30) {
        check(&batch, false, 0.35);
        for slot in (0..12).filter(|slot| batch.gt_labels.as_i32()[*slot] >= 0) {
            let [x0, y0, x1, y1] = around(&set(&batch, slot));
            let [h, w] = [0, 1].map(|axis| batch.image_sizes.as_f32()[slot / 4 * 2 + axis]);
            if x0 == 0.0 || y0 == 0.0 || x1 == w || y1 == h {
                cut += 1;
                assert_eq!(batch.gt_boxes.as_f32()[slot * 4..][..4], [x0, y0, x1, y1]);
            }
        }
        fewer += usize::from(batch.gt_labels.as_i32().iter().filter(|l| **l >= 0).count() < 5);
    }
    assert!(cut > 20 && fewer > 10, "{cut} {fewer}");
}

#[test]
fn what_is_not_trained_on() {
    let mut made = made();
    let mut first = (*made.pictures[0]).clone();
    first.boxes[0].crowd = true;
    first.boxes[1].difficult = true;
    first.masks[2] = None;
    made.pictures = vec![Arc::new(first)];
    let of = |masks: bool, made: Made| {
        let source = InstanceSource { pictures: made, masks, ..source(InstanceAugment::default()) };
        source.collate(vec![source.sample(0, &mut Rng::new(1)).unwrap()]).unwrap()
    };
    let pictures = made.pictures.clone();
    let again = || Made { pictures: pictures.clone(), classes: Vec::new() };
    let batch = of(true, again());
    assert_eq!((batch.gt_labels.as_i32(), batch.without_mask), (&[-1; 4][..], 1));
    let batch = of(false, again());
    assert_eq!((batch.gt_labels.as_i32(), batch.without_mask), (&[3, -1, -1, -1][..], 0), "its box is enough");
}

#[test]
fn the_largest_are_kept_where_there_is_no_room() {
    let source = InstanceSource { capacity: 2, ..source(InstanceAugment::default()) };
    let batch = source.collate(vec![source.sample(0, &mut Rng::new(1)).unwrap()]).unwrap();
    assert_eq!((batch.gt_labels.as_i32(), batch.left_out), (&[2, 1][..], 1));
}

#[test]
fn light_changes_colours_and_not_places() {
    let augment = InstanceAugment { hue: 0.05, exposure: 1.2, brightness: 0.05, contrast: 0.1, ..Default::default() };
    let of = |augment: InstanceAugment| source(augment).sample(1, &mut Rng::new(3)).unwrap();
    let (plain, lit) = (of(InstanceAugment::default()), of(augment));
    assert_eq!((&plain.instances, plain.resized), (&lit.instances, lit.resized));
    let worst = plain.image.iter().zip(&lit.image).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst > 0.01 && worst < 0.6, "{worst}");
}

#[test]
fn a_resumed_run_sees_the_same() {
    let augment = || InstanceAugment { zoom: [0.5, 2.0], saturation: 1.5, ..InstanceAugment::microscopy() };
    let run =
        |start: u64, n: usize| batches(source(augment()), LoaderOptions { start, ..LoaderOptions::training(2, 3) }, n);
    let all = run(0, 8);
    assert_eq!(run(5, 3), all[5..]);
    assert_ne!(all[0], all[3]);
}

#[test]
fn nuclei_when_given() {
    let Some(root) = std::env::var_os("WGVISION_DATA") else {
        eprintln!("skipped: WGVISION_DATA does not name a folder that holds nuclei");
        return;
    };
    let file = std::path::Path::new(&root).join("nuclei/instances_val.json");
    let (pictures, _) = crate::data::formats::open_instances(file, None, None).unwrap();
    let transform = RcnnTransform { min_size: 256, max_size: 256, canvas: Some([256, 256]), ..Default::default() };
    let augment = InstanceAugment { flip_x: true, quarter_turns: true, ..InstanceAugment::default() };
    let source = InstanceSource { pictures, transform, capacity: 128, masks: true, augment };
    let (mut seen, started) = (0, std::time::Instant::now());
    for batch in Loader::new(source, LoaderOptions::evaluation(2)).unwrap().map(|b| b.unwrap()) {
        for slot in (0..batch.gt_labels.as_i32().len()).filter(|s| batch.gt_labels.as_i32()[*s] >= 0) {
            assert_eq!(batch.gt_boxes.as_f32()[slot * 4..][..4], around(&set(&batch, slot)));
            seen += 1;
        }
        assert_eq!((batch.left_out, batch.without_mask), (0, 0));
    }
    eprintln!("{seen} nuclei in {:?}", started.elapsed());
    assert_eq!(seen, 1312);
}
