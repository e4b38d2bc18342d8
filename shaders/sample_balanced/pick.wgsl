// uses: sample_balanced, workgroup_scan
// Adds up the counts of a digit and chooses the one in which the last key to be taken lies, for positives and then for negatives. The
// first digit's counts also say how many of each there are and so how many are taken: min(there, positives), then min(there, size - those).
// One workgroup for each row, one invocation for each value of the digit.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<u32>;
@group(0) @binding(2) var<storage, read_write> selections: array<Selection>;

var<workgroup> before: Selection;
var<workgroup> total: u32;

// Moves one selection on by a digit; `limit` is how many may be taken. Returns how many are. All invocations must call it.
fn advance(row: u32, kind: u32, limit: u32, digit: u32) -> u32 {
    var own = 0u;
    for (var g = 0u; g < params.groups; g++) {
        own += partial[((row * params.groups + g) * 2u + kind) * 256u + digit];
    }
    let with_own = workgroup_scan(digit, own);
    let first = params.shift == 24u;
    if digit == 255u {
        total = with_own;
    }
    let all = workgroupUniformLoad(&total);
    let at = 2u * row + kind;
    if digit == 0u {
        if first {
            let taken = min(all, limit);
            before = Selection(0xffffffffu, 0u, 1u, taken);
            if taken > 0u && taken < all {
                before = Selection(0u, taken, 0u, taken);
            }
        } else {
            before = selections[at];
        }
    }
    let state = workgroupUniformLoad(&before);
    let below = with_own - own;
    if state.settled == 1u {
        if first && digit == 0u {
            selections[at] = state;
        }
    } else if below < state.left && state.left <= with_own {
        selections[at] = Selection(state.cut | (digit << params.shift), state.left - below, 0u, state.taken);
    }
    return state.taken;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x + params.origin.x;
    let taken = advance(row, POSITIVE, params.positives, lane);
    _ = advance(row, NEGATIVE, params.size - taken, lane);
}
