// turned[k, j, q * I + i] = w[k, i, q * J + j]: swaps input and output channels within each of the groups q, so that an input
// gradient is a gathering convolution too. I and J are the input and output channels of a group.
// One invocation makes one element; the grid is (ceil(taps * J * groups * I / 256), 1, 1); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    inputs: u32,   // I
    outputs: u32,  // J
    groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> turned: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + params.origin.x) * 256u + lane;
    if at < params.n {
        let width = params.groups * params.inputs;
        let channel = at % width;
        let j = at / width % params.outputs;
        let k = at / (width * params.outputs);
        let q = channel / params.inputs;
        let i = channel % params.inputs;
        turned[at] = w[(k * params.inputs + i) * (params.groups * params.outputs) + q * params.outputs + j];
    }
}
