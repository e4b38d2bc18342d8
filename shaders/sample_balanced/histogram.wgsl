// uses: sample_balanced
// One digit of two radix selections (Alabi et al. 2012): partial[row, group, kind, d] = number of elements of that kind among the group's
// 4096 whose keys agree with the digits chosen so far (selections[row, kind].cut, from bit shift + 8 up) and have d in the 8 bits from
// `shift` on. The grid is ceil(length / 4096) by rows; the tail is guarded here. Counters are whole numbers, so the order of
// additions does not matter.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matched: array<i32>;
@group(0) @binding(2) var<storage, read> step: array<u32>;
@group(0) @binding(3) var<storage, read> selections: array<Selection>;
@group(0) @binding(4) var<storage, read_write> partial: array<u32>;

var<workgroup> bins: array<atomic<u32>, 512>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    let first = params.shift == 24u;
    var cuts = vec2<u32>(0u);
    var going = vec2<bool>(true);
    if !first {
        let positive = selections[2u * row];
        let negative = selections[2u * row + 1u];
        cuts = vec2<u32>(positive.cut, negative.cut);
        going = vec2<u32>(positive.settled, negative.settled) == vec2<u32>(0u);
    }
    atomicStore(&bins[lane], 0u);
    atomicStore(&bins[256u + lane], 0u);
    workgroupBarrier();
    let prefix = key_prefix(step[0]);
    let last = min((g + 1u) * CHUNK, params.length);
    for (var i = g * CHUNK + lane; i < last; i += 256u) {
        let element = row * params.length + i;
        let kind = kind_of(matched[element]);
        let key = key_of(prefix, element);
        let cut = select(cuts.x, cuts.y, kind == NEGATIVE);
        let open = kind != NEITHER && select(going.x, going.y, kind == NEGATIVE);
        // A shift by 32 is not defined; the first digit has nothing above it.
        if open && (first || ((key ^ cut) >> (params.shift + 8u)) == 0u) {
            atomicAdd(&bins[kind * 256u + ((key >> params.shift) & 255u)], 1u);
        }
    }
    workgroupBarrier();
    let at = (row * params.groups + g) * 512u + lane;
    partial[at] = atomicLoad(&bins[lane]);
    partial[at + 256u] = atomicLoad(&bins[256u + lane]);
}
