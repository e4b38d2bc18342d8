// uses: max_unpool2d
// grad_x = grad_y at the place the element won, 0 where it lost or named none.
// One invocation makes one element of grad_x; the grid is ceil(n / 256); the tail is guarded here.

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<storage, read> winner: array<u32>;
@group(0) @binding(4) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let position = i / params.channels;
    let image = position / params.in_plane;
    let place = indices[i];
    var gradient = 0.0;
    if place >= 0 && u32(place) < params.out_plane {
        let at = (image * params.out_plane + u32(place)) * params.channels + i % params.channels;
        if winner[at] == position % params.in_plane + 1u {
            gradient = grad_y[at];
        }
    }
    grad_x[i] = gradient;
}
