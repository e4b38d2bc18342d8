// Inclusive prefix sum over the 256 invocations of a workgroup. All of them must call it (Hillis and Steele 1986). Doubling by addition
// keeps compilers from unrolling: see workgroup_reduce.wgsl.
var<workgroup> scan_lanes: array<u32, 256>;

fn workgroup_scan(lane: u32, value: u32) -> u32 {
    scan_lanes[lane] = value;
    workgroupBarrier();
    for (var reach = 1u; reach < 256u; reach += reach) {
        var sum = scan_lanes[lane];
        if lane >= reach {
            sum += scan_lanes[lane - reach];
        }
        workgroupBarrier();
        scan_lanes[lane] = sum;
        workgroupBarrier();
    }
    return scan_lanes[lane];
}
