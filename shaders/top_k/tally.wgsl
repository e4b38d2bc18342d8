// uses: order_key
// tallies[row, group] = how many of the group's 4096 keys are (above, equal to) the cut, state[row].x. The grid is
// ceil(m / 4096) by rows; the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    m: u32,
    groups: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> tallies: array<vec2<u32>>;

var<workgroup> above: atomic<u32>;
var<workgroup> equal: atomic<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    if lane == 0u {
        atomicStore(&above, 0u);
        atomicStore(&equal, 0u);
    }
    workgroupBarrier();
    let cut = state[row].x;
    var counts = vec2<u32>(0u);
    let end = min((g + 1u) * 4096u, params.m);
    for (var i = g * 4096u + lane; i < end; i += 256u) {
        let key = order_key(x[row * params.m + i]);
        counts += vec2<u32>(select(0u, 1u, key > cut), select(0u, 1u, key == cut));
    }
    if counts.x > 0u {
        atomicAdd(&above, counts.x);
    }
    if counts.y > 0u {
        atomicAdd(&equal, counts.y);
    }
    workgroupBarrier();
    if lane == 0u {
        tallies[row * params.groups + g] = vec2<u32>(atomicLoad(&above), atomicLoad(&equal));
    }
}
