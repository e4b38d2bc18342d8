// uses: max_unpool2d
// winner = 0: no element claims this place yet. One invocation makes one element of the output's size; the grid is
// ceil(n / 256); the tail is guarded here.

@group(0) @binding(1) var<storage, read_write> winner: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        winner[i] = 0u;
    }
}
