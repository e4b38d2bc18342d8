//! Every kernel against a float64 reference written from its definition. One file for each room of `src/ops`.

mod harness;

mod adam;
mod adamw;
mod add;
mod batch_norm;
mod bce_jaccard;
mod bce_with_logits;
mod clip_guard;
mod concat;
mod dice;
mod expand;
mod focal;
mod golden;
mod graph;
mod huber;
mod jaccard;
mod l1;
mod max_pool2d;
mod max_pool2d_with_indices;
mod mse;
mod mul;
mod nonfinite;
mod overlap_loss;
mod pointwise_loss;
mod pooling;
mod reduce_sum;
mod relu;
mod reshape;
mod scale;
mod shaders;
mod sigmoid;
mod slice;
mod smooth_l1;
mod square_sum;
mod structure;
