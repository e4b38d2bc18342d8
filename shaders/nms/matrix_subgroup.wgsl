// uses: nms, quotient, suppression
// What matrix.wgsl makes, for software devices with subgroups of at least eight and correctly rounded division, where a load costs by the
// element and the lane: the lanes of a subgroup fetch eight boxes between them, each once, and hand them round. A workgroup of eight
// invocations makes the words of 32 boxes from the diagonal on, each invocation four of them. The grid is 32 by rows.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tags: array<Tag>;
@group(0) @binding(3) var<storage, read> flags: array<u32>;
@group(0) @binding(4) var<storage, read> state: array<Row>;
@group(0) @binding(5) var<storage, read_write> matrix: array<u32>;

var<workgroup> shared_counts: Row;
var<workgroup> votes: array<u32, 8>;
var<workgroup> any_open: u32;

// Boxes of one invocation.
struct Own {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
    areas: vec4<f32>,
    groups: vec4<u32>,
}

// For each of them, whether it suppresses a box.
fn hits(own: Own, box: vec4<f32>, area: f32, kind: u32) -> vec4<u32> {
    let t = params.threshold;
    let overlap = vec4<bool>(
        overlaps(own.a, own.areas.x, box, area, t, params.zero),
        overlaps(own.b, own.areas.y, box, area, t, params.zero),
        overlaps(own.c, own.areas.z, box, area, t, params.zero),
        overlaps(own.d, own.areas.w, box, area, t, params.zero),
    );
    return select(vec4<u32>(0u), vec4<u32>(1u), overlap & (own.groups == vec4<u32>(kind)));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let band = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    let first = params.block * BLOCK;
    if lane == 0u {
        shared_counts = state[row];
    }
    let counts = workgroupUniformLoad(&shared_counts);
    let start = first + band * 32u;
    if counts.kept >= params.max_out || start >= counts.scored {
        return;
    }
    let base = row * params.k;
    let last = min(first + BLOCK, counts.scored) - 1u;
    let i = vec4<u32>(start + lane) + vec4<u32>(0u, 8u, 16u, 24u);
    let at = base + min(i, vec4<u32>(last));
    let done = vec4<u32>(flags[at.x], flags[at.y], flags[at.z], flags[at.w]);
    votes[lane] = select(0u, 1u, any((done == vec4<u32>(0u)) & (i <= vec4<u32>(last))));
    workgroupBarrier();
    if lane == 0u {
        any_open = votes[0] | votes[1] | votes[2] | votes[3] | votes[4] | votes[5] | votes[6] | votes[7];
    }
    if workgroupUniformLoad(&any_open) == 0u {
        return;
    }
    var own: Own;
    own.a = sorted[at.x];
    own.b = sorted[at.y];
    own.c = sorted[at.z];
    own.d = sorted[at.w];
    let tag_a = tags[at.x];
    let tag_b = tags[at.y];
    let tag_c = tags[at.z];
    let tag_d = tags[at.w];
    own.areas = vec4<f32>(tag_a.area, tag_b.area, tag_c.area, tag_d.area);
    own.groups = vec4<u32>(tag_a.group, tag_b.group, tag_c.group, tag_d.group);
    let to = (vec4<u32>(row * BLOCK + band * 32u + lane) + vec4<u32>(0u, 8u, 16u, 24u)) * WORDS;
    let words = (last - first) / 32u + 1u;
    for (var word = band; word < words; word++) {
        var bits = vec4<u32>(0u);
        let begin = first + word * 32u;
        let end = min(begin + 32u, last + 1u);
        for (var next = begin; next < end; next += 8u) {
            let j = next + lane;
            let tag = tags[base + min(j, last)];
            // Boxes behind the last are empty and overlap nothing.
            let box = select(vec4<f32>(0.0), sorted[base + min(j, last)], j <= last);
            let bit = next - begin;
            bits |= hits(own, subgroupBroadcast(box, 0u), subgroupBroadcast(tag.area, 0u), subgroupBroadcast(tag.group, 0u)) << vec4<u32>(bit + 0u);
            bits |= hits(own, subgroupBroadcast(box, 1u), subgroupBroadcast(tag.area, 1u), subgroupBroadcast(tag.group, 1u)) << vec4<u32>(bit + 1u);
            bits |= hits(own, subgroupBroadcast(box, 2u), subgroupBroadcast(tag.area, 2u), subgroupBroadcast(tag.group, 2u)) << vec4<u32>(bit + 2u);
            bits |= hits(own, subgroupBroadcast(box, 3u), subgroupBroadcast(tag.area, 3u), subgroupBroadcast(tag.group, 3u)) << vec4<u32>(bit + 3u);
            bits |= hits(own, subgroupBroadcast(box, 4u), subgroupBroadcast(tag.area, 4u), subgroupBroadcast(tag.group, 4u)) << vec4<u32>(bit + 4u);
            bits |= hits(own, subgroupBroadcast(box, 5u), subgroupBroadcast(tag.area, 5u), subgroupBroadcast(tag.group, 5u)) << vec4<u32>(bit + 5u);
            bits |= hits(own, subgroupBroadcast(box, 6u), subgroupBroadcast(tag.area, 6u), subgroupBroadcast(tag.group, 6u)) << vec4<u32>(bit + 6u);
            bits |= hits(own, subgroupBroadcast(box, 7u), subgroupBroadcast(tag.area, 7u), subgroupBroadcast(tag.group, 7u)) << vec4<u32>(bit + 7u);
        }
        // On the diagonal only what comes later.
        let later = select(vec4<u32>(0xffffffffu), vec4<u32>(0xfffffffeu) << (i - start), word == band);
        bits &= later;
        matrix[to.x + word] = bits.x;
        matrix[to.y + word] = bits.y;
        matrix[to.z + word] = bits.z;
        matrix[to.w + word] = bits.w;
    }
}
