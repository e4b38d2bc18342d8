//! Decoded pictures kept in memory, so that each file is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::labelled::{LabelledPicture, LabelledPictures, PictureLabels};
use super::pairs::{Labels, MaskedPicture, MaskedPictures};
use crate::Result;

/// Pictures by number, up to a bound. What does not fit is made each time: an epoch visits every picture once, so
/// throwing out older ones to make room would gain nothing.
struct Store<P> {
    bound: usize,
    kept: Mutex<(usize, HashMap<usize, Arc<P>>)>,
}

impl<P> Store<P> {
    fn new(bound: usize) -> Self {
        Self { bound, kept: Mutex::new((0, HashMap::new())) }
    }

    /// The kept picture, or what `make` makes.
    fn get(&self, index: usize, bytes: fn(&P) -> usize, make: impl FnOnce() -> Result<Arc<P>>) -> Result<Arc<P>> {
        if let Some(found) = self.kept.lock().expect("no holder panics").1.get(&index) {
            return Ok(found.clone());
        }
        let fresh = make()?;
        let size = bytes(&fresh);
        let (used, map) = &mut *self.kept.lock().expect("no holder panics");
        if *used + size <= self.bound && map.insert(index, fresh.clone()).is_none() {
            *used += size;
        }
        Ok(fresh)
    }
}

/// Keeps what `inner` gave in memory, up to a bound.
pub struct Cached<D> {
    inner: D,
    store: Store<MaskedPicture>,
}

impl<D: MaskedPictures> Cached<D> {
    /// At most `bound` bytes of pixels are kept.
    pub fn new(inner: D, bound: usize) -> Self {
        Self { inner, store: Store::new(bound) }
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
        self.store.get(index, MaskedPicture::bytes, || self.inner.get(index))
    }
}

/// The same for pictures with boxes.
pub struct CachedLabelled<D> {
    inner: D,
    store: Store<LabelledPicture>,
}

impl<D: LabelledPictures> CachedLabelled<D> {
    /// At most `bound` bytes of pixels are kept.
    pub fn new(inner: D, bound: usize) -> Self {
        Self { inner, store: Store::new(bound) }
    }

    /// What is wrapped.
    pub fn inner(&self) -> &D {
        &self.inner
    }
}

impl<D: LabelledPictures> LabelledPictures for CachedLabelled<D> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn classes(&self) -> &[String] {
        self.inner.classes()
    }

    fn category_ids(&self) -> Vec<u64> {
        self.inner.category_ids()
    }

    fn labels(&self, index: usize) -> Result<PictureLabels> {
        self.inner.labels(index)
    }

    fn get(&self, index: usize) -> Result<Arc<LabelledPicture>> {
        self.store.get(index, LabelledPicture::bytes, || self.inner.get(index))
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
