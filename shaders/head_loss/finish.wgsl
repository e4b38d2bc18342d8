// uses: workgroup_reduce
// (box, objectness, class) = sum of part / pictures, and y their sum. One workgroup: invocation l adds part[l], part[l + 256], ... in order,
// then the workgroup adds its 256 sums (workgroup_reduce).

struct Params {
    origin: vec4<u32>,
    n: u32,
    pictures: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> part: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> box_part: array<f32>;
@group(0) @binding(4) var<storage, read_write> objectness_part: array<f32>;
@group(0) @binding(5) var<storage, read_write> class_part: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < params.n; i += 256u) {
        sum += part[i];
    }
    let all = workgroup_sum4(sum, lane);
    if lane == 0u {
        let mean = all / params.pictures;
        y[0] = mean.x + mean.y + mean.z;
        box_part[0] = mean.x;
        objectness_part[0] = mean.y;
        class_part[0] = mean.z;
    }
}
