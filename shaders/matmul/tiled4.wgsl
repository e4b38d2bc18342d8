// uses: matmul, tile_product
// c[batch, m, n] = sum over k of a[m, k] b[k, n] + bias[n].
//
// matmul.tiled for factors whose contiguous dimension, and every step, is a multiple of four, and n too. A workgroup makes a large tile (tile_product) of
// rows m and columns n; the sum runs along k in eights. A_BY_ROWS: a is contiguous along m, else along k. B_BY_ROWS: b is contiguous along n, else
// along k. The grid is (ceil(m / SIDE), ceil(n / SIDE), batches); loads outside give zeros, stores are guarded.

override A_BY_ROWS: bool = false;
override B_BY_ROWS: bool = true;

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>;

// Four of a from (row, k), along whichever is contiguous.
fn of_a(base: u32, row: u32, k: u32) -> vec4<f32> {
    let there = row < params.m && k < params.k;
    return select(vec4<f32>(), a[select(0u, (base + row * params.a.x + k * params.a.y) / 4u, there)], there);
}

fn of_b(base: u32, k: u32, column: u32) -> vec4<f32> {
    let there = column < params.n && k < params.k;
    return select(vec4<f32>(), b[select(0u, (base + k * params.b.x + column * params.b.y) / 4u, there)], there);
}

fn store(at: u32, n: u32, sum: vec4<f32>) {
    if n < params.n {
        var v = sum;
        if params.has_bias == 1u {
            v += bias[n / 4u];
        }
        c[(at + n) / 4u] = v;
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let outer = g.z / params.inner;
    let inner = g.z % params.inner;
    let base_a = outer * params.a.z + inner * params.a.w;
    let base_b = outer * params.b.z + inner * params.b.w;
    let first_m = g.x * SIDE;
    let first_n = g.y * SIDE;
    let along = lane / 2u;
    let half = lane % 2u;
    let across = 4u * quarter_of(lane);
    for (var k = 0u; k < params.k; k += 8u) {
        if A_BY_ROWS {
            tile_a[lane] = of_a(base_a, first_m + across, k + step_of(lane));
        } else {
            put_a(along, half, of_a(base_a, first_m + along, k + 4u * half));
        }
        if B_BY_ROWS {
            tile_b[lane] = of_b(base_b, k + step_of(lane), first_n + across);
        } else {
            put_b(along, half, of_b(base_b, k + 4u * half, first_n + along));
        }
        if fills_twice() {
            if A_BY_ROWS {
                tile_a[lane + LANES] = of_a(base_a, first_m + across, k + step_of(lane) + 4u);
            } else {
                put_a(along + SIDE / 2u, half, of_a(base_a, first_m + along + SIDE / 2u, k + 4u * half));
            }
            if B_BY_ROWS {
                tile_b[lane + LANES] = of_b(base_b, k + step_of(lane) + 4u, first_n + across);
            } else {
                put_b(along + SIDE / 2u, half, of_b(base_b, k + 4u * half, first_n + along + SIDE / 2u));
            }
        }
        add_steps(lane);
    }
    let column = first_n + 4u * own_quarter(lane);
    for (var r = 0u; r < params.rounds; r++) {
        let m = first_m + own_row(lane, r);
        if m < params.m {
            let at = (g.z * params.m + m) * params.n;
            store(at, column, sums[0]);
            store(at, column + SIDE / 2u, sums[1]);
        }
        next_row();
    }
}
