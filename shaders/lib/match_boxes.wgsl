// What the kernels of match_boxes share: the uniform, the overlap of four boxes with a true one, and the thresholds.
// uses: quotient_rounded

struct Params {
    origin: vec4<u32>,
    // Boxes and places for true boxes of a picture; how far the boxes of one picture are from the next's, 0 if all pictures share them.
    rows: u32,
    truths: u32,
    box_stride: u32,
    low_quality: u32,
    high: f32,
    low: f32,
    zero: u32,
    pad0: u32,
}

// Area of a true box, and its place among the true boxes as they came.
struct Tag {
    area: f32,
    place: i32,
}

const BELOW: i32 = -1;
const BETWEEN: i32 = -2;
const ABSENT: i32 = -3;

// Four boxes, by coordinate.
struct Boxes {
    x0: vec4<f32>,
    y0: vec4<f32>,
    x1: vec4<f32>,
    y1: vec4<f32>,
    area: vec4<f32>,
}

// A product that no compiler fuses into the sum it goes into: `zero` is a 0 that it cannot see. Every rounding counts, since overlaps are
// compared for equality.
fn product(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(a * b) ^ vec4<u32>(params.zero));
}

fn boxes_of(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> Boxes {
    let x0 = vec4<f32>(a.x, b.x, c.x, d.x);
    let y0 = vec4<f32>(a.y, b.y, c.y, d.y);
    let x1 = vec4<f32>(a.z, b.z, c.z, d.z);
    let y1 = vec4<f32>(a.w, b.w, c.w, d.w);
    return Boxes(x0, y0, x1, y1, product(x1 - x0, y1 - y0));
}

// Intersection over union as torchvision.ops.box_iou computes it in f32, by its bits, which are in the order of the numbers.
fn overlaps(own: Boxes, truth: vec4<f32>, area: f32) -> vec4<u32> {
    let w = max(min(own.x1, vec4<f32>(truth.z)) - max(own.x0, vec4<f32>(truth.x)), vec4<f32>(0.0));
    let h = max(min(own.y1, vec4<f32>(truth.w)) - max(own.y0, vec4<f32>(truth.y)), vec4<f32>(0.0));
    let part = product(w, h);
    let whole = vec4<f32>(area) + own.area - part;
    // An overlap too small to be a normal number counts as none.
    let touching = part > max(vec4<f32>(1e-30), 1e-20 * whole);
    var bits = vec4<u32>(0u);
    if any(touching) {
        bits = select(bits, bitcast<vec4<u32>>(quotient_rounded(part, whole)), touching);
    }
    return bits;
}

// What becomes of boxes whose best true boxes are `best`, with overlaps of these bits.
fn thresholded(best: vec4<i32>, bits: vec4<u32>) -> vec4<i32> {
    let overlap = bitcast<vec4<f32>>(bits);
    let kept = select(best, vec4<i32>(BETWEEN), overlap < vec4<f32>(params.high));
    return select(kept, vec4<i32>(BELOW), overlap < vec4<f32>(params.low));
}
