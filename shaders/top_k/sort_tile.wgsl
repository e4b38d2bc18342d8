// Sorts each run of 1024 pairs in place, largest key first, the lower index first among equal keys: a bitonic network (Batcher 1968)
// in workgroup memory. One workgroup sorts one run; the grid is ceil(m / 1024) by rows; only the first found[row] pairs
// of a row exist. A run that is not full is padded to a power of two with pairs that come last.

const TILE = 1024u;

struct Params {
    origin: vec4<u32>,
    m: u32,
    run: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> found: array<u32>;
@group(0) @binding(2) var<storage, read_write> pairs: array<vec2<u32>>;

var<workgroup> keys: array<u32, TILE>;
var<workgroup> places: array<u32, TILE>;
var<workgroup> bound: u32;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y + params.origin.y;
    let start = (group.x + params.origin.x) * TILE;
    if lane == 0u {
        bound = found[row];
    }
    let n = workgroupUniformLoad(&bound);
    if start >= n {
        return;
    }
    var length = 1u;
    while length < min(n - start, TILE) {
        length <<= 1u;
    }
    for (var i = lane; i < length; i += 256u) {
        var pair = vec2<u32>(0u, 0xffffffffu);
        if start + i < n {
            pair = pairs[row * params.m + start + i];
        }
        keys[i] = pair.x;
        places[i] = pair.y;
    }
    workgroupBarrier();
    for (var size = 2u; size <= length; size <<= 1u) {
        for (var step = size >> 1u; step > 0u; step >>= 1u) {
            for (var e = lane; e < length / 2u; e += 256u) {
                let low = 2u * e - (e & (step - 1u));
                let high = low + step;
                let a = vec2<u32>(keys[low], places[low]);
                let b = vec2<u32>(keys[high], places[high]);
                let ordered = a.x > b.x || (a.x == b.x && a.y < b.y);
                let wanted = (low & size) == 0u;
                if ordered != wanted {
                    keys[low] = b.x;
                    places[low] = b.y;
                    keys[high] = a.x;
                    places[high] = a.y;
                }
            }
            workgroupBarrier();
        }
    }
    for (var i = lane; i < length; i += 256u) {
        if start + i < n {
            pairs[row * params.m + start + i] = vec2<u32>(keys[i], places[i]);
        }
    }
}
