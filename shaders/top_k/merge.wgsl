// Merges neighbouring sorted runs of `run` pairs into runs of twice the length: a pair's new place is its own place in its run
// plus the number of pairs of the other run that come before it, found by bisection. Pairs are distinct, so the order is
// total. One invocation moves one pair; the grid is ceil(m / 256) by rows; only the first found[row] pairs of a row exist.

struct Params {
    origin: vec4<u32>,
    m: u32,
    run: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> found: array<u32>;
@group(0) @binding(2) var<storage, read> pairs: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> merged: array<vec2<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let row = group.y + params.origin.y;
    let n = found[row];
    if i >= n {
        return;
    }
    let base = row * params.m;
    let own = pairs[base + i];
    let run = i / params.run;
    let other = (run ^ 1u) * params.run;
    // First pair of the other run that does not come before this one.
    var low = min(other, n);
    let first = low;
    var high = min(other + params.run, n);
    while low < high {
        let middle = (low + high) / 2u;
        let pair = pairs[base + middle];
        if pair.x > own.x || (pair.x == own.x && pair.y < own.y) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    let place = (run & ~1u) * params.run + (i - run * params.run) + (low - first);
    merged[base + place] = own;
}
