// ReLU and leaky ReLU by their slope below zero, `leak`: 0 and what is given; 1 is no activation. ReLU makes zeros of minus infinity and of any gradient,
// which a product with 0 would not; a NaN stays one. Joined behind lanes1 or lanes4.

fn rectify(v: V, leak: f32) -> V {
    let cut = select(v, V(0.0), v < V(0.0));
    return select(select(leak * v, cut, leak == 0.0), v, v > V(0.0));
}

// What arrives at the result of `rectify`, passed on to its argument. `sign` has the sign of either.
fn rectify_grad(grad: V, sign: V, leak: f32) -> V {
    return select(select(leak * grad, V(0.0), leak == 0.0), grad, sign > V(0.0));
}
