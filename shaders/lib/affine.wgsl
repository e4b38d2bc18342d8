// Weight and bias of a norm over segments, 1 and 0 where there are none. Joined behind lanes1 or lanes4 and segments; the kernel declares `weight` and `bias`.

struct Affine {
    scale: V,
    offset: V,
}

fn affine_at(place: u32) -> Affine {
    if params.affine == 0u {
        return Affine(V(1.0), V(0.0));
    }
    return Affine(weight[place], bias[place]);
}
