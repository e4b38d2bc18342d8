// uses: elements, workgroup_reduce
// partial[g] = number of NaNs and infinities among x[4096 g .. 4096 (g + 1)), told by their exponent bits: comparisons with
// NaN may be optimised away. Workgroup g makes partial[g]; each invocation looks at 16 elements; the tail is guarded here.

@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> partial: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    var count = 0u;
    let end = min((g + 1u) * 4096u, params.n);
    for (var i = g * 4096u + lane; i < end; i += 256u) {
        count += select(0u, 1u, (x[i] & 0x7f800000u) == 0x7f800000u);
    }
    let all = workgroup_count(count, lane);
    if lane == 0u {
        partial[g] = all;
    }
}
