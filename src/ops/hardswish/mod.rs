//! Hard swish: y = x * relu6(x + 3) / 6. Howard et al., "Searching for MobileNetV3", 2019.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Built, Entry};

wide!(FORWARD, "hardswish.forward", "hardswish/forward.wgsl", Params);
wide!(GRAD, "hardswish.grad", "hardswish/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "hardswish",
    summary: "y = x * min(max(x + 3, 0), 6) / 6",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(Hardswish, 1, 1)),
};

/// y = x * min(max(x + 3, 0), 6) / 6, any shape.
#[derive(Clone, Copy, Debug)]
pub struct Hardswish;

impl Map for Hardswish {
    const NAME: &'static str = "hardswish";
    const GRAD_NAME: &'static str = "hardswish.grad";

    fn kept(&self) -> Kept {
        Kept::Input
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }
}
