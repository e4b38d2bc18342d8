// uses: segments, affine, rectify
// grad_x = rstd * (g w - (sum g w + xhat * sum g w xhat) / elements), xhat = (x - mean) * rstd, w the weight, sums over the segment (Wu and He, 2018); g is grad_y passed
// back through the rectifier, whose sign is computed again from x. `sums` has the sum of g w and of g w (x - mean).
// Lanes, grid and BY_ROW as in normalise.wgsl.

override BY_ROW: bool = false;
override BY_ELEMENT: bool = false;

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> x: array<V>;
@group(0) @binding(3) var<storage, read> weight: array<V>;
@group(0) @binding(4) var<storage, read> bias: array<V>;
@group(0) @binding(5) var<storage, read> mean: array<f32>;
@group(0) @binding(6) var<storage, read> rstd: array<f32>;
@group(0) @binding(7) var<storage, read> sums: array<vec2<f32>>;
@group(0) @binding(8) var<storage, read_write> grad_x: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    if row_lane >= params.lane_rows || channel >= params.channels {
        return;
    }
    let part = channel / params.per_group;
    let elements = f32(params.plane * params.per_group * LANES);
    var segment = group.z * params.groups + part;
    var centre = 0.0;
    var spread = 0.0;
    var sum = vec2<f32>();
    if !BY_ROW {
        centre = mean[segment];
        spread = rstd[segment];
        sum = sums[segment] / elements;
    }
    var own: Affine;
    if !BY_ELEMENT {
        own = affine_at(channel);
    }
    let base = group.z * params.rows * params.channels + channel;
    let end = min((group.x + 1u) * params.chunk_rows, params.rows);
    for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
        if BY_ROW {
            segment = row * params.groups + part;
            centre = mean[segment];
            spread = rstd[segment];
            sum = sums[segment] / elements;
        }
        if BY_ELEMENT {
            own = affine_at(select(row, 0u, BY_ROW) * params.per_group + channel % params.per_group);
        }
        let at = base + row * params.channels;
        let off = x[at] - centre;
        let g = rectify_grad(grad_y[at], off * (spread * own.scale) + own.offset, params.leak) * own.scale;
        grad_x[at] = spread * (g - sum.x - off * (spread * spread * sum.y));
    }
}
