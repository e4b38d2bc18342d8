// uses: nms, quotient, suppression
// What sweep.wgsl does, for software devices with subgroups of at least eight and correctly rounded division, where a load costs by the
// element and the lane: the lanes of a subgroup fetch eight kept boxes between them, each once, and hand them round to four boxes
// of each lane. The grid is ceil(boxes behind the block / 256) by rows, with workgroups of 64; the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tags: array<Tag>;
@group(0) @binding(3) var<storage, read> fresh: array<u32>;
@group(0) @binding(4) var<storage, read> state: array<Row>;
@group(0) @binding(5) var<storage, read_write> flags: array<u32>;

var<workgroup> shared_counts: Row;
var<workgroup> votes: atomic<u32>;
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

// For each of them, whether a kept box suppresses it.
fn hits(own: Own, box: vec4<f32>, area: f32, kind: u32) -> vec4<bool> {
    let t = params.threshold;
    let overlap = vec4<bool>(
        overlaps(box, area, own.a, own.areas.x, t, params.zero),
        overlaps(box, area, own.b, own.areas.y, t, params.zero),
        overlaps(box, area, own.c, own.areas.z, t, params.zero),
        overlaps(box, area, own.d, own.areas.w, t, params.zero),
    );
    return overlap & (own.groups == vec4<u32>(kind));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_invocation_id) mate: u32,
) {
    let row = group.y + params.origin.y;
    let start = (params.block + 1u) * BLOCK + (group.x + params.origin.x) * 256u;
    if lane == 0u {
        shared_counts = state[row];
        atomicStore(&votes, 0u);
    }
    let counts = workgroupUniformLoad(&shared_counts);
    if counts.kept >= params.max_out || start >= counts.scored || counts.fresh == 0u {
        return;
    }
    let base = row * params.k;
    let last = counts.scored - 1u;
    let i = vec4<u32>(start + lane) + vec4<u32>(0u, 64u, 128u, 192u);
    let at = base + min(i, vec4<u32>(last));
    let done = vec4<u32>(flags[at.x], flags[at.y], flags[at.z], flags[at.w]);
    let was_open = (done == vec4<u32>(0u)) & (i <= vec4<u32>(last));
    var open = was_open;
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
    for (var first = 0u; first < counts.fresh; first += 64u) {
        // Once in 64 kept boxes the workgroup asks itself whether any of its boxes is left.
        if any(open) {
            atomicOr(&votes, 1u);
        }
        workgroupBarrier();
        if lane == 0u {
            any_open = atomicExchange(&votes, 0u);
        }
        if workgroupUniformLoad(&any_open) == 0u {
            break;
        }
        let end = min(first + 64u, counts.fresh);
        for (var next = first; next < end; next += 8u) {
            // Past the last kept box comes an empty one, which overlaps nothing.
            let j = next + (mate & 7u);
            let place = base + fresh[row * BLOCK + min(j, counts.fresh - 1u)];
            let box = select(vec4<f32>(0.0), sorted[place], j < counts.fresh);
            let tag = tags[place];
            var hit = vec4<bool>(false);
            hit = hit | hits(own, subgroupBroadcast(box, 0u), subgroupBroadcast(tag.area, 0u), subgroupBroadcast(tag.group, 0u));
            hit = hit | hits(own, subgroupBroadcast(box, 1u), subgroupBroadcast(tag.area, 1u), subgroupBroadcast(tag.group, 1u));
            hit = hit | hits(own, subgroupBroadcast(box, 2u), subgroupBroadcast(tag.area, 2u), subgroupBroadcast(tag.group, 2u));
            hit = hit | hits(own, subgroupBroadcast(box, 3u), subgroupBroadcast(tag.area, 3u), subgroupBroadcast(tag.group, 3u));
            hit = hit | hits(own, subgroupBroadcast(box, 4u), subgroupBroadcast(tag.area, 4u), subgroupBroadcast(tag.group, 4u));
            hit = hit | hits(own, subgroupBroadcast(box, 5u), subgroupBroadcast(tag.area, 5u), subgroupBroadcast(tag.group, 5u));
            hit = hit | hits(own, subgroupBroadcast(box, 6u), subgroupBroadcast(tag.area, 6u), subgroupBroadcast(tag.group, 6u));
            hit = hit | hits(own, subgroupBroadcast(box, 7u), subgroupBroadcast(tag.area, 7u), subgroupBroadcast(tag.group, 7u));
            open = open & !hit;
        }
    }
    let closed = was_open & !open;
    if closed.x {
        flags[at.x] = 1u;
    }
    if closed.y {
        flags[at.y] = 1u;
    }
    if closed.z {
        flags[at.z] = 1u;
    }
    if closed.w {
        flags[at.w] = 1u;
    }
}
