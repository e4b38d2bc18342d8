// Sum of one value from each of 256 invocations, as a balanced tree: fixed order, eight roundings. Every invocation
// of the workgroup must call it and receives the sum.
//
// This and the other trees halve by subtraction: loops that a compiler can count it unrolls, and with their barriers they are then most of
// what there is to compile (docs/benchmarks.md, "From a cold start").

var<workgroup> lane_sums: array<f32, 256>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
    lane_sums[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half -= (half + 1u) / 2u) {
        if lane < half {
            lane_sums[lane] += lane_sums[lane + half];
        }
        workgroupBarrier();
    }
    let sum = lane_sums[0];
    workgroupBarrier();
    return sum;
}
