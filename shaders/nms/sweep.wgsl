// uses: nms, quotient_exact, suppression
// flags[row, i] = 1 for every box behind the present block that a box kept in it suppresses. One invocation takes one box and
// stops at the first; the kept ones come by way of workgroup memory, 256 at a time. The grid is ceil(boxes behind the
// block / 256) by rows; the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tags: array<Tag>;
@group(0) @binding(3) var<storage, read> fresh: array<u32>;
@group(0) @binding(4) var<storage, read> state: array<Row>;
@group(0) @binding(5) var<storage, read_write> flags: array<u32>;

var<workgroup> boxes: array<vec4<f32>, 256>;
var<workgroup> kinds: array<Tag, 256>;
var<workgroup> counts: Row;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y + params.origin.y;
    let start = (params.block + 1u) * BLOCK + (group.x + params.origin.x) * 256u;
    let i = start + lane;
    if lane == 0u {
        counts = state[row];
    }
    let now = workgroupUniformLoad(&counts);
    if now.kept >= params.max_out || start >= now.scored || now.fresh == 0u {
        return;
    }
    let base = row * params.k;
    var own = vec4<f32>(0.0);
    var tag = Tag(0.0, 0u);
    var open = i < now.scored;
    if open {
        own = sorted[base + i];
        tag = tags[base + i];
        open = flags[base + i] == 0u;
    }
    let was_open = open;
    for (var first = 0u; first < now.fresh; first += 256u) {
        let length = min(now.fresh - first, 256u);
        if lane < length {
            let place = base + fresh[row * BLOCK + first + lane];
            boxes[lane] = sorted[place];
            kinds[lane] = tags[place];
        }
        workgroupBarrier();
        for (var j = 0u; open && j < length; j++) {
            let other = kinds[j];
            let hit = overlaps(boxes[j], other.area, own, tag.area, params.threshold, params.zero);
            open = !(hit && other.group == tag.group);
        }
        workgroupBarrier();
    }
    if was_open && !open {
        flags[base + i] = 1u;
    }
}
