// y[n, k, c] = x[n, index[n, k], c], or `fill` where the index lies outside x. One invocation makes one element; the grid is
// ceil(elements of y / 256); the tail is guarded here. Words are copied as they are.

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
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let place = i / params.width;
    let picture = place / params.chosen;
    // A negative index is a large unsigned one.
    let row = u32(index[place]);
    var word = params.fill;
    if row < params.rows {
        word = x[(picture * params.rows + row) * params.width + (i - place * params.width)];
    }
    y[i] = word;
}
