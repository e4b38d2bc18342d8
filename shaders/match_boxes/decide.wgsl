// uses: match_boxes
// The thresholds, and the rule for low quality: a box whose overlap with some true box is the largest that this true box has keeps the
// true box that it overlaps most itself, however little (torchvision's set_low_quality_matches_). Only boxes whose best overlap reaches the smallest of
// the maxima can be such; the others look at no true box again. A true box that nothing overlaps has the maximum 0, and
// then every box is such a box.
// One invocation takes four boxes, 256 apart; the grid is ceil(rows / 1024) by pictures; the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> packed: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> tags: array<Tag>;
@group(0) @binding(4) var<storage, read> counts: array<u32>;
@group(0) @binding(5) var<storage, read> maxima: array<u32>;
@group(0) @binding(6) var<storage, read> best: array<u32>;
@group(0) @binding(7) var<storage, read_write> matched: array<i32>;

var<workgroup> shared_count: u32;
var<workgroup> shared_least: u32;
var<workgroup> least_found: atomic<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y + params.origin.y;
    let i = vec4<u32>((group.x + params.origin.x) * 1024u + lane) + vec4<u32>(0u, 256u, 512u, 768u);
    let base = n * params.truths;
    if lane == 0u {
        shared_count = counts[n];
        atomicStore(&least_found, 0xffffffffu);
    }
    let count = workgroupUniformLoad(&shared_count);
    if count == 0u {
        return;
    }
    var own_least = 0xffffffffu;
    for (var t = lane; t < count; t += 256u) {
        own_least = min(own_least, maxima[base + t]);
    }
    if own_least != 0xffffffffu {
        atomicMin(&least_found, own_least);
    }
    workgroupBarrier();
    if lane == 0u {
        shared_least = atomicLoad(&least_found);
    }
    let least = workgroupUniformLoad(&shared_least);

    let row = vec4<u32>(n * params.rows) + min(i, vec4<u32>(params.rows - 1u));
    let most = vec4<u32>(best[row.x], best[row.y], best[row.z], best[row.w]);
    let place = vec4<i32>(matched[row.x], matched[row.y], matched[row.z], matched[row.w]);
    var open = (most >= vec4<u32>(least)) & (place != vec4<i32>(ABSENT));
    var tied = open & vec4<bool>(least == 0u);
    open = open & !tied;
    if any(open) {
        let at = row - vec4<u32>(n * (params.rows - params.box_stride));
        let own = boxes_of(boxes[at.x], boxes[at.y], boxes[at.z], boxes[at.w]);
        for (var t = 0u; t < count && any(open); t++) {
            let largest = maxima[base + t];
            let hit = open & (overlaps(own, packed[base + t], tags[base + t].area) == vec4<u32>(largest));
            tied = tied | hit;
            open = open & !hit;
        }
    }
    let decided = select(thresholded(place, most), place, tied);
    for (var j = 0u; j < 4u; j++) {
        if i[j] < params.rows && place[j] != ABSENT {
            matched[n * params.rows + i[j]] = decided[j];
        }
    }
}
