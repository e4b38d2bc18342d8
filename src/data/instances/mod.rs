//! Batches for two-stage detectors: pictures with boxes and masks, varied, resized and padded, as tensors.

mod augment;
mod stencil;

pub use augment::{InstanceAugment, Light, Variation};

use self::stencil::{Stencil, words};
use super::labelled::{LabelledPicture, LabelledPictures};
use super::loader::Source;
use super::resize::{RcnnTransform, Resized, sizes_tensor};
use super::rng::Rng;
use crate::Result;
use crate::detection::{BBox, Labelled};
use crate::tensor::Tensor;

/// How pictures with instances become network input.
pub struct InstanceSource<D> {
    /// The pictures.
    pub pictures: D,
    /// How they are resized, normalised and padded.
    pub transform: RcnnTransform,
    /// How many instances of a picture there is room for.
    pub capacity: usize,
    /// Whether masks are wanted. Then objects without one are not trained on.
    pub masks: bool,
    /// Random variation.
    pub augment: InstanceAugment,
}

/// One picture with its instances, ready for a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    name: String,
    resized: Resized,
    /// (height, width, 3) of the kept part.
    image: Vec<f32>,
    instances: Vec<Kept>,
    left_out: usize,
    without_mask: usize,
}

/// An instance on the input.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    bbox: BBox,
    class: usize,
    mask: Option<Stencil>,
}

/// What a training step of a two-stage detector needs. N pictures, room for T instances each, C classes and the background.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceBatch {
    /// (N, H, W, 3), normalised; zeros beside and below each picture.
    pub images: Tensor,
    /// f32 (N, 2): height and width of each picture in it.
    pub image_sizes: Tensor,
    /// f32 (N, T, 4): corners x0, y0, x1, y1 in pixels of the input; zeros where there is no box.
    pub gt_boxes: Tensor,
    /// i32 (N, T): 1 + the class, as 0 is the background; -1 where there is no box.
    pub gt_labels: Tensor,
    /// u32 (N, T, H, ceil(W / 32)), if masks are wanted: bit x % 32 of word x / 32 is pixel x of a row.
    pub gt_masks: Option<Tensor>,
    /// Names of the pictures.
    pub names: Vec<String>,
    /// Instances for which there was no room. The largest boxes of a picture are kept.
    pub left_out: usize,
    /// Objects that were not trained on because they have no mask.
    pub without_mask: usize,
}

impl<D: LabelledPictures> InstanceSource<D> {
    /// The picture's pixels, varied and normalised.
    fn image(&self, picture: &LabelledPicture, drawn: &Variation) -> Vec<f32> {
        let laid = drawn.laid.picture(&picture.picture);
        let (raw, resized) = (laid.as_raw(), &drawn.resized);
        let mut image = vec![0.0; resized.size[0] * resized.size[1] * 3];
        if drawn.light.is_plain() {
            let levels = self.transform.levels();
            resized.draw(|at| levels.0[at % 3][usize::from(raw[at])], &mut image, resized.size[1]);
        } else {
            let mut values: Vec<f32> = raw.iter().map(|&v| f32::from(v) / 255.0).collect();
            drawn.light.apply(&mut values);
            resized.draw(|at| self.transform.normalised(at % 3, values[at]), &mut image, resized.size[1]);
        }
        image
    }

    /// What is to be found in the picture, and how many objects lack a mask.
    fn instances(&self, picture: &LabelledPicture, drawn: &Variation) -> (Vec<Kept>, usize) {
        let (mut kept, mut without_mask) = (Vec::new(), 0);
        for (number, label) in picture.boxes.iter().enumerate().filter(|(_, b)| !b.crowd && !b.difficult) {
            match picture.mask(number) {
                None if self.masks => without_mask += 1,
                None => kept.extend(self.boxed(label, picture, drawn)),
                Some(mask) => {
                    let stencil = Stencil::new(mask, drawn.laid, &drawn.resized);
                    kept.extend(stencil.and_then(|stencil| self.masked(label, stencil, picture, drawn)));
                }
            }
        }
        (kept, without_mask)
    }

    /// A label without a mask: its box, cut off at the edges.
    fn boxed(&self, label: &Labelled, picture: &LabelledPicture, drawn: &Variation) -> Option<Kept> {
        let whole = moved(label, picture, drawn);
        let [h, w] = drawn.resized.size.map(|v| v as f32);
        let bbox = whole.clipped(w, h);
        let enough = bbox.area() > 0.0 && bbox.area() >= self.augment.least_visible * whole.area();
        (enough && self.is_large(&bbox)).then_some(Kept { bbox, class: label.class, mask: None })
    }

    /// A label with a mask. What is cut has the box of the rest; of what is whole the label's own is the finer one.
    fn masked(&self, label: &Labelled, mask: Stencil, picture: &LabelledPicture, drawn: &Variation) -> Option<Kept> {
        let [h, w] = drawn.resized.size.map(|v| v as f32);
        let bbox = if mask.visible < 1.0 { mask.bbox } else { moved(label, picture, drawn).clipped(w, h) };
        let enough = bbox.area() > 0.0 && mask.visible >= self.augment.least_visible && self.is_large(&bbox);
        enough.then(|| Kept { bbox, class: label.class, mask: self.masks.then_some(mask) })
    }

    fn is_large(&self, bbox: &BBox) -> bool {
        bbox.width().min(bbox.height()) >= self.augment.least_pixels
    }
}

/// A label's box on the input, where it may reach over the edges.
fn moved(label: &Labelled, picture: &LabelledPicture, drawn: &Variation) -> BBox {
    drawn.resized.map(drawn.laid.bbox(label.bbox, dimensions(picture)))
}

fn dimensions(picture: &LabelledPicture) -> [usize; 2] {
    [picture.picture.height() as usize, picture.picture.width() as usize]
}

impl<D: LabelledPictures> Source for InstanceSource<D> {
    type Sample = Example;
    type Batch = InstanceBatch;

    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn sample(&self, index: usize, rng: &mut Rng) -> Result<Example> {
        let picture = self.pictures.get(index)?;
        let drawn = self.augment.draw(&self.transform, dimensions(&picture), rng);
        let (mut instances, without_mask) = self.instances(&picture, &drawn);
        let left_out = instances.len().saturating_sub(self.capacity);
        if left_out > 0 {
            instances.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
            instances.truncate(self.capacity);
        }
        let image = self.image(&picture, &drawn);
        Ok(Example { name: picture.name.clone(), resized: drawn.resized, image, instances, left_out, without_mask })
    }

    fn collate(&self, examples: Vec<Example>) -> Result<InstanceBatch> {
        let (n, t) = (examples.len(), self.capacity);
        let [h, w] = self.transform.padded(examples.iter().map(|e| e.resized.size));
        let stride = words(w);
        let mut images = vec![0.0; n * h * w * 3];
        let mut boxes = vec![0.0; n * t * 4];
        let mut labels = vec![-1; n * t];
        let mut masks = vec![0; if self.masks { n * t * h * stride } else { 0 }];
        for (i, example) in examples.iter().enumerate() {
            let row = example.resized.size[1] * 3;
            for (y, pixels) in example.image.chunks(row).enumerate() {
                images[(i * h + y) * w * 3..][..row].copy_from_slice(pixels);
            }
            for (slot, instance) in (i * t..).zip(&example.instances) {
                let BBox { x0, y0, x1, y1 } = instance.bbox;
                boxes[slot * 4..][..4].copy_from_slice(&[x0, y0, x1, y1]);
                labels[slot] = instance.class as i32 + 1;
                if let Some(mask) = &instance.mask {
                    mask.put(&mut masks[slot * h * stride..][..h * stride], stride);
                }
            }
        }
        let resized: Vec<Resized> = examples.iter().map(|e| e.resized).collect();
        Ok(InstanceBatch {
            images: Tensor::f32([n, h, w, 3], images),
            image_sizes: sizes_tensor(&resized),
            gt_boxes: Tensor::f32([n, t, 4], boxes),
            gt_labels: Tensor::i32([n, t], labels),
            gt_masks: self.masks.then(|| Tensor::u32([n, t, h, stride], masks)),
            left_out: examples.iter().map(|e| e.left_out).sum(),
            without_mask: examples.iter().map(|e| e.without_mask).sum(),
            names: examples.into_iter().map(|e| e.name).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
