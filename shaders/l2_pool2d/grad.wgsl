// grad_x = x * sum of grad_y / y over the windows that hold the element; windows of zeros give nothing.
// One invocation makes one input element (four channels in the wide form) and visits the windows that hold it, in order.
// Grid: (ceil(in_width * channels / 256), in_height, N); the tail of a row is guarded here.
// uses: pool2d

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> x: array<V>;
@group(0) @binding(3) var<storage, read> y: array<V>;
@group(0) @binding(4) var<storage, read_write> grad_x: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let i = group.x * 256u + lane;
    let column = i32(i / params.channels);
    let channel = i % params.channels;
    if column >= params.in_width {
        return;
    }
    let row = i32(group.y);
    let down = windows_around(row, params.pad_top, params.kernel_height, params.dilation_height, params.stride_height, params.out_height);
    let across = windows_around(column, params.pad_left, params.kernel_width, params.dilation_width, params.stride_width, params.out_width);
    var sum = V(0.0);
    for (var oy = down.first; oy < down.end; oy++) {
        let top = oy * params.stride_height - params.pad_top;
        if (row - top) % params.dilation_height != 0 {
            continue;
        }
        for (var ox = across.first; ox < across.end; ox++) {
            let left = ox * params.stride_width - params.pad_left;
            if (column - left) % params.dilation_width != 0 {
                continue;
            }
            let source = output_at(group.z, oy, ox, channel);
            let norm = y[source];
            let some = norm > V(0.0);
            sum += select(V(0.0), grad_y[source] / select(V(1.0), norm, some), some);
        }
    }
    grad_x[input_at(group.z, row, column, channel)] = sum * x[input_at(group.z, row, column, channel)];
}
