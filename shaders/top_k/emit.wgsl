// values[row, i] = x at the i-th sorted pair, indices[row, i] = its index, for the pairs whose key is above `bound`; 0 and -1
// behind them; count[row] = how many there are. One invocation makes one place; the grid is ceil(k / 256) by rows; the
// tail is guarded here. Floats are copied as they are.

struct Params {
    origin: vec4<u32>,
    m: u32,
    length: u32,
    k: u32,
    bound: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> pairs: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> found: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<u32>;
@group(0) @binding(5) var<storage, read_write> indices: array<i32>;
@group(0) @binding(6) var<storage, read_write> count: array<i32>;

fn exists(row: u32, i: u32) -> bool {
    if i >= min(params.k, found[row]) {
        return false;
    }
    return pairs[row * params.length + i].x > params.bound;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let row = group.y + params.origin.y;
    if i >= params.k {
        return;
    }
    let at = row * params.k + i;
    if exists(row, i) {
        let index = pairs[row * params.length + i].y;
        values[at] = x[row * params.m + index];
        indices[at] = i32(index);
        if !exists(row, i + 1u) {
            count[row] = i32(i + 1u);
        }
    } else {
        values[at] = 0u;
        indices[at] = -1;
        if i == 0u {
            count[row] = 0;
        }
    }
}
