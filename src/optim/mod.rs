//! Optimisers as a graph sees them: nodes that update parameters, and what the host uploads for each step.
//!
//! [`guard`] measures the gradients, [`protect`] makes the network's own updates heed it, [`Optimizer::apply`] adds one node for each
//! parameter, [`follow`] keeps moving averages. Rates change from step to step through a small input ([`Hyper`]), so nothing is
//! compiled twice. How long to train, and with which [`Rate`], is the trainer's business.

mod hyper;
mod optimizer;
mod schedule;

pub use hyper::{Hyper, ema_decay};
pub use optimizer::{
    Guard, LOSS_SCALE, Optimizer, first_scaling, follow, guard, guard_scaled, protect, scaled_gradients, shadow_name,
};
pub use schedule::{Rate, Schedule, Warmup};
