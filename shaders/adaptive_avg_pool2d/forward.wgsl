// y[o] = mean of x over rows floor(o * in / out) .. ceil((o + 1) * in / out), and columns likewise.
// One invocation makes one output element (four channels in the wide form). Grid: (ceil(out_width * channels / 256), out_height, N);
// the tail of a row is guarded here. Sums run over the window in row-major order.
// uses: pool2d

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let i = group.x * 256u + lane;
    let column = i32(i / params.channels);
    let channel = i % params.channels;
    if column >= params.out_width {
        return;
    }
    let top = adaptive_start(i32(group.y), params.in_height, params.out_height);
    let bottom = adaptive_end(i32(group.y), params.in_height, params.out_height);
    let left = adaptive_start(column, params.in_width, params.out_width);
    let right = adaptive_end(column, params.in_width, params.out_width);
    var sum = V(0.0);
    for (var r = top; r < bottom; r++) {
        var at = input_at(group.z, r, left, channel);
        for (var c = left; c < right; c++) {
            sum += x[at];
            at += params.channels;
        }
    }
    y[output_at(group.z, i32(group.y), column, channel)] = sum / f32((bottom - top) * (right - left));
}
