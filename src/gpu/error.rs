//! Turns what wgpu reports by callback (lost device, out of memory, validation) into this crate's errors.

use crate::{Error, Result};
use std::sync::{Arc, Mutex};

/// The first fault the device reported and nobody has yet returned as an error.
pub(super) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    lost: Option<String>,
    other: Option<Error>,
}

impl Faults {
    /// Registers the callbacks on `device`.
    pub fn watch(device: &wgpu::Device) -> Arc<Self> {
        let faults = Arc::new(Self(Mutex::default()));
        let on_lost = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                on_lost.0.lock().expect("no panic under lock").lost = Some(format!("{reason:?}: {message}"));
            }
        });
        let on_error = faults.clone();
        device.on_uncaptured_error(Arc::new(move |e| {
            on_error.0.lock().expect("no panic under lock").other.get_or_insert(from_wgpu(e));
        }));
        faults
    }

    /// The pending fault as an error. A lost device stays lost.
    pub fn check(&self) -> Result<()> {
        let mut state = self.0.lock().expect("no panic under lock");
        if let Some(why) = &state.lost {
            return Err(Error::DeviceLost(why.clone()));
        }
        state.other.take().map_or(Ok(()), Err)
    }

    /// Pretends that the driver dropped the device.
    #[cfg(test)]
    pub fn lose(&self, why: &str) {
        self.0.lock().expect("no panic under lock").lost = Some(why.into());
    }
}

/// The matching error of this crate.
pub(super) fn from_wgpu(e: wgpu::Error) -> Error {
    match e {
        wgpu::Error::OutOfMemory { source } => Error::OutOfMemory(source.to_string()),
        other => Error::Device(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_device_stays_an_error() {
        let faults = Faults(Mutex::default());
        assert!(faults.check().is_ok());
        faults.lose("driver reset");
        for _ in 0..2 {
            assert!(matches!(faults.check(), Err(Error::DeviceLost(why)) if why.contains("driver reset")));
        }
    }
}
