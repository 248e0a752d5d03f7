//! Sites of a motif on both strands, with exact p-values.
//!
//! The score is discretised to hundredths of a bit and its distribution over random sequence found by dynamic programming over
//! positions (Staden 1989; FIMO, Grant et al. 2011; MOODS): the p-value is exact for the discretised score.

use super::matrix::reversed;
use super::{MotifError, Ppm, Pwm};
use crate::genome::Strand;
use std::sync::OnceLock;

/// Steps of a bit.
const PER_BIT: f64 = 100.0;
/// Pseudocount that scanning adds to probabilities, spread over the background: FIMO's 0.1 at a motif of 250 sites.
const PSEUDOCOUNT: f64 = 4e-4;

/// A site of a motif.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// First base, 0-based.
    pub start: usize,
    /// One past the last base.
    pub end: usize,
    /// The strand on which it reads as the motif.
    pub strand: Strand,
    /// log2 odds, to hundredths of a bit.
    pub score: f64,
    /// Probability that a random site scores as high on one strand.
    pub p_value: f64,
}

/// A motif ready to be looked for.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// Hundredths of a bit of A,C,G,T at each position, for both strands; the fifth, of `N`, is 0.
    forward: Vec<[i32; 5]>,
    reverse: Vec<[i32; 5]>,
    background: [f64; 4],
    lowest: i32,
    /// `P(score >= lowest + i)`, once it is wanted: a collection of hundreds of motifs is opened long before it is scanned with.
    survival: OnceLock<Vec<f64>>,
}

impl Scanner {
    /// A motif against uniform random sequence.
    ///
    /// # Errors
    /// Where its rows give no log odds.
    pub fn new(ppm: &Ppm) -> Result<Self, MotifError> {
        Ok(Self::of(&ppm.to_pwm([0.25; 4], PSEUDOCOUNT)?))
    }

    /// A motif's log odds against their own background.
    pub fn of(pwm: &Pwm) -> Self {
        let weights: Vec<[i32; 4]> = pwm.rows().iter().map(|row| row.map(|w| (w * PER_BIT).round() as i32)).collect();
        let lowest: i32 = weights.iter().map(|row| row.iter().min().copied().unwrap_or(0)).sum();
        let with_n = |rows: Vec<[i32; 4]>| rows.into_iter().map(|[a, c, g, t]| [a, c, g, t, 0]).collect();
        Self {
            reverse: with_n(reversed(&weights)),
            forward: with_n(weights),
            background: pwm.background(),
            lowest,
            survival: OnceLock::new(),
        }
    }

    fn survival(&self) -> &[f64] {
        self.survival.get_or_init(|| survival(&self.forward, self.background))
    }

    /// Number of positions.
    pub fn width(&self) -> usize {
        self.forward.len()
    }

    /// The best score there is.
    pub fn highest_score(&self) -> f64 {
        f64::from(self.lowest + self.survival().len() as i32 - 1) / PER_BIT
    }

    /// The probability that a random site of one strand has at least `score` (log2 odds).
    pub fn p_value(&self, score: f64) -> f64 {
        self.survival_of((score * PER_BIT).round() as i32)
    }

    fn survival_of(&self, score: i32) -> f64 {
        match usize::try_from(score - self.lowest) {
            Err(_) => 1.0,
            Ok(i) => self.survival().get(i).copied().unwrap_or(0.0),
        }
    }

    /// The lowest score (hundredths of a bit) with a p-value of at most `p`; `None` where even the best has a larger one.
    fn cut(&self, p: f64) -> Option<i32> {
        let survival = self.survival();
        let i = survival.partition_point(|&at_least| at_least > p);
        (i < survival.len()).then_some(self.lowest + i as i32)
    }

    /// Every site of `sequence` (5' to 3') with a p-value of at most `p`, from left to right, the forward strand first.
    pub fn hits(&self, sequence: &[u8], p: f64) -> Vec<Hit> {
        let Some(cut) = self.cut(p) else { return Vec::new() };
        let mut hits = Vec::new();
        self.each_score(&encode(sequence), |start, strand, score| {
            if score >= cut {
                hits.push(self.hit(start, strand, score));
            }
        });
        hits
    }

    /// The site with the best score: the leftmost of equals, the forward strand first. `None` where the sequence is shorter than
    /// the motif.
    pub fn best(&self, sequence: &[u8]) -> Option<Hit> {
        self.best_of(&encode(sequence))
    }

    pub(super) fn best_of(&self, codes: &[u8]) -> Option<Hit> {
        let mut best: Option<(usize, Strand, i32)> = None;
        self.each_score(codes, |start, strand, score| {
            if best.is_none_or(|(.., highest)| score > highest) {
                best = Some((start, strand, score));
            }
        });
        best.map(|(start, strand, score)| self.hit(start, strand, score))
    }

    fn hit(&self, start: usize, strand: Strand, score: i32) -> Hit {
        let p_value = self.survival_of(score);
        Hit { start, end: start + self.width(), strand, score: f64::from(score) / PER_BIT, p_value }
    }

    fn each_score(&self, codes: &[u8], mut take: impl FnMut(usize, Strand, i32)) {
        let sum =
            |rows: &[[i32; 5]], site: &[u8]| -> i32 { rows.iter().zip(site).map(|(row, &code)| row[usize::from(code)]).sum() };
        for (start, site) in codes.windows(self.width()).enumerate() {
            take(start, Strand::Forward, sum(&self.forward, site));
            take(start, Strand::Reverse, sum(&self.reverse, site));
        }
    }
}

/// The probability of each score or a higher one, from the lowest, of random sequence.
fn survival(forward: &[[i32; 5]], background: [f64; 4]) -> Vec<f64> {
    let ends = |row: &[i32; 5]| {
        let bases = &row[..4];
        (bases.iter().min().copied().unwrap_or(0), bases.iter().max().copied().unwrap_or(0))
    };
    let n_scores: i32 = forward.iter().map(ends).map(|(least, most)| most - least).sum();
    // Probability of each score of the positions so far, as steps above the lowest they can have.
    let mut density = vec![0.0; n_scores as usize + 1];
    let mut next = density.clone();
    density[0] = 1.0;
    let mut reached = 0;
    for row in forward {
        let (least, most) = ends(row);
        next[..=reached + (most - least) as usize].fill(0.0);
        for (weight, probability) in row.iter().zip(background) {
            let shift = (weight - least) as usize;
            next[shift..].iter_mut().zip(&density[..=reached]).for_each(|(to, from)| *to += from * probability);
        }
        reached += (most - least) as usize;
        std::mem::swap(&mut density, &mut next);
    }
    // Summed from the top, so that the small probabilities keep their digits.
    let mut sum = 0.0;
    for p in density.iter_mut().rev() {
        sum += *p;
        *p = sum.min(1.0);
    }
    density
}

/// Bases as indices into A,C,G,T,other.
pub(super) fn encode(sequence: &[u8]) -> Vec<u8> {
    let code = |base: &u8| match base.to_ascii_uppercase() {
        b'A' => 0,
        b'C' => 1,
        b'G' => 2,
        b'T' => 3,
        _ => 4,
    };
    sequence.iter().map(code).collect()
}
