//! Pictures for people: masks and boxes over pictures, captioned panels, training and precision curves.

pub mod boxes;
pub mod curves;
pub mod log;
pub mod overlay;
pub mod panel;
pub mod pr_curves;
pub mod text;
