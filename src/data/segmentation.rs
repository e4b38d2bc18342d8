//! Batches for segmentation networks: pictures with masks, varied, normalised and weighted, as tensors.

use super::augment::Augment;
use super::border::BorderWeights;
use super::loader::Source;
use super::normalise::Normalise;
use super::pairs::{Labels, MaskedPictures};
use super::rng::Rng;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// How pictures with masks become network input.
pub struct Segmentation<D> {
    /// The pictures.
    pub pictures: D,
    /// Random variation.
    pub augment: Augment,
    /// Pixel values.
    pub normalise: Normalise,
    /// Per-pixel weights of the loss, if wanted.
    pub border: Option<BorderWeights>,
}

/// One picture with mask, ready for a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    name: String,
    size: [usize; 2],
    image: Vec<f32>,
    mask: Vec<u8>,
    weights: Option<Vec<f32>>,
}

/// What a training step of a segmentation network needs.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationBatch {
    /// (N, H, W, 3), normalised.
    pub images: Tensor,
    /// Binary: (N, H, W, 1) f32, 0 or 1. Classes: (N, H, W) i32, with [`super::pairs::IGNORE`] for pixels that
    /// do not count.
    pub targets: Tensor,
    /// f32 of the shape of `targets`.
    pub weights: Option<Tensor>,
    /// Names of the pictures.
    pub names: Vec<String>,
}

impl<D: MaskedPictures> Source for Segmentation<D> {
    type Sample = Example;
    type Batch = SegmentationBatch;

    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn sample(&self, index: usize, rng: &mut Rng) -> Result<Example> {
        let pair = self.pictures.get(index)?;
        let size = [pair.picture.height() as usize, pair.picture.width() as usize];
        let variation = self.augment.draw(size, rng);
        let size = variation.warp.size;
        let mut image = variation.picture(&pair.picture);
        self.normalise.of(&pair.picture).apply(&mut image);
        let mask = variation.warp.mask(&pair.mask);
        let weights = self.border.map(|b| b.map(&mask, size));
        Ok(Example { name: pair.name.clone(), size, image, mask, weights })
    }

    fn collate(&self, examples: Vec<Example>) -> Result<SegmentationBatch> {
        let [h, w] = examples[0].size;
        if let Some(other) = examples.iter().find(|e| e.size != [h, w]) {
            return Err(Error::Usage(format!(
                "pictures of one batch must be of one size: {} is {w}x{h}, {} is {}x{}; set a crop size",
                examples[0].name, other.name, other.size[1], other.size[0]
            )));
        }
        let n = examples.len();
        let mut images = Vec::with_capacity(n * h * w * 3);
        let mut mask = Vec::with_capacity(n * h * w);
        let mut weights = self.border.map(|_| Vec::with_capacity(n * h * w));
        let mut names = Vec::with_capacity(n);
        for example in examples {
            images.extend(example.image);
            mask.extend(example.mask);
            if let Some(all) = &mut weights {
                all.extend(example.weights.expect("made with the same settings"));
            }
            names.push(example.name);
        }
        let targets = match self.pictures.labels() {
            Labels::Binary => Tensor::f32([n, h, w, 1], mask.iter().map(|&v| f32::from(u8::from(v == 1))).collect()),
            Labels::Classes(_) => Tensor::i32([n, h, w], mask.iter().map(|&v| v.into()).collect()),
        };
        let weights = weights.map(|v| Tensor::f32(targets.shape(), v));
        Ok(SegmentationBatch { images: Tensor::f32([n, h, w, 3], images), targets, weights, names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::loader::{Loader, LoaderOptions};
    use crate::data::pairs::{IGNORE, MaskedPicture};
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use std::sync::Arc;

    /// Pictures made by a formula; number `i` is `20 + i` pixels wide.
    struct Made(Labels);

    impl MaskedPictures for Made {
        fn len(&self) -> usize {
            4
        }
        fn labels(&self) -> Labels {
            self.0
        }
        fn get(&self, i: usize) -> Result<Arc<MaskedPicture>> {
            let width = 20 + i as u32;
            let top = if self.0 == Labels::Binary { 1 } else { IGNORE };
            Ok(Arc::new(MaskedPicture {
                name: format!("made {i}"),
                picture: RgbImage::from_fn(width, 16, |x, y| Rgb([x as u8 * 9, y as u8 * 9, 50])),
                mask: GrayImage::from_fn(width, 16, |x, _| Luma([if x % 5 == 0 { top } else { 0 }])),
            }))
        }
    }

    fn source(labels: Labels, crop: Option<[usize; 2]>) -> Segmentation<Made> {
        Segmentation {
            pictures: Made(labels),
            augment: Augment { crop, ..Augment::default() },
            normalise: Normalise::Standardise,
            border: Some(BorderWeights::default()),
        }
    }

    #[test]
    fn batches_have_the_promised_shapes() {
        let loader = Loader::new(source(Labels::Binary, Some([8, 12])), LoaderOptions::training(3, 1)).unwrap();
        let batch = loader.map(|b| b.unwrap()).next().unwrap();
        assert_eq!(batch.images.shape()[..], [3, 8, 12, 3]);
        assert_eq!(batch.targets.shape()[..], [3, 8, 12, 1]);
        assert_eq!(batch.weights.unwrap().shape()[..], [3, 8, 12, 1]);
        assert!(batch.targets.as_f32().contains(&1.0) && batch.targets.as_f32().contains(&0.0));
        assert_eq!(batch.names.len(), 3);

        let loader = Loader::new(source(Labels::Classes(3), Some([8, 12])), LoaderOptions::training(2, 1)).unwrap();
        let batch = loader.map(|b| b.unwrap()).next().unwrap();
        assert_eq!(batch.targets.shape()[..], [2, 8, 12]);
        let weights = batch.weights.unwrap();
        for (&class, &weight) in batch.targets.as_i32().iter().zip(weights.as_f32()) {
            assert!(class == 0 && weight > 0.0 || class == 255 && weight == 0.0);
        }
    }

    #[test]
    fn pictures_of_different_sizes_need_a_crop() {
        let loader = Loader::new(source(Labels::Binary, None), LoaderOptions::evaluation(2)).unwrap();
        let text = loader.map(|b| b.unwrap_err().to_string()).next().unwrap();
        assert!(text.contains("made 0 is 20x16, made 1 is 21x16; set a crop size"), "{text}");
    }

    #[test]
    fn a_crop_is_normalised_by_its_whole_picture() {
        let whole = Normalise::Standardise.picture(&Made(Labels::Binary).get(0).unwrap().picture);
        let example = source(Labels::Binary, Some([4, 4])).sample(0, &mut Rng::new(1)).unwrap();
        assert!(example.image.chunks(3).all(|p| whole.as_f32().chunks(3).any(|q| p == q)));
    }
}
