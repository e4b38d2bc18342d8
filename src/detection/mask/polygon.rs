//! Masks from polygons, pixel for pixel those of COCO's tools (`rleFrPoly` of pycocotools).
//!
//! The outline is walked in fifths of a pixel. Where it crosses the middle of a column, the pixels from there on down the
//! columns change between outside and inside, so two crossings at one place cancel, as an even-odd filling has it.

use super::{Mask, Runs};
use crate::{Error, Result};

/// Steps in a pixel.
const STEPS: f64 = 5.0;
/// Coordinates may lie outside of the picture, but not farther from its corner than this.
const FARTHEST: f64 = 1e5;

impl Mask {
    /// What lies inside any of `polygons`, each a list x, y, x, y, ... in pixels, of a picture of height and width `size`.
    ///
    /// Fails if a polygon has an odd count of numbers, fewer than three points, or coordinates that are not finite or
    /// far outside of every picture.
    pub fn from_polygons(size: [u32; 2], polygons: &[impl AsRef<[f64]>]) -> Result<Self> {
        let mut mask: Option<Self> = None;
        for polygon in polygons {
            let one = filled(size, polygon.as_ref())?;
            mask = Some(mask.map_or(one.clone(), |mask| mask.union(&one)));
        }
        Ok(mask.unwrap_or_else(|| Self::empty(size)))
    }

    /// A rectangle given by left, top, width and height, drawn as a polygon.
    pub fn from_xywh(size: [u32; 2], [x, y, w, h]: [f64; 4]) -> Result<Self> {
        Self::from_polygons(size, &[[x, y, x, y + h, x + w, y + h, x + w, y]])
    }
}

fn filled(size: [u32; 2], polygon: &[f64]) -> Result<Mask> {
    let wrong = |what: String| Err(Error::Usage(format!("polygon: {what}")));
    if polygon.len() % 2 == 1 {
        return wrong(format!("an odd count of {} numbers is no list of x, y", polygon.len()));
    }
    if polygon.len() < 6 {
        return wrong(format!("{} points enclose nothing", polygon.len() / 2));
    }
    if let Some(far) = polygon.iter().find(|v| v.is_nan() || v.abs() > FARTHEST) {
        return wrong(format!("the coordinate {far} is not in any picture"));
    }
    let steps: Vec<[i32; 2]> =
        polygon.chunks_exact(2).map(|p| [(STEPS * p[0] + 0.5) as i32, (STEPS * p[1] + 0.5) as i32]).collect();
    let mut changes = Vec::new();
    let mut last: Option<[i32; 2]> = None;
    for (i, &from) in steps.iter().enumerate() {
        walk(from, steps[(i + 1) % steps.len()], |at| {
            changes.extend(last.and_then(|last| crossing(last, at, size)));
            last = Some(at);
        });
    }
    changes.sort_unstable();
    let (mut runs, mut inside, mut at) = (Runs::new(), false, 0);
    for change in changes {
        runs.push(inside, change - at);
        (inside, at) = (!inside, change);
    }
    runs.push(inside, size[0] * size[1] - at);
    Ok(runs.finish(size))
}

/// Every point of an edge. It is computed from the end with the smaller coordinate, so that both directions agree.
fn walk(from: [i32; 2], to: [i32; 2], mut visit: impl FnMut([i32; 2])) {
    let (dx, dy) = ((from[0] - to[0]).abs(), (from[1] - to[1]).abs());
    let long = usize::from(dx < dy);
    let length = dx.max(dy);
    let turned = from[long] > to[long];
    let (start, end) = if turned { (to, from) } else { (from, to) };
    let slope = f64::from(end[1 - long] - start[1 - long]) / f64::from(length.max(1));
    for d in 0..=length {
        let t = if turned { length - d } else { d };
        let mut at = [0; 2];
        at[long] = start[long] + t;
        at[1 - long] = (f64::from(start[1 - long]) + slope * f64::from(t) + 0.5) as i32;
        visit(at);
    }
}

/// The pixel, counted down the columns, from which on a step over the middle of a column changes things.
fn crossing(last: [i32; 2], at: [i32; 2], [height, width]: [u32; 2]) -> Option<u32> {
    if last[0] == at[0] {
        return None;
    }
    let middle = |v: i32| (f64::from(v) + 0.5) / STEPS - 0.5;
    let x = middle(if at[0] < last[0] { at[0] } else { at[0] - 1 });
    if x.floor() != x || x < 0.0 || x > f64::from(width) - 1.0 {
        return None;
    }
    let y = middle(last[1].min(at[1])).clamp(0.0, f64::from(height)).ceil();
    Some(x as u32 * height + y as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// What `tools/make_mask_goldens.py` wrote.
    #[derive(Deserialize)]
    struct Golden {
        size: [u32; 2],
        polygons: Vec<Vec<f64>>,
        counts: String,
        area: u64,
        bbox: [u32; 4],
    }

    #[test]
    fn polygons_are_filled_as_pycocotools_fills_them() {
        let golden: Vec<Golden> = serde_json::from_str(include_str!("../golden/polygons.json")).unwrap();
        assert!(golden.len() > 50);
        for (number, g) in golden.iter().enumerate() {
            let mask = Mask::from_polygons(g.size, &g.polygons).unwrap();
            assert_eq!(mask, Mask::parse(g.size, &g.counts).unwrap(), "number {number}: {:?}", g.polygons);
            assert_eq!((mask.area(), mask.bbox()), (g.area, g.bbox), "number {number}");
        }
        assert!(golden.iter().any(|g| g.area == 0) && golden.iter().any(|g| g.polygons.len() > 1));
    }

    #[test]
    fn a_rectangle_of_whole_pixels_is_those_pixels() {
        let mask = Mask::from_xywh([20, 30], [4.0, 5.0, 7.0, 3.0]).unwrap();
        assert_eq!((mask.area(), mask.bbox()), (21, [4, 5, 7, 3]));
        assert_eq!(Mask::from_xywh([20, 30], [-9.0, -9.0, 90.0, 90.0]).unwrap().area(), 600, "cut off at the edges");
        assert_eq!(Mask::from_polygons([20, 30], &[[0.0; 6]; 0]).unwrap(), Mask::empty([20, 30]));
    }

    #[test]
    fn what_is_no_polygon_is_an_error() {
        for (polygon, words) in [
            (vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "odd count of 7"),
            (vec![1.0, 2.0, 3.0, 4.0], "2 points enclose nothing"),
            (vec![], "0 points"),
            (vec![1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0], "coordinate NaN"),
            (vec![1.0, 2.0, f64::INFINITY, 4.0, 5.0, 6.0], "coordinate inf"),
            (vec![1.0, 2.0, 1e9, 4.0, 5.0, 6.0], "coordinate 1000000000 is not in any picture"),
        ] {
            let text = Mask::from_polygons([9, 9], &[polygon]).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
