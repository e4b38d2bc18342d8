// What the kernels of nms share: the uniform, and what they keep of each row.
struct Params {
    origin: vec4<u32>,
    k: u32,
    max_out: u32,
    block: u32,
    grouped: u32,
    threshold: f32,
    zero: u32,
    pad0: u32,
    pad1: u32,
}

// Boxes that are resolved at once, and words of one bit for each of them.
const BLOCK = 1024u;
const WORDS = 32u;

// A row's counts.
struct Row {
    // Boxes with a score.
    scored: u32,
    // Boxes kept so far.
    kept: u32,
    // Boxes kept of the present block.
    fresh: u32,
    pad: u32,
}

// Area and group of a box in sorted order.
struct Tag {
    area: f32,
    group: u32,
}
