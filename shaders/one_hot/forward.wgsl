// y[i, c] = 1 where c is index[i], 0 elsewhere; a row of zeros where index[i] lies outside 0..classes. One invocation makes one element
// of y; the grid is ceil(n / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    classes: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let row = i / params.classes;
        y[i] = select(0.0, 1.0, index[row] == i32(i - row * params.classes));
    }
}
