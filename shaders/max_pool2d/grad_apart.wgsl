// grad_x where windows lie apart (stride not below the kernel, no dilation): each window's first element equal to y has grad_y, all
// others 0.
// One invocation takes one window (four channels in the wide form) and writes the input elements from its start to the next
// window's; the first and last windows also take what lies before and behind them, so each element is written once.
// Grid: (ceil(out_width * channels / 256), out_height, N); the tail of a row is guarded here.
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
    if column >= params.out_width {
        return;
    }
    let row = i32(group.y);
    let top = row * params.stride_height - params.pad_top;
    let left = column * params.stride_width - params.pad_left;
    let first_row = select(top, 0, row == 0);
    let last_row = select(top + params.stride_height, params.in_height, row == params.out_height - 1);
    let first_column = select(left, 0, column == 0);
    let last_column = select(left + params.stride_width, params.in_width, column == params.out_width - 1);
    let source = output_at(group.z, row, column, channel);
    let largest = y[source];
    let gradient = grad_y[source];
    var open = V(0.0) == V(0.0);
    for (var r = first_row; r < last_row; r++) {
        var at = input_at(group.z, r, first_column, channel);
        for (var c = first_column; c < last_column; c++) {
            var share = V(0.0);
            if r >= top && r < top + params.kernel_height && c >= left && c < left + params.kernel_width {
                let equal = x[at] == largest;
                share = select(share, gradient, open & equal);
                open = open & !equal;
            }
            grad_x[at] = share;
            at += params.channels;
        }
    }
}
