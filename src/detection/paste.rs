//! The small mask that a mask head gives for a box, brought to its place in the picture.
//!
//! As torchvision does it (`paste_masks_in_image`): a border of zeros one wide around the probabilities, the box grown by
//! the same share and its corners cut to whole numbers, then bilinear. Only pixels in the box are computed.

use super::mask::Runs;
use super::{BBox, Mask};

/// Pixels of a larger probability are set.
const THRESHOLD: f32 = 0.5;
/// Boxes are cut off this far from the picture's corner.
const FAR: f32 = 1e7;

/// The mask of one detection. `probabilities` (side, side) row by row, 0 to 1, lie over `bbox`, in pixels of a picture of
/// height and width `picture`.
pub fn paste(probabilities: &[f32], side: usize, bbox: &BBox, picture: [usize; 2]) -> Mask {
    assert_eq!(probabilities.len(), side * side, "a square of probabilities");
    let [height, width] = picture;
    let [x0, x1] = grown(bbox.x0, bbox.x1, side);
    let [y0, y1] = grown(bbox.y0, bbox.y1, side);
    let (columns, rows) = (taps(x0, x1, side, width), taps(y0, y1, side, height));
    let at = |row: usize, column: usize| {
        // The border is not stored.
        let inside = (1..=side).contains(&row) && (1..=side).contains(&column);
        if inside { probabilities[(row - 1) * side + column - 1] } else { 0.0 }
    };
    let mut runs = Runs::new();
    let mut end = 0;
    for column in &columns {
        for row in &rows {
            let across = |r: usize| (1.0 - column.share) * at(r, column.low) + column.share * at(r, column.high);
            let value = (1.0 - row.share) * across(row.low) + row.share * across(row.high);
            if value > THRESHOLD {
                let place = column.place * height + row.place;
                runs.push(false, (place - end) as u32);
                runs.push(true, 1);
                end = place + 1;
            }
        }
    }
    runs.push(false, (height * width - end) as u32);
    runs.finish([height as u32, width as u32])
}

/// The first and the last pixel that an edge pair reaches with the border.
fn grown(low: f32, high: f32, side: usize) -> [i64; 2] {
    let (half, centre) = ((high - low) * 0.5, (high + low) * 0.5);
    let half = half * ((side + 2) as f64 / side as f64) as f32;
    // Like a cast in C, towards zero.
    [centre - half, centre + half].map(|v| v.clamp(-FAR, FAR) as i64)
}

/// A pixel of the picture: its place, the two samples around it, and the share of the second.
struct Tap {
    place: usize,
    low: usize,
    high: usize,
    share: f32,
}

/// The pixels from `first` to `last` that are in the picture, over `side` samples and the border.
fn taps(first: i64, last: i64, side: usize, picture: usize) -> Vec<Tap> {
    let length = (last - first + 1).max(1);
    let samples = side + 2;
    let step = samples as f32 / length as f32;
    // What is narrower than a pixel in the wrong direction covers none.
    let (start, end) = (first.max(0), (last + 1).min(picture as i64));
    let tap = |place: i64| {
        // Rounded once, as PyTorch's kernels have it.
        let position = step.mul_add((place - first) as f32 + 0.5, -0.5).max(0.0);
        let low = (position as usize).min(samples - 1);
        Tap {
            place: place as usize,
            low,
            high: (low + 1).min(samples - 1),
            share: (position - low as f32).clamp(0.0, 1.0),
        }
    };
    (start..end).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// What `tools/make_mask_goldens.py` wrote.
    #[derive(Deserialize)]
    struct Golden {
        picture: [usize; 2],
        side: usize,
        bbox: [f32; 4],
        probabilities: Vec<f32>,
        counts: String,
        /// Pixels whose probability is within rounding of the threshold.
        close: u64,
    }

    #[test]
    fn masks_are_pasted_as_torchvision_pastes_them() {
        let golden: Vec<Golden> = serde_json::from_str(include_str!("golden/paste.json")).unwrap();
        assert!(golden.len() >= 8);
        for (number, g) in golden.iter().enumerate() {
            let [x0, y0, x1, y1] = g.bbox;
            let got = paste(&g.probabilities, g.side, &BBox { x0, y0, x1, y1 }, g.picture);
            let want = Mask::parse(g.picture.map(|v| v as u32), &g.counts).unwrap();
            let differ = got.union(&want).area() - got.intersection(&want);
            assert!(differ <= g.close, "number {number}: {differ} pixels differ, {} are close", g.close);
        }
        assert!(golden.iter().filter(|g| g.close == 0).count() >= 6, "most have nothing to round");
    }

    #[test]
    fn sure_masks_fill_their_boxes() {
        let bbox = BBox { x0: 10.0, y0: 20.0, x1: 66.0, y1: 62.0 };
        let mask = paste(&[1.0; 28 * 28], 28, &bbox, [80, 100]);
        assert_eq!(mask.size(), [80, 100]);
        let [x, y, w, h] = mask.bbox();
        assert!(
            x.abs_diff(10) <= 1 && y.abs_diff(20) <= 1 && w.abs_diff(56) <= 1 && h.abs_diff(42) <= 1,
            "{x} {y} {w} {h}"
        );
        assert_eq!(mask.area(), u64::from(w * h));
        assert_eq!(paste(&[0.5; 28 * 28], 28, &bbox, [80, 100]).area(), 0, "exactly a half is not enough");
    }

    #[test]
    fn odd_boxes_are_harmless() {
        let far = [f32::NAN, f32::INFINITY, -1e30, 1e30];
        for bbox in [
            BBox { x0: far[2], y0: far[2], x1: far[3], y1: far[3] },
            BBox { x0: far[0], y0: 0.0, x1: 5.0, y1: far[0] },
            BBox { x0: 0.0, y0: 0.0, x1: far[1], y1: 9.0 },
            BBox { x0: 90.0, y0: 90.0, x1: 95.0, y1: 99.0 },
            BBox { x0: 9.0, y0: 9.0, x1: 2.0, y1: 2.0 },
            BBox::default(),
        ] {
            assert_eq!(paste(&[1.0; 16], 4, &bbox, [30, 40]).size(), [30, 40], "{bbox:?}");
        }
    }
}
