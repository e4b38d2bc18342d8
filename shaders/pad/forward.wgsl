// y[i] = x[i - before] inside, `fill` outside: x seen through a larger window.
// uses: window
