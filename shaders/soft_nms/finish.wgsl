// uses: soft_nms
// count[row] = boxes chosen; -1 and 0 behind the last of them. One invocation takes one place; the grid is ceil(max_out / 256) by rows;
// the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> state: array<Row>;
@group(0) @binding(2) var<storage, read_write> keep: array<i32>;
@group(0) @binding(3) var<storage, read_write> new_scores: array<u32>;
@group(0) @binding(4) var<storage, read_write> count: array<i32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let row = group.y + params.origin.y;
    if i >= params.max_out {
        return;
    }
    let chosen = state[row].count;
    if i >= chosen {
        keep[row * params.max_out + i] = -1;
        new_scores[row * params.max_out + i] = 0u;
    }
    if i == 0u {
        count[row] = i32(chosen);
    }
}
