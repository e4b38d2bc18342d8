// uses: matmul
// packed[batch][k][n / 4] = b's elements (k, n .. n + 4) in a row, zeros behind the last column: what matmul.registers reads. One
// invocation makes one vector; the grid is (ceil(quads / 8), ceil(k / 32), batches of b); tails are guarded here. b's last
// two steps are those of its own batch dimensions, `inner` the extent of its inner one.

@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f32>>;

fn element(base: u32, k: u32, n: u32) -> f32 {
    if n >= params.n {
        return 0.0;
    }
    return b[base + k * params.b.x + n * params.b.y];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let quad = g.x * 8u + lane % 8u;
    let k = g.y * 32u + lane / 8u;
    if quad < params.quads && k < params.k {
        let base = (g.z / params.inner) * params.b.z + (g.z % params.inner) * params.b.w;
        let n = quad * 4u;
        packed[(g.z * params.k + k) * params.quads + quad] =
            vec4<f32>(element(base, k, n), element(base, k, n + 1u), element(base, k, n + 2u), element(base, k, n + 3u));
    }
}
