// uses: sample_balanced, workgroup_scan
// Adds up the counts of a digit and chooses the one in which the last key to be taken lies, for positives and then for negatives. The
// first digit's counts also say how many of each there are and so how many are taken: min(there, positives), then min(there, size - those).
// One workgroup for each row, one invocation for each value of the digit.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<u32>;
@group(0) @binding(2) var<storage, read_write> selections: array<Selection>;

var<workgroup> before: Selection;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) digit: u32) {
    let row = group.x + params.origin.x;
    let first = params.shift == 24u;
    var limit = params.positives;
    for (var kind = POSITIVE; kind <= NEGATIVE; kind++) {
        var own = 0u;
        for (var g = 0u; g < params.groups; g++) {
            own += partial[((row * params.groups + g) * 2u + kind) * 256u + digit];
        }
        let with_own = workgroup_scan(digit, own);
        let at = 2u * row + kind;
        // The last invocation knows how many there are in all.
        if digit == 255u {
            if first {
                let taken = min(with_own, limit);
                before = Selection(0xffffffffu, 0u, 1u, taken);
                if taken > 0u && taken < with_own {
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
        limit = params.size - state.taken;
    }
}
