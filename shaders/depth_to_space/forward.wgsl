// y[n, i * r + p, j * r + q, c] = x[n, i, j, (c * r + p) * r + q]: a walk over x in the strides of its blocks.
// uses: strided
