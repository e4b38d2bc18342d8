//! Batches for detectors: pictures with boxes, varied and brought to the network's size, as tensors.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::jitter::DetectionAugment;
use super::labelled::{LabelledPicture, LabelledPictures};
use super::letterbox::{Fit, GREY, Placement, Window};
use super::loader::Source;
use super::rng::Rng;
use crate::detection::Labelled;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// How pictures with boxes become network input.
pub struct DetectionSource<D> {
    /// The pictures.
    pub pictures: D,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// How a picture is brought to that size.
    pub fit: Fit,
    /// How many boxes of a picture there is room for.
    pub capacity: usize,
    /// Random variation.
    pub augment: DetectionAugment,
    /// Other sizes in other batches.
    pub multi_scale: Option<MultiScale>,
}

/// Input sizes that change from time to time (Redmon and Farhadi: YOLO9000, 2017).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiScale {
    /// Smallest width, relative to the network's own.
    pub least: f32,
    /// Largest width, relative to the network's own.
    pub most: f32,
    /// Batches of one size before the next is drawn.
    pub every: u64,
    /// Seed of the order of sizes.
    pub seed: u64,
}

impl Default for MultiScale {
    /// Every ten batches another size between 0.75 and 1.25 times the network's own.
    fn default() -> Self {
        Self { least: 0.75, most: 1.25, every: 10, seed: 0 }
    }
}

/// Sides are multiples of this, the coarsest grid of Darknet's networks.
const STRIDE: usize = 32;

impl MultiScale {
    /// All sizes (height and width) around `base`, smallest first; `base` itself if the range has none.
    pub fn sizes(&self, base: [usize; 2]) -> Vec<[usize; 2]> {
        let cells = |share: f32| base[1] as f32 * share / STRIDE as f32;
        let widths = (cells(self.least) - 1e-3).ceil().max(1.0) as usize..=(cells(self.most) + 1e-3).floor() as usize;
        let size = |w: usize| {
            let h = (base[0] as f32 / base[1] as f32 * w as f32).round().max(1.0) as usize;
            [h * STRIDE, w * STRIDE]
        };
        let sizes: Vec<[usize; 2]> = widths.map(size).collect();
        if sizes.is_empty() { vec![base] } else { sizes }
    }

    /// The size of a batch: a function of its number and the seed alone.
    pub fn size_of(&self, base: [usize; 2], batch: u64) -> [usize; 2] {
        Rng::new(self.seed).fork(SIZES).fork(batch / self.every.max(1)).pick(&self.sizes(base))
    }
}

/// Fork of the seed for sizes.
const SIZES: u64 = 3;

/// One picture with boxes, ready for a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    name: String,
    size: [usize; 2],
    image: Vec<f32>,
    boxes: Vec<Labelled>,
}

/// What a training step of a detector needs.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionBatch {
    /// (N, H, W, 3), 0 to 1.
    pub images: Tensor,
    /// f32 (N, T, 4): centre x, centre y, width, height as shares of the input; zeros where there is no box.
    pub boxes: Tensor,
    /// i32 (N, T): the class, -1 where there is no box.
    pub classes: Tensor,
    /// Names of the pictures.
    pub names: Vec<String>,
    /// Boxes for which there was no room. The largest of a picture are kept.
    pub left_out: usize,
}

impl<D: LabelledPictures> DetectionSource<D> {
    /// Height and width of a batch.
    pub fn size_of(&self, batch: u64) -> [usize; 2] {
        self.multi_scale.map_or(self.size, |m| m.size_of(self.size, batch))
    }

    /// Draws one picture onto the canvas, or a mosaic of it and three others.
    fn example(&self, size: [usize; 2], index: usize, rng: &mut Rng) -> Result<Example> {
        let first = self.pictures.get(index)?;
        let mut example =
            Example { name: first.name.clone(), size, image: vec![GREY; size[0] * size[1] * 3], boxes: Vec::new() };
        match self.augment.meeting_point(size, rng) {
            None => {
                let window = [0, 0, size[1], size[0]];
                let placement = self.augment.place(self.fit, dimensions(&first), size, rng);
                self.add(&mut example, &first, &placement, window, rng);
            }
            Some(point) => {
                for quarter in 0..4 {
                    let picture = if quarter == 0 { first.clone() } else { self.other(&first, rng)? };
                    let own = dimensions(&picture);
                    let (placement, window) = self.augment.place_in_mosaic(self.fit, quarter, point, own, size, rng);
                    self.add(&mut example, &picture, &placement, window, rng);
                }
            }
        }
        Ok(example)
    }

    /// Any picture; `first` for one that does not decode, which is reported when its own turn comes.
    fn other(&self, first: &Arc<LabelledPicture>, rng: &mut Rng) -> Result<Arc<LabelledPicture>> {
        match self.pictures.get(rng.below(self.pictures.len())) {
            Err(Error::Picture { .. }) => Ok(first.clone()),
            other => other,
        }
    }

    fn add(
        &self,
        example: &mut Example,
        picture: &LabelledPicture,
        placement: &Placement,
        window: Window,
        rng: &mut Rng,
    ) {
        let tint = self.augment.tint(rng);
        if tint.is_plain() {
            placement.draw(&picture.picture, window, &mut example.image, |pixel| pixel);
        } else {
            placement.draw(&picture.picture, window, &mut example.image, |pixel| tint.apply(pixel));
        }
        let trained = picture.boxes.iter().filter(|b| !b.crowd && !b.difficult);
        example.boxes.extend(trained.filter_map(|b| self.augment.visible(b, placement, window)));
    }
}

fn dimensions(picture: &LabelledPicture) -> [usize; 2] {
    [picture.picture.height() as usize, picture.picture.width() as usize]
}

impl<D: LabelledPictures> Source for DetectionSource<D> {
    type Sample = Example;
    type Batch = DetectionBatch;

    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn sample(&self, index: usize, rng: &mut Rng) -> Result<Example> {
        self.example(self.size, index, rng)
    }

    fn sample_for(&self, batch: u64, index: usize, rng: &mut Rng) -> Result<Example> {
        self.example(self.size_of(batch), index, rng)
    }

    fn collate(&self, examples: Vec<Example>) -> Result<DetectionBatch> {
        let (n, t, [h, w]) = (examples.len(), self.capacity, examples[0].size);
        let mut images = Vec::with_capacity(n * h * w * 3);
        let mut boxes = vec![0.0; n * t * 4];
        let mut classes = vec![-1; n * t];
        let mut names = Vec::with_capacity(n);
        let mut left_out = 0;
        for (i, mut example) in examples.into_iter().enumerate() {
            images.append(&mut example.image);
            names.push(example.name);
            let mut found = example.boxes;
            if found.len() > t {
                left_out += found.len() - t;
                found.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
            }
            for (k, label) in found.iter().take(t).enumerate() {
                let [x, y] = label.bbox.centre();
                let (w, h) = (w as f32, h as f32);
                let shares = [x / w, y / h, label.bbox.width() / w, label.bbox.height() / h];
                boxes[(i * t + k) * 4..][..4].copy_from_slice(&shares);
                classes[i * t + k] = label.class as i32;
            }
        }
        Ok(DetectionBatch {
            images: Tensor::f32([n, h, w, 3], images),
            boxes: Tensor::f32([n, t, 4], boxes),
            classes: Tensor::i32([n, t], classes),
            names,
            left_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::loader::{Loader, LoaderOptions};
    use crate::detection::BBox;
    use image::{Rgb, RgbImage};

    /// Blue pictures of 80x60 with red boxes; number `i` has the boxes `[i]`.
    struct Made(Vec<Vec<Labelled>>, Vec<String>);

    impl LabelledPictures for Made {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn classes(&self) -> &[String] {
            &self.1
        }
        fn get(&self, i: usize) -> Result<Arc<LabelledPicture>> {
            let mut picture = RgbImage::from_pixel(80, 60, Rgb([0, 0, 255]));
            for b in self.0[i].iter().map(|l| l.bbox) {
                for (x, y) in (b.y0 as u32..b.y1 as u32).flat_map(|y| (b.x0 as u32..b.x1 as u32).map(move |x| (x, y))) {
                    picture.put_pixel(x, y, Rgb([255, 0, 0]));
                }
            }
            let boxes = self.0[i].clone();
            Ok(Arc::new(LabelledPicture { name: format!("made {i}"), id: i as u64, picture, boxes, masks: Vec::new() }))
        }
    }

    fn label(x0: f32, y0: f32, x1: f32, y1: f32, class: usize) -> Labelled {
        Labelled::new(BBox { x0, y0, x1, y1 }, class)
    }

    fn source(augment: DetectionAugment) -> DetectionSource<Made> {
        let boxes = vec![
            vec![label(20.0, 10.0, 50.0, 40.0, 0)],
            vec![label(8.0, 16.0, 32.0, 48.0, 1), label(48.0, 8.0, 72.0, 24.0, 0)],
            vec![],
        ];
        DetectionSource {
            pictures: Made(boxes, vec!["a".into(), "b".into()]),
            size: [64, 96],
            fit: Fit::Letterbox,
            capacity: 4,
            augment,
            multi_scale: None,
        }
    }

    #[test]
    fn batches_have_the_promised_shapes() {
        let mut loader = Loader::new(source(DetectionAugment::default()), LoaderOptions::evaluation(3)).unwrap();
        let batch = loader.next().unwrap().unwrap();
        assert_eq!(batch.images.shape()[..], [3, 64, 96, 3]);
        assert_eq!((&batch.boxes.shape()[..], &batch.classes.shape()[..]), (&[3, 4, 4][..], &[3, 4][..]));
        assert_eq!(batch.classes.as_i32(), [0, -1, -1, -1, 1, 0, -1, -1, -1, -1, -1, -1]);
        assert_eq!((batch.names.len(), batch.left_out), (3, 0));
        // 80x60 on 96x64 becomes 85x64 from column 5 on.
        let got = &batch.boxes.as_f32()[..4];
        let want = [(5.0 + 35.0 * 85.0 / 80.0) / 96.0, 25.0 / 60.0, 30.0 * 85.0 / 80.0 / 96.0, 0.5];
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{got:?} {want:?}");
        assert!(batch.boxes.as_f32()[4..16].iter().all(|&v| v == 0.0));
    }

    /// The boxes around what is red.
    fn red_share(batch: &DetectionBatch, i: usize, k: usize) -> f32 {
        let [h, w] = [batch.images.shape()[1], batch.images.shape()[2]];
        let t = batch.classes.shape()[1];
        let b = &batch.boxes.as_f32()[(i * t + k) * 4..][..4];
        let b = BBox::from_centre(b[0] * w as f32, b[1] * h as f32, b[2] * w as f32, b[3] * h as f32);
        let (mut red, mut all) = (0.0, 0.0);
        for y in b.y0.ceil() as usize..(b.y1 as usize).min(h) {
            for x in b.x0.ceil() as usize..(b.x1 as usize).min(w) {
                let pixel = &batch.images.as_f32()[((i * h + y) * w + x) * 3..][..3];
                red += pixel[0].min(1.0 - pixel[2]);
                all += 1.0;
            }
        }
        red / all
    }

    #[test]
    fn boxes_move_with_their_pixels() {
        for mosaic in [0.0, 1.0] {
            let augment = DetectionAugment {
                jitter: 0.3,
                zoom: [0.5, 1.8],
                flip_x: true,
                flip_y: true,
                mosaic,
                least_pixels: 6.0,
                ..DetectionAugment::default()
            };
            let loader = Loader::new(source(augment), LoaderOptions::training(3, 1)).unwrap();
            let (mut seen, mut most) = (0, 0);
            for batch in loader.take(30).map(|b| b.unwrap()) {
                for (slot, _) in batch.classes.as_i32().iter().enumerate().filter(|(_, c)| **c >= 0) {
                    let share = red_share(&batch, slot / 4, slot % 4);
                    assert!(share > 0.8, "{share} of the box is red, mosaic {mosaic}");
                    seen += 1;
                    most = most.max(slot % 4 + 1);
                }
            }
            assert!(seen > 40 && (mosaic == 0.0 || most > 2), "{seen} boxes, {most} in a picture");
        }
    }

    #[test]
    fn the_largest_are_kept_where_there_is_no_room() {
        let boxes = (0..6).map(|i| label(10.0 * i as f32, 0.0, 10.0 * i as f32 + 3.0 + i as f32, 30.0, i)).collect();
        let crowd = Labelled { crowd: true, ..label(0.0, 0.0, 80.0, 60.0, 9) };
        let difficult = Labelled { difficult: true, ..crowd };
        let mut made = source(DetectionAugment::default());
        made.pictures.0 = vec![boxes];
        made.pictures.0[0].extend([Labelled { difficult: false, ..crowd }, Labelled { crowd: false, ..difficult }]);
        let batch = made.collate(vec![made.sample(0, &mut Rng::new(1)).unwrap()]).unwrap();
        assert_eq!(batch.classes.as_i32(), [5, 4, 3, 2], "neither crowd nor difficult is trained on");
        assert_eq!(batch.left_out, 2);
    }

    #[test]
    fn sizes_are_a_function_of_the_batch() {
        let multi = MultiScale { least: 0.6, most: 1.5, every: 2, seed: 5 };
        assert_eq!(multi.sizes([64, 96]), [[32, 64], [64, 96], [96, 128]]);
        assert_eq!(MultiScale::default().sizes([416, 416]).len(), 7, "320 to 512");
        assert_eq!(MultiScale { least: 1.01, most: 1.02, ..multi }.sizes([64, 96]), [[64, 96]]);
        let run = |start: u64, n: usize| -> Vec<DetectionBatch> {
            let source = DetectionSource { multi_scale: Some(multi), ..source(DetectionAugment::darknet()) };
            let options = LoaderOptions { start, ..LoaderOptions::training(2, 3) };
            Loader::new(source, options).unwrap().take(n).map(|b| b.unwrap()).collect()
        };
        let all = run(0, 12);
        assert_eq!(run(5, 7), all[5..], "a resumed run sees the same");
        let sizes: Vec<usize> = all.iter().map(|b| b.images.shape()[2]).collect();
        assert!(sizes.chunks(2).all(|pair| pair[0] == pair[1]), "{sizes:?}");
        assert!(sizes.iter().any(|s| *s != sizes[0]), "{sizes:?}");
    }
}
