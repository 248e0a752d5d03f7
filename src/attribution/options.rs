//! Settings of the methods, as the command line writes them.

use super::AttributionError;
use crate::models::N_INPUTS;
use std::fmt;
use std::str::FromStr;

/// Settings of all methods; each reads its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Path nodes of integrated gradients, steps of class optimisation.
    pub n_steps: usize,
    /// Integrated gradients by midpoints: nodes up to which a path whose gap is large gets three times as many, and three times again.
    pub refine_to: usize,
    /// Quadrature of integrated gradients.
    pub rule: Rule,
    /// Where the path of integrated gradients begins, and DeepLIFT's reference.
    pub baseline: Baseline,
    /// Inputs that move along a path or are occluded; `None` for the method's own choice.
    pub views: Option<Views>,
    /// Index in the window that mutagenesis begins at and works outward from; the middle where `None`.
    pub centre: Option<usize>,
    /// Bases per block of occlusion and epistasis, bases that a deletion takes.
    pub block: usize,
    /// What occlusion and epistasis blank at once.
    pub unit: Unit,
    /// What occluded values become.
    pub to: Replacement,
    /// Mean of each mark for [`Replacement::Mean`] and [`Baseline::Mean`]; empty for those of the window itself.
    pub mark_means: Vec<f32>,
    /// Random draws: shuffles, noisy inputs.
    pub samples: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Standard deviation of SmoothGrad's noise, as a share of each input's range.
    pub noise: f64,
    /// Bases that are put in, A,C,G,T.
    pub motif: Vec<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            n_steps: 81,
            refine_to: 0,
            rule: Rule::Midpoint,
            baseline: Baseline::Zero,
            views: None,
            centre: None,
            block: 50,
            unit: Unit::Block,
            to: Replacement::Zero,
            mark_means: Vec::new(),
            samples: 20,
            seed: 1,
            noise: 0.1,
            motif: b"TGACTCA".to_vec(),
        }
    }
}

/// A quadrature rule on the path from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The middles of equal steps.
    Midpoint,
    /// The zeros of a Legendre polynomial.
    GaussLegendre,
    /// The beginnings of equal steps.
    Left,
    /// Their ends.
    Right,
    /// Both ends and what lies between, the ends with half the weight. Weights sum to 1 (captum's do not).
    Trapezoid,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// No DNA, no signal.
    Zero,
    /// A quarter of each base, no signal.
    Uniform,
    /// Each base as often as in the window, each mark at its mean.
    Mean,
    /// No DNA, no signal but full methylation.
    Methylated,
    /// Dinucleotide shuffles of the DNA, circular shifts of the marks: as many as [`Options::samples`].
    Shuffles,
}

/// What occluded values become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Replacement {
    /// No signal, no base.
    Zero,
    /// The mean of the mark, the share of each base.
    Mean,
    /// A quarter of each base, no signal.
    Uniform,
    /// This many times what they are.
    Times(f64),
}

/// What is blanked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A block of bases or bins.
    Block,
    /// A whole mark, or all DNA.
    Whole,
    /// One base, or one bin.
    Base,
}

/// Which inputs: DNA, marks, transcription factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Views {
    /// DNA.
    pub dna: bool,
    /// Marks.
    pub marks: bool,
    /// Expression and motif scores of transcription factors.
    pub tfs: bool,
}

impl Views {
    /// Every input.
    pub const JOINT: Self = Self { dna: true, marks: true, tfs: true };

    /// Whether each input of [`crate::models::Batch::parts`] is one of these.
    pub fn of_parts(self) -> [bool; N_INPUTS] {
        [self.dna, self.marks, self.tfs, self.tfs]
    }
}

/// Names in the order of their values.
const RULES: [(&str, Rule); 5] = [
    ("midpoint", Rule::Midpoint),
    ("gauss-legendre", Rule::GaussLegendre),
    ("left", Rule::Left),
    ("right", Rule::Right),
    ("trapezoid", Rule::Trapezoid),
];
const BASELINES: [(&str, Baseline); 5] = [
    ("zero", Baseline::Zero),
    ("uniform", Baseline::Uniform),
    ("mean", Baseline::Mean),
    ("methylated", Baseline::Methylated),
    ("shuffles", Baseline::Shuffles),
];
const UNITS: [(&str, Unit); 3] = [("block", Unit::Block), ("whole", Unit::Whole), ("base", Unit::Base)];

fn find<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, String> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        format!("none of {}", names.join(", "))
    })
}

fn name_of<T: PartialEq>(value: &T, names: &[(&'static str, T)]) -> &'static str {
    names.iter().find(|(_, v)| v == value).map_or("", |(name, _)| name)
}

macro_rules! named {
    ($type:ty, $names:expr) => {
        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                find(text, &$names)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(name_of(self, &$names))
            }
        }
    };
}

named!(Rule, RULES);
named!(Baseline, BASELINES);
named!(Unit, UNITS);

impl FromStr for Replacement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = text.strip_prefix('x').and_then(|f| f.parse::<f64>().ok()).filter(|f| f.is_finite());
        match (text, factor) {
            ("zero", _) => Ok(Self::Zero),
            ("mean", _) => Ok(Self::Mean),
            ("uniform", _) => Ok(Self::Uniform),
            (_, Some(factor)) => Ok(Self::Times(factor)),
            _ => Err("none of zero, mean, uniform, x0.5 (any factor)".to_owned()),
        }
    }
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("zero"),
            Self::Mean => f.write_str("mean"),
            Self::Uniform => f.write_str("uniform"),
            Self::Times(factor) => write!(f, "x{factor}"),
        }
    }
}

impl FromStr for Views {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "joint" {
            return Ok(Self::JOINT);
        }
        let mut views = Self { dna: false, marks: false, tfs: false };
        for word in text.split(',') {
            match word {
                "dna" => views.dna = true,
                "marks" => views.marks = true,
                "tfs" => views.tfs = true,
                _ => return Err("joint, or some of dna,marks,tfs".to_owned()),
            }
        }
        Ok(views)
    }
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::JOINT {
            return f.write_str("joint");
        }
        let names = [(self.dna, "dna"), (self.marks, "marks"), (self.tfs, "tfs")];
        let names: Vec<&str> = names.into_iter().filter(|(is_in, _)| *is_in).map(|(_, name)| name).collect();
        f.write_str(&names.join(","))
    }
}

/// Bases of a motif to put in.
///
/// # Errors
/// Where there is none, more than 1,000, or a letter is none of A, C, G, T.
pub fn parse_motif(text: &str) -> Result<Vec<u8>, String> {
    let bases = text.to_ascii_uppercase().into_bytes();
    match bases.iter().all(|base| b"ACGT".contains(base)) && (1..=1_000).contains(&bases.len()) {
        true => Ok(bases),
        false => Err("1 to 1,000 letters A, C, G, T".to_owned()),
    }
}

/// An error of a setting that does not fit what is explained.
pub(super) fn unfit(reason: String) -> AttributionError {
    AttributionError::NotApplicable(reason)
}
