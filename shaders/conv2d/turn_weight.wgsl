// turned[k, j, q * I + i] = w[k, i, q * J + j]: swaps input and output channels within each of the groups q, so that an input
// gradient is a gathering convolution too. I and J are the input and output channels of a group.
// One invocation makes one element; the grid is (ceil(groups * I / 64), J, taps), which spares software devices all
// divisions where there is one group; the tail is guarded here.

override GROUPED: bool = true;

struct Params {
    origin: vec4<u32>,
    inputs: u32,   // I
    outputs: u32,  // J
    groups: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> turned: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let channel = g.x * 64u + lane;
    let width = params.groups * params.inputs;
    if channel < width {
        var i = channel;
        var first = 0u;
        if GROUPED {
            i = channel % params.inputs;
            first = channel / params.inputs * params.outputs;
        }
        let row = (g.z * params.inputs + i) * (params.groups * params.outputs);
        turned[(g.z * params.outputs + g.y) * width + channel] = w[row + first + g.y];
    }
}
