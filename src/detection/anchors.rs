//! Anchors: the boxes that region proposal networks and one-stage detectors refer to, as torchvision's AnchorGenerator makes them.
//!
//! Everything is computed on the host, in f32 and in torchvision's order of operations, so that the numbers are the same: they depend on
//! the sizes of tensors alone and become a constant of the graph.

use crate::graph::Graph;
use crate::ops::Value;
use crate::tensor::Tensor;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Sizes and shapes of anchors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnchorSpec {
    /// For each level, finest first: square roots of the anchors' areas, in pixels of the network's input.
    pub sizes: Vec<Vec<f32>>,
    /// Height over width; the same for all levels.
    pub ratios: Vec<f32>,
}

impl AnchorSpec {
    /// Faster R-CNN's and Mask R-CNN's on a pyramid: 32 to 512, one size for each of five levels. Lin et al., "Feature pyramid networks", 2017.
    pub fn faster_rcnn() -> Self {
        let sizes = [32.0, 64.0, 128.0, 256.0, 512.0].map(|s| vec![s]);
        Self { sizes: sizes.into(), ratios: vec![0.5, 1.0, 2.0] }
    }

    /// RetinaNet's: three sizes a level, a third of an octave apart, cut to whole pixels. Lin et al., "Focal loss", 2017.
    pub fn retinanet() -> Self {
        let octave = |s: f64| [0.0, 1.0, 2.0].map(|third| (s * 2f64.powf(third / 3.0)).trunc() as f32).to_vec();
        let sizes = [32.0, 64.0, 128.0, 256.0, 512.0].map(octave);
        Self { sizes: sizes.into(), ratios: vec![0.5, 1.0, 2.0] }
    }

    /// Anchors at each place of a level.
    pub fn per_place(&self, level: usize) -> usize {
        self.sizes[level].len() * self.ratios.len()
    }

    /// The anchors of a level around (0, 0), as corners x0, y0, x1, y1 of whole pixels (halves round to even): all sizes of the first
    /// ratio, then of the next.
    pub fn base(&self, level: usize) -> Vec<[f32; 4]> {
        let one = |ratio: f32, size: f32| {
            let tall = ratio.sqrt();
            let (w, h) = ((1.0 / tall) * size, tall * size);
            [-w, -h, w, h].map(|v| (v / 2.0).round_ties_even())
        };
        self.ratios.iter().flat_map(|&r| self.sizes[level].iter().map(move |&s| one(r, s))).collect()
    }

    /// All anchors, f32 (1, A, 4) as corners in pixels of the network's input: level by level, row by row, place by place. `padded` is height and width of
    /// the input, `grids` those of each level's features; neighbours are padded / grid apart, without the rest. Fails where the
    /// number of levels differs, where a grid is empty or finer than the input, and for sizes and ratios that are not positive.
    pub fn anchors(&self, padded: [usize; 2], grids: &[[usize; 2]]) -> Result<Tensor> {
        let wrong = |message: String| Err(Error::Usage(format!("anchors: {message}")));
        if grids.len() != self.sizes.len() {
            return wrong(format!("{} levels of sizes, but {} of features", self.sizes.len(), grids.len()));
        }
        let numbers = || self.sizes.iter().flatten().chain(&self.ratios);
        if self.ratios.is_empty() || self.sizes.iter().any(Vec::is_empty) {
            return wrong("every level needs a size and a ratio".into());
        }
        if let Some(bad) = numbers().find(|v| !(v.is_finite() && **v > 0.0)) {
            return wrong(format!("sizes and ratios must be positive, got {bad}"));
        }
        let mut data = Vec::new();
        for (level, &[rows, columns]) in grids.iter().enumerate() {
            if !(1..=padded[0]).contains(&rows) || !(1..=padded[1]).contains(&columns) {
                let [h, w] = padded;
                return wrong(format!("features of {rows} x {columns} do not come from an input of {h} x {w}"));
            }
            let stride = [padded[0] / rows, padded[1] / columns];
            let base = self.base(level);
            for (row, column) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let (x, y) = ((column * stride[1]) as f32, (row * stride[0]) as f32);
                data.extend(base.iter().flat_map(|b| [b[0] + x, b[1] + y, b[2] + x, b[3] + y]));
            }
        }
        Ok(Tensor::f32([1, data.len() / 4, 4], data))
    }

    /// The anchors over feature maps (N, H_l, W_l, C) of an input of height and width `padded`; see [`AnchorSpec::anchors`].
    pub fn over(&self, graph: &Graph, features: &[Value], padded: [usize; 2]) -> Result<Tensor> {
        let grids: Vec<[usize; 2]> = features.iter().map(|&map| [1, 2].map(|d| graph.shape(map)[d])).collect();
        self.anchors(padded, &grids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What torchvision makes: `tools/make_goldens.py anchors`.
    #[derive(Deserialize)]
    struct Golden {
        spec: AnchorSpec,
        base: Vec<Vec<[f32; 4]>>,
        padded: [usize; 2],
        grids: Vec<[usize; 2]>,
        count: usize,
        /// Index and corners of some of them.
        some: Vec<(usize, [f32; 4])>,
        /// Sums of each coordinate of all of them, whole numbers.
        sums: [f64; 4],
    }

    fn goldens() -> Vec<Golden> {
        serde_json::from_str(include_str!("../../kernels-tests/golden/anchors.json")).expect("readable")
    }

    #[test]
    fn anchors_are_torchvisions() {
        let goldens = goldens();
        assert!(goldens.len() >= 4);
        for g in goldens {
            for (level, base) in g.base.iter().enumerate() {
                assert_eq!(&g.spec.base(level), base, "level {level} of {:?}", g.spec);
                assert_eq!(g.spec.per_place(level), base.len());
            }
            let anchors = g.spec.anchors(g.padded, &g.grids).expect("fits");
            assert_eq!(anchors.shape()[..], [1, g.count, 4]);
            for (i, corners) in &g.some {
                assert_eq!(&anchors.as_f32()[4 * i..4 * i + 4], corners, "anchor {i} of {:?}", g.spec);
            }
            let sum = |c: usize| anchors.as_f32().iter().skip(c).step_by(4).map(|&v| f64::from(v)).sum::<f64>();
            assert_eq!([0, 1, 2, 3].map(sum), g.sums);
        }
    }

    #[test]
    fn known_specs_are_torchvisions() {
        let specs: Vec<AnchorSpec> = goldens().into_iter().map(|g| g.spec).collect();
        assert_eq!(AnchorSpec::faster_rcnn(), specs[0]);
        assert_eq!(AnchorSpec::retinanet(), specs[1]);
    }

    #[test]
    fn what_makes_no_anchors_is_refused() {
        let spec = AnchorSpec { sizes: vec![vec![32.0]], ratios: vec![1.0] };
        let fails = |spec: &AnchorSpec, grids: &[[usize; 2]], part: &str| {
            let message = spec.anchors([64, 64], grids).expect_err("refused").to_string();
            assert!(message.contains(part), "'{message}' does not contain '{part}'");
        };
        fails(&spec, &[[2, 2], [1, 1]], "1 levels of sizes, but 2 of features");
        fails(&spec, &[[0, 2]], "features of 0 x 2");
        fails(&spec, &[[2, 65]], "features of 2 x 65 do not come from an input of 64 x 64");
        fails(&AnchorSpec { ratios: vec![0.0], ..spec.clone() }, &[[2, 2]], "must be positive, got 0");
        fails(&AnchorSpec { ratios: vec![], ..spec }, &[[2, 2]], "needs a size and a ratio");
    }
}
