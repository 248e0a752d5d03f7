//! How to fit: what suits the sample data, and what each network was published with.

use super::optimiser::{Clip, Descent, Rule};
use std::ops::RangeInclusive;

/// How to fit. The same options and data give the same weights, on any number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Initial weights, the order of genes, dropout and shifts.
    pub seed: u64,
    /// Genes a step.
    pub batch_size: usize,
    /// At most so many passes over the training genes.
    pub epochs: usize,
    /// Stop after so many passes in which [`FitOptions::watch`] did not get better; `None` never stops early.
    pub patience: Option<usize>,
    /// Which validation figure chooses the epoch whose weights are kept.
    pub watch: Watch,
    /// How weights are moved.
    pub descent: Descent,
    /// Coefficient of [`crate::models::Model::penalty`].
    pub penalty: f64,
    /// Share of values dropped where the network has dropout.
    pub dropout: f64,
    /// What is judged and kept is a mean of the weights over the steps, of which a step keeps so much; 0: the weights themselves.
    pub averaging: f64,
    /// Windows at base resolution are moved by up to so many bases, anew each pass.
    pub shift: u32,
    /// Windows at base resolution are read on either strand, anew each pass: for networks with no notion of strand.
    pub turns: bool,
    /// Whether genes are put in another order before each pass.
    pub is_shuffled: bool,
    /// Bring every mark to a mean square of 1 over the training genes, unless the manifest has a scale.
    pub standardise: bool,
    /// Weights are rounded to half precision at the end, but for running statistics; what is judged is what is stored.
    pub is_half: bool,
    /// Resamplings of the test genes for intervals.
    pub bootstraps: usize,
}

/// What is watched on the validation genes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The loss, falling.
    Loss,
    /// Both the training and the validation loss, falling (DeepCORE's code).
    BothLosses,
    /// The coefficient of determination, rising (iSEGnet).
    RSquared,
    /// AUROC, rising; of equal ones the later (AttentiveChrome).
    Auroc,
    /// Average precision, rising (DeepCAGE).
    AveragePrecision,
}

const ADAM: Rule = Rule::Adam { epsilon: 1e-8, is_uncorrected: false };

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            batch_size: 16,
            epochs: 60,
            patience: Some(10),
            watch: Watch::Loss,
            descent: Descent { rule: ADAM, rate: 1e-3, decay: 0.0, clip: Some(Clip::Norm(1.0)), l2: 0.0 },
            penalty: 0.0,
            dropout: 0.0,
            averaging: 0.0,
            shift: 0,
            turns: false,
            is_shuffled: true,
            standardise: true,
            is_half: false,
            bootstraps: 1_000,
        }
    }
}

impl FitOptions {
    /// What suits about a thousand genes.
    pub fn of(architecture: &str) -> Self {
        let default = Self::default();
        let rate = |rate| Descent { rate, ..default.descent };
        match architecture {
            // The published penalty keeps attention wide while motifs are learnt; moving the windows stands for more genes.
            // A hundred steps are a pass and a half over a thousand genes.
            "deepcore" => {
                let descent = Descent { clip: Some(Clip::Norm(5.0)), ..rate(2e-3) };
                Self { penalty: 0.005, descent, shift: 10, averaging: 0.99, ..default }
            }
            "isegnet" => {
                let descent = Descent { l2: 1e-4, ..default.descent };
                Self { batch_size: 32, epochs: 40, patience: Some(8), dropout: 0.3, descent, ..default }
            }
            // Without dropout: a normalisation behind it meets other variances in inference than those it was trained with.
            // Either strand, moved a little, stands for more loci, of which 20,000 are learnt by heart within five passes.
            "deepcage" => Self {
                batch_size: 64,
                epochs: 12,
                patience: Some(4),
                penalty: 0.01,
                shift: 20,
                turns: true,
                descent: Descent { decay: 1e-3, ..default.descent },
                ..default
            },
            // Published at a rate of 2e-4 for six times as many genes. Without L2 the fitted LSTMs jump by 0.7 in F within 1e-6 of a path
            // from a blank input, which no quadrature of integrated gradients follows: a gap of 13 % in the median of 60 genes, and of
            // 0.002 % with it.
            "attentive-chrome" => Self { descent: Descent { l2: 3e-4, ..rate(1e-3) }, ..default },
            // Published at a rate of 1e-3 with stochastic gradient descent, one gene a step, over six times as many genes.
            "deepchrome" | "lstm" | "lstm-attn" | "lstm-alpha" | "mlp" | "cnn-attn" | "cnn-alpha-beta" => {
                Self { dropout: 0.5, ..default }
            }
            // Nine numbers or so, from a convex loss.
            "linear" => Self { descent: rate(2e-2), epochs: 300, patience: Some(30), ..default },
            _ => default,
        }
    }

    /// What the network was published with (models.md sections 1.1, 2.1, 3.1, 4.1, 4.3 and 5; the authors' code where paper and code
    /// differ); [`FitOptions::of`] for those that were not published.
    pub fn published(architecture: &str) -> Self {
        let plain = Self { penalty: 0.0, shift: 0, standardise: false, ..Self::default() };
        let adam = |epsilon, is_uncorrected, decay| Descent {
            rule: Rule::Adam { epsilon, is_uncorrected },
            rate: 1e-3,
            decay,
            clip: None,
            l2: 0.0,
        };
        let sgd = Descent { rule: Rule::Sgd, rate: 1e-3, decay: 1e-7, clip: None, l2: 0.0 };
        match architecture {
            "deepcore" => Self {
                batch_size: 10,
                epochs: 100,
                patience: Some(5),
                watch: Watch::BothLosses,
                descent: adam(1e-8, true, 0.0),
                penalty: 0.005,
                is_shuffled: false,
                ..plain
            },
            "isegnet" => Self {
                batch_size: 100,
                epochs: 100,
                patience: Some(10),
                watch: Watch::RSquared,
                descent: Descent { l2: 1e-4, ..adam(1e-7, true, 0.0) },
                dropout: 0.5,
                ..plain
            },
            "deepcage" => Self {
                batch_size: 1024,
                epochs: 20,
                patience: Some(5),
                descent: adam(1e-7, true, 0.0),
                penalty: 0.01,
                dropout: 0.5,
                ..plain
            },
            "attentive-chrome" => Self {
                epochs: 30,
                patience: None,
                watch: Watch::Auroc,
                descent: Descent { rule: ADAM, rate: 2e-4, decay: 0.0, clip: Some(Clip::Norm(1.0)), l2: 0.0 },
                ..plain
            },
            // Torch7's loops run one pass less than they are told (100).
            "deepchrome" => {
                Self { batch_size: 1, epochs: 99, patience: None, watch: Watch::Auroc, descent: sgd, dropout: 0.5, ..plain }
            }
            "lstm" | "lstm-attn" | "lstm-alpha" | "cnn-attn" | "cnn-alpha-beta" => Self {
                batch_size: 1,
                epochs: 99,
                patience: None,
                watch: Watch::Auroc,
                descent: Descent { clip: Some(Clip::Value(5.0)), ..sgd },
                dropout: 0.5,
                ..plain
            },
            _ => Self::of(architecture),
        }
    }

    /// What cannot be followed.
    ///
    /// # Errors
    /// Names the option.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, range: RangeInclusive<f64>| match range.contains(&value) {
            true => Ok(()),
            false => Err(format!("{name} {value}: it is between {} and {}", range.start(), range.end())),
        };
        within("the learning rate", self.descent.rate, 0.0..=1e30)?;
        within("the decay of the learning rate", self.descent.decay, 0.0..=1.0)?;
        within("dropout", self.dropout, 0.0..=0.95)?;
        within("averaging", self.averaging, 0.0..=0.99999)?;
        within("L2", self.descent.l2, 0.0..=1e6)?;
        within("the penalty", self.penalty, 0.0..=1e6)?;
        within("the batch", self.batch_size as f64, 1.0..=65_536.0)?;
        within("epochs", self.epochs as f64, 1.0..=100_000.0)
    }
}
