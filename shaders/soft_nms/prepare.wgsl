// uses: order_key, soft_nms
// live[row, i] = the score, or DEAD where it is NaN, not above the threshold (by its key, `bound`) or beyond the row's count; boxes with a
// NaN or an infinity in them or in their area become empty, and overlap nothing. One invocation prepares one box; the grid is
// ceil(k / 256) by rows; the tail is guarded here. Without groups or counts, the scores are bound in their place.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scores: array<u32>;
@group(0) @binding(3) var<storage, read> groups: array<u32>;
@group(0) @binding(4) var<storage, read> limits: array<u32>;
@group(0) @binding(5) var<storage, read_write> clean: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> tags: array<Tag>;
@group(0) @binding(7) var<storage, read_write> live: array<u32>;
@group(0) @binding(8) var<storage, read_write> state: array<Row>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let row = group.y + params.origin.y;
    if i >= params.k {
        return;
    }
    if i == 0u {
        state[row] = Row(0u, NONE, 0u, 0u);
    }
    let at = row * params.k + i;
    var inside = true;
    if params.limited == 1u {
        inside = i32(i) < bitcast<i32>(limits[row]);
    }
    live[at] = select(DEAD, scores[at], inside && order_key(scores[at]) > params.bound);
    var own = boxes[at];
    var area = (own.z - own.x) * (own.w - own.y);
    let odd = (bitcast<vec4<u32>>(own) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
    if any(odd) || (bitcast<u32>(area) & 0x7f800000u) == 0x7f800000u {
        own = vec4<f32>(0.0);
        area = 0.0;
    }
    var kind = 0u;
    if params.grouped == 1u {
        kind = groups[at];
    }
    clean[at] = own;
    tags[at] = Tag(area, kind);
}
