// A box made of another and of four numbers, as torchvision's BoxCoder has it: dx, dy, dw, dh move the centre by shares of the other box's
// sides and scale the sides by exp; each is divided by its weight first, and what the sides grow by is cut at max_ratio before exp.
// uses: exponential

struct Params {
    origin: vec4<u32>,
    weights: vec4<f32>,
    // Boxes made in a picture; how many of them come from one box; how far the boxes of one picture are from the next's, 0 if all
    // pictures share them.
    n: u32,
    classes: u32,
    box_stride: u32,
    sized: u32,
    max_ratio: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

struct Decoded {
    corners: vec4<f32>,
    size: vec2<f32>,
}

fn decode(delta: vec4<f32>, low: vec2<f32>, high: vec2<f32>) -> Decoded {
    let size = high - low;
    let scaled = delta / params.weights;
    let grown = min(scaled.zw, vec2<f32>(params.max_ratio));
    let centre = scaled.xy * size + (low + 0.5 * size);
    let made = vec2<f32>(exp_of(grown.x), exp_of(grown.y)) * size;
    return Decoded(vec4<f32>(centre - 0.5 * made, centre + 0.5 * made), made);
}
