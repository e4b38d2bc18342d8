// uses: matmul
// c[batch, m, n] = sum over k of a[m, k] b[k, n] + bias[n], with b in rows of whole vectors.
//
// For software devices: one invocation makes four rows by four columns and keeps its sixteen sums in registers; loads of a are
// uniform over the workgroup, which turns them into one load each. The grid is (ceil(m / 4), ceil(quads / LANES), batches); tails
// are guarded here. Steps of b along k and the batch dimensions are counted in vectors. One f32 accumulator for each
// element, k in order. Taking k in steps of four and b in panels of eight vectors was measured on llvmpipe and was slower by a fifth.

override LANES: u32 = 8u;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

fn store(batch: u32, m: u32, first: u32, sums: vec4<f32>) {
    if m >= params.m {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        let n = first + j;
        if n < params.n {
            var v = sums[j];
            if params.has_bias == 1u {
                v += bias[n];
            }
            c[(batch * params.m + m) * params.n + n] = v;
        }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let outer = g.z / params.inner;
    let inner = g.z % params.inner;
    let quad = g.y * LANES + lane;
    let m = g.x * 4u;
    let last = params.m - 1u;
    let base = outer * params.a.z + inner * params.a.w;
    var at = vec4<u32>(m, min(m + 1u, last), min(m + 2u, last), min(m + 3u, last)) * params.a.x + base;
    var row = outer * params.b.z + inner * params.b.w + min(quad, params.quads - 1u);
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var k = 0u; k < params.k; k++) {
        let w = b[row];
        sum0 += a[at.x] * w;
        sum1 += a[at.y] * w;
        sum2 += a[at.z] * w;
        sum3 += a[at.w] * w;
        at += vec4<u32>(params.a.y);
        row += params.b.x;
    }
    if quad < params.quads {
        store(g.z, m, quad * 4u, sum0);
        store(g.z, m + 1u, quad * 4u, sum1);
        store(g.z, m + 2u, quad * 4u, sum2);
        store(g.z, m + 3u, quad * 4u, sum3);
    }
}
