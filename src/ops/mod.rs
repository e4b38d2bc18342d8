//! The kernel library: one op, one room. A room holds the op's attributes and shape rule, its uniform struct, the choice of
//! kernel and grid, its gradient rule, and its entry in the registry. The graph sees all of them through [`Op`] alone.
//!
//! To add an op, follow `docs/adding-a-kernel.md`: a folder here and in `shaders/`, a file in `kernels-tests/`, one `mod`
//! line and one line in [`REGISTRY`].

mod attrs;
pub mod box_iou;
mod broadcast;
mod entry;
pub mod gather_rows;
pub mod head;
mod lanes;
mod map;
mod op;
mod pool;
mod reduction;
mod rows;
mod stored;
mod strided;
mod tile;

pub use attrs::Attrs;
pub use entry::{Arg, Attr, Built, Entry, image_dim};
pub use op::{Activation, Emit, Epilogue, GradCx, LaunchCx, Op, OpRef, Prepared, Value, Ways, Work, shape_error};
pub use reduction::Reduction;
pub use stored::{Stored, refused};

pub mod adam;
pub mod adamw;
pub mod adaptive_avg_pool2d;
pub mod adaptive_max_pool2d;
pub mod add;
pub mod avg_pool2d;
pub mod batch_norm;
pub mod bce_jaccard;
pub mod bce_with_logits;
pub mod box_decode;
pub mod box_encode;
pub mod ceiling;
pub mod clamp;
pub mod clip_guard;
pub mod concat;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod corner_pool;
pub mod cross_entropy;
pub mod darknet_activation;
pub mod darknet_reorg;
pub mod depth_to_space;
pub mod detach;
pub mod dice;
pub mod drop_small;
pub mod dropout;
pub mod ema;
pub mod expand;
pub mod focal;
pub mod fold_batch_norm;
pub mod gather;
pub mod gather_channels;
pub mod gelu;
pub mod group_norm;
pub mod hardsigmoid;
pub mod hardswish;
pub mod head_decode;
pub mod head_loss;
pub mod huber;
pub mod instance_norm;
pub mod iou_loss;
pub mod jaccard;
pub mod keep_finite;
pub mod l1;
pub mod l2_norm;
pub mod l2_pool2d;
pub mod layer_norm;
pub mod leaky_relu;
pub mod linear;
pub mod local_response_norm;
pub mod log_softmax;
pub mod mask_paste;
pub mod mask_targets;
pub mod match_boxes;
pub mod matmul;
pub mod max_pool2d;
pub mod max_pool2d_with_indices;
pub mod max_unpool2d;
pub mod mish;
pub mod mse;
pub mod mul;
pub mod nms;
pub mod nonfinite;
pub mod one_hot;
pub mod overlap_loss;
pub mod pad;
pub mod permute;
pub mod pointwise_loss;
pub mod prelu;
pub mod reciprocal;
pub mod reduce_sum;
pub mod relu;
pub mod reshape;
pub mod resize;
pub mod rmsprop;
pub mod roi_align;
pub mod roi_levels;
pub mod roi_pool;
pub mod sample_balanced;
pub mod scale;
pub mod sgd;
pub mod sigmoid;
pub mod silu;
pub mod slice;
pub mod smooth_l1;
pub mod soft_nms;
pub mod softmax;
pub mod space_to_depth;
pub mod split_index;
pub mod square_sum;
pub mod tanh;
pub mod to_half;
pub mod top_k;
pub mod weighted_sum;

/// Every op, by name: what `wgvision op --list` prints and the tests walk through.
pub static REGISTRY: &[&Entry] = &[
    &adam::ENTRY,
    &adamw::ENTRY,
    &adaptive_avg_pool2d::ENTRY,
    &adaptive_max_pool2d::ENTRY,
    &add::ENTRY,
    &avg_pool2d::ENTRY,
    &batch_norm::ENTRY,
    &bce_jaccard::ENTRY,
    &bce_with_logits::ENTRY,
    &box_decode::ENTRY,
    &box_encode::ENTRY,
    &box_iou::ENTRY,
    &clamp::ENTRY,
    &clip_guard::ENTRY,
    &concat::ENTRY,
    &conv2d::ENTRY,
    &conv_transpose2d::ENTRY,
    &corner_pool::ENTRY,
    &cross_entropy::ENTRY,
    &darknet_activation::ENTRY,
    &darknet_reorg::ENTRY,
    &depth_to_space::ENTRY,
    &detach::ENTRY,
    &dice::ENTRY,
    &drop_small::ENTRY,
    &dropout::ENTRY,
    &ema::ENTRY,
    &expand::ENTRY,
    &focal::ENTRY,
    &fold_batch_norm::ENTRY,
    &gather::ENTRY,
    &gather_channels::ENTRY,
    &gather_rows::ENTRY,
    &gelu::ENTRY,
    &group_norm::ENTRY,
    &hardsigmoid::ENTRY,
    &hardswish::ENTRY,
    &head_decode::ENTRY,
    &head_loss::ENTRY,
    &huber::ENTRY,
    &instance_norm::ENTRY,
    &iou_loss::ENTRY,
    &jaccard::ENTRY,
    &keep_finite::ENTRY,
    &l1::ENTRY,
    &l2_norm::ENTRY,
    &l2_pool2d::ENTRY,
    &layer_norm::ENTRY,
    &leaky_relu::ENTRY,
    &linear::ENTRY,
    &local_response_norm::ENTRY,
    &log_softmax::ENTRY,
    &mask_paste::ENTRY,
    &mask_targets::ENTRY,
    &match_boxes::ENTRY,
    &matmul::ENTRY,
    &max_pool2d::ENTRY,
    &max_pool2d_with_indices::ENTRY,
    &max_unpool2d::ENTRY,
    &mish::ENTRY,
    &mse::ENTRY,
    &mul::ENTRY,
    &nms::ENTRY,
    &nonfinite::ENTRY,
    &one_hot::ENTRY,
    &pad::ENTRY,
    &permute::ENTRY,
    &prelu::ENTRY,
    &reciprocal::ENTRY,
    &reduce_sum::ENTRY,
    &relu::ENTRY,
    &reshape::ENTRY,
    &resize::ENTRY,
    &rmsprop::ENTRY,
    &roi_align::ENTRY,
    &roi_levels::ENTRY,
    &roi_pool::ENTRY,
    &sample_balanced::ENTRY,
    &scale::ENTRY,
    &sgd::ENTRY,
    &sigmoid::ENTRY,
    &silu::ENTRY,
    &slice::ENTRY,
    &smooth_l1::ENTRY,
    &soft_nms::ENTRY,
    &softmax::ENTRY,
    &space_to_depth::ENTRY,
    &split_index::ENTRY,
    &square_sum::ENTRY,
    &tanh::ENTRY,
    &to_half::ENTRY,
    &top_k::ENTRY,
    &weighted_sum::ENTRY,
];

/// The entry of an op. Fails with the names that exist.
pub fn entry(name: &str) -> crate::Result<&'static Entry> {
    REGISTRY.iter().copied().find(|e| e.name == name).ok_or_else(|| {
        let names: Vec<&str> = REGISTRY.iter().map(|e| e.name).collect();
        crate::Error::Usage(format!("no op is named '{name}'; there are: {}", names.join(", ")))
    })
}
