//! Pictures for people: masks, boxes and instances over pictures, captioned panels, training and precision curves.

pub mod boxes;
pub mod curves;
pub mod instances;
pub mod log;
pub mod overlay;
pub mod panel;
pub mod pr_curves;
pub mod text;
