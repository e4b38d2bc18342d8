//! Pictures and their labels: where they come from and how they reach a network.

pub mod rng;
