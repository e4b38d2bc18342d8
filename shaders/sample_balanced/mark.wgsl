// uses: sample_balanced
// sampled = 1 where an element is taken, positive = 1 where it is one of the positives among them, 0 elsewhere; tallies[row, group] = how many
// (positives, negatives) of the group's 4096 elements are taken. The grid is ceil(length / 4096) by rows; the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matched: array<i32>;
@group(0) @binding(2) var<storage, read> step: array<u32>;
@group(0) @binding(3) var<storage, read> selections: array<Selection>;
@group(0) @binding(4) var<storage, read_write> sampled: array<f32>;
@group(0) @binding(5) var<storage, read_write> positive: array<f32>;
@group(0) @binding(6) var<storage, read_write> tallies: array<vec2<u32>>;

var<workgroup> counts: array<atomic<u32>, 2>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    if lane < 2u {
        atomicStore(&counts[lane], 0u);
    }
    workgroupBarrier();
    let prefix = key_prefix(step[0]);
    let positives = selections[2u * row];
    let negatives = selections[2u * row + 1u];
    var own = vec2<u32>(0u);
    let last = min((g + 1u) * CHUNK, params.length);
    for (var i = g * CHUNK + lane; i < last; i += 256u) {
        let element = row * params.length + i;
        let kind = kind_of(matched[element]);
        let key = key_of(prefix, element);
        let is_positive = kind == POSITIVE && positives.taken > 0u && key <= positives.cut;
        let is_negative = kind == NEGATIVE && negatives.taken > 0u && key <= negatives.cut;
        own += vec2<u32>(select(0u, 1u, is_positive), select(0u, 1u, is_negative));
        sampled[element] = select(0.0, 1.0, is_positive || is_negative);
        positive[element] = select(0.0, 1.0, is_positive);
    }
    if own.x > 0u {
        atomicAdd(&counts[0], own.x);
    }
    if own.y > 0u {
        atomicAdd(&counts[1], own.y);
    }
    workgroupBarrier();
    if lane == 0u {
        tallies[row * params.groups + g] = vec2<u32>(atomicLoad(&counts[0]), atomicLoad(&counts[1]));
    }
}
