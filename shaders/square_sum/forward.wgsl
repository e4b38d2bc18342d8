// uses: workgroup_sum
// next[first + g] = sum of the squares of x[16384 g .. 16384 (g + 1)), or a NaN if any of them is a NaN or an infinity (told by
// exponent bits); next[j] = sums[j] elsewhere. Workgroup g makes element first + g: each invocation adds 64 squares 256
// apart, then the workgroup adds its 256 sums as a tree. Elements that are only carried over go round the invocations of
// the whole grid; when the op works in place that copies each onto itself.

struct Params {
    origin: vec4<u32>,
    n: u32,
    first: u32,
    groups: u32,
    length: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> next: array<f32>;

var<workgroup> broken: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    for (var j = g * 256u + lane; j < params.length; j += params.groups * 256u) {
        if j < params.first || j >= params.first + params.groups {
            next[j] = sums[j];
        }
    }
    var sum = 0.0;
    var bad = 0u;
    let end = min((g + 1u) * 16384u, params.n);
    for (var i = g * 16384u + lane; i < end; i += 256u) {
        let v = x[i];
        bad |= select(0u, 1u, (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u);
        sum += v * v;
    }
    broken[lane] = bad;
    let total = workgroup_sum(sum, lane);
    if lane == 0u {
        for (var l = 1u; l < 256u; l++) {
            bad |= broken[l];
        }
        next[params.first + g] = bitcast<f32>(bitcast<u32>(total) | (bad * 0x7fc00000u));
    }
}
