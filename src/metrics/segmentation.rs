//! Segmentation scores: pixel accuracy, intersection over union, Dice.
//!
//! A class that neither the truth nor the prediction holds has no score and takes no part in means; one that only
//! the prediction holds scores 0. Pixels whose truth is [`IGNORE`] are not counted.

use serde::Serialize;

/// The truth of pixels that do not count.
pub const IGNORE: u8 = 255;

/// How often each class was taken for each other, over any number of pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `counts[truth * classes + predicted]`.
    counts: Vec<u64>,
}

impl Confusion {
    /// Nothing counted yet. `classes` includes the background.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts the pixels of one picture. Panics if the lengths differ or a class is out of range: masks are checked
    /// when they are read.
    pub fn add(&mut self, truth: &[u8], predicted: &[u8]) {
        assert_eq!(truth.len(), predicted.len(), "one prediction per pixel");
        for (&t, &p) in truth.iter().zip(predicted).filter(|(t, _)| **t != IGNORE) {
            let (t, p) = (usize::from(t), usize::from(p));
            assert!(t < self.classes && p < self.classes, "classes {t} and {p} of {}", self.classes);
            self.counts[t * self.classes + p] += 1;
        }
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "the same classes");
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
    }

    /// Pixels of class `truth` that were predicted as `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// The scores of everything counted.
    pub fn scores(&self) -> Scores {
        let all = 0..self.classes;
        let correct: u64 = all.clone().map(|c| self.count(c, c)).sum();
        let total: u64 = self.counts.iter().sum();
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let class = |c: usize| {
            let hits = self.count(c, c);
            let truth: u64 = all.clone().map(|p| self.count(c, p)).sum();
            let predicted: u64 = all.clone().map(|t| self.count(t, c)).sum();
            (ratio(hits, truth + predicted - hits), ratio(2 * hits, truth + predicted))
        };
        let (iou, dice): (Vec<_>, Vec<_>) = all.clone().map(class).unzip();
        Scores { pixel_accuracy: ratio(correct, total), mean_iou: mean(&iou), mean_dice: mean(&dice), iou, dice }
    }
}

/// Scores in [0, 1]; `None` where nothing was there to score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Share of pixels with the right class.
    pub pixel_accuracy: Option<f64>,
    /// Mean of `iou` over the classes that have one, background included.
    pub mean_iou: Option<f64>,
    /// Mean of `dice` over the classes that have one, background included.
    pub mean_dice: Option<f64>,
    /// Intersection over union of each class: TP / (TP + FP + FN).
    pub iou: Vec<Option<f64>>,
    /// Dice coefficient of each class: 2 TP / (2 TP + FP + FN).
    pub dice: Vec<Option<f64>>,
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let present: Vec<f64> = values.iter().flatten().copied().collect();
    (!present.is_empty()).then(|| present.iter().sum::<f64>() / present.len() as f64)
}

/// Dice of the foreground, averaged over pictures: each picture counts the same however much it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PictureDice {
    sum: f64,
    pictures: usize,
}

impl PictureDice {
    /// Adds one picture of binary masks (1 is foreground) and returns its Dice. Two empty masks agree: 1.
    pub fn add(&mut self, truth: &[u8], predicted: &[u8]) -> f64 {
        let mut confusion = Confusion::new(2);
        confusion.add(truth, predicted);
        let dice = confusion.scores().dice[1].unwrap_or(1.0);
        self.sum += dice;
        self.pictures += 1;
        dice
    }

    /// Number of pictures added.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Mean over the pictures; `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        (self.pictures > 0).then(|| self.sum / self.pictures as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_hand() {
        let mut confusion = Confusion::new(3);
        confusion.add(&[0, 0, 0, 1, 1, 2, 255], &[0, 0, 1, 1, 2, 2, 0]);
        let scores = confusion.scores();
        assert_eq!(scores.pixel_accuracy, Some(4.0 / 6.0));
        assert_eq!(scores.iou, [Some(2.0 / 3.0), Some(1.0 / 3.0), Some(1.0 / 2.0)]);
        assert_eq!(scores.dice, [Some(4.0 / 5.0), Some(2.0 / 4.0), Some(2.0 / 3.0)]);
        assert_eq!(scores.mean_iou, Some((2.0 / 3.0 + 1.0 / 3.0 + 0.5) / 3.0));
    }

    #[test]
    fn absent_classes_have_no_score_and_invented_ones_score_0() {
        let mut confusion = Confusion::new(3);
        confusion.add(&[0, 0, 0, 0], &[0, 0, 0, 2]);
        let scores = confusion.scores();
        assert_eq!(scores.iou, [Some(0.75), None, Some(0.0)]);
        assert_eq!(scores.mean_iou, Some(0.375));
        let nothing = Confusion::new(2).scores();
        assert_eq!((nothing.pixel_accuracy, nothing.mean_iou, nothing.mean_dice), (None, None, None));
    }

    #[test]
    fn merging_is_adding() {
        let (mut a, mut b, mut both) = (Confusion::new(2), Confusion::new(2), Confusion::new(2));
        a.add(&[0, 1], &[1, 1]);
        b.add(&[1, 1], &[0, 1]);
        both.add(&[0, 1, 1, 1], &[1, 1, 0, 1]);
        a.merge(&b);
        assert_eq!(a, both);
    }

    #[test]
    fn every_picture_counts_the_same() {
        let mut dice = PictureDice::default();
        assert_eq!(dice.mean(), None);
        assert_eq!(dice.add(&[0, 0], &[0, 0]), 1.0);
        assert_eq!(dice.add(&[0, 0], &[0, 1]), 0.0);
        assert_eq!(dice.add(&[1, 1, 0, 0], &[1, 0, 0, 0]), 2.0 / 3.0);
        assert!((dice.mean().unwrap() - 5.0 / 9.0).abs() < 1e-15 && dice.pictures() == 3);
    }
}
