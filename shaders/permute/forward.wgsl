// y[i] = x[j] with j[order[d]] = i[d]: a walk over x in the strides of the reordered dimensions.
// uses: strided
