// iou[n, i, j] = intersection over union of boxes a[n, i] and b[n, j] (corners x0, y0, x1, y1), 0 where the union is empty. One
// invocation makes one element; the grid is ceil(b's boxes / 256) by a's boxes by pictures; the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    rows: u32,
    columns: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> iou: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let j = (group.x + params.origin.x) * 256u + lane;
    let i = group.y + params.origin.y;
    let n = group.z + params.origin.z;
    if j >= params.columns {
        return;
    }
    let p = a[n * params.rows + i];
    let q = b[n * params.columns + j];
    let size = max(min(p.zw, q.zw) - max(p.xy, q.xy), vec2<f32>(0.0));
    let both = size.x * size.y;
    let all = (p.z - p.x) * (p.w - p.y) + (q.z - q.x) * (q.w - q.y) - both;
    var result = 0.0;
    if all > 0.0 {
        result = both / all;
    }
    iou[(n * params.rows + i) * params.columns + j] = result;
}
