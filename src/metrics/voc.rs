//! Pascal VOC's measure of detections: average precision at one IoU, by 11 points or over the whole curve.
//!
//! Definition (Everingham et al.: The Pascal Visual Object Classes Challenge, 2010). Over all pictures, detections in
//! the order of their scores take the object of best IoU in their picture and class. It is right if the IoU reaches
//! the threshold and no earlier detection had that object; on a difficult object it is neither right nor wrong, and
//! difficult objects (and crowds) are not missed. AP by 11 points is the mean of the largest precision at recalls of at
//! least 0, 0.1, ..., 1; over all points it is the area under the precision, made to fall.

use std::collections::HashMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::average::{envelope, mean};
use super::coco::sort_by_score;
use crate::detection::{Detection, Labelled};

/// IoU of the challenge.
pub const VOC_IOU: f32 = 0.5;

/// One class, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassCurve {
    /// Objects that count.
    pub objects: usize,
    /// Detections that count.
    pub detections: usize,
    /// Right detections among them.
    pub right: usize,
    /// Recall and precision after each detection that counts, surest first.
    pub points: Vec<[f64; 2]>,
    /// Score of each point.
    pub scores: Vec<f64>,
    /// AP by 11 points; `None` without objects.
    pub ap11: Option<f64>,
    /// AP over the whole curve; `None` without objects.
    pub ap: Option<f64>,
}

/// Collects pictures, then gives curves.
#[derive(Clone, Debug)]
pub struct VocEval {
    iou: f32,
    /// Objects of each picture that were added.
    truth: Vec<Vec<Labelled>>,
    found: Vec<Vec<(usize, Detection)>>,
}

impl VocEval {
    /// Nothing yet, of so many classes; an IoU of `iou` ([`VOC_IOU`] in the challenge) is enough.
    pub fn new(classes: usize, iou: f32) -> Self {
        Self { iou, truth: Vec::new(), found: vec![Vec::new(); classes] }
    }

    /// Adds a picture.
    pub fn add(&mut self, truth: &[Labelled], found: &[Detection]) {
        for detection in found {
            self.found[detection.class].push((self.truth.len(), *detection));
        }
        self.truth.push(truth.to_vec());
    }

    /// The curve of each class.
    pub fn curves(&self) -> Vec<ClassCurve> {
        (0..self.found.len()).map(|class| self.curve(class)).collect()
    }

    fn curve(&self, class: usize) -> ClassCurve {
        let counts = |t: &Labelled| !t.difficult && !t.crowd;
        let own = |picture: usize| self.truth[picture].iter().enumerate().filter(|(_, t)| t.class == class);
        let objects = (0..self.truth.len()).flat_map(own).filter(|(_, t)| counts(t)).count();
        let mut detections = self.found[class].clone();
        sort_by_score(&mut detections, |(_, d)| f64::from(d.score));
        let mut used: HashMap<(usize, usize), ()> = HashMap::new();
        let (mut points, mut scores, mut right) = (Vec::new(), Vec::new(), 0usize);
        for (picture, detection) in &detections {
            let mut best: Option<(usize, &Labelled, f32)> = None;
            for (index, object) in own(*picture) {
                let iou = detection.bbox.iou(&object.bbox);
                if best.is_none_or(|(_, _, most)| iou > most) {
                    best = Some((index, object, iou));
                }
            }
            let hit = match best.filter(|(_, _, iou)| *iou >= self.iou) {
                Some((_, object, _)) if !counts(object) => continue,
                Some((index, _, _)) => used.insert((*picture, index), ()).is_none(),
                None => false,
            };
            right += usize::from(hit);
            let recall = if objects > 0 { right as f64 / objects as f64 } else { 0.0 };
            points.push([recall, right as f64 / (points.len() + 1) as f64]);
            scores.push(f64::from(detection.score));
        }
        let [ap11, ap] = [eleven_points(&points), all_points(&points)].map(|ap| (objects > 0).then_some(ap));
        ClassCurve { objects, detections: points.len(), right, points, scores, ap11, ap }
    }
}

/// Mean over the classes that have objects of AP by 11 points and over all points.
pub fn means(curves: &[ClassCurve]) -> [Option<f64>; 2] {
    [mean(curves.iter().filter_map(|c| c.ap11)), mean(curves.iter().filter_map(|c| c.ap))]
}

/// A table with a line for each class and one with the means.
pub fn table(curves: &[ClassCurve], classes: &[String]) -> String {
    let widest = classes.iter().map(|c| c.chars().count()).max().unwrap_or(0).max("class".len());
    let mut out =
        format!("{:<widest$} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "class", "objects", "found", "right", "AP", "AP11");
    let percent = |v: Option<f64>| v.map_or("-".into(), |v| format!("{:.2} %", 100.0 * v));
    let mut line = |name: &str, counts: [usize; 3], ap: [Option<f64>; 2]| {
        let [objects, found, right] = counts;
        let [ap, ap11] = ap.map(percent);
        // Writing to a string does not fail.
        let _ = writeln!(out, "{name:<widest$} {objects:>8} {found:>8} {right:>8} {ap:>8} {ap11:>8}");
    };
    for (curve, name) in curves.iter().zip(classes) {
        line(name, [curve.objects, curve.detections, curve.right], [curve.ap, curve.ap11]);
    }
    let sum = |count: fn(&ClassCurve) -> usize| curves.iter().map(count).sum();
    let [ap11, ap] = means(curves);
    line("mean", [sum(|c| c.objects), sum(|c| c.detections), sum(|c| c.right)], [ap, ap11]);
    out
}

/// The largest precision where the recall is at least 0, 0.1, ..., 1, averaged.
fn eleven_points(points: &[[f64; 2]]) -> f64 {
    let best = |recall: f64| points.iter().filter(|p| p[0] >= recall).map(|p| p[1]).fold(0.0, f64::max);
    (0..=10).map(|i| best(f64::from(i) / 10.0)).sum::<f64>() / 11.0
}

/// The area under the falling curve.
fn all_points(points: &[[f64; 2]]) -> f64 {
    let mut precision: Vec<f64> = points.iter().map(|p| p[1]).collect();
    envelope(&mut precision);
    let (mut area, mut last) = (0.0, 0.0);
    for (point, precision) in points.iter().zip(precision) {
        area += (point[0] - last) * precision;
        last = point[0];
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::BBox;

    fn at(x: f32) -> BBox {
        BBox::from_xywh(x, 0.0, 10.0, 10.0)
    }

    fn object(x: f32) -> Labelled {
        Labelled::new(at(x), 0)
    }

    fn found(x: f32, score: f32) -> Detection {
        Detection { bbox: at(x), class: 0, score }
    }

    #[test]
    fn a_curve_by_hand() {
        let mut eval = VocEval::new(2, VOC_IOU);
        // Right, twice the same object, right, nothing there; one object of four is never found.
        eval.add(&[object(0.0), object(100.0)], &[found(1.0, 0.9), found(0.0, 0.8), found(300.0, 0.6)]);
        eval.add(&[object(0.0), object(50.0)], &[found(51.0, 0.7)]);
        let curve = &eval.curves()[0];
        assert_eq!(curve.points, [[0.25, 1.0], [0.25, 0.5], [0.5, 2.0 / 3.0], [0.5, 0.5]]);
        assert_eq!((curve.objects, curve.detections, curve.right), (4, 4, 2));
        assert!((curve.ap.unwrap() - (0.25 + 0.25 * 2.0 / 3.0)).abs() < 1e-12);
        assert!(
            (curve.ap11.unwrap() - (3.0 + 3.0 * 2.0 / 3.0) / 11.0).abs() < 1e-12,
            "recalls 0 to 0.2, then 0.3 to 0.5"
        );
        assert_eq!(eval.curves()[1].ap, None);
        assert_eq!(means(&eval.curves())[1], curve.ap);
        let table = table(&eval.curves(), &["dog".into(), "cat".into()]);
        assert!(table.contains("dog          4        4        2  41.67 %  45.45 %"), "{table}");
        assert!(table.contains("cat          0        0        0        -        -"), "{table}");
    }

    #[test]
    fn difficult_objects_are_neither_hit_nor_missed() {
        let mut eval = VocEval::new(1, VOC_IOU);
        let difficult = Labelled { difficult: true, ..object(50.0) };
        eval.add(&[object(0.0), difficult], &[found(50.0, 0.9), found(51.0, 0.8), found(0.0, 0.7)]);
        let curve = &eval.curves()[0];
        assert_eq!((curve.objects, curve.detections, curve.ap, curve.ap11), (1, 1, Some(1.0), Some(1.0)));
    }

    #[test]
    fn the_threshold_itself_is_enough_and_the_best_object_counts() {
        let mut eval = VocEval::new(1, 0.5);
        let half = Detection { bbox: BBox::from_xywh(0.0, 0.0, 10.0, 5.0), class: 0, score: 0.5 };
        eval.add(&[object(0.0)], &[half]);
        assert_eq!(eval.curves()[0].right, 1);
        // The second detection's best object is taken; it may not fall back on the other one.
        let mut eval = VocEval::new(1, 0.5);
        eval.add(&[object(0.0), object(3.0)], &[found(0.0, 0.9), found(1.0, 0.8)]);
        assert_eq!(eval.curves()[0].right, 1);
    }

    #[test]
    fn nothing_found_is_zero() {
        let mut eval = VocEval::new(1, 0.5);
        eval.add(&[object(0.0)], &[]);
        assert_eq!((eval.curves()[0].ap, eval.curves()[0].ap11), (Some(0.0), Some(0.0)));
        assert_eq!(means(&VocEval::new(1, 0.5).curves()), [None, None]);
    }
}
