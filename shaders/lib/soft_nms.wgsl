// What the kernels of soft_nms share: the uniform, and what they keep of each row.
struct Params {
    origin: vec4<u32>,
    k: u32,
    max_out: u32,
    steps: u32,
    grouped: u32,
    limited: u32,
    gaussian: u32,
    parameter: f32,
    bound: u32,
}

// A score that takes no part any more: NaN.
const DEAD = 0x7fc00000u;
const NONE = 0xffffffffu;

// A row's progress.
struct Row {
    // Boxes chosen so far.
    count: u32,
    // The last one, by which the others have not been weakened yet.
    chosen: u32,
    // 1 when no more are to be chosen.
    done: u32,
    pad: u32,
}

// Area and group of a box.
struct Tag {
    area: f32,
    group: u32,
}
