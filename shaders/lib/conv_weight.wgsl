// What the kernels of convolution weight gradients share.
//
// grad_w[k, i, co] = sum over anchors a of rows[n, at_rows(a, k), i] * columns[n, at_columns(a, k), co]: a product of two pictures,
// one of which moves with the tap. A convolution's anchors are its output pixels: rows is x and moves, columns is
// grad_y. A transposed convolution's anchors are its input pixels: rows is x, columns is grad_y and moves. Along an axis, anchor a and
// tap k meet position a * step + base + k * tap of a picture. The sum is cut into parts over rows of anchors, added later in order.

struct Params {
    origin: vec4<u32>,
    rows: vec4<u32>,       // n, h, w, channels
    columns: vec4<u32>,    // n, h, w, channels
    kernel: vec4<u32>,     // rows, columns, input channels and output channels of a group
    anchors: vec4<u32>,    // n, h, w of the anchors, rows of anchors in a part
    rows_y: vec4<i32>,     // step, base, tap, 0
    rows_x: vec4<i32>,
    columns_y: vec4<i32>,  // fourth: 1 where columns is what moves
    columns_x: vec4<i32>,
    groups: u32,
    blocks: u32,           // workgroups along the output channels
    size: u32,             // elements of grad_w
    rounds: u32,           // in which a kernel stores its tile: a number that compilers cannot see, so that they do not unroll
}

@group(0) @binding(0) var<uniform> params: Params;

// The position that an anchor and a tap meet along an axis; may lie outside the picture.
fn position(axis: vec4<i32>, anchor: u32, k: u32) -> i32 {
    return i32(anchor) * axis.x + axis.y + i32(k) * axis.z;
}

fn within(at: i32, extent: u32) -> bool {
    return at >= 0 && at < i32(extent);
}

// First anchor whose position is not before the picture.
fn first_anchor(axis: vec4<i32>, k: u32) -> u32 {
    let at = position(axis, 0u, k);
    return u32(max((axis.x - 1 - at) / axis.x, 0));
}

// One past the last anchor whose position is not behind a picture of this extent.
fn last_anchor(axis: vec4<i32>, k: u32, extent: u32) -> u32 {
    let room = i32(extent) - 1 - position(axis, 0u, k);
    return select(0u, u32(room / axis.x) + 1u, room >= 0);
}

// An anchor: picture, row and column.
struct Anchor {
    n: u32,
    y: u32,
    x: u32,
}

// The anchor so many further on.
fn further(anchor: Anchor, steps: u32) -> Anchor {
    var a = anchor;
    a.x += steps;
    while a.x >= params.anchors.z {
        a.x -= params.anchors.z;
        a.y += 1u;
        if a.y == params.anchors.y {
            a.y = 0u;
            a.n += 1u;
        }
    }
    return a;
}
