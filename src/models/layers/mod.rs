//! Layers whose gradient is wrong or slow in candle 0.11.1, and those made of them.
//!
//! Kernels run on the CPU for f32 and f64, in the rayon pool the caller has installed; results do not depend on its size. Other
//! devices take the same functions through candle's own operations (`composed`).

mod batch_norm;
mod bilstm;
mod bilstm_op;
mod composed;
mod context_attention;
mod conv;
mod conv1d;
mod conv_pool;
mod correlate;
mod linear;
mod lstm_cell;
mod normed;
mod pool;
mod product;
mod real;
mod rules;
mod sparsemax;
#[cfg(test)]
mod tests;
mod windows;

pub use batch_norm::BatchNorm;
pub use bilstm::BiLstm;
pub use bilstm_op::bilstm;
pub use context_attention::ContextAttention;
pub use conv::{ConvOptions, ConvWeights, conv};
pub use conv_pool::{Pool, conv_relu_max_pool};
pub use conv1d::Conv1d;
pub(crate) use correlate::{BLOCK, Filters};
pub use linear::Linear;
pub use normed::Normed;
pub use pool::{average_pool, max_pool};
pub(crate) use product::{Packed, Rows};
pub use real::Real;
pub(crate) use real::{Kernel, add_scaled, dispatch};
pub(crate) use rules::is_gradient;
pub use rules::{BackwardRule, relu, with_rule};
pub use sparsemax::sparsemax;
pub(crate) use windows::window_by_window;
