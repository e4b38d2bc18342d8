// What the convolution kernels that gather share: the uniform, and which kernel taps an output pixel meets.
//
// Along each axis, output position o and kernel tap k meet input position (o * down + base + k * tap) / up where that is whole.
// A convolution has down = stride, base = -padding, tap = dilation, up = 1; a transposed convolution, and the input gradient of a
// convolution, has down = 1, base = padding, tap = -dilation, up = stride. Outputs with one residue modulo `up` (a phase) meet the
// same taps: every kstep-th from `first_tap` on, and from one of them to the next the input position moves by `delta`.

struct Params {
    origin: vec4<u32>,
    input: vec4<u32>,   // n, h, w, channels
    output: vec4<u32>,  // n, h, w, channels
    kernel: vec4<u32>,  // rows, columns, input channels and output channels of a group
    phase: vec4<u32>,   // pixel rows and columns of a phase, up in y and x
    step: vec4<u32>,    // down in y and x, kstep in y and x
    base: vec4<i32>,    // base in y and x, tap in y and x
    delta: vec4<i32>,   // delta in y and x, how far a tap moves the input of a pixel towards its neighbour's (0: not by one), blocks a workgroup makes
    slope: f32,         // of the activation
    has_bias: u32,
    has_residual: u32,
    pixels: u32,        // of a phase, all pictures together
    blocks: u32,        // workgroups along the output channels of a group
    activation: u32,    // code of the activation
    rounds: u32,        // in which a kernel stores its tile: a number that compilers cannot see, so that they do not unroll
    flat: u32,          // 1: the taps of a kernel row are one run of memory
}

@group(0) @binding(0) var<uniform> params: Params;

// First tap that meets outputs of this residue, in y; the kernel's extent where none does.
fn first_tap_y(residue: u32) -> u32 {
    for (var k = 0u; k < min(params.step.z, params.kernel.x); k++) {
        if (i32(residue * params.step.x) + params.base.x + i32(k) * params.base.z) % i32(params.phase.z) == 0 {
            return k;
        }
    }
    return params.kernel.x;
}

// The same in x.
fn first_tap_x(residue: u32) -> u32 {
    for (var k = 0u; k < min(params.step.w, params.kernel.y); k++) {
        if (i32(residue * params.step.y) + params.base.y + i32(k) * params.base.w) % i32(params.phase.w) == 0 {
            return k;
        }
    }
    return params.kernel.y;
}

// Output pixel `m` of the phase with residue `r`: picture, row, column.
fn output_pixel(m: u32, r: vec2<u32>) -> vec3<u32> {
    let rest = m % (params.phase.x * params.phase.y);
    let q = vec2<u32>(rest / params.phase.y, rest % params.phase.y);
    return vec3<u32>(m / (params.phase.x * params.phase.y), q * params.phase.zw + r);
}

// Whether an output pixel exists: phases are cut to one size, so the last rows and columns may not.
fn is_output(m: u32, pixel: vec3<u32>) -> bool {
    return m < params.pixels && pixel.y < params.output.y && pixel.z < params.output.z;
}

// Input row and column that an output pixel meets at tap k (which must be one it meets).
fn input_position(pixel: vec3<u32>, k: vec2<u32>) -> vec2<i32> {
    let whole = vec2<i32>(pixel.yz * params.step.xy) + params.base.xy + vec2<i32>(k) * params.base.zw;
    return whole / vec2<i32>(params.phase.zw);
}

// Whether an input position lies within the picture.
fn is_input(at: vec2<i32>) -> bool {
    return at.x >= 0 && at.y >= 0 && at.x < i32(params.input.y) && at.y < i32(params.input.z);
}
