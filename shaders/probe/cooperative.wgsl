// sums = x * w + start, all SIDE by SIDE: whether cooperative matrices compute on this device what they should. One workgroup of one
// subgroup, by way of workgroup memory as the convolution does it. Joined with coop8_f32, coop8_f16 or coop16_f16.

override LANES: u32 = 32u;

struct Params {
    origin: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> start: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

var<workgroup> tile_x: array<CoopNumber, 256>;
var<workgroup> tile_w: array<CoopNumber, 256>;
var<workgroup> tile_sums: array<f32, 256>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = (group.x + params.origin.x) * SIDE * SIDE;
    for (var i = lane; i < SIDE * SIDE; i += LANES) {
        tile_x[i] = CoopNumber(x[first + i]);
        tile_w[i] = CoopNumber(w[first + i]);
        tile_sums[i] = start[first + i];
    }
    workgroupBarrier();
    let a = coopLoadT<CoopA>(&tile_x[0], SIDE);
    let b = coopLoadT<CoopB>(&tile_w[0], SIDE);
    // A variable: naga 30 declares the extension only where one has such a type.
    var c = coopLoadT<CoopC>(&tile_sums[0], SIDE);
    c = coopMultiplyAdd(a, b, c);
    workgroupBarrier();
    coopStoreT(c, &tile_sums[0], SIDE);
    workgroupBarrier();
    for (var i = lane; i < SIDE * SIDE; i += LANES) {
        sums[first + i] = tile_sums[i];
    }
}
