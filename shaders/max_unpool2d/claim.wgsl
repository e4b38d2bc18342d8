// uses: max_unpool2d
// Each element of x claims the place its index names: winner = the largest claim, 1 + its position within x's plane. Whole
// numbers have no rounding, so the atomic maximum is the same in any order. Indices outside the picture claim nothing.
// One invocation takes one element of x; the grid is ceil(n / 256); the tail is guarded here.

@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> winner: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let channel = i % params.channels;
    let position = i / params.channels;
    let image = position / params.in_plane;
    let place = indices[i];
    if place >= 0 && u32(place) < params.out_plane {
        let to = (image * params.out_plane + u32(place)) * params.channels + channel;
        atomicMax(&winner[to], position % params.in_plane + 1u);
    }
}
