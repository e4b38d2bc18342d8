//! Pictures for people: masks over pictures, captioned panels, training curves.

pub mod curves;
pub mod log;
pub mod overlay;
pub mod panel;
pub mod text;
