// uses: nms
// Boxes, areas and groups in the order of the sorted scores; flags[row, i] = 1 where there is no score to be kept for (NaN, or
// beyond the row's count). A box with a NaN or an infinity in it or in its area overlaps nothing, as it does by arithmetic, but arithmetic
// on NaN is not to be relied on: it becomes an empty box. One invocation takes one place; the grid is ceil(k / 256) by rows; the
// tail is guarded here. Without groups the boxes are bound as groups too.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> boxes: array<u32>;
@group(0) @binding(2) var<storage, read> groups: array<u32>;
@group(0) @binding(3) var<storage, read> pairs: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> found: array<u32>;
@group(0) @binding(5) var<storage, read_write> sorted: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> tags: array<Tag>;
@group(0) @binding(7) var<storage, read_write> flags: array<u32>;
@group(0) @binding(8) var<storage, read_write> state: array<Row>;

fn scored(row: u32, i: u32) -> bool {
    if i >= found[row] {
        return false;
    }
    return pairs[row * params.k + i].x > 0u;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let row = group.y + params.origin.y;
    if i >= params.k {
        return;
    }
    let at = row * params.k + i;
    if !scored(row, i) {
        flags[at] = 1u;
        if i == 0u {
            state[row] = Row(0u, 0u, 0u, 0u);
        }
        return;
    }
    if i + 1u == params.k || !scored(row, i + 1u) {
        state[row] = Row(i + 1u, 0u, 0u, 0u);
    }
    let source = row * params.k + pairs[at].y;
    let bits = vec4<u32>(boxes[4u * source], boxes[4u * source + 1u], boxes[4u * source + 2u], boxes[4u * source + 3u]);
    var own = bitcast<vec4<f32>>(bits);
    var area = (own.z - own.x) * (own.w - own.y);
    let exponents = (vec4<u32>(0x7f800000u) & bits) == vec4<u32>(0x7f800000u);
    if any(exponents) || (bitcast<u32>(area) & 0x7f800000u) == 0x7f800000u {
        own = vec4<f32>(0.0);
        area = 0.0;
    }
    var kind = 0u;
    if params.grouped == 1u {
        kind = groups[source];
    }
    sorted[at] = own;
    tags[at] = Tag(area, kind);
    flags[at] = 0u;
}
