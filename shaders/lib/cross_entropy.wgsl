// The uniform of cross-entropy's kernels.

struct Params {
    origin: vec4<u32>,
    pixels: u32,
    channels: u32,
    // 1 where the result is not reduced.
    each: u32,
    // 1 where the sum is divided by the sum of the weights.
    mean: u32,
    has_weight: u32,
    has_map: u32,
    ignore_index: i32,
    smoothing: f32,
    // Bits of a NaN: what a target outside the classes gives.
    nan: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
