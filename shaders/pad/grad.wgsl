// grad_x[i] = grad_y[i + before], or 0 where padding was negative and cut it off.
// uses: window
