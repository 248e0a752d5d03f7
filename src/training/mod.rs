//! Fitting a network to one sample's genes, and how well it does on genes it has not seen.

mod dataset;
mod fit;
mod metrics;
mod optimiser;
mod split;

pub use dataset::{Dataset, Example};
pub use fit::{Epoch, FitOptions, Fitted, Progress, evaluate, fit, predict};
pub use metrics::{
    Interval, Statistic, auroc, average_precision, bootstrap_interval, pearson, r_squared, root_mean_square_error, spearman,
};
pub use optimiser::Adam;
pub use split::{Split, Validation};

use crate::models::ModelError;

/// Why a network could not be fitted.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The network or its input.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Genes that cannot be learnt from.
    #[error("{0}")]
    Data(String),
    /// The loss is no longer a number.
    #[error("the loss became {loss} in epoch {epoch}: try a lower learning rate (now {learning_rate})")]
    Diverged {
        /// From 1.
        epoch: usize,
        /// NaN or infinity.
        loss: f64,
        /// As it was.
        learning_rate: f64,
    },
    /// Stopped by the caller.
    #[error("cancelled")]
    Cancelled,
}

impl From<candle_core::Error> for TrainingError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
