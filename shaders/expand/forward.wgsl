// y[i] = x[j] with j[d] = 0 where x has extent 1 and i[d] elsewhere: a walk over x with stride 0 along repeated dimensions.
// uses: strided
