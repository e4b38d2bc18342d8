// grad_x[n, m, c] = sum of grad_y[n, k, c] over the k with index[n, k] = m, in the order of k: each element of x walks along its
// picture's indices, so nothing is scattered. One invocation makes one element; the grid is ceil(elements of x / 256); the tail is
// guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rows: u32,
    chosen: u32,
    width: u32,
    fill: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let place = i / params.width;
    let picture = place / params.rows;
    let row = i32(place - picture * params.rows);
    let column = i - place * params.width;
    var sum = 0.0;
    for (var k = 0u; k < params.chosen; k++) {
        let at = picture * params.chosen + k;
        if index[at] == row {
            sum += grad_y[at * params.width + column];
        }
    }
    grad_x[i] = sum;
}
