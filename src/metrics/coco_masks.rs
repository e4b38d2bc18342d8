//! COCO's measures where objects are masks: IoU is that of pixels, everything else as with boxes.

use super::coco::{CocoEval, Found, Object};
use crate::detection::{BBox, Instance, Labelled, Mask};

impl CocoEval {
    /// Adds a picture's masks; all are of its size. `masks` holds one for each of `truth`. An object's area is the
    /// label's, else its mask's; a detection's is its mask's. An object without a mask is taken for its whole box.
    pub fn add_masks(&mut self, truth: &[Labelled], masks: &[Option<Mask>], found: &[Instance]) {
        let boxed = |label: &Labelled| {
            // Without any detection there is nothing to compare with either.
            let size = found.first()?.mask.size();
            Mask::from_xywh(size, label.bbox.xywh().map(f64::from)).ok()
        };
        let own = |(i, label): (usize, &Labelled)| masks.get(i).cloned().flatten().or_else(|| boxed(label));
        let masks: Vec<Option<Mask>> = truth.iter().enumerate().map(own).collect();
        let pixels = |mask: &Option<Mask>| mask.as_ref().map(|m| m.area() as f64);
        let objects: Vec<Object> = (truth.iter().zip(&masks))
            .map(|(label, mask)| Object {
                class: label.class,
                area: label.area.map(f64::from).or(pixels(mask)).unwrap_or(f64::from(label.bbox.area())),
                crowd: label.crowd,
            })
            .collect();
        let detections: Vec<Found> = (found.iter())
            .map(|i| Found { class: i.found.class, area: i.mask.area() as f64, score: f64::from(i.found.score) })
            .collect();
        let truth_boxes: Vec<BBox> = masks.iter().map(|m| m.as_ref().map_or(BBox::default(), around)).collect();
        let found_boxes: Vec<BBox> = found.iter().map(|i| around(&i.mask)).collect();
        self.add_with(&objects, &detections, |d, t| match &masks[t] {
            // Most pairs are far apart.
            Some(mask) if found_boxes[d].intersection(&truth_boxes[t]) > 0.0 => {
                found[d].mask.iou(mask, objects[t].crowd)
            }
            _ => 0.0,
        });
    }
}

fn around(mask: &Mask) -> BBox {
    let [x, y, w, h] = mask.bbox().map(|v| v as f32);
    BBox::from_xywh(x, y, w, h)
}

#[cfg(test)]
mod tests {
    use super::super::coco::CocoNumbers;
    use super::*;
    use crate::detection::Detection;
    use serde::Deserialize;

    /// Image, class, area, crowd, polygon.
    type TruthRow = (usize, usize, f64, u8, Vec<f64>);
    /// Image, class, score, polygon.
    type FoundRow = (usize, usize, f64, Vec<f64>);

    /// What `tools/make_coco_goldens.py` wrote.
    #[derive(Deserialize)]
    struct Golden {
        images: usize,
        classes: usize,
        size: [u32; 2],
        stats: [f64; 12],
        per_class: Vec<[f64; 2]>,
        truth: Vec<TruthRow>,
        found: Vec<FoundRow>,
    }

    const SETS: [(&str, &str); 3] = [
        ("ordinary", include_str!("golden/coco_masks_ordinary.json")),
        ("many", include_str!("golden/coco_masks_many.json")),
        ("empty", include_str!("golden/coco_masks_empty.json")),
    ];

    fn evaluated(golden: &Golden) -> CocoEval {
        let mut eval = CocoEval::new(golden.classes);
        let mask = |polygon: &Vec<f64>| Mask::from_polygons(golden.size, &[polygon]).unwrap();
        for image in 0..golden.images {
            let of = |t: &&TruthRow| t.0 == image;
            let label = |t: &TruthRow| {
                let mask = mask(&t.4);
                // Areas that are the mask's own need not be said.
                let area = (t.2 != mask.area() as f64).then_some(t.2 as f32);
                (Labelled { crowd: t.3 == 1, area, ..Labelled::new(around(&mask), t.1) }, Some(mask))
            };
            let (truth, masks): (Vec<_>, Vec<_>) = golden.truth.iter().filter(of).map(label).unzip();
            let instance = |f: &FoundRow| {
                let mask = mask(&f.3);
                Instance { found: Detection { bbox: around(&mask), class: f.1, score: f.2 as f32 }, mask }
            };
            let found: Vec<Instance> = golden.found.iter().filter(|f| f.0 == image).map(instance).collect();
            eval.add_masks(&truth, &masks, &found);
        }
        eval
    }

    #[test]
    fn the_numbers_are_those_of_pycocotools() {
        for (name, text) in SETS {
            let golden: Golden = serde_json::from_str(text).unwrap();
            let eval = evaluated(&golden);
            for ((got, want), what) in eval.numbers().all().iter().zip(golden.stats).zip(CocoNumbers::NAMES) {
                assert!((got - want).abs() < 1e-6, "{name}: {what} is {got}, pycocotools says {want}");
            }
            for (class, (got, want)) in eval.per_class().iter().zip(&golden.per_class).enumerate() {
                let got = got.unwrap_or([-1.0; 2]);
                let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6);
                assert!(near, "{name}: class {class} has {got:?}, pycocotools says {want:?}");
            }
        }
    }

    #[test]
    fn the_golden_sets_reach_what_they_are_for() {
        let golden: Vec<Golden> = SETS.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
        let of = |image: usize, class: usize| golden[1].found.iter().filter(|f| (f.0, f.1) == (image, class)).count();
        assert!((0..golden[1].images).any(|i| of(i, 0) > 100), "more than a hundred of a class in a picture");
        assert!(golden[0].truth.iter().any(|t| t.3 == 1) && !golden[0].stats.contains(&-1.0));
        assert!(golden[2].per_class.contains(&[-1.0; 2]));
    }

    #[test]
    fn an_object_without_a_mask_is_its_box() {
        let mask = Mask::from_xywh([60, 80], [10.0, 10.0, 40.0, 40.0]).unwrap();
        let found = Instance { found: Detection { bbox: around(&mask), class: 0, score: 0.9 }, mask };
        let label = Labelled::new(BBox::from_xywh(10.0, 10.0, 40.0, 40.0), 0);
        for masks in [vec![], vec![None], vec![Some(found.mask.clone())]] {
            let mut eval = CocoEval::new(1);
            eval.add_masks(&[label], &masks, std::slice::from_ref(&found));
            let numbers = eval.numbers();
            assert!((numbers.ap - 1.0).abs() < 1e-12 && numbers.ap_medium == numbers.ap, "{numbers}");
        }
        let mut eval = CocoEval::new(1);
        eval.add_masks(&[label], &[None], &[]);
        assert_eq!(eval.numbers().ap, 0.0);
    }
}
