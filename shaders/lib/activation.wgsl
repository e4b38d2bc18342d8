// Activations that kernels apply to their result before storing it; `ops::Activation` gives the codes. The code is a uniform, so that
// one compiled kernel serves all of them: 0 none, 1 ReLU, 2 leaky ReLU, 3 SiLU, 4 the sigmoid.

fn activate(v: f32, code: u32, slope: f32) -> f32 {
    var r = v;
    if code >= 3u {
        r = select(1.0, v, code == 3u) / (1.0 + exp(-v));
    } else if code >= 1u {
        r = select(select(slope * v, v, v > 0.0), max(v, 0.0), code == 1u);
    }
    return r;
}

fn activate2(v: vec2<f32>, code: u32, slope: f32) -> vec2<f32> {
    var r = v;
    if code >= 3u {
        r = select(vec2<f32>(1.0), v, code == 3u) / (vec2<f32>(1.0) + exp(-v));
    } else if code >= 1u {
        r = select(select(slope * v, v, v > vec2<f32>(0.0)), max(v, vec2<f32>(0.0)), code == 1u);
    }
    return r;
}

fn activate4(v: vec4<f32>, code: u32, slope: f32) -> vec4<f32> {
    var r = v;
    if code >= 3u {
        r = select(vec4<f32>(1.0), v, code == 3u) / (vec4<f32>(1.0) + exp(-v));
    } else if code >= 1u {
        r = select(select(slope * v, v, v > vec4<f32>(0.0)), max(v, vec4<f32>(0.0)), code == 1u);
    }
    return r;
}
