//! Generated plate crops with digit masks, as segmentation data: what the demo trains on.

use super::pairs::{Labels, MaskedPicture, MaskedPictures};
use super::scenes::{CropConfig, PlateCrop};
use crate::Result;
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
