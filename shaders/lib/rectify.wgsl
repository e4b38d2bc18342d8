// ReLU and leaky ReLU by their slope below zero, `leak`: 0 and what is given; 1 is no activation. A NaN stays one. Joined behind lanes1
// or lanes4.

fn rectify(v: V, leak: f32) -> V {
    return select(leak * v, v, v > V(0.0));
}

// What arrives at the result of `rectify`, passed on to its argument. `sign` has the sign of either.
fn rectify_grad(grad: V, sign: V, leak: f32) -> V {
    return select(leak * grad, grad, sign > V(0.0));
}
