// grad_x[i] = grad_y[(i - start) / step] where that is an element of y, else 0: each element looks for its own source, so
// nothing is scattered.
// uses: window
