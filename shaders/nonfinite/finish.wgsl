// uses: elements, workgroup_reduce
// count[0] = sum of partial. One workgroup.

@group(0) @binding(1) var<storage, read> partial: array<u32>;
@group(0) @binding(2) var<storage, read_write> count: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0u;
    for (var i = lane; i < params.n; i += 256u) {
        sum += partial[i];
    }
    let all = workgroup_count(sum, lane);
    if lane == 0u {
        count[0] = all;
    }
}
