// uses: order_key
// One digit of a radix selection (Alabi et al. 2012): partial[row, group, d] = number of keys of the group's 4096 elements that are
// above `bound`, agree with the digits chosen so far (state[row].x, from bit shift + 8 up) and have d in the 8 bits from `shift`
// on. Rows that need no selection (state[row].z) are left alone. The grid is ceil(m / 4096) by rows; the tail is guarded
// here. Counters are integers, so the order of additions does not matter.

struct Params {
    origin: vec4<u32>,
    m: u32,
    groups: u32,
    shift: u32,
    bound: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> partial: array<u32>;

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> shared_state: vec4<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    let first = params.shift == 24u;
    if lane == 0u {
        if first {
            shared_state = vec4<u32>(0u);
        } else {
            shared_state = state[row];
        }
    }
    atomicStore(&bins[lane], 0u);
    let chosen = workgroupUniformLoad(&shared_state);
    if chosen.z == 1u {
        return;
    }
    let end = min((g + 1u) * 4096u, params.m);
    for (var i = g * 4096u + lane; i < end; i += 256u) {
        let key = order_key(x[row * params.m + i]);
        // A shift by 32 is not defined; the first digit has nothing above it.
        let agrees = first || ((key ^ chosen.x) >> (params.shift + 8u)) == 0u;
        if key > params.bound && agrees {
            atomicAdd(&bins[(key >> params.shift) & 255u], 1u);
        }
    }
    workgroupBarrier();
    partial[(row * params.groups + g) * 256u + lane] = atomicLoad(&bins[lane]);
}
