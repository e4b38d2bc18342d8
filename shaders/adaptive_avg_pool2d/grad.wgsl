// grad_x = sum of grad_y / elements over the adaptive windows that hold the element.
// One invocation makes one input element (four channels in the wide form) and visits the windows that hold it, in order.
// Grid: (ceil(in_width * channels / 256), in_height, N); the tail of a row is guarded here.
// uses: pool2d

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<V>;

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
    var sum = V(0.0);
    for (var oy = row * params.out_height / params.in_height; oy < params.out_height; oy++) {
        let top = adaptive_start(oy, params.in_height, params.out_height);
        if top > row {
            break;
        }
        for (var ox = column * params.out_width / params.in_width; ox < params.out_width; ox++) {
            let left = adaptive_start(ox, params.in_width, params.out_width);
            if left > column {
                break;
            }
            let source = output_at(group.z, oy, ox, channel);
            let rows = adaptive_end(oy, params.in_height, params.out_height) - top;
            let columns = adaptive_end(ox, params.in_width, params.out_width) - left;
            sum += grad_y[source] / f32(rows * columns);
        }
    }
    grad_x[input_at(group.z, row, column, channel)] = sum;
}
