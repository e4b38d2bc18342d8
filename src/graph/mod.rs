//! The static graph: build it, differentiate it, plan its memory, run it.
//!
//! ```text
//! build.rs -> grad.rs -> fuse.rs, half.rs, prepare.rs -> plan.rs -> memory.rs -> exec.rs
//! nodes       backward   for inference                   schedule    offsets      commands, runs
//! ```
//! Knows ops only through [`Op`](crate::ops::Op); names no op except the sum that accumulates gradients and the conversion to f16.

mod build;
mod exec;
mod fuse;
mod gang;
mod grad;
mod half;
mod memory;
mod plan;
mod prepare;
mod single;
mod summary;
mod variables;

pub use build::{Graph, Kind, Node};
pub use exec::{Executable, Run};
pub use half::Precision;
pub use memory::MemoryPlan;
pub use plan::{Options, Plan};
pub use single::{Single, run_entry, run_op, run_op_checked};
pub use summary::{Layer, megabytes, thousands};
pub use variables::Variables;
