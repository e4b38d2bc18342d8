//! Activation functions that Darknet's cfg files may name and that no other room computes. Those that are plain sigmoid, leaky
//! ReLU, clamp and so on under other names are not here; `models/darknet/activation.rs` knows which op each name means.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Attr, Built, Entry};

wide!(FORWARD, "darknet_activation.forward", "darknet_activation/forward.wgsl", Params);
wide!(GRAD, "darknet_activation.grad", "darknet_activation/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "darknet_activation",
    summary: "Darknet's own activation functions",
    args: &[Arg::f32("x")],
    attrs: &[Attr {
        name: "kind",
        default: "none",
        doc: "loggy, elu, selu, ramp, plse, stair, lhtan or hard_mish; must be given",
    }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, _| {
        if !attrs.has("kind") {
            return Err(attrs.fail("kind", "must be given"));
        }
        let name = attrs.choice("kind", "", &Kind::ALL.map(Kind::name))?;
        let kind = Kind::ALL.into_iter().find(|k| k.name() == name).expect("one of the names");
        Ok(Built::images(DarknetActivation { kind }, 1, 1))
    },
};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 2 / (1 + exp(-x)) - 1.
    Loggy,
    /// x above 0, exp(x) - 1 below.
    Elu,
    /// 1.0507 x above 0, 1.0507 * 1.6732 (exp(x) - 1) below.
    Selu,
    /// 1.1 x above 0, 0.1 x below.
    Ramp,
    /// x / 8 + 1/2 between -4 and 4, slope 1/100 outside.
    Plse,
    /// floor(x / 2), plus x - floor(x) where floor(x) is odd.
    Stair,
    /// x between 0 and 1, slope 1/1000 outside.
    Lhtan,
    /// x above 0, x^2 / 2 + x between -2 and 0, 0 below.
    HardMish,
}

impl Kind {
    /// All of them, in the order in which the kernels number them.
    pub const ALL: [Self; 8] =
        [Self::Loggy, Self::Elu, Self::Selu, Self::Ramp, Self::Plse, Self::Stair, Self::Lhtan, Self::HardMish];

    /// Darknet's name for it.
    pub fn name(self) -> &'static str {
        ["loggy", "elu", "selu", "ramp", "plse", "stair", "lhtan", "hard_mish"][self as usize]
    }
}

/// y = f(x) with one of Darknet's functions, any shape.
#[derive(Clone, Copy, Debug)]
pub struct DarknetActivation {
    /// Which function.
    pub kind: Kind,
}

impl Map for DarknetActivation {
    const NAME: &'static str = "darknet_activation";
    const GRAD_NAME: &'static str = "darknet_activation.grad";

    fn kept(&self) -> Kept {
        Kept::Input
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }

    fn coefficients(&self) -> [f32; 2] {
        [f32::from(self.kind as u8), 0.0]
    }
}
