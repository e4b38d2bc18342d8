// The uniform of the matrix products: c[batch, m, n] = sum over k of a[m, k] b[k, n] + bias[n].

struct Params {
    origin: vec4<u32>,
    m: u32,
    n: u32,
    k: u32,
    // Extent of the inner batch dimension.
    inner: u32,
    // Steps along m, along k, and along the outer and inner batch dimensions of c (0 where repeated), in elements of the binding, of tiled4 in numbers.
    a: vec4<u32>,
    // The same for b along k and n, and the batch dimensions.
    b: vec4<u32>,
    has_bias: u32,
    // Vectors of four in a row of packed b.
    quads: u32,
    // In which a tile is stored: a number that compilers cannot see, so that they do not unroll.
    rounds: u32,
    // First k of a pass of subgroup, a multiple of four; `k` is where it ends. Later passes add to c.
    first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
