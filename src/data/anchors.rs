//! Anchors fitted to a data set: k-means on box shapes with the distance 1 - IoU (Redmon and Farhadi: YOLO9000, 2017).
//!
//! Shapes are taken as the network sees them, in pixels of its input. The first centres are drawn as k-means++ draws
//! them (Arthur and Vassilvitskii 2007), and the best of several starts is kept: the same for the same seed.

use super::labelled::LabelledPictures;
use super::letterbox::{Fit, Placement};
use super::rng::Rng;
use crate::{Error, Result};

/// Width and height.
pub type Shape = [f32; 2];

/// What [`fit`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchors {
    /// Width and height of each, in pixels of the input, by area.
    pub shapes: Vec<Shape>,
    /// Mean over all boxes of the IoU with the best anchor, both around one centre.
    pub mean_iou: f64,
    /// Number of boxes.
    pub boxes: usize,
}

/// Random starts of which the best is kept.
const STARTS: u64 = 10;
/// Rounds after which a start is taken as it is.
const ROUNDS: usize = 300;

/// IoU of two boxes around one centre.
pub fn shape_iou(a: Shape, b: Shape) -> f32 {
    let both = a[0].min(b[0]) * a[1].min(b[1]);
    both / (a[0] * a[1] + b[0] * b[1] - both)
}

/// The shapes of all boxes that are trained on, on an input of height and width `size`.
pub fn shapes<D: LabelledPictures + ?Sized>(pictures: &D, fit: Fit, size: [usize; 2]) -> Result<Vec<Shape>> {
    let mut out = Vec::new();
    for index in 0..pictures.len() {
        let labels = pictures.labels(index)?;
        let placement = Placement::new(fit, labels.size, size);
        let trained = labels.boxes.iter().filter(|b| !b.crowd && !b.difficult).map(|b| placement.map(b.bbox));
        out.extend(trained.map(|b| [b.width(), b.height()]).filter(|[w, h]| *w > 0.0 && *h > 0.0));
    }
    Ok(out)
}

/// `count` anchors for `shapes`. Fails if there are fewer different shapes than anchors.
pub fn fit(shapes: &[Shape], count: usize, seed: u64) -> Result<Anchors> {
    let mut different: Vec<[u32; 2]> = shapes.iter().map(|s| s.map(f32::to_bits)).collect();
    different.sort_unstable();
    different.dedup();
    if count == 0 || different.len() < count {
        return Err(Error::Usage(format!(
            "{count} anchors cannot be fitted to {} different box shapes; ask for fewer, or train with --anchors default",
            different.len()
        )));
    }
    let run = |start: u64| {
        let mut centres = first_centres(shapes, count, &mut Rng::new(seed).fork(start));
        let mean_iou = improve(shapes, &mut centres);
        (mean_iou, centres)
    };
    let best = (0..STARTS).map(run).reduce(|best, new| if new.0 > best.0 { new } else { best });
    let (mean_iou, mut centres) = best.expect("at least one start");
    centres.sort_by(|a, b| (a[0] * a[1]).total_cmp(&(b[0] * b[1])));
    Ok(Anchors { shapes: centres, mean_iou, boxes: shapes.len() })
}

/// The best centre for a shape, and its IoU.
fn nearest(shape: Shape, centres: &[Shape]) -> (usize, f32) {
    let by_iou = centres.iter().map(|c| shape_iou(shape, *c)).enumerate();
    by_iou.fold((0, -1.0), |best, new| if new.1 > best.1 { new } else { best })
}

/// Shapes drawn with a probability that grows with the square of their distance to those already drawn.
fn first_centres(shapes: &[Shape], count: usize, rng: &mut Rng) -> Vec<Shape> {
    let mut centres = vec![shapes[rng.below(shapes.len())]];
    while centres.len() < count {
        let weights: Vec<f64> =
            shapes.iter().map(|s| f64::from(1.0 - nearest(*s, &centres).1).max(0.0).powi(2)).collect();
        let mut left = f64::from(rng.unit()) * weights.iter().sum::<f64>();
        let drawn = weights.iter().position(|w| {
            left -= w;
            left < 0.0 && *w > 0.0
        });
        // Rounding may leave a rest behind the last one.
        let last = || weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
        centres.push(shapes[drawn.unwrap_or_else(last)]);
    }
    centres
}

/// Moves the centres to the means of the shapes nearest to them until none changes its centre; the mean IoU then.
fn improve(shapes: &[Shape], centres: &mut [Shape]) -> f64 {
    let mut owner = vec![usize::MAX; shapes.len()];
    for _ in 0..ROUNDS {
        let mut sums = vec![([0.0f64; 2], 0usize); centres.len()];
        let mut changed = false;
        for (shape, owner) in shapes.iter().zip(&mut owner) {
            let (new, _) = nearest(*shape, centres);
            changed |= new != *owner;
            *owner = new;
            let (sum, n) = &mut sums[new];
            *sum = [sum[0] + f64::from(shape[0]), sum[1] + f64::from(shape[1])];
            *n += 1;
        }
        if !changed {
            break;
        }
        for (centre, (sum, n)) in centres.iter_mut().zip(sums) {
            // A centre that lost all its shapes stays where it is.
            if n > 0 {
                *centre = sum.map(|s| (s / n as f64) as f32);
            }
        }
    }
    shapes.iter().map(|s| f64::from(nearest(*s, centres).1)).sum::<f64>() / shapes.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_found() {
        let centres = [[20.0, 10.0], [30.0, 90.0], [200.0, 150.0]];
        let mut rng = Rng::new(3);
        let shapes: Vec<Shape> = (0..300).map(|i| centres[i % 3].map(|v: f32| v * rng.range(0.95, 1.05))).collect();
        let got = fit(&shapes, 3, 1).unwrap();
        for (got, want) in got.shapes.iter().zip(centres) {
            assert!(shape_iou(*got, want) > 0.98, "{got:?} {want:?}");
        }
        assert!(got.mean_iou > 0.94 && got.boxes == 300, "{got:?}");
        assert_eq!(fit(&shapes, 3, 1).unwrap(), got);
        let more: Vec<f64> = (1..7).map(|k| fit(&shapes, k, 1).unwrap().mean_iou).collect();
        assert!(more.is_sorted(), "more anchors fit better: {more:?}");
    }

    #[test]
    fn as_many_anchors_as_shapes_fit_exactly() {
        let shapes = [[1.0, 2.0], [5.0, 5.0], [9.0, 3.0], [5.0, 5.0]];
        let got = fit(&shapes, 3, 7).unwrap();
        assert_eq!(got.shapes, [[1.0, 2.0], [5.0, 5.0], [9.0, 3.0]]);
        assert_eq!(got.mean_iou, 1.0);
        let text = fit(&shapes, 4, 7).unwrap_err().to_string();
        assert!(text.contains("4 anchors cannot be fitted to 3 different"), "{text}");
    }

    #[test]
    fn shape_iou_by_hand() {
        assert_eq!(shape_iou([2.0, 2.0], [2.0, 2.0]), 1.0);
        assert_eq!(shape_iou([4.0, 1.0], [1.0, 4.0]), 1.0 / 7.0);
    }
}
