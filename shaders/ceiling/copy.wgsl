// y = x: what a device moves when nothing but moving is asked of it.
// One invocation moves four times four numbers, neighbours neighbouring ones. The grid is ceil(n / 1024); the tail is guarded here.
// n is counted in fours.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rounds: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = (group.x + params.origin.x) * 1024u + lane;
    let last = first + 768u;
    if last < params.n {
        let v0 = x[first];
        let v1 = x[first + 256u];
        let v2 = x[first + 512u];
        y[first] = v0;
        y[first + 256u] = v1;
        y[first + 512u] = v2;
        y[last] = x[last];
        return;
    }
    for (var i = first; i < params.n; i += 256u) {
        y[i] = x[i];
    }
}
