//! `--data builtin:plates`: generated streets whose licence plates are to be found.

use crate::data::plates::PlateScenes;
use crate::data::scenes::SceneConfig;
use std::path::Path;

/// Whether `--data` names the generated streets.
pub fn is(path: &Path) -> bool {
    path.as_os_str() == "builtin:plates"
}

/// `count` streets from number `first` on. Busier than most, so that a picture has several plates to learn from.
pub fn plates(seed: u64, first: u64, count: usize) -> PlateScenes {
    let config = SceneConfig { vehicles: 3..=9, ..SceneConfig::default() };
    PlateScenes::new(seed, first, count, config, LEAST)
}

/// Plates that are narrower than this many pixels of a picture of 320x240 count for nothing.
const LEAST: f32 = 12.0;
