// What the pooling kernels share: their uniform and the geometry of windows. Pictures are (N, H, W, C). Channels are counted in
// the kernel's width, one or four.

struct Params {
    origin: vec4<u32>,
    in_height: i32,
    in_width: i32,
    out_height: i32,
    out_width: i32,
    kernel_height: i32,
    kernel_width: i32,
    stride_height: i32,
    stride_width: i32,
    pad_top: i32,
    pad_left: i32,
    pad_bottom: i32,
    pad_right: i32,
    dilation_height: i32,
    dilation_width: i32,
    channels: u32,
    divisor: f32,
    count_include_pad: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Taps of a window that lie inside: those in first..end.
struct Taps {
    first: i32,
    end: i32,
}

fn taps_inside(start: i32, kernel: i32, dilation: i32, extent: i32) -> Taps {
    let first = select(0, (dilation - 1 - start) / dilation, start < 0);
    return Taps(first, clamp((extent - start + dilation - 1) / dilation, 0, kernel));
}

// Windows that may hold the element `at`: those in first..end. With dilation not all of them do.
fn windows_around(at: i32, pad: i32, kernel: i32, dilation: i32, stride: i32, windows: i32) -> Taps {
    let low = at + pad - (kernel - 1) * dilation;
    let first = select(0, (low + stride - 1) / stride, low > 0);
    return Taps(first, min((at + pad) / stride + 1, windows));
}

// Position of an element in units of the kernel's width.
fn input_at(image: u32, row: i32, column: i32, channel: u32) -> u32 {
    return ((image * u32(params.in_height) + u32(row)) * u32(params.in_width) + u32(column)) * params.channels + channel;
}

fn output_at(image: u32, row: i32, column: i32, channel: u32) -> u32 {
    return ((image * u32(params.out_height) + u32(row)) * u32(params.out_width) + u32(column)) * params.channels + channel;
}

// What an average divides by: the given divisor, else the elements of the window that lie in the padded picture or, without
// `count_include_pad`, in the picture. Averages have no dilation.
fn divisor_of(top: i32, left: i32) -> f32 {
    if params.divisor != 0.0 {
        return params.divisor;
    }
    if params.count_include_pad != 0u {
        let rows = min(params.kernel_height, params.in_height + params.pad_bottom - top);
        let columns = min(params.kernel_width, params.in_width + params.pad_right - left);
        return f32(rows * columns);
    }
    let rows = taps_inside(top, params.kernel_height, 1, params.in_height);
    let columns = taps_inside(left, params.kernel_width, 1, params.in_width);
    return f32((rows.end - rows.first) * (columns.end - columns.first));
}

// Row or column where adaptive window `o` starts, and where it ends.
fn adaptive_start(o: i32, extent: i32, windows: i32) -> i32 {
    return o * extent / windows;
}

fn adaptive_end(o: i32, extent: i32, windows: i32) -> i32 {
    return ((o + 1) * extent + windows - 1) / windows;
}
