//! Fitting a network to a sample's genes, or several samples', and how well it does on genes it has not seen.

mod baselines;
mod averaging;
mod checkpoint;
mod dataset;
mod designs;
mod evaluation;
mod fit;
mod judge;
mod linear_svr;
mod loci;
mod loss;
mod metrics;
mod optimiser;
mod options;
mod parts;
mod split;
mod store;

pub use baselines::{BASELINES, Baseline};
pub use checkpoint::{CHECKPOINT, CheckpointError};
pub use dataset::{Dataset, Example, Move};
pub use designs::{DESIGNS, Design, Line, Study};
pub use evaluation::{Evaluation, Judged, Scores, baseline_scores};
pub use fit::{Epoch, Fitted, Progress, fit};
pub use judge::{evaluate, intervals, predict};
pub use loci::mean_over_samples;
pub use loss::loss_of;
pub use metrics::{
    Interval, PairedTest, Panel, PanelStatistics, Statistic, accuracy, auroc, average_precision, bootstrap_interval,
    bootstrap_values, compare, f1_macro, f1_micro, mean_square_error, measures, median, pearson, percentile, permutation_test,
    precision_recall_points, r_squared, receiver_operating_points, root_mean_square_error, spearman,
};
pub use optimiser::{Clip, Descent, Optimiser, Rule};
pub use options::{FitOptions, Watch};
pub use parts::{PARTS, Part, Parts};
pub use split::{Shares, Split, SplitPlan, Validation, count_overlapping};
pub use store::Record;

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
    /// A checkpoint of another fit, or a damaged one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint could not be written; the one before is still there.
    #[error("{0}")]
    Write(String),
    /// Stopped by the caller.
    #[error("cancelled")]
    Cancelled,
}

impl From<candle_core::Error> for TrainingError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
