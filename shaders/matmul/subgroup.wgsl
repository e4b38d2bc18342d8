// uses: matmul
// c[batch, m, n] = sum over k of a[m, k] b[k, n] + bias[n], with a in rows of whole vectors along k and b in rows of whole pairs.
//
// For software devices with subgroups of at least eight, where a load costs by the element and the lane and is never shared (see
// conv2d/gather_subgroup.wgsl): a workgroup of eight invocations makes 16 rows by 16 columns, each invocation a pair of columns of all 16
// rows. Per step of four along k the lanes fetch the 64 elements of a between them, each once, and hand them round by broadcast. The last
// vector of a row of a holds zeros behind the last k. Steps of a are counted in vectors, those of b along k and the batch
// dimensions in pairs. The grid is (ceil(m / 16), ceil(n / 16), batches); tails are guarded here. A long k is taken in several passes, so
// that the factors' parts of a pass stay in the processor's caches. f32 sums: four products added up, then added to the sum, k in order.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

fn four(v: vec4<f32>, s: vec2<f32>, t: vec2<f32>, u: vec2<f32>, w: vec2<f32>) -> vec2<f32> {
    return v.x * s + v.y * t + v.z * u + v.w * w;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let outer = g.z / params.inner;
    let inner = g.z % params.inner;
    let n = g.y * 16u + 2u * lane;
    let m = g.x * 16u;
    // Lane l fetches rows l and l + 8; a row past the last is fetched as the last and not stored.
    let base = outer * params.a.z + inner * params.a.w;
    var at0 = base + min(m + lane, params.m - 1u) * params.a.x + params.first / 4u;
    var at1 = base + min(m + lane + 8u, params.m - 1u) * params.a.x + params.first / 4u;
    var row = outer * params.b.z + inner * params.b.w + min(n, (params.n - 1u) / 2u * 2u) / 2u + params.first * params.b.x;
    var sum0 = vec2<f32>();
    var sum1 = vec2<f32>();
    var sum2 = vec2<f32>();
    var sum3 = vec2<f32>();
    var sum4 = vec2<f32>();
    var sum5 = vec2<f32>();
    var sum6 = vec2<f32>();
    var sum7 = vec2<f32>();
    var sum8 = vec2<f32>();
    var sum9 = vec2<f32>();
    var sum10 = vec2<f32>();
    var sum11 = vec2<f32>();
    var sum12 = vec2<f32>();
    var sum13 = vec2<f32>();
    var sum14 = vec2<f32>();
    var sum15 = vec2<f32>();
    let last = params.k - 1u;
    for (var k = params.first; k < params.k; k += 4u) {
        let x0 = a[at0];
        let x1 = a[at1];
        let w0 = b[row];
        let w1 = select(vec2<f32>(), b[row + (min(k + 1u, last) - k) * params.b.x], k + 1u <= last);
        let w2 = select(vec2<f32>(), b[row + (min(k + 2u, last) - k) * params.b.x], k + 2u <= last);
        let w3 = select(vec2<f32>(), b[row + (min(k + 3u, last) - k) * params.b.x], k + 3u <= last);
        at0 += 1u;
        at1 += 1u;
        row += 4u * params.b.x;
        sum0 += four(subgroupBroadcast(x0, 0u), w0, w1, w2, w3);
        sum1 += four(subgroupBroadcast(x0, 1u), w0, w1, w2, w3);
        sum2 += four(subgroupBroadcast(x0, 2u), w0, w1, w2, w3);
        sum3 += four(subgroupBroadcast(x0, 3u), w0, w1, w2, w3);
        sum4 += four(subgroupBroadcast(x0, 4u), w0, w1, w2, w3);
        sum5 += four(subgroupBroadcast(x0, 5u), w0, w1, w2, w3);
        sum6 += four(subgroupBroadcast(x0, 6u), w0, w1, w2, w3);
        sum7 += four(subgroupBroadcast(x0, 7u), w0, w1, w2, w3);
        sum8 += four(subgroupBroadcast(x1, 0u), w0, w1, w2, w3);
        sum9 += four(subgroupBroadcast(x1, 1u), w0, w1, w2, w3);
        sum10 += four(subgroupBroadcast(x1, 2u), w0, w1, w2, w3);
        sum11 += four(subgroupBroadcast(x1, 3u), w0, w1, w2, w3);
        sum12 += four(subgroupBroadcast(x1, 4u), w0, w1, w2, w3);
        sum13 += four(subgroupBroadcast(x1, 5u), w0, w1, w2, w3);
        sum14 += four(subgroupBroadcast(x1, 6u), w0, w1, w2, w3);
        sum15 += four(subgroupBroadcast(x1, 7u), w0, w1, w2, w3);
    }
    var own_bias = vec2<f32>();
    if params.has_bias == 1u && n < params.n {
        own_bias = vec2<f32>(bias[n], bias[min(n + 1u, params.n - 1u)]);
    }
    var to = m;
    for (var round = 0u; round < params.rounds; round++) {
        if to < params.m && n < params.n {
            let at = (g.z * params.m + to) * params.n + n;
            var v = sum0 + own_bias;
            let second = min(n + 1u, params.n - 1u) - n;
            if params.first > 0u {
                v += vec2<f32>(c[at], c[at + second]);
            }
            if second == 1u {
                c[at + 1u] = v.y;
            }
            c[at] = v.x;
        }
        to += 1u;
        sum0 = sum1;
        sum1 = sum2;
        sum2 = sum3;
        sum3 = sum4;
        sum4 = sum5;
        sum5 = sum6;
        sum6 = sum7;
        sum7 = sum8;
        sum8 = sum9;
        sum9 = sum10;
        sum10 = sum11;
        sum11 = sum12;
        sum12 = sum13;
        sum13 = sum14;
        sum14 = sum15;
    }
}
