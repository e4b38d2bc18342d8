// uses: stable
// Raw detection heads: where their numbers lie and which boxes they mean. The kernel that names this piece declares the raw head as
// `x: array<f32>`. Boxes are (centre x, centre y, width, height) in shares of the network's input.
//   yolo, region (N, H, W, A*(5+C)): x = (s sigmoid(x) - (s-1)/2 + column) / W, w = exp(w) * anchor; Redmon, Farhadi, "YOLOv3", 2018.
//   detection (N, cells*(C+5B)): x = (x + column) / W, w = w or w^2; Redmon et al., "You Only Look Once", 2016.
// Exponents are kept within +-30, so that no area overflows.

struct Params {
    origin: vec4<u32>,
    pictures: u32,
    height: u32,
    width: u32,
    // Per cell.
    boxes: u32,
    classes: u32,
    // Of the whole network.
    anchor_count: u32,
    softmax: u32,
    root: u32,
    input_width: f32,
    input_height: f32,
    scale_xy: f32,
    truths: u32,
    coordinate: u32,
    bias_match: u32,
    rescore: u32,
    has_prior: u32,
    ignore_thresh: f32,
    match_thresh: f32,
    object_scale: f32,
    noobject_scale: f32,
    class_scale: f32,
    coord_scale: f32,
    iou_scale: f32,
    pad0: u32,
    // Width and height as shares of the input, two to a vector.
    anchor: array<vec4<f32>, 16>,
    mask: array<vec4<u32>, 8>,
}

@group(0) @binding(0) var<uniform> params: Params;

const YOLO: u32 = 0u;
const REGION: u32 = 1u;
const DETECTION: u32 = 2u;
override KIND: u32 = 0u;

const LARGEST_EXPONENT: f32 = 30.0;

// A predicted box: picture, row and column of its cell, number in the cell.
struct Place {
    picture: u32,
    row: u32,
    column: u32,
    slot: u32,
}

// Places are counted by picture, row, column, number.
fn place_of(i: u32) -> Place {
    let cell = i / params.boxes;
    let line = cell / params.width;
    let picture = line / params.height;
    return Place(picture, line - picture * params.height, cell - line * params.width, i - cell * params.boxes);
}

// Position in x of number k of a place: 0 to 3 the box, 4 objectness, 5 and on the classes (in a detection head the cell's).
fn at(p: Place, k: u32) -> u32 {
    let cell = p.row * params.width + p.column;
    let cells = params.height * params.width;
    if KIND != DETECTION {
        return ((p.picture * cells + cell) * params.boxes + p.slot) * (5u + params.classes) + k;
    }
    let start = p.picture * cells * (params.classes + 5u * params.boxes);
    let number = cell * params.boxes + p.slot;
    if k >= 5u {
        return start + cell * params.classes + k - 5u;
    }
    let confidence = start + cells * params.classes + number;
    let corner = start + cells * (params.classes + params.boxes) + number * 4u + k;
    return select(corner, confidence, k == 4u);
}

fn anchor_of(i: u32) -> vec2<f32> {
    let two = params.anchor[i / 2u];
    return select(two.xy, two.zw, i % 2u == 1u);
}

// Index of the anchor that a place of a yolo or region head scales.
fn own_anchor(p: Place) -> u32 {
    return params.mask[p.slot / 4u][p.slot % 4u];
}

fn growth(raw: f32) -> f32 {
    return exp(clamp(raw, -LARGEST_EXPONENT, LARGEST_EXPONENT));
}

fn box_of(p: Place) -> vec4<f32> {
    let raw = vec4<f32>(x[at(p, 0u)], x[at(p, 1u)], x[at(p, 2u)], x[at(p, 3u)]);
    let corner = vec2<f32>(f32(p.column), f32(p.row));
    let grid = vec2<f32>(f32(params.width), f32(params.height));
    if KIND == DETECTION {
        let size = select(raw.zw, raw.zw * raw.zw, params.root == 1u);
        return vec4<f32>((corner + raw.xy) / grid, size);
    }
    let s = params.scale_xy;
    let shift = vec2<f32>(sigmoid(raw.x), sigmoid(raw.y)) * s - 0.5 * (s - 1.0);
    let size = vec2<f32>(growth(raw.z), growth(raw.w)) * anchor_of(own_anchor(p));
    return vec4<f32>((corner + shift) / grid, size);
}

// The largest logit of a place's classes, and the sum of exp(logit - largest).
fn class_sum(p: Place) -> vec2<f32> {
    let first = at(p, 5u);
    var largest = x[first];
    for (var c = 1u; c < params.classes; c++) {
        largest = max(largest, x[first + c]);
    }
    var sum = 0.0;
    for (var c = 0u; c < params.classes; c++) {
        sum += exp(x[first + c] - largest);
    }
    return vec2<f32>(largest, sum);
}
