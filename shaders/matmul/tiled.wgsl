// uses: matmul
// c[batch, m, n] = sum over k of a[m, k] b[k, n] + bias[n].
//
// For devices with fast workgroup memory: a workgroup of 256 makes 64 rows by 64 columns, each invocation 4 by 4 of them;
// both factors pass through workgroup memory (8 KiB) in steps of 16 along k. Neighbouring invocations load along k or along
// the other dimension, whichever is contiguous (A_BY_ROWS, B_BY_ROWS: along m, along n). The grid is
// (ceil(m / 64), ceil(n / 64), batches); loads outside give zeros, stores are guarded. One f32 accumulator for
// each element, k in order.

override A_BY_ROWS: bool = false;
override B_BY_ROWS: bool = true;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

// [step along k][quarter of the tile], four rows or columns to a vector.
var<workgroup> tile_a: array<vec4<f32>, 256>;
var<workgroup> tile_b: array<vec4<f32>, 256>;

// (step along k, row or column of the tile) that an invocation loads the j-th time.
fn place(lane: u32, j: u32, by_rows: bool) -> vec2<u32> {
    let across = vec2<u32>(lane % 16u, lane / 16u + 16u * j);
    let along = vec2<u32>(lane / 64u + 4u * j, lane % 64u);
    return select(across, along, by_rows);
}

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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let outer = g.z / params.inner;
    let inner = g.z % params.inner;
    let base_a = outer * params.a.z + inner * params.a.w;
    let base_b = outer * params.b.z + inner * params.b.w;
    let first_m = g.x * 64u;
    let first_n = g.y * 64u;
    let row = lane / 16u;
    let column = lane % 16u;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var start = 0u; start < params.k; start += 16u) {
        for (var j = 0u; j < 4u; j++) {
            let pa = place(lane, j, A_BY_ROWS);
            let pb = place(lane, j, B_BY_ROWS);
            var va = 0.0;
            var vb = 0.0;
            if start + pa.x < params.k && first_m + pa.y < params.m {
                va = a[base_a + (first_m + pa.y) * params.a.x + (start + pa.x) * params.a.y];
            }
            if start + pb.x < params.k && first_n + pb.y < params.n {
                vb = b[base_b + (start + pb.x) * params.b.x + (first_n + pb.y) * params.b.y];
            }
            tile_a[pa.x * 16u + pa.y / 4u][pa.y % 4u] = va;
            tile_b[pb.x * 16u + pb.y / 4u][pb.y % 4u] = vb;
        }
        workgroupBarrier();
        for (var s = 0u; s < 16u; s++) {
            let va = tile_a[s * 16u + row];
            let vb = tile_b[s * 16u + column];
            sum0 += va.x * vb;
            sum1 += va.y * vb;
            sum2 += va.z * vb;
            sum3 += va.w * vb;
        }
        workgroupBarrier();
    }
    let m = first_m + 4u * row;
    let n = first_n + 4u * column;
    store(g.z, m, n, sum0);
    store(g.z, m + 1u, n, sum1);
    store(g.z, m + 2u, n, sum2);
    store(g.z, m + 3u, n, sum3);
}
