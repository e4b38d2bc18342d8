// uses: max_unpool2d
// y = the element of x that won this place, 0 where none claimed it.
// One invocation makes one element of y; the grid is ceil(n / 256); the tail is guarded here.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> winner: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let claim = winner[i];
    if claim == 0u {
        y[i] = 0.0;
        return;
    }
    let image = i / params.channels / params.out_plane;
    y[i] = x[(image * params.in_plane + claim - 1u) * params.channels + i % params.channels];
}
