//! Counts, probabilities and log odds of a motif: three types, so that none is taken for another.

use super::MotifError;

/// Counts of A,C,G,T at each position.
#[derive(Clone, Debug, PartialEq)]
pub struct Pfm {
    rows: Vec<[f64; 4]>,
}

/// Probabilities of A,C,G,T at each position; each row sums to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Ppm {
    rows: Vec<[f64; 4]>,
}

/// log2 odds of A,C,G,T at each position against a background.
#[derive(Clone, Debug, PartialEq)]
pub struct Pwm {
    rows: Vec<[f64; 4]>,
    background: [f64; 4],
}

/// Rows of a file may sum to 1 only as far as it has digits.
const SUM_TOLERANCE: f64 = 0.02;

impl Pfm {
    /// Counts, one row a position.
    ///
    /// # Errors
    /// Where there is no row, or one is negative, not finite, or empty.
    pub fn new(rows: Vec<[f64; 4]>) -> Result<Self, MotifError> {
        check("counts", &rows)?;
        Ok(Self { rows })
    }

    /// Rows divided by their sums, `pseudocount` spread evenly over the four bases first.
    pub fn to_ppm(&self, pseudocount: f64) -> Ppm {
        let row = |row: &[f64; 4]| {
            let sum = row.iter().sum::<f64>() + pseudocount;
            row.map(|count| (count + pseudocount / 4.0) / sum)
        };
        Ppm { rows: self.rows.iter().map(row).collect() }
    }
}

impl Ppm {
    /// Probabilities, one row a position. A row within a fiftieth of 1 is divided by its sum.
    ///
    /// # Errors
    /// Where there is no row, or one is negative, not finite, or does not sum to 1.
    pub fn new(rows: Vec<[f64; 4]>) -> Result<Self, MotifError> {
        check("probabilities", &rows)?;
        if let Some(i) = rows.iter().position(|row| (row.iter().sum::<f64>() - 1.0).abs() > SUM_TOLERANCE) {
            let reason = format!("position {}: {:?} do not sum to 1", i + 1, rows[i]);
            return Err(MotifError::Matrix { name: "probabilities".to_owned(), reason });
        }
        Ok(Pfm { rows }.to_ppm(0.0))
    }

    /// A consensus in IUPAC letters: every base that a letter does not allow has 0.03, the allowed ones share the rest.
    ///
    /// # Errors
    /// Where a letter is none, or there is none.
    pub fn of_consensus(letters: &str) -> Result<Self, MotifError> {
        let wrong = |reason: String| MotifError::Matrix { name: crate::tracks::clean_text(letters).into_owned(), reason };
        let row = |letter: u8| {
            let allowed = bases_of(letter).ok_or_else(|| wrong("not IUPAC letters of bases".to_owned()))?;
            let share = (1.0 - 0.03 * (4 - allowed.len()) as f64) / allowed.len() as f64;
            Ok(crate::genome::BASES.map(|base| if allowed.contains(&base) { share } else { 0.03 }))
        };
        let rows = letters.bytes().map(row).collect::<Result<Vec<_>, MotifError>>()?;
        if rows.is_empty() { Err(wrong("no letter".to_owned())) } else { Ok(Self { rows }) }
    }

    /// One row a base: 1 for the base that is there, zeros for anything but A,C,G,T.
    pub fn of_sequence(bases: &[u8]) -> Self {
        Self { rows: bases.iter().map(|&base| crate::genome::BASES.map(|b| f64::from(u8::from(b == base)))).collect() }
    }

    /// Rows in A,C,G,T.
    pub fn rows(&self) -> &[[f64; 4]] {
        &self.rows
    }

    /// Number of positions.
    pub fn width(&self) -> usize {
        self.rows.len()
    }

    /// The motif as it stands on the other strand.
    pub fn reverse_complement(&self) -> Self {
        Self { rows: reversed(&self.rows) }
    }

    /// The likeliest base at each position.
    pub fn consensus(&self) -> Vec<u8> {
        let best = |row: &[f64; 4]| (1..4).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        self.rows.iter().map(|row| crate::genome::BASES[best(row)]).collect()
    }

    /// Bits at each position: 2 less the entropy.
    pub fn information_content(&self) -> Vec<f64> {
        let bits = |p: &f64| if *p > 0.0 { p * p.log2() } else { 0.0 };
        self.rows.iter().map(|row| 2.0 + row.iter().map(bits).sum::<f64>()).collect()
    }

    /// `log2((p + pseudocount * b) / (1 + pseudocount) / b)` with the background `b`, which is first made the same on both
    /// strands (the mean of a base and its complement).
    ///
    /// # Errors
    /// Where a background is 0 or less, does not sum to 1, or the pseudocount is not above 0 (a probability of 0 has no
    /// logarithm).
    pub fn to_pwm(&self, background: [f64; 4], pseudocount: f64) -> Result<Pwm, MotifError> {
        let wrong = |reason: String| Err(MotifError::Matrix { name: "background".to_owned(), reason });
        if !background.iter().all(|b| *b > 0.0) || (background.iter().sum::<f64>() - 1.0).abs() > SUM_TOLERANCE {
            return wrong(format!("{background:?} are no four probabilities above 0"));
        }
        if !(pseudocount > 0.0 && pseudocount.is_finite()) {
            return wrong(format!("a pseudocount of {pseudocount}: it must be above 0"));
        }
        let [a, c, g, t] = background;
        let sum = a + c + g + t;
        let (at, cg) = ((a + t) / 2.0 / sum, (c + g) / 2.0 / sum);
        let background = [at, cg, cg, at];
        let odds = |row: &[f64; 4]| {
            [0, 1, 2, 3].map(|i| {
                let b = background[i];
                ((row[i] + pseudocount * b) / (1.0 + pseudocount) / b).log2()
            })
        };
        Ok(Pwm { rows: self.rows.iter().map(odds).collect(), background })
    }
}

impl Pwm {
    /// Rows in A,C,G,T.
    pub fn rows(&self) -> &[[f64; 4]] {
        &self.rows
    }

    /// What the odds are taken against, the same on both strands.
    pub fn background(&self) -> [f64; 4] {
        self.background
    }
}

/// Rows of the other strand: reversed, A with T and C with G exchanged.
pub(super) fn reversed<T: Copy>(rows: &[[T; 4]]) -> Vec<[T; 4]> {
    rows.iter().rev().map(|&[a, c, g, t]| [t, g, c, a]).collect()
}

fn check(what: &str, rows: &[[f64; 4]]) -> Result<(), MotifError> {
    let wrong = |reason: String| Err(MotifError::Matrix { name: what.to_owned(), reason });
    if rows.is_empty() {
        return wrong("no position".to_owned());
    }
    let is_bad = |row: &[f64; 4]| row.iter().any(|v| !v.is_finite() || *v < 0.0) || row.iter().sum::<f64>() <= 0.0;
    match rows.iter().position(is_bad) {
        Some(i) => wrong(format!("position {}: {:?}", i + 1, rows[i])),
        None => Ok(()),
    }
}

fn bases_of(letter: u8) -> Option<&'static [u8]> {
    Some(match letter.to_ascii_uppercase() {
        b'A' => b"A",
        b'C' => b"C",
        b'G' => b"G",
        b'T' | b'U' => b"T",
        b'R' => b"AG",
        b'Y' => b"CT",
        b'S' => b"CG",
        b'W' => b"AT",
        b'K' => b"GT",
        b'M' => b"AC",
        b'B' => b"CGT",
        b'D' => b"AGT",
        b'H' => b"ACT",
        b'V' => b"ACG",
        b'N' => b"ACGT",
        _ => return None,
    })
}
