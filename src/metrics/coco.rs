//! COCO's measures of detections: the twelve numbers, with crowds and ranges of area, as pycocotools computes them.
//!
//! Definition (Lin et al.: Microsoft COCO, 2014, and the benchmark's page). In each picture and class, detections in
//! the order of their scores, at most 100, take the true object of best IoU that is still free, if the IoU reaches the
//! threshold; objects that count go before those that do not, and a crowd is never used up. Detections on objects that
//! do not count (crowds, areas out of range), and free ones that are out of range themselves, are neither right nor
//! wrong. AP is the mean over thresholds 0.50 to 0.95 and classes of the precision, made to fall, at 101 recalls; AR is
//! the mean of the largest recall. What an IoU is can be chosen: boxes are built in, masks come as a function.

use super::average::{envelope, mean};
use crate::detection::{BBox, Detection, Labelled};

/// Thresholds of IoU.
pub const THRESHOLDS: usize = 10;
/// Points of recall.
const RECALLS: usize = 101;
/// At most so many detections of a picture and class count.
const LIMITS: [usize; 3] = [1, 10, 100];
/// All, small, medium, large: areas in pixels, ends included.
const RANGES: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];

/// Threshold number `i`: 0.50 to 0.95.
pub fn threshold(i: usize) -> f64 {
    // The last one is exact; in between, the same rounding as everyone else's.
    if i + 1 == THRESHOLDS { 0.95 } else { 0.5 + i as f64 * ((0.95 - 0.5) / (THRESHOLDS - 1) as f64) }
}

/// A true object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Index of its class.
    pub class: usize,
    /// Area in pixels, which decides about its range: of its mask, where there is one.
    pub area: f64,
    /// Stands for many.
    pub crowd: bool,
}

/// A detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Index of its class.
    pub class: usize,
    /// Area in pixels.
    pub area: f64,
    /// The higher, the surer.
    pub score: f64,
}

/// What became of a detection at each threshold (a bit each) and range.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    score: f64,
    /// Its place among the detections of its picture and class.
    rank: u8,
    matched: [u16; RANGES.len()],
    ignored: [u16; RANGES.len()],
}

#[derive(Clone, Debug, Default)]
struct Class {
    outcomes: Vec<Outcome>,
    /// Objects that count, in each range.
    objects: [usize; RANGES.len()],
}

/// Collects pictures, then gives the numbers.
#[derive(Clone, Debug)]
pub struct CocoEval {
    classes: Vec<Class>,
    pictures: usize,
}

/// The twelve numbers, 0 to 1; -1 where there is nothing to measure.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CocoNumbers {
    /// Mean over thresholds 0.50 to 0.95.
    pub ap: f64,
    /// At IoU 0.50.
    pub ap50: f64,
    /// At IoU 0.75.
    pub ap75: f64,
    /// Of objects below 32x32 pixels.
    pub ap_small: f64,
    /// Of objects between.
    pub ap_medium: f64,
    /// Of objects above 96x96 pixels.
    pub ap_large: f64,
    /// Recall with one detection for each picture and class.
    pub ar1: f64,
    /// With ten.
    pub ar10: f64,
    /// With a hundred.
    pub ar100: f64,
    /// Of objects below 32x32 pixels.
    pub ar_small: f64,
    /// Of objects between.
    pub ar_medium: f64,
    /// Of objects above 96x96 pixels.
    pub ar_large: f64,
}

impl CocoNumbers {
    /// The numbers in the usual order.
    pub fn all(&self) -> [f64; 12] {
        let Self { ap, ap50, ap75, ap_small, ap_medium, ap_large, ar1, ar10, ar100, ar_small, ar_medium, ar_large } =
            *self;
        [ap, ap50, ap75, ap_small, ap_medium, ap_large, ar1, ar10, ar100, ar_small, ar_medium, ar_large]
    }

    /// What each number is, in the same order.
    pub const NAMES: [&str; 12] = [
        "AP   0.50:0.95  all     100",
        "AP   0.50       all     100",
        "AP   0.75       all     100",
        "AP   0.50:0.95  small   100",
        "AP   0.50:0.95  medium  100",
        "AP   0.50:0.95  large   100",
        "AR   0.50:0.95  all       1",
        "AR   0.50:0.95  all      10",
        "AR   0.50:0.95  all     100",
        "AR   0.50:0.95  small   100",
        "AR   0.50:0.95  medium  100",
        "AR   0.50:0.95  large   100",
    ];
}

impl std::fmt::Display for CocoNumbers {
    /// A line for each number: what, at which IoU, for which areas, with how many detections.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        for (i, (name, value)) in Self::NAMES.iter().zip(self.all()).enumerate() {
            let end = if i + 1 < Self::NAMES.len() { "\n" } else { "" };
            write!(f, "{name}  {value:7.4}{end}")?;
        }
        Ok(())
    }
}

impl CocoEval {
    /// Nothing yet, of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes: vec![Class::default(); classes], pictures: 0 }
    }

    /// Number of pictures so far.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Adds a picture's boxes. An object's area is the label's, else its box's.
    pub fn add(&mut self, truth: &[Labelled], found: &[Detection]) {
        let truth_boxes: Vec<[f64; 4]> = truth.iter().map(|t| xywh(&t.bbox)).collect();
        let found_boxes: Vec<[f64; 4]> = found.iter().map(|d| xywh(&d.bbox)).collect();
        let area = |b: &[f64; 4]| b[2] * b[3];
        let object = |(t, b): (&Labelled, &[f64; 4])| Object {
            class: t.class,
            area: t.area.map_or(area(b), f64::from),
            crowd: t.crowd,
        };
        let detection =
            |(d, b): (&Detection, &[f64; 4])| Found { class: d.class, area: area(b), score: f64::from(d.score) };
        let objects: Vec<Object> = truth.iter().zip(&truth_boxes).map(object).collect();
        let detections: Vec<Found> = found.iter().zip(&found_boxes).map(detection).collect();
        self.add_with(&objects, &detections, |d, t| box_iou(found_boxes[d], truth_boxes[t], objects[t].crowd));
    }

    /// Adds a picture with another IoU: `iou(d, t)` is that of detection `d` and object `t`. With a crowd it is the
    /// share of the detection that lies in the crowd.
    pub fn add_with(&mut self, truth: &[Object], found: &[Found], iou: impl Fn(usize, usize) -> f64) {
        self.pictures += 1;
        for class in 0..self.classes.len() {
            let objects: Vec<usize> = (0..truth.len()).filter(|&t| truth[t].class == class).collect();
            let mut detections: Vec<usize> = (0..found.len()).filter(|&d| found[d].class == class).collect();
            if objects.is_empty() && detections.is_empty() {
                continue;
            }
            sort_by_score(&mut detections, |&d| found[d].score);
            detections.truncate(LIMITS[LIMITS.len() - 1]);
            let ious: Vec<Vec<f64>> =
                detections.iter().map(|&d| objects.iter().map(|&t| iou(d, t)).collect()).collect();
            let picture = Picture {
                objects: objects.iter().map(|&t| truth[t]).collect(),
                found: detections.iter().map(|&d| found[d]).collect(),
                ious,
            };
            picture.score(&mut self.classes[class]);
        }
    }

    /// The twelve numbers.
    pub fn numbers(&self) -> CocoNumbers {
        let curves: Vec<Vec<Curve>> = self.classes.iter().map(Class::curves).collect();
        let ap = |range: usize, at: Option<usize>| {
            let curves = curves.iter().map(|c| &c[range]).filter(|c| c.objects > 0);
            let values = curves.flat_map(|c| match at {
                Some(t) => c.ap[t..=t].to_vec(),
                None => c.ap.to_vec(),
            });
            mean(values).unwrap_or(-1.0)
        };
        let ar = |range: usize, limit: usize| {
            let recalls = self.classes.iter().filter_map(|c| c.recalls(range, limit));
            mean(recalls.flatten()).unwrap_or(-1.0)
        };
        CocoNumbers {
            ap: ap(0, None),
            ap50: ap(0, Some(0)),
            ap75: ap(0, Some(5)),
            ap_small: ap(1, None),
            ap_medium: ap(2, None),
            ap_large: ap(3, None),
            ar1: ar(0, LIMITS[0]),
            ar10: ar(0, LIMITS[1]),
            ar100: ar(0, LIMITS[2]),
            ar_small: ar(1, LIMITS[2]),
            ar_medium: ar(2, LIMITS[2]),
            ar_large: ar(3, LIMITS[2]),
        }
    }

    /// For each class AP over all thresholds and AP at 0.50; `None` for a class without objects.
    pub fn per_class(&self) -> Vec<Option<[f64; 2]>> {
        let numbers = |class: &Class| {
            let curve = &class.curves()[0];
            (curve.objects > 0).then(|| [mean(curve.ap.iter().copied()).unwrap_or(0.0), curve.ap[0]])
        };
        self.classes.iter().map(numbers).collect()
    }
}

/// Highest first; equal ones stay in their order.
pub(super) fn sort_by_score<T>(items: &mut [T], score: impl Fn(&T) -> f64) {
    items.sort_by(|a, b| score(b).partial_cmp(&score(a)).unwrap_or(std::cmp::Ordering::Equal));
}

fn xywh(b: &BBox) -> [f64; 4] {
    let (x0, y0, x1, y1) = (f64::from(b.x0), f64::from(b.y0), f64::from(b.x1), f64::from(b.y1));
    [x0, y0, x1 - x0, y1 - y0]
}

/// IoU of a detection and an object, given by left, top, width and height; with a crowd, the share of the detection.
pub fn box_iou(d: [f64; 4], t: [f64; 4], crowd: bool) -> f64 {
    let w = (d[0] + d[2]).min(t[0] + t[2]) - d[0].max(t[0]);
    let h = (d[1] + d[3]).min(t[1] + t[3]) - d[1].max(t[1]);
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let both = w * h;
    let own = d[2] * d[3];
    both / if crowd { own } else { own + t[2] * t[3] - both }
}

/// One class of one picture; detections by score.
struct Picture {
    objects: Vec<Object>,
    found: Vec<Found>,
    /// Of each detection with each object.
    ious: Vec<Vec<f64>>,
}

impl Picture {
    fn score(&self, class: &mut Class) {
        let fresh = |(rank, f): (usize, &Found)| Outcome {
            score: f.score,
            rank: rank as u8,
            matched: [0; RANGES.len()],
            ignored: [0; RANGES.len()],
        };
        let mut outcomes: Vec<Outcome> = self.found.iter().enumerate().map(fresh).collect();
        for (range, limits) in RANGES.iter().enumerate() {
            let outside = |area: f64| area < limits[0] || area > limits[1];
            let ignored: Vec<bool> = self.objects.iter().map(|o| o.crowd || outside(o.area)).collect();
            class.objects[range] += ignored.iter().filter(|i| !**i).count();
            for t in 0..THRESHOLDS {
                let taken = self.matches(threshold(t), &ignored);
                for ((outcome, found), taken) in outcomes.iter_mut().zip(&self.found).zip(taken) {
                    let passed_over = taken.map_or(outside(found.area), |object| ignored[object]);
                    outcome.matched[range] |= u16::from(taken.is_some()) << t;
                    outcome.ignored[range] |= u16::from(passed_over) << t;
                }
            }
        }
        class.outcomes.extend(outcomes);
    }

    /// Which object each detection takes.
    fn matches(&self, threshold: f64, ignored: &[bool]) -> Vec<Option<usize>> {
        let mut used = vec![false; self.objects.len()];
        let mut take = |ious: &Vec<f64>| {
            // Of equal ones the later object is taken.
            let best = |among_ignored: bool| {
                let mut least = threshold.min(1.0 - 1e-10);
                let mut best = None;
                for (object, &iou) in ious.iter().enumerate() {
                    let free = !used[object] || self.objects[object].crowd;
                    if ignored[object] == among_ignored && free && iou >= least {
                        (least, best) = (iou, Some(object));
                    }
                }
                best
            };
            let found = best(false).or_else(|| best(true));
            if let Some(object) = found {
                used[object] = true;
            }
            found
        };
        self.ious.iter().map(&mut take).collect()
    }
}

/// AP at each threshold for one class and range.
struct Curve {
    objects: usize,
    ap: [f64; THRESHOLDS],
}

impl Class {
    /// Over all pictures, by score.
    fn by_score(&self, limit: usize) -> Vec<Outcome> {
        let mut all: Vec<Outcome> = self.outcomes.iter().copied().filter(|o| usize::from(o.rank) < limit).collect();
        sort_by_score(&mut all, |o| o.score);
        all
    }

    fn curves(&self) -> Vec<Curve> {
        let sorted = self.by_score(LIMITS[LIMITS.len() - 1]);
        let curve = |range: usize| {
            let objects = self.objects[range];
            let ap = std::array::from_fn(|t| if objects > 0 { average(&sorted, range, t, objects) } else { 0.0 });
            Curve { objects, ap }
        };
        (0..RANGES.len()).map(curve).collect()
    }

    /// The largest recall at each threshold; `None` without objects.
    fn recalls(&self, range: usize, limit: usize) -> Option<[f64; THRESHOLDS]> {
        let objects = self.objects[range];
        let right = |t: usize| {
            let counts = |o: &&Outcome| usize::from(o.rank) < limit && is_right(o, range, t) == Some(true);
            self.outcomes.iter().filter(counts).count() as f64
        };
        (objects > 0).then(|| std::array::from_fn(|t| right(t) / objects as f64))
    }
}

/// Right, wrong, or neither.
fn is_right(o: &Outcome, range: usize, t: usize) -> Option<bool> {
    let bit = |mask: u16| mask >> t & 1 == 1;
    (!bit(o.ignored[range])).then(|| bit(o.matched[range]))
}

/// Mean precision at the points of recall.
fn average(sorted: &[Outcome], range: usize, t: usize, objects: usize) -> f64 {
    let (mut right, mut seen) = (0.0, 0.0);
    let (mut recall, mut precision) = (Vec::new(), Vec::new());
    for hit in sorted.iter().filter_map(|o| is_right(o, range, t)) {
        right += f64::from(u8::from(hit));
        seen += 1.0;
        recall.push(right / objects as f64);
        precision.push(right / (seen + f64::EPSILON));
    }
    envelope(&mut precision);
    let at = |point: usize| {
        // As a list from 0 to 1 in steps of 0.01 is made in floating point.
        let wanted = if point + 1 == RECALLS { 1.0 } else { point as f64 * 0.01 };
        precision.get(recall.partition_point(|r| *r < wanted)).copied().unwrap_or(0.0)
    };
    (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Image, class, x, y, w, h, area, crowd.
    type TruthRow = (usize, usize, f64, f64, f64, f64, f64, u8);
    /// Image, class, x, y, w, h, score.
    type FoundRow = (usize, usize, f64, f64, f64, f64, f64);

    /// What `tools/make_coco_goldens.py` wrote.
    #[derive(Deserialize)]
    struct Golden {
        images: usize,
        classes: usize,
        stats: [f64; 12],
        per_class: Vec<[f64; 2]>,
        truth: Vec<TruthRow>,
        found: Vec<FoundRow>,
    }

    const SETS: [(&str, &str); 4] = [
        ("ordinary", include_str!("golden/coco_ordinary.json")),
        ("ties", include_str!("golden/coco_ties.json")),
        ("many", include_str!("golden/coco_many.json")),
        ("empty", include_str!("golden/coco_empty.json")),
    ];

    fn same(name: &str, eval: &CocoEval, golden: &Golden) {
        let numbers = eval.numbers().all();
        for ((got, want), what) in numbers.iter().zip(golden.stats).zip(CocoNumbers::NAMES) {
            assert!((got - want).abs() < 1e-6, "{name}: {what} is {got}, pycocotools says {want}");
        }
        for (class, (got, want)) in eval.per_class().iter().zip(&golden.per_class).enumerate() {
            let got = got.unwrap_or([-1.0; 2]);
            let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6);
            assert!(near, "{name}: class {class} has {got:?}, pycocotools says {want:?}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_pycocotools() {
        for (name, text) in SETS {
            let golden: Golden = serde_json::from_str(text).unwrap();
            let mut eval = CocoEval::new(golden.classes);
            for image in 0..golden.images {
                let truth: Vec<_> = golden.truth.iter().filter(|t| t.0 == image).collect();
                let found: Vec<_> = golden.found.iter().filter(|f| f.0 == image).collect();
                let objects: Vec<Object> =
                    truth.iter().map(|t| Object { class: t.1, area: t.6, crowd: t.7 == 1 }).collect();
                let detections: Vec<Found> =
                    found.iter().map(|f| Found { class: f.1, area: f.4 * f.5, score: f.6 }).collect();
                eval.add_with(&objects, &detections, |d, t| {
                    let (d, o) = (found[d], truth[t]);
                    box_iou([d.2, d.3, d.4, d.5], [o.2, o.3, o.4, o.5], objects[t].crowd)
                });
            }
            assert_eq!(eval.pictures(), golden.images);
            same(name, &eval, &golden);
        }
    }

    #[test]
    fn labels_and_detections_give_the_same_numbers() {
        // In 32 bits too; all but the first set's numbers are exact in them.
        for (name, text) in &SETS {
            let golden: Golden = serde_json::from_str(text).unwrap();
            let mut eval = CocoEval::new(golden.classes);
            let bbox = |x: f64, y: f64, w: f64, h: f64| BBox::from_xywh(x as f32, y as f32, w as f32, h as f32);
            for image in 0..golden.images {
                let truth = golden.truth.iter().filter(|t| t.0 == image).map(|t| Labelled {
                    crowd: t.7 == 1,
                    area: Some(t.6 as f32),
                    ..Labelled::new(bbox(t.2, t.3, t.4, t.5), t.1)
                });
                let found = golden.found.iter().filter(|f| f.0 == image).map(|f| Detection {
                    bbox: bbox(f.2, f.3, f.4, f.5),
                    class: f.1,
                    score: f.6 as f32,
                });
                eval.add(&truth.collect::<Vec<_>>(), &found.collect::<Vec<_>>());
            }
            same(name, &eval, &golden);
        }
    }

    #[test]
    fn the_golden_sets_reach_what_they_are_for() {
        let golden = |i: usize| serde_json::from_str::<Golden>(SETS[i].1).unwrap();
        let many = golden(2);
        let of = |image: usize, class: usize| many.found.iter().filter(|f| (f.0, f.1) == (image, class)).count();
        let most = (0..many.images).flat_map(|i| (0..many.classes).map(move |c| (i, c))).map(|(i, c)| of(i, c)).max();
        assert!(most > Some(100), "{most:?} detections of a class in a picture");
        assert!((0..3).all(|i| golden(i).truth.iter().any(|t| t.7 == 1) && !golden(i).stats.contains(&-1.0)));
        assert!(golden(3).per_class.contains(&[-1.0; 2]));
    }

    #[test]
    fn nothing_to_measure_is_minus_one() {
        let mut eval = CocoEval::new(2);
        assert_eq!(eval.numbers().all(), [-1.0; 12]);
        let bbox = BBox::from_xywh(0.0, 0.0, 40.0, 40.0);
        eval.add(&[], &[Detection { bbox, class: 1, score: 0.5 }]);
        assert_eq!(eval.numbers().all(), [-1.0; 12]);
        eval.add(&[Labelled::new(bbox, 0)], &[]);
        let numbers = eval.numbers();
        assert_eq!((numbers.ap, numbers.ap_medium, numbers.ap_small, numbers.ar1), (0.0, 0.0, -1.0, 0.0));
        eval.add(&[Labelled::new(bbox, 1)], &[Detection { bbox, class: 1, score: 0.9 }]);
        let per_class: Vec<f64> = eval.per_class().iter().map(|ap| ap.unwrap()[0]).collect();
        assert!(per_class[0] == 0.0 && (per_class[1] - 1.0).abs() < 1e-12, "{per_class:?}");
        assert!(eval.numbers().to_string().starts_with("AP   0.50:0.95  all     100   0.5000\n"));
    }
}
