// uses: sample_balanced, workgroup_scan
// indices[row] = the positives that are taken, the negatives that are, each in ascending order, then -1; counts[row] = how many of each. A
// workgroup walks over 4096 elements, each invocation over 16 neighbours, and adds up how many came before from the groups'
// tallies; a group without any only fills in its share of -1. The grid is ceil(length / 4096) by rows; the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sampled: array<f32>;
@group(0) @binding(2) var<storage, read> positive: array<f32>;
@group(0) @binding(3) var<storage, read> selections: array<Selection>;
@group(0) @binding(4) var<storage, read> tallies: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> indices: array<i32>;
@group(0) @binding(6) var<storage, read_write> counts: array<i32>;

// What the groups before have taken, and what this one has.
var<workgroup> tallied: vec4<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    let taken = vec2<u32>(selections[2u * row].taken, selections[2u * row + 1u].taken);
    for (var i = taken.x + taken.y + g * 256u + lane; i < params.size; i += params.groups * 256u) {
        indices[row * params.size + i] = -1;
    }
    if lane == 0u {
        var sum = vec2<u32>(0u);
        for (var other = 0u; other < g; other++) {
            sum += tallies[row * params.groups + other];
        }
        tallied = vec4<u32>(sum, tallies[row * params.groups + g]);
        if g == 0u {
            counts[2u * row] = i32(taken.x);
            counts[2u * row + 1u] = i32(taken.y);
        }
    }
    let known = workgroupUniformLoad(&tallied);
    if known.z + known.w == 0u {
        return;
    }
    let first = g * CHUNK + lane * 16u;
    let last = min(first + 16u, params.length);
    // Counts of 4096 fit into half a word each.
    var own = 0u;
    for (var i = first; i < last; i++) {
        let element = row * params.length + i;
        let chosen = select(0u, 1u, sampled[element] > 0.0);
        let of_positives = select(0u, 1u, positive[element] > 0.0);
        own += of_positives + ((chosen - of_positives) << 16u);
    }
    let ahead = workgroup_scan(lane, own) - own;
    var next = known.xy + vec2<u32>(ahead & 0xffffu, taken.x + (ahead >> 16u));
    if own == 0u {
        return;
    }
    for (var i = first; i < last; i++) {
        let element = row * params.length + i;
        if positive[element] > 0.0 {
            indices[row * params.size + next.x] = i32(i);
            next.x++;
        } else if sampled[element] > 0.0 {
            indices[row * params.size + next.y] = i32(i);
            next.y++;
        }
    }
}
