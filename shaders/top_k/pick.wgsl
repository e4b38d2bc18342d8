// uses: workgroup_scan
// Adds up the counts of a digit and chooses the one in which the k-th largest key lies. state[row] = (digits chosen so far, how many of
// the keys that begin with them are still to be taken, 1 if no selection is needed, number of keys that are taken in all).
// If no more than k keys are above the bound, all of them are taken: the cut is the bound itself and none equal to it
// is. One workgroup for each row, one invocation for each value of the digit.

struct Params {
    origin: vec4<u32>,
    groups: u32,
    shift: u32,
    k: u32,
    bound: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<vec4<u32>>;

var<workgroup> shared_state: vec4<u32>;
var<workgroup> total: u32;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y + params.origin.y;
    if lane == 0u {
        shared_state = vec4<u32>(0u, params.k, 0u, params.k);
        if params.shift != 24u {
            shared_state = state[row];
        }
    }
    let before = workgroupUniformLoad(&shared_state);
    if before.z == 1u {
        return;
    }
    // Invocation 0 has the largest digit, so that a prefix sum counts from above.
    let digit = 255u - lane;
    var own = 0u;
    for (var g = 0u; g < params.groups; g++) {
        own += partial[(row * params.groups + g) * 256u + digit];
    }
    let with_own = workgroup_scan(lane, own);
    if lane == 255u {
        total = with_own;
    }
    let all = workgroupUniformLoad(&total);
    if params.shift == 24u && all <= params.k {
        if lane == 0u {
            state[row] = vec4<u32>(params.bound, 0u, 1u, all);
        }
        return;
    }
    let above = with_own - own;
    if above < before.y && before.y <= with_own {
        state[row] = vec4<u32>(before.x | (digit << params.shift), before.y - above, 0u, before.w);
    }
}
