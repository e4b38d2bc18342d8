// The uniform of kernels that know of their tensors only how many elements they have.

struct Params {
    origin: vec4<u32>,
    n: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
