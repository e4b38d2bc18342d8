//! Measures a trained segmentation network on pictures with masks.

use super::segmenter::Segmenter;
use crate::data::pairs::MaskedPictures;
use crate::metrics::segmentation::{Confusion, PictureDice, Scores};
use crate::{Error, Result};
use serde::Serialize;

/// Everything `wgvision eval` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Pictures measured.
    pub pictures: usize,
    /// Class names, in the order of the scores.
    pub classes: Vec<String>,
    /// Scores over all pixels.
    pub scores: Scores,
    /// Dice of the foreground averaged over pictures; binary networks only.
    pub picture_dice: Option<f64>,
}

/// Segments every picture and compares. `each` is called with the number done.
pub fn evaluate(
    segmenter: &mut Segmenter,
    data: &impl MaskedPictures,
    mut each: impl FnMut(usize),
) -> Result<Evaluation> {
    let classes = segmenter.model().classes.clone();
    if data.labels().classes() != classes.len() {
        let (data, model) = (data.labels().classes(), classes.len());
        return Err(Error::Usage(format!("the data has {data} classes, the model {model}")));
    }
    let mut confusion = Confusion::new(classes.len());
    let mut dice = PictureDice::default();
    for i in 0..data.len() {
        let pair = data.get(i)?;
        let found = segmenter.segment(&pair.picture)?;
        confusion.add(&pair.mask, &found.mask);
        if classes.len() == 2 {
            dice.add(&pair.mask, &found.mask);
        }
        each(i + 1);
    }
    Ok(Evaluation { pictures: data.len(), classes, scores: confusion.scores(), picture_dice: dice.mean() })
}
