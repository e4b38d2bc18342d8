//! Decoded pictures kept in memory, so that each file is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::pairs::{Labels, MaskedPicture, MaskedPictures};
use crate::Result;

/// Keeps what `inner` gave in memory, up to a bound. What does not fit is read each time: an epoch visits every
/// picture once, so throwing out older ones to make room would gain nothing.
pub struct Cached<D> {
    inner: D,
    bound: usize,
    kept: Mutex<(usize, HashMap<usize, Arc<MaskedPicture>>)>,
}

impl<D: MaskedPictures> Cached<D> {
    /// At most `bound` bytes of pixels are kept.
    pub fn new(inner: D, bound: usize) -> Self {
        Self { inner, bound, kept: Mutex::default() }
    }

    /// What is wrapped.
    pub fn inner(&self) -> &D {
        &self.inner
    }
}

impl<D: MaskedPictures> MaskedPictures for Cached<D> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn labels(&self) -> Labels {
        self.inner.labels()
    }

    fn get(&self, index: usize) -> Result<Arc<MaskedPicture>> {
        if let Some(found) = self.kept.lock().expect("no holder panics").1.get(&index) {
            return Ok(found.clone());
        }
        let fresh = self.inner.get(index)?;
        let (used, map) = &mut *self.kept.lock().expect("no holder panics");
        if *used + fresh.bytes() <= self.bound && map.insert(index, fresh.clone()).is_none() {
            *used += fresh.bytes();
        }
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, RgbImage};

    /// Black pictures of 8x6, a new one each time.
    struct Fresh;

    impl MaskedPictures for Fresh {
        fn len(&self) -> usize {
            3
        }
        fn labels(&self) -> Labels {
            Labels::Binary
        }
        fn get(&self, i: usize) -> Result<Arc<MaskedPicture>> {
            let (picture, mask) = (RgbImage::new(8, 6), GrayImage::new(8, 6));
            Ok(Arc::new(MaskedPicture { name: i.to_string(), picture, mask }))
        }
    }

    #[test]
    fn the_bound_is_kept() {
        let one = 8 * 6 * 4;
        let cached = Cached::new(Fresh, 2 * one + 5);
        let first: Vec<_> = (0..3).map(|i| cached.get(i).unwrap()).collect();
        let kept = [0, 1, 2].map(|i| Arc::ptr_eq(&first[i], &cached.get(i).unwrap()));
        assert_eq!(kept, [true, true, false]);
        assert_eq!(cached.get(2).unwrap().name, "2");
    }
}
