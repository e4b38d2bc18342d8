// uses: match_boxes
// Holds every box against every true box of its picture. matched[n, i] = the true box that box i overlaps most, the first among equals.
// Without the rule for low quality the thresholds are applied at once and that is all; with it best[n, i] = bits of that overlap and
// maxima[n, t] = bits of the largest overlap of (packed) true box t. Bits of numbers that are not negative are in their order, and whole
// numbers have no rounding, so the atomic maximum is the same in any order.
// One invocation takes four boxes, 256 apart; the grid is ceil(rows / 1024) by pictures; the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> packed: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> tags: array<Tag>;
@group(0) @binding(4) var<storage, read> counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> maxima: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> best: array<u32>;
@group(0) @binding(7) var<storage, read_write> matched: array<i32>;

// True boxes between two visits to the maxima in memory.
const TILE = 256u;

var<workgroup> tile_maxima: array<atomic<u32>, 256>;
var<workgroup> shared_count: u32;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y + params.origin.y;
    let i = vec4<u32>((group.x + params.origin.x) * 1024u + lane) + vec4<u32>(0u, 256u, 512u, 768u);
    let base = n * params.truths;
    if lane == 0u {
        shared_count = counts[n];
    }
    let count = workgroupUniformLoad(&shared_count);
    let at = vec4<u32>(n * params.box_stride) + min(i, vec4<u32>(params.rows - 1u));
    let a = boxes[at.x];
    let b = boxes[at.y];
    let c = boxes[at.z];
    let d = boxes[at.w];
    let own = boxes_of(a, b, c, d);
    var place = vec4<i32>(BELOW);
    if count > 0u {
        place = vec4<i32>(tags[base].place);
    }
    var most = vec4<u32>(0u);
    for (var first = 0u; first < count; first += TILE) {
        atomicStore(&tile_maxima[lane], 0u);
        workgroupBarrier();
        let end = min(first + TILE, count);
        for (var t = first; t < end; t++) {
            let tag = tags[base + t];
            let overlap = overlaps(own, packed[base + t], tag.area);
            place = select(place, vec4<i32>(tag.place), overlap > most);
            most = max(most, overlap);
            if params.low_quality == 1u {
                let largest = max(max(overlap.x, overlap.y), max(overlap.z, overlap.w));
                if largest > atomicLoad(&tile_maxima[t - first]) {
                    atomicMax(&tile_maxima[t - first], largest);
                }
            }
        }
        workgroupBarrier();
        let largest = atomicLoad(&tile_maxima[lane]);
        if largest > 0u {
            atomicMax(&maxima[base + first + lane], largest);
        }
    }
    if params.low_quality == 0u && count > 0u {
        place = thresholded(place, most);
    }
    let absent = vec4<bool>(
        all(a == vec4<f32>(0.0)),
        all(b == vec4<f32>(0.0)),
        all(c == vec4<f32>(0.0)),
        all(d == vec4<f32>(0.0)),
    );
    place = select(place, vec4<i32>(ABSENT), absent);
    for (var j = 0u; j < 4u; j++) {
        if i[j] < params.rows {
            matched[n * params.rows + i[j]] = place[j];
            if params.low_quality == 1u {
                best[n * params.rows + i[j]] = most[j];
            }
        }
    }
}
