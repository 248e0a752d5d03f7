//! One value a base of four: what is drawn and written of raw deltas, chosen on display.

use crate::genome::BASES;
use std::str::FromStr;

/// How the four values of a base become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MutagenesisView {
    /// Minus the mean of the three alternatives' deltas (AlphaGenome).
    #[default]
    Mean3,
    /// Minus the mean over the four, the reference's 0 among them (tangermeme): three quarters of the former.
    Mean4,
    /// The value of the base that is there.
    Projected,
    /// The value furthest from zero.
    Max,
    /// All four summed.
    Sum,
}

impl MutagenesisView {
    /// Every view, in the order in which a key goes through those of mutagenesis.
    pub const ALL: [Self; 5] = [Self::Mean3, Self::Mean4, Self::Max, Self::Projected, Self::Sum];

    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean3 => "mean-3",
            Self::Mean4 => "mean-4",
            Self::Projected => "projected",
            Self::Max => "max",
            Self::Sum => "sum",
        }
    }

    /// What it shows of mutagenesis, in words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Mean3 => "minus the mean of 3 alternatives",
            Self::Mean4 => "minus the mean of 4 bases",
            Self::Projected => "at the base that is there",
            Self::Max => "the largest effect",
            Self::Sum => "summed over 4 bases",
        }
    }

    /// What a method's result is shown by where nothing is asked for: of deltas the mean of three, of gradients the base that is
    /// there, of what adds up the sum.
    pub fn of_method(name: &str) -> Self {
        match name {
            "saturation-mutagenesis" => Self::Mean3,
            "saliency" | "corrected-gradient" | "smooth-grad" | "guided-backpropagation" | "deconvnet" => Self::Projected,
            _ => Self::Sum,
        }
    }

    /// The values of bases whose four are `rows`, as [`Self::value`].
    pub fn values(self, rows: &[[f32; 4]], reference: &[u8]) -> Vec<f32> {
        fn each(rows: &[[f32; 4]], reference: &[u8], value: impl Fn(&[f32; 4], u8) -> f32) -> Vec<f32> {
            rows.iter().zip(reference).map(|(row, &base)| value(row, base)).collect()
        }
        // A frame asks for every base of a window: a loop a view leaves out what the others need.
        match self {
            Self::Mean3 => each(rows, reference, |row, base| Self::Mean3.value(row, base)),
            Self::Mean4 => each(rows, reference, |row, base| Self::Mean4.value(row, base)),
            Self::Projected => each(rows, reference, |row, base| Self::Projected.value(row, base)),
            Self::Max => each(rows, reference, |row, base| Self::Max.value(row, base)),
            Self::Sum => each(rows, reference, |row, base| Self::Sum.value(row, base)),
        }
    }

    /// The value of a base whose four are `values` (A,C,G,T). Values that are not computed (NaN) are left out; NaN where none is.
    #[inline]
    pub fn value(self, values: &[f32; 4], reference: u8) -> f32 {
        // In one pass without branches.
        let (mut known, mut alternatives, mut of_alternatives, mut sum) = (0, 0, 0.0, 0.0);
        let (mut own, mut furthest) = (0.0, 0.0_f32);
        for (&base, &value) in BASES.iter().zip(values) {
            let (is_known, is_own) = (value.is_finite(), base == reference);
            let value = if is_known { value } else { 0.0 };
            known += i32::from(is_known);
            sum += value;
            furthest = if value.abs() > furthest.abs() { value } else { furthest };
            own = if is_own { value } else { own };
            alternatives += i32::from(is_known && !is_own);
            of_alternatives += if is_own { 0.0 } else { value };
        }
        match self {
            _ if known == 0 => f32::NAN,
            Self::Mean3 | Self::Mean4 if alternatives == 0 => f32::NAN,
            Self::Mean3 => -of_alternatives / alternatives as f32,
            // At N there is no reference, and four alternatives.
            Self::Mean4 => -of_alternatives / (alternatives + i32::from(BASES.contains(&reference))) as f32,
            Self::Projected => own,
            Self::Max => furthest,
            Self::Sum => sum,
        }
    }
}

impl FromStr for MutagenesisView {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|view| view.name() == text).ok_or_else(|| format!("none of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_deltas_are_as_published() {
        let deltas = [-3.0, 0.0, -1.0, -2.0];
        assert_eq!(MutagenesisView::Mean3.value(&deltas, b'C'), 2.0);
        assert_eq!(MutagenesisView::Mean4.value(&deltas, b'C'), 1.5, "three quarters");
        assert_eq!(MutagenesisView::Max.value(&deltas, b'C'), -3.0);
        assert_eq!(MutagenesisView::Projected.value(&[0.0, 5.0, 1.0, 2.0], b'C'), 5.0);
        assert_eq!(MutagenesisView::Sum.value(&deltas, b'C'), -6.0);
        assert_eq!(MutagenesisView::Mean4.value(&[1.0, 1.0, 1.0, 1.0], b'N'), -1.0);
        let partial = [f32::NAN, 0.0, -1.0, f32::NAN];
        assert_eq!(MutagenesisView::Mean3.value(&partial, b'C'), 1.0);
        assert!(MutagenesisView::ALL.iter().all(|view| view.value(&[f32::NAN; 4], b'A').is_nan()));
        assert!(MutagenesisView::Mean3.value(&[f32::NAN, 0.0, f32::NAN, f32::NAN], b'C').is_nan());
        let rows = [deltas, [f32::NAN; 4], partial];
        for view in MutagenesisView::ALL {
            let each = rows.iter().zip(b"CNA").map(|(row, &base)| view.value(row, base).to_bits());
            assert!(view.values(&rows, b"CNA").into_iter().map(f32::to_bits).eq(each), "{}", view.name());
        }
        assert!("mean".parse::<MutagenesisView>().unwrap_err().contains("mean-3, mean-4"));
    }
}
