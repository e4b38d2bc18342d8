// sums[part, c] = sum over the part's rows of x[r, c], x being rows by columns. Adds up bias gradients and the parts of weight
// gradients. One invocation makes one element; the grid is (ceil(columns / 64), parts); the tail is guarded here. Rows in order.

struct Params {
    origin: vec4<u32>,
    rows: u32,
    columns: u32,
    rows_per_part: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let c = g.x * 64u + lane;
    if c < params.columns {
        let end = min((g.y + 1u) * params.rows_per_part, params.rows);
        var sum = 0.0;
        for (var r = g.y * params.rows_per_part; r < end; r++) {
            sum += x[r * params.columns + c];
        }
        sums[g.y * params.columns + c] = sum;
    }
}
