//! Generated pictures as training data, which is what the demo trains on: plate crops with digit masks for
//! segmentation, street scenes with the boxes of their plates for detection.

use super::labelled::{LabelledPicture, LabelledPictures, PictureLabels};
use super::pairs::{Labels, MaskedPicture, MaskedPictures};
use super::scenes::{CropConfig, PlateCrop, Scene, SceneConfig};
use crate::Result;
use crate::detection::Labelled;
use std::sync::Arc;

/// Crops `first .. first + count` of the series `seed`; the mask is the ink of the digits.
#[derive(Clone, Copy, Debug)]
pub struct PlateCrops {
    /// Series of crops.
    pub seed: u64,
    /// Number of the first crop.
    pub first: u64,
    /// How many.
    pub count: usize,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Share of plates that have letters beside their digits. Telling the two apart takes longer to learn.
    pub letters: f32,
}

impl MaskedPictures for PlateCrops {
    fn len(&self) -> usize {
        self.count
    }

    fn labels(&self) -> Labels {
        Labels::Binary
    }

    fn get(&self, index: usize) -> Result<Arc<MaskedPicture>> {
        let [width, height] = self.size;
        let config = CropConfig { width, height, letters: self.letters, ..Default::default() };
        let crop = PlateCrop::generate_with(self.seed, self.first + index as u64, &config);
        Ok(Arc::new(MaskedPicture { name: crop.text, picture: crop.image, mask: crop.digit_mask }))
    }
}

/// Scenes `first .. first + count` of the series `seed`; the boxes are what is visible of each plate.
#[derive(Clone, Debug)]
pub struct PlateScenes {
    seed: u64,
    first: u64,
    count: usize,
    config: SceneConfig,
    /// Plates that are narrower than this many pixels, or lower than a third of it, are difficult.
    least: f32,
    classes: [String; 1],
}

impl PlateScenes {
    /// Plates narrower than `least` pixels, or lower than a third of that, are marked difficult: they are not trained on
    /// and not measured.
    pub fn new(seed: u64, first: u64, count: usize, config: SceneConfig, least: f32) -> Self {
        Self { seed, first, count, config, least, classes: ["plate".into()] }
    }

    /// The scene with number `index`, with all that is known of it.
    pub fn scene(&self, index: usize) -> Scene {
        Scene::generate(self.seed, self.first + index as u64, &self.config)
    }

    fn boxes(&self, scene: &Scene) -> Vec<Labelled> {
        let label = |bbox| Labelled::new(bbox, 0);
        let small = |l: &Labelled| l.bbox.width() < self.least || l.bbox.height() < self.least / 3.0;
        scene.plates.iter().map(|p| label(p.bbox)).map(|l| Labelled { difficult: small(&l), ..l }).collect()
    }
}

impl LabelledPictures for PlateScenes {
    fn len(&self) -> usize {
        self.count
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn labels(&self, index: usize) -> Result<PictureLabels> {
        let size = [self.config.height as usize, self.config.width as usize];
        Ok(PictureLabels { size, boxes: self.boxes(&self.scene(index)) })
    }

    fn get(&self, index: usize) -> Result<Arc<LabelledPicture>> {
        let scene = self.scene(index);
        let (boxes, id) = (self.boxes(&scene), self.first + index as u64);
        Ok(Arc::new(LabelledPicture {
            name: format!("scene {id}"),
            id,
            picture: scene.image,
            boxes,
            masks: Vec::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_have_their_plates() {
        let scenes = PlateScenes::new(5, 100, 12, SceneConfig::default(), 12.0);
        let all: Vec<_> = (0..scenes.len()).map(|i| scenes.get(i).unwrap()).collect();
        assert_eq!((all[3].id, all[3].picture.dimensions()), (103, (320, 240)));
        let boxes: Vec<&Labelled> = all.iter().flat_map(|p| &p.boxes).collect();
        assert!(boxes.len() >= 12, "{} plates in 12 scenes", boxes.len());
        assert!(boxes.iter().any(|b| b.difficult) && boxes.iter().any(|b| !b.difficult));
        assert!(boxes.iter().all(|b| b.class == 0 && b.bbox.area() > 0.0));
        assert_eq!(scenes.labels(3).unwrap(), PictureLabels { size: [240, 320], boxes: all[3].boxes.clone() });
    }
}
