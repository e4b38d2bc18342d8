// y = the largest element of each window and indices = where it lies, as row * in_width + column within its picture and
// channel; of equal elements the first in row-major order. A NaN never replaces a number.
// One invocation makes one output element (four channels in the wide form). Grid: (ceil(out_width * channels / 256), out_height, N);
// the tail of a row is guarded here. Every window holds an element: the shape rule refuses others.
// uses: pool2d

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;
@group(0) @binding(3) var<storage, read_write> indices: array<W>;

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
    let first_row = top + rows.first * params.dilation_height;
    let first_column = left + columns.first * params.dilation_width;
    var best = x[input_at(group.z, first_row, first_column, channel)];
    var place = W(u32(first_row * params.in_width + first_column));
    for (var r = rows.first; r < rows.end; r++) {
        for (var c = columns.first; c < columns.end; c++) {
            let in_row = top + r * params.dilation_height;
            let in_column = left + c * params.dilation_width;
            let v = x[input_at(group.z, in_row, in_column, channel)];
            place = select(place, W(u32(in_row * params.in_width + in_column)), v > best);
            best = select(best, v, v > best);
        }
    }
    let to = output_at(group.z, i32(group.y), column, channel);
    y[to] = best;
    indices[to] = place;
}
