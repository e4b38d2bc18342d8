//! Which kernel makes a gathering convolution, and on what grid.
//!
//! The rule is static: kind of device and shape decide, nothing is measured at run time.

use super::geometry::{Axis, Gather};
use super::halves::{Halves, halves};
use super::params::{GatherParams, TurnParams};
use crate::gpu::{Cooperative, DeviceKind, Kernel, Launch, Needs, Profile, Slot, Uniform};
use crate::ops::{Activation, LaunchCx, OpRef, Ways, tile};

/// The ways to make a convolution. Not every way takes every shape; [`choose`] falls back to one that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// A lane for each output channel. Any shape; the way for narrow groups.
    Lanes,
    /// A lane for four channels. As many groups as channels, in fours.
    Depthwise,
    /// Four pixels by four channels in registers. Channels of a group in fours; for software devices without subgroups.
    Registers,
    /// Sixteen pixels by sixteen channels, activations handed round a subgroup. Any shape; for software devices.
    Subgroup,
    /// Tiles of 32 to 128 pixels and channels through workgroup memory. Any shape; for real GPUs.
    Tiled,
    /// Cooperative matrices. Output channels of a group in pairs; where they were asked for and the device makes them right.
    Cooperative,
    /// Winograd's F(2x2, 3x3). Kernels of 3x3 at stride and dilation 1, without groups, channels in fours.
    Winograd2,
    /// Winograd's F(4x4, 3x3). The same shapes.
    Winograd4,
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Lanes,
        Self::Depthwise,
        Self::Registers,
        Self::Subgroup,
        Self::Tiled,
        Self::Cooperative,
        Self::Winograd2,
        Self::Winograd4,
    ];

    /// Its name in `WGVISION_VARIANT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Depthwise => "depthwise",
            Self::Registers => "registers",
            Self::Subgroup => "subgroup",
            Self::Tiled => "tiled",
            Self::Cooperative => "cooperative",
            Self::Winograd2 => "winograd2",
            Self::Winograd4 => "winograd4",
        }
    }

    /// The variant of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }
}

macro_rules! kernel {
    ($name:ident, $label:literal, $file:literal, $params:ty, $variants:expr) => {
        kernel!($name, $label, $file, $params, $variants, Needs::Nothing);
    };
    ($name:ident, $label:literal, $file:literal, $params:ty, $variants:expr, $needs:expr) => {
        pub(super) static $name: Kernel = Kernel {
            label: $label,
            source: include_str!(concat!("../../../shaders/conv2d/", $file)),
            params: <$params as Uniform>::FIELDS,
            variants: $variants,
            needs: $needs,
        };
    };
}
pub(super) use kernel;

halves!(LANES, "conv2d.lanes", "gather_lanes.wgsl", &[], Needs::Nothing, Needs::F16);
halves!(DEPTHWISE, "conv2d.depthwise", "gather_depthwise.wgsl", &[], Needs::Nothing, Needs::F16);
halves!(REGISTERS, "conv2d.registers", "gather_registers.wgsl", &[], Needs::Nothing, Needs::F16);
halves!(SUBGROUP, "conv2d.subgroup", "gather_subgroup.wgsl", &[], Needs::Subgroups, Needs::F16Subgroups);
halves!(
    SUBGROUP_ANY,
    "conv2d.subgroup_any",
    "// uses: columns_single\n",
    "gather_subgroup_any.wgsl",
    &[],
    Needs::Subgroups,
    Needs::F16Subgroups
);
halves!(
    SUBGROUP_PAIRS,
    "conv2d.subgroup_pairs",
    "// uses: columns_pairs\n",
    "gather_subgroup_any.wgsl",
    &[],
    Needs::Subgroups,
    Needs::F16Subgroups
);
halves!(
    TILED,
    "conv2d.tiled",
    "// uses: columns_single\n",
    "gather_tiled.wgsl",
    &[SMALL_TILE],
    Needs::Nothing,
    Needs::F16
);
halves!(
    TILED_PAIRS,
    "conv2d.tiled_pairs",
    "// uses: columns_pairs\n",
    "gather_tiled.wgsl",
    &[SMALL_TILE],
    Needs::Nothing,
    Needs::F16
);
halves!(
    TILED4,
    "conv2d.tiled4",
    "gather_tiled4.wgsl",
    &[&[("SIDE", 128.0), ("LANES", 256.0), INSIDE], tile::LARGE],
    Needs::Nothing,
    Needs::F16
);
halves!(
    COOPERATIVE_F32X8,
    "conv2d.coop8_f32",
    "// uses: coop8_f32, columns_pairs\n",
    "gather_cooperative.wgsl",
    &[&[("LANES", 8.0)]],
    Needs::Cooperative,
    Needs::F16Cooperative
);
halves!(
    COOPERATIVE_F16X16,
    "conv2d.coop16_f16",
    "// uses: coop16_f16, columns_pairs\n",
    "gather_cooperative.wgsl",
    &[],
    Needs::F16Cooperative,
    Needs::F16Cooperative
);
halves!(
    COOPERATIVE_F16X8,
    "conv2d.coop8_f16",
    "// uses: coop8_f16, columns_pairs\n",
    "gather_cooperative.wgsl",
    &[&[("LANES", 8.0)]],
    Needs::F16Cooperative,
    Needs::F16Cooperative
);
kernel!(TURN_WEIGHT, "conv2d.turn_weight", "turn_weight.wgsl", TurnParams, &[&[("GROUPED", 0.0)]]);
kernel!(TURN_WEIGHT4, "conv2d.turn_weight4", "turn_weight4.wgsl", TurnParams, &[]);

/// The kernel for a shape on a device. `forced` wins where it takes the shape.
pub(super) fn choose(
    inputs: usize,
    outputs: usize,
    groups: usize,
    profile: &Profile,
    forced: Option<Variant>,
) -> Variant {
    let in_fours = inputs.is_multiple_of(4) && outputs.is_multiple_of(4);
    // The subgroup kernels count on a workgroup of eight being (part of) one subgroup.
    let subgroup = profile.subgroup_size >= 8;
    let depthwise = inputs == 1 && outputs == 1 && groups.is_multiple_of(4);
    let cooperative = profile.cooperative.is_some() && outputs.is_multiple_of(2);
    let fits = |variant: &Variant| match variant {
        Variant::Depthwise => depthwise,
        Variant::Registers => in_fours,
        Variant::Subgroup => subgroup,
        Variant::Cooperative => cooperative,
        Variant::Lanes | Variant::Tiled => true,
        // Not one kernel: `winograd` makes those that it takes.
        Variant::Winograd2 | Variant::Winograd4 => false,
    };
    if let Some(variant) = forced.filter(fits) {
        return variant;
    }
    match profile.kind {
        _ if depthwise => Variant::Depthwise,
        // Narrow groups leave most of a tile empty.
        _ if groups > 1 && outputs < 16 => Variant::Lanes,
        _ if cooperative => Variant::Cooperative,
        DeviceKind::Software if subgroup => Variant::Subgroup,
        DeviceKind::Software if in_fours => Variant::Registers,
        DeviceKind::Software => Variant::Lanes,
        _ => Variant::Tiled,
    }
}

/// What [`choose`] is to be told: the op's own wish, else what `WGVISION_VARIANT` names, else what was timed for the problem.
pub(super) fn wanted(own: Option<Variant>, profile: &Profile, problem: impl FnOnce() -> String) -> Option<Variant> {
    own.or_else(|| profile.forced.of("conv").and_then(Variant::named)).or_else(|| {
        if profile.tuned.is_empty() {
            return None;
        }
        profile.tuned.choice(&problem()).and_then(Variant::named)
    })
}

/// The ways to solve a problem on a device, each an op made by `bind`.
pub(super) fn ways(
    problem: String,
    [inputs, outputs, groups]: [usize; 3],
    profile: &Profile,
    bind: impl Fn(Variant) -> OpRef,
) -> Ways {
    let chosen = |forced| choose(inputs, outputs, groups, profile, forced);
    let takes = |variant: &Variant| chosen(Some(*variant)) == *variant;
    let ways = Variant::ALL.into_iter().filter(takes).map(|v| (v.name(), bind(v))).collect();
    Ways { problem, usual: chosen(None).name(), ways }
}

/// The ways to make a gathering convolution.
pub(crate) fn gather_ways(g: &Gather, profile: &Profile, bind: impl Fn(Variant) -> OpRef) -> Ways {
    ways(g.name(), [g.group_inputs(), g.group_outputs(), g.groups], profile, bind)
}

/// What is done with the sums, and from which slots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fused {
    pub bias: Option<Slot>,
    pub residual: Option<Slot>,
    pub activation: Activation,
}

/// The launch that makes `y` from `x` and `w`. Stand-ins for absent inputs are added to `scratch`.
pub(crate) fn gather(
    g: &Gather,
    [x, w, y]: [Slot; 3],
    fused: Fused,
    cx: &LaunchCx<'_>,
    forced: Option<Variant>,
    scratch: &mut Vec<u64>,
) -> Launch {
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    let forced = wanted(forced, cx.profile, || g.name());
    let variant = choose(inputs, outputs, g.groups, cx.profile, forced);
    let (code, slope) = fused.activation.code();
    // One run of memory for each kernel row: see gather_subgroup_any.wgsl.
    let flat = g.groups == 1 && g.axes[1].up == 1 && g.axes[1].tap == 1;
    let pairs = outputs.is_multiple_of(2);
    let fine = inputs.is_multiple_of(4) && pairs;
    let (tiled, side, tile) = tiled(g, cx.profile.kind);
    let lanes = match variant {
        Variant::Lanes => lanes(g.output[3], cx.profile),
        Variant::Depthwise => lanes(g.output[3] / 4, cx.profile),
        _ => lanes(outputs.div_ceil(4), cx.profile),
    };
    let (kernel, pixels, mut blocks) = match variant {
        Variant::Lanes => (&LANES, 8, g.output[3].div_ceil(lanes)),
        Variant::Depthwise => (&DEPTHWISE, 8, (g.output[3] / 4).div_ceil(lanes)),
        Variant::Registers => (&REGISTERS, 4, (outputs / 4).div_ceil(lanes)),
        Variant::Subgroup if fine => (&SUBGROUP, 16, outputs.div_ceil(16)),
        Variant::Subgroup if pairs => (&SUBGROUP_PAIRS, 16, outputs.div_ceil(16)),
        Variant::Subgroup => (&SUBGROUP_ANY, 16, outputs.div_ceil(16)),
        Variant::Cooperative => {
            let form = cx.profile.cooperative.expect("chosen where there are some");
            let kernel = match form {
                Cooperative::F32x8 => &COOPERATIVE_F32X8,
                Cooperative::F16x16 => &COOPERATIVE_F16X16,
                Cooperative::F16x8 => &COOPERATIVE_F16X8,
            };
            (kernel, 2 * form.side(), outputs.div_ceil(2 * form.side()))
        }
        Variant::Tiled => (tiled, side, outputs.div_ceil(side)),
        Variant::Winograd2 | Variant::Winograd4 => unreachable!("never chosen for a single kernel"),
    };
    // Blocks of channels that a workgroup makes in turn.
    let mut turns = 1;
    if variant == Variant::Subgroup && fine {
        turns = turns_of(blocks, g.phase_pixels().div_ceil(pixels) * g.phases() * g.groups, g.weight_elements());
        blocks = blocks.div_ceil(turns);
    }
    let groups = match variant {
        // Tiles along rows, so that nothing but the first pixel's place needs a division.
        Variant::Lanes | Variant::Depthwise => {
            let [rows, columns] = g.phase_extent();
            [columns.div_ceil(pixels), blocks, g.phases() * g.output[0] * rows]
        }
        _ => [g.phase_pixels().div_ceil(pixels), blocks * g.groups, g.phases()],
    }
    .map(|n| n as u32);
    // What costs little to decide while running is in the uniform: every set of overrides is a kernel to compile.
    let overrides = match variant {
        Variant::Lanes => vec![("LANES", lanes as f64), ("GROUPED", f64::from(u8::from(g.groups > 1)))],
        Variant::Depthwise | Variant::Registers => vec![("LANES", lanes as f64)],
        Variant::Cooperative => vec![("LANES", f64::from(cx.profile.subgroup_size))],
        Variant::Tiled => tile,
        _ => Vec::new(),
    };
    let rounds = match variant {
        Variant::Lanes | Variant::Depthwise => 4,
        _ => 8,
    };
    // A binding that is not used still has to be bound, to memory of its own so that it costs no pipeline of its own.
    let mut idle = || {
        scratch.push(16);
        Slot::Scratch(scratch.len() - 1)
    };
    let slots = vec![x, w, fused.bias.unwrap_or_else(&mut idle), fused.residual.unwrap_or_else(&mut idle), y];
    let bytes = 4 * (g.input.iter().product::<usize>() + g.output.iter().product::<usize>()) as u64;
    let params = GatherParams {
        slope,
        blocks: blocks as u32,
        has_bias: u32::from(fused.bias.is_some()),
        has_residual: u32::from(fused.residual.is_some()),
        activation: code,
        rounds,
        flat: u32::from(flat),
        ..params(g)
    };
    let params = GatherParams { delta: [params.delta[0], params.delta[1], params.delta[2], turns as i32], ..params };
    // The input gradient has turned its weight into f32 scratch; everything else reads its second input.
    let kernel = kernel.pick(cx.inputs[1].dtype, cx.profile);
    Launch::new(kernel, params, slots, groups).with(&overrides).costing(2 * g.multiply_adds(), bytes)
}

/// The launch that swaps the input and output channels of a weight (KH, KW, I/g, O) within its groups.
pub(crate) fn turn_weight(
    kernel: [usize; 2],
    inputs: usize,
    outputs: usize,
    groups: usize,
    w: Slot,
    to: Slot,
) -> Launch {
    let n = (kernel[0] * kernel[1] * inputs * outputs * groups) as u64;
    let params =
        TurnParams { inputs: inputs as u32, outputs: outputs as u32, groups: groups as u32, ..Default::default() };
    let taps = kernel[0] * kernel[1];
    if groups == 1 && inputs.is_multiple_of(4) && outputs.is_multiple_of(4) {
        let grid = [inputs.div_ceil(32), outputs.div_ceil(32), taps].map(|n| n as u32);
        return Launch::new(&TURN_WEIGHT4, params, vec![w, to], grid).costing(n, 8 * n);
    }
    let grid = [(groups * inputs).div_ceil(64), outputs, taps].map(|n| n as u32);
    let launch = Launch::new(&TURN_WEIGHT, params, vec![w, to], grid);
    launch.with(&[("GROUPED", f64::from(u8::from(groups > 1)))]).costing(n, 8 * n)
}

/// Overrides of the tiled kernels: a tile of 32 where 64 is usual, and one that never leaves the tensors.
const SMALL_TILE: crate::gpu::Variant = &[("SIDE", 32.0), ("LANES", 64.0)];
const INSIDE: (&str, f64) = ("INSIDE", 1.0);

/// Which of the tiled kernels takes a layer, its tile's side and its overrides.
fn tiled(g: &Gather, kind: DeviceKind) -> (&'static Halves, usize, Vec<(&'static str, f64)>) {
    let (inputs, outputs, pixels) = (g.group_inputs(), g.group_outputs(), g.phase_pixels());
    let side = tile::side(kind, [pixels, outputs], g.phases() * g.groups);
    let even = inputs.is_multiple_of(8) && outputs.is_multiple_of(4) && g.spare.is_multiple_of(4);
    if side > 32 && even {
        let inside = g.stays_inside() && pixels.is_multiple_of(side) && outputs.is_multiple_of(side);
        return (&TILED4, side, tile::overrides(side).into_iter().chain(inside.then_some(INSIDE)).collect());
    }
    let kernel = if outputs.is_multiple_of(2) { &TILED_PAIRS } else { &TILED };
    match side {
        32 => (kernel, 32, SMALL_TILE.to_vec()),
        _ => (kernel, 64, Vec::new()),
    }
}

/// How many blocks of output channels a workgroup makes in turn, where a workgroup costs about as much as a short sum: all of them if the
/// weight stays in a processor's cache meanwhile, and there are enough workgroups for all processors.
fn turns_of(blocks: usize, tiles: usize, weight: usize) -> usize {
    const CACHED: usize = 1 << 15;
    const WORKGROUPS: usize = 128;
    if weight > CACHED { 1 } else { blocks.div_ceil(WORKGROUPS.div_ceil(tiles).min(blocks)) }
}

/// Invocations of a workgroup whose lanes are channels: 8, 16 or 32, enough for all where that many are. Software devices with subgroups
/// run a workgroup of eight as fast as a larger one, and then have one kernel to compile.
pub(super) fn lanes(channels: usize, profile: &Profile) -> usize {
    let usual = profile.kind == DeviceKind::Software && profile.subgroup_size >= 8;
    let narrow = profile.forced.of("conv_width").map_or(usual, |width| width == "narrow");
    match channels {
        _ if narrow => 8,
        17.. => 32,
        _ => channels.next_multiple_of(8),
    }
}

/// One or minus one where the input position moves by one from pixel to pixel and by that from tap to tap, so that neighbouring pixels
/// share inputs; else 0.
fn slide(axis: Axis) -> i32 {
    let along = tap_move(axis);
    if axis.down == 1 && along.abs() == 1 { along } else { 0 }
}

/// How far the input position moves from one tap of a phase to the next.
fn tap_move(axis: Axis) -> i32 {
    (axis.tap_step() as isize * axis.tap / axis.up as isize) as i32
}

fn params(g: &Gather) -> GatherParams {
    let four = |v: [usize; 4]| v.map(|e| e as u32);
    let [y, x] = g.axes;
    let [qh, qw] = g.phase_extent();
    GatherParams {
        input: four(g.input),
        output: four(g.output),
        kernel: four([g.kernel[0], g.kernel[1], g.group_inputs(), g.group_outputs()]),
        phase: four([qh, qw, y.up, x.up]),
        step: four([y.down, x.down, y.tap_step(), x.tap_step()]),
        base: [y.base, x.base, y.tap, x.tap].map(|v| v as i32),
        delta: [tap_move(y), tap_move(x), slide(x), 0],
        pixels: g.phase_pixels() as u32,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{FAMILIES, Forced, Tuned};

    #[test]
    fn the_largest_tile_that_fills_a_device_is_taken() {
        let layer = |n: usize, side: usize, inputs: usize, outputs: usize, kernel: usize| Gather {
            input: [n, side, side, inputs],
            output: [n, side, side, outputs],
            kernel: [kernel; 2],
            groups: 1,
            axes: [Axis::forward(1, kernel / 2, 1); 2],
            spare: 0,
        };
        let taken = |g: Gather, kind| {
            let (kernel, side, overrides) = tiled(&g, kind);
            (kernel.full.label, side, overrides.contains(&INSIDE))
        };
        use DeviceKind::{Discrete, Integrated};
        assert_eq!(taken(layer(1, 28, 128, 128, 3), Discrete), ("conv2d.tiled_pairs", 32, false));
        assert_eq!(taken(layer(16, 28, 128, 128, 3), Discrete), ("conv2d.tiled4", 64, false));
        assert_eq!(taken(layer(16, 56, 128, 128, 3), Discrete), ("conv2d.tiled4", 128, false));
        assert_eq!(taken(layer(16, 56, 64, 256, 1), Discrete), ("conv2d.tiled4", 128, true));
        assert_eq!(taken(layer(16, 56, 256, 64, 1), Discrete), ("conv2d.tiled4", 64, true));
        assert_eq!(taken(layer(17, 28, 256, 512, 1), Discrete), ("conv2d.tiled4", 128, false), "pixels over");
        assert_eq!(taken(layer(16, 56, 256, 144, 1), Discrete), ("conv2d.tiled4", 128, false), "channels over");
        assert_eq!(taken(layer(1, 56, 64, 256, 1), Integrated), ("conv2d.tiled4", 64, true));
        assert_eq!(taken(layer(16, 112, 3, 64, 3), Discrete), ("conv2d.tiled_pairs", 64, false));
    }

    #[test]
    fn a_wish_comes_before_a_forced_name_and_that_before_a_timed_one() {
        let profile = |forced, tuned: &[(&str, &str)]| Profile {
            kind: DeviceKind::Software,
            f16: false,
            subgroups: true,
            subgroup_size: 8,
            max_invocations: 256,
            workgroup_memory: 16 << 10,
            max_binding: 1 << 27,
            cooperative: None,
            forced: Forced::parse(forced).expect("known names"),
            tuned: std::sync::Arc::new(Tuned::of(tuned)),
        };
        let timed = [("it", "lanes"), ("unknown", "warp")];
        let found = |own, forced, problem: &str| wanted(own, &profile(forced, &timed), || problem.to_string());
        assert_eq!(found(Some(Variant::Tiled), "registers", "it"), Some(Variant::Tiled));
        assert_eq!(found(None, "registers", "it"), Some(Variant::Registers));
        assert_eq!(found(None, "nms=subgroup", "it"), Some(Variant::Lanes));
        assert_eq!((found(None, "", "another"), found(None, "", "unknown")), (None, None));
        // What does not take the shape falls back to the rule.
        assert_eq!(choose(3, 8, 1, &profile("", &timed), Some(Variant::Registers)), Variant::Subgroup);
    }

    #[test]
    fn short_sums_share_workgroups_and_long_ones_do_not() {
        assert_eq!(turns_of(16, 196, 64 * 256), 16);
        assert_eq!(turns_of(16, 49, 64 * 256), 6);
        assert_eq!(turns_of(16, 1, 64 * 256), 1);
        assert_eq!(turns_of(8, 49, 9 * 128 * 128), 1);
    }

    #[test]
    fn variants_have_the_names_that_can_be_forced() {
        let conv = FAMILIES.iter().find(|f| f.name == "conv").expect("listed");
        assert_eq!(Variant::ALL.map(Variant::name).as_slice(), conv.variants);
        assert_eq!(Variant::named("tiled"), Some(Variant::Tiled));
    }
}
