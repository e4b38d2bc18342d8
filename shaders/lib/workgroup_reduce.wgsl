// One value from each of 256 invocations made into one, as a balanced tree: fixed order, eight roundings. Every invocation of the workgroup must call
// and receives the result. Devices with subgroups get workgroup_reduce_subgroups in its place, which has the same names.
//
// This and the other trees halve by subtraction: loops that a compiler can count it unrolls, and with their barriers they are then most of
// what there is to compile (docs/benchmarks.md, "From a cold start").

var<workgroup> lane_floats: array<f32, 256>;
var<workgroup> lane_vectors: array<vec4<f32>, 256>;
var<workgroup> lane_words: array<u32, 256>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
    lane_floats[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half -= (half + 1u) / 2u) {
        if lane < half {
            lane_floats[lane] += lane_floats[lane + half];
        }
        workgroupBarrier();
    }
    let all = lane_floats[0];
    workgroupBarrier();
    return all;
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
    lane_floats[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half -= (half + 1u) / 2u) {
        if lane < half {
            lane_floats[lane] = max(lane_floats[lane], lane_floats[lane + half]);
        }
        workgroupBarrier();
    }
    let all = lane_floats[0];
    workgroupBarrier();
    return all;
}

fn workgroup_sum4(value: vec4<f32>, lane: u32) -> vec4<f32> {
    lane_vectors[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half -= (half + 1u) / 2u) {
        if lane < half {
            lane_vectors[lane] += lane_vectors[lane + half];
        }
        workgroupBarrier();
    }
    let all = lane_vectors[0];
    workgroupBarrier();
    return all;
}

fn workgroup_count(value: u32, lane: u32) -> u32 {
    lane_words[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half -= (half + 1u) / 2u) {
        if lane < half {
            lane_words[lane] += lane_words[lane + half];
        }
        workgroupBarrier();
    }
    let all = lane_words[0];
    workgroupBarrier();
    return all;
}

fn workgroup_top(value: u32, lane: u32) -> u32 {
    lane_words[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half -= (half + 1u) / 2u) {
        if lane < half {
            lane_words[lane] = max(lane_words[lane], lane_words[lane + half]);
        }
        workgroupBarrier();
    }
    let all = lane_words[0];
    workgroupBarrier();
    return all;
}
