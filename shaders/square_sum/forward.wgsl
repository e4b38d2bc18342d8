// uses: workgroup_reduce, square_lanes
// next[first + g] = sum of the squares of x[16384 g .. 16384 (g + 1)), or a NaN if any of them is a NaN or an infinity;
// next[j] = sums[j] elsewhere. Workgroup g makes element first + g, in the order that square_lanes.wgsl says. Elements that are only
// carried over go round the invocations of the whole grid; when the op works in place that copies each onto itself.

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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    for (var j = g * 256u + lane; j < params.length; j += params.groups * 256u) {
        if j < params.first || j >= params.first + params.groups {
            next[j] = sums[j];
        }
    }
    var mine = Squares(vec4<f32>(0.0), vec4<u32>(0u));
    let end = min((g + 1u) * 16384u, params.n);
    for (var i = g * 16384u + 4u * lane; i < end; i += 1024u) {
        let last = end - 1u;
        let v = vec4<f32>(x[i], x[min(i + 1u, last)], x[min(i + 2u, last)], x[min(i + 3u, last)]);
        mine = add_squares(mine, first_of(v, end - i));
    }
    let total = merge_squares(mine, lane);
    if lane == 0u {
        next[params.first + g] = total;
    }
}
