//! How an op describes its work: kernels, their uniform structs, and launches over numbered slots.
//! Plain data; nothing here touches the device.

/// A compute shader of `shaders/`, with the entry point `main`.
#[derive(Debug)]
pub struct Kernel {
    /// `op.what`, e.g. `conv2d.grad_weight`: its name in profiles and errors.
    pub label: &'static str,
    /// The file's text; lines `// uses: NAME` bring in `shaders/lib/NAME.wgsl`.
    pub source: &'static str,
    /// Fields of the uniform struct on the Rust side; a test holds them against the WGSL.
    pub params: &'static [Field],
    /// Override sets beside the defaults that the shader tests compile too.
    pub variants: &'static [Variant],
    /// Optional feature without which the kernel does not compile.
    pub needs: Needs,
}

/// One set of values for a kernel's `override` constants.
pub type Variant = &'static [(&'static str, f64)];

/// Optional device feature a kernel is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// WebGPU's default limits and no optional feature.
    Nothing,
    /// `enable f16`.
    F16,
    /// `enable subgroups`.
    Subgroups,
    /// Both.
    F16Subgroups,
    /// `enable wgpu_cooperative_matrix`: naga's own, with no counterpart in other compilers of WGSL.
    Cooperative,
    /// That and `enable f16`.
    F16Cooperative,
}

/// Name and byte offset of one member of a uniform struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Member name, the same in Rust and WGSL.
    pub name: &'static str,
    /// Offset in bytes.
    pub offset: usize,
}

/// A uniform struct made by [`uniform!`](crate::uniform).
pub trait Uniform: bytemuck::Pod {
    /// Its members in order.
    const FIELDS: &'static [Field];
}

/// Declares a kernel's uniform struct. Its first member is always `origin: [u32; 4]`, the workgroup at which a
/// piece of a split dispatch starts; the recorder fills it in. Members are `u32`, `i32`, `f32`, or arrays of four of them,
/// which must start at a multiple of 16 bytes. The struct is padded to 16 bytes by hand (a compile error says so).
#[macro_export]
macro_rules! uniform {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$fdoc:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name {
            /// First workgroup of this piece; filled in by the recorder.
            pub origin: [u32; 4],
            $($(#[$fdoc])* pub $field: $ty,)*
        }
        impl $crate::gpu::Uniform for $name {
            const FIELDS: &'static [$crate::gpu::Field] = &[
                $crate::gpu::Field { name: "origin", offset: 0 },
                $($crate::gpu::Field { name: stringify!($field), offset: std::mem::offset_of!($name, $field) },)*
            ];
        }
        const _: () = assert!(size_of::<$name>() % 16 == 0, "pad the uniform struct to a multiple of 16 bytes");
    };
}

/// A tensor of the node being launched. Binding 0 is the uniform; slots are bound from 1 on, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Input `i` of the node.
    Input(usize),
    /// Output `i` of the node.
    Output(usize),
    /// Scratch `i` that the op asked for.
    Scratch(usize),
}

/// Estimated work, for pacing and for benchmarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cost {
    /// Floating-point operations (a multiply-add is two).
    pub flops: u64,
    /// Bytes read and written at least once.
    pub bytes: u64,
}

/// How launches over many tensors become one dispatch: those that treat every element alike, such as an optimiser's step on each
/// parameter. The planner of programs decides which do; a launch that stays alone runs as it stands.
#[derive(Clone, Debug)]
pub struct Gang {
    /// The kernel for many. It binds a window for each of `each`, then `shared`, then a table of `Piece`s (`shaders/lib/gang.wgsl`), and
    /// changes tensors where they lie.
    pub kernel: &'static Kernel,
    /// Its uniform struct's bytes; the same for all that may go together.
    pub params: Vec<u8>,
    /// Tensors of `elements` four-byte elements that differ from launch to launch, four at most. Windows lie around all of a kind.
    pub each: Vec<Slot>,
    /// Tensors that all launches have in common.
    pub shared: Vec<Slot>,
    /// Pairs that must be the same bytes, since the kernel for many changes tensors where they lie: what is read, what is written. All
    /// that is written is among them.
    pub in_place: Vec<(Slot, Slot)>,
    /// Elements of each tensor.
    pub elements: u32,
    /// Added to the number of each piece.
    pub number: u32,
}

impl Gang {
    /// Elements that one workgroup takes: `shaders/lib/gang.wgsl`.
    pub const PIECE: u32 = 16384;

    /// A gang of `kernel` with `params`.
    pub fn new<P: Uniform>(kernel: &'static Kernel, params: P, each: Vec<Slot>, shared: Vec<Slot>) -> Self {
        debug_assert_eq!(kernel.params, P::FIELDS, "{}: uniform struct of another kernel", kernel.label);
        let params = bytemuck::bytes_of(&params).to_vec();
        Self { kernel, params, each, shared, in_place: Vec::new(), elements: 0, number: 0 }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

/// One dispatch of a kernel.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Which kernel.
    pub kernel: &'static Kernel,
    /// Values of its `override` constants; those not named keep their defaults.
    pub overrides: Vec<(&'static str, f64)>,
    /// The uniform struct's bytes; the first sixteen are the origin.
    pub params: Vec<u8>,
    /// Bindings 1, 2, ...
    pub slots: Vec<Slot>,
    /// Bindings whose tensors are stored in half precision, though the kernel's text has them as f32.
    pub halves: Vec<u32>,
    /// Workgroups in x, y and z. Any size: the recorder splits what the device or the time budget refuses.
    pub groups: [u32; 3],
    /// Estimated work of the whole launch.
    pub cost: Cost,
    /// How it may run together with its like.
    pub gang: Option<Gang>,
}

impl Launch {
    /// A launch of `kernel` with `params` over `slots`.
    pub fn new<P: Uniform>(kernel: &'static Kernel, params: P, slots: Vec<Slot>, groups: [u32; 3]) -> Self {
        debug_assert_eq!(kernel.params, P::FIELDS, "{}: uniform struct of another kernel", kernel.label);
        let params = bytemuck::bytes_of(&params).to_vec();
        let (overrides, halves, cost) = (Vec::new(), Vec::new(), Cost::default());
        Self { kernel, overrides, params, slots, halves, groups, cost, gang: None }
    }

    /// Sets `override` constants.
    pub fn with(mut self, overrides: &[(&'static str, f64)]) -> Self {
        self.overrides.extend_from_slice(overrides);
        self
    }

    /// Says that some tensors are stored in half precision: `halved` has their numbers of elements. Each then costs two bytes less for an element, but
    /// no launch less than half of what it did.
    pub fn halving(&mut self, halved: impl Fn(Slot) -> Option<u64>) {
        let mut saved = 0;
        for (&slot, binding) in self.slots.iter().zip(1..) {
            if let Some(elements) = halved(slot) {
                self.halves.push(binding);
                saved += 2 * elements;
            }
        }
        self.cost.bytes -= saved.min(self.cost.bytes / 2);
    }

    /// Lets it run together with its like.
    pub fn in_gang(mut self, gang: Gang) -> Self {
        self.gang = Some(gang);
        self
    }

    /// Sets the estimated work.
    pub fn costing(mut self, flops: u64, bytes: u64) -> Self {
        self.cost = Cost { flops, bytes };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::uniform! {
        struct Nothing {}
    }

    static KERNEL: Kernel =
        Kernel { label: "k", source: "", params: Nothing::FIELDS, variants: &[], needs: Needs::Nothing };

    #[test]
    fn halves_cost_two_bytes_less_each() {
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let plain = Launch::new(&KERNEL, Nothing::default(), slots, [1; 3]).costing(7, 120);
        let halved = |elements: u64| {
            let mut launch = plain.clone();
            launch.halving(|slot| (slot != Slot::Input(1)).then_some(elements));
            launch
        };
        assert_eq!(halved(10).halves, [1, 3]);
        assert_eq!(halved(10).cost, Cost { flops: 7, bytes: 80 });
        // A launch that reads a part of a tensor was not charged for all of it.
        assert_eq!(halved(1000).cost.bytes, 60);
    }
}
