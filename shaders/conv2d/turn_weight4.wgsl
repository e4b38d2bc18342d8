// turned[k, j, i] = w[k, i, j]: turn_weight.wgsl for one group with input and output channels in fours.
// One invocation turns 4 by 4 elements; the grid is (ceil(I / 32), ceil(J / 32), taps), so that software devices, which pay about
// a microsecond for a workgroup, have few of them; tails are guarded here.

struct Params {
    origin: vec4<u32>,
    inputs: u32,   // I
    outputs: u32,  // J
    groups: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> turned: array<vec4<f32>>;

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let g = group + params.origin.xyz;
    let i = g.x * 8u + lane.x;
    let j = g.y * 8u + lane.y;
    let inputs = params.inputs / 4u;
    let outputs = params.outputs / 4u;
    if i < inputs && j < outputs {
        let from_row = (g.z * params.inputs + 4u * i) * outputs + j;
        let a = w[from_row];
        let b = w[from_row + outputs];
        let c = w[from_row + 2u * outputs];
        let d = w[from_row + 3u * outputs];
        let to = (g.z * params.outputs + 4u * j) * inputs + i;
        turned[to] = vec4<f32>(a.x, b.x, c.x, d.x);
        turned[to + inputs] = vec4<f32>(a.y, b.y, c.y, d.y);
        turned[to + 2u * inputs] = vec4<f32>(a.z, b.z, c.z, d.z);
        turned[to + 3u * inputs] = vec4<f32>(a.w, b.w, c.w, d.w);
    }
}
