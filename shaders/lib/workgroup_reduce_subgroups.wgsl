// workgroup_reduce for devices with subgroups: each of them makes its invocations' values into one, then all of them those of all subgroups. Two barriers
// instead of ten; the order is the device's own, always the same. Counts on a subgroup being neighbours.

var<workgroup> group_floats: array<f32, 64>;
var<workgroup> group_vectors: array<vec4<f32>, 64>;
var<workgroup> group_words: array<u32, 64>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
    let size = subgroupAdd(1u);
    let of_group = subgroupAdd(value);
    if lane % size == 0u {
        group_floats[lane / size] = of_group;
    }
    workgroupBarrier();
    var all = 0.0;
    for (var i = lane % size; i < 256u / size; i += size) {
        all += group_floats[i];
    }
    all = subgroupAdd(all);
    workgroupBarrier();
    return all;
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
    let size = subgroupAdd(1u);
    let of_group = subgroupMax(value);
    if lane % size == 0u {
        group_floats[lane / size] = of_group;
    }
    workgroupBarrier();
    var all = value;
    for (var i = lane % size; i < 256u / size; i += size) {
        all = max(all, group_floats[i]);
    }
    all = subgroupMax(all);
    workgroupBarrier();
    return all;
}

fn workgroup_sum4(value: vec4<f32>, lane: u32) -> vec4<f32> {
    let size = subgroupAdd(1u);
    let of_group = subgroupAdd(value);
    if lane % size == 0u {
        group_vectors[lane / size] = of_group;
    }
    workgroupBarrier();
    var all = vec4<f32>();
    for (var i = lane % size; i < 256u / size; i += size) {
        all += group_vectors[i];
    }
    all = subgroupAdd(all);
    workgroupBarrier();
    return all;
}

fn workgroup_count(value: u32, lane: u32) -> u32 {
    let size = subgroupAdd(1u);
    let of_group = subgroupAdd(value);
    if lane % size == 0u {
        group_words[lane / size] = of_group;
    }
    workgroupBarrier();
    var all = 0u;
    for (var i = lane % size; i < 256u / size; i += size) {
        all += group_words[i];
    }
    all = subgroupAdd(all);
    workgroupBarrier();
    return all;
}

fn workgroup_top(value: u32, lane: u32) -> u32 {
    let size = subgroupAdd(1u);
    let of_group = subgroupMax(value);
    if lane % size == 0u {
        group_words[lane / size] = of_group;
    }
    workgroupBarrier();
    var all = value;
    for (var i = lane % size; i < 256u / size; i += size) {
        all = max(all, group_words[i]);
    }
    all = subgroupMax(all);
    workgroupBarrier();
    return all;
}
