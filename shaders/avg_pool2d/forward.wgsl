// y = sum of each window / divisor; elements outside the picture are zeros.
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
    let top = i32(group.y) * params.stride_height - params.pad_top;
    let left = column * params.stride_width - params.pad_left;
    let rows = taps_inside(top, params.kernel_height, params.dilation_height, params.in_height);
    let columns = taps_inside(left, params.kernel_width, params.dilation_width, params.in_width);
    let step = u32(params.dilation_width) * params.channels;
    var sum = V(0.0);
    for (var r = rows.first; r < rows.end; r++) {
        var at = input_at(group.z, top + r * params.dilation_height, left + columns.first * params.dilation_width, channel);
        for (var c = columns.first; c < columns.end; c++) {
            sum += x[at];
            at += step;
        }
    }
    y[output_at(group.z, i32(group.y), column, channel)] = sum / divisor_of(top, left);
}
