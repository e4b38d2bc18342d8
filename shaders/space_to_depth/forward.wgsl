// y[n, i, j, (c * r + p) * r + q] = x[n, i * r + p, j * r + q, c]: a walk over x in the strides of its blocks.
// uses: strided
