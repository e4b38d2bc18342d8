// y[n, k, h, w] = mask k of picture n at pixel (h, w), resized bilinearly to its box; 0 outside (He et al. 2017; torchvision's
// paste_masks_in_image). The mask gets a border of zeros, the box grows by as much and is cut to whole pixels, both corners inside.
// A workgroup makes a row: first the zeros outside the box, then what is inside, 256 pixels at a time. Most rows miss the box, and cost stores
// only. Grid: (1, height, N * K).

struct Params {
    origin: vec4<u32>,
    size: u32,
    height: u32,
    width: u32,
    // (size + 2) / size.
    growth: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> masks: array<f32>;
@group(0) @binding(2) var<storage, read> boxes: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// The corners, grown about the centre and cut to whole numbers towards zero.
fn grown(low: f32, high: f32) -> vec2<i32> {
    let half = (high - low) * 0.5 * params.growth;
    let centre = (high + low) * 0.5;
    let corners = vec2<f32>(centre - half, centre + half);
    return vec2<i32>(clamp(corners, vec2<f32>(-8388608.0), vec2<f32>(8388608.0)));
}

// Where pixel `at` of `extent` reads the mask with its border: the lower element and the weight of the next.
fn source(at: i32, extent: i32) -> vec2<f32> {
    let place = max((f32(at) + 0.5) * (f32(params.size + 2u) / f32(extent)) - 0.5, 0.0);
    let low = min(floor(place), f32(params.size + 1u));
    return vec2<f32>(low, place - low);
}

// The mask with its border, the border also where it is read beyond its end.
fn bordered(mask: u32, row: u32, column: u32) -> f32 {
    if row == 0u || row > params.size || column == 0u || column > params.size {
        return 0.0;
    }
    return masks[(mask * params.size + row - 1u) * params.size + column - 1u];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let mask = group.z;
    let bits = vec4<u32>(boxes[4u * mask], boxes[4u * mask + 1u], boxes[4u * mask + 2u], boxes[4u * mask + 3u]);
    let absent = all((bits & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u));
    let wild = any((bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
    let box = bitcast<vec4<f32>>(select(bits, vec4<u32>(0u), wild));
    let across = grown(box.x, box.z);
    let down = grown(box.y, box.w);
    let h = i32(group.y);
    let width = i32(params.width);
    // Columns start..end are inside; none in a row that misses the box.
    let hit = !absent && !wild && h >= down.x && h <= down.y;
    let start = select(width, max(across.x, 0), hit);
    let end = select(0, min(across.y + 1, width), hit);
    let base = (mask * params.height + group.y) * params.width;
    for (var w = i32(lane); w < width; w += 256) {
        if w < start || w >= end {
            y[base + u32(w)] = 0.0;
        }
    }
    let v = source(h - down.x, max(down.y - down.x + 1, 1));
    let top = u32(v.x);
    let extent = max(across.y - across.x + 1, 1);
    for (var w = start + i32(lane); w < end; w += 256) {
        let u = source(w - across.x, extent);
        let left = u32(u.x);
        let upper = mix(bordered(mask, top, left), bordered(mask, top, left + 1u), u.y);
        let lower = mix(bordered(mask, top + 1u, left), bordered(mask, top + 1u, left + 1u), u.y);
        y[base + u32(w)] = mix(upper, lower, v.y);
    }
}
