// workgroup_scan for devices with subgroups: a prefix sum within each, then the sums of the subgroups before it. Counts on a subgroup being neighbours.
var<workgroup> scan_groups: array<u32, 64>;

fn workgroup_scan(lane: u32, value: u32) -> u32 {
    let size = subgroupAdd(1u);
    let within = subgroupInclusiveAdd(value);
    if lane % size == size - 1u {
        scan_groups[lane / size] = within;
    }
    workgroupBarrier();
    var before = 0u;
    for (var i = lane % size; i < lane / size; i += size) {
        before += scan_groups[i];
    }
    before = subgroupAdd(before);
    workgroupBarrier();
    return before + within;
}
