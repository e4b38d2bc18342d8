// The uniform of unpooling's kernels.

struct Params {
    origin: vec4<u32>,
    n: u32,
    // Elements of a channel before and after.
    in_plane: u32,
    out_plane: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
