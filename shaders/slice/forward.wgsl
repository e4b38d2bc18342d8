// y[i0, i1, ...] = x[start0 + i0 * step0, start1 + i1 * step1, ...]: a walk over x in strides.
// uses: strided
