//! Layers whose gradient is wrong or slow in candle 0.11.1, and those made of them.
//!
//! Kernels run on the CPU for f32 and f64, in the rayon pool the caller has installed; results do not depend on its size. Other
//! devices take the same functions through candle's own operations (`composed`).

mod bilstm;
mod bilstm_op;
mod composed;
mod conv_pool;
mod correlate;
mod linear;
mod lstm_cell;
mod real;
mod rules;
mod sparsemax;
#[cfg(test)]
mod tests;

pub use bilstm::BiLstm;
pub use bilstm_op::bilstm;
pub use conv_pool::{Pool, conv_relu_max_pool};
pub use linear::Linear;
pub use real::Real;
pub use rules::{BackwardRule, relu, with_rule};
pub use sparsemax::sparsemax;
