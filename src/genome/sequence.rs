//! Bases, their complement, and the order in which a network's one-hot channels stand for them.

use std::fmt;
use std::str::FromStr;

/// The four bases in the order of every file this program writes.
pub const BASES: [u8; 4] = *b"ACGT";

/// The complement of an upper- or lower-case base; anything else becomes `N`.
pub fn complement(base: u8) -> u8 {
    match base {
        b'A' | b'a' => b'T',
        b'C' | b'c' => b'G',
        b'G' | b'g' => b'C',
        b'T' | b't' => b'A',
        _ => b'N',
    }
}

/// The other strand read 5' to 3', upper case.
pub fn reverse_complement(sequence: &[u8]) -> Vec<u8> {
    sequence.iter().rev().map(|&base| complement(base)).collect()
}

/// Which base each one-hot channel stands for. DeepCORE and DeepCAGE use A,G,C,T; most others A,C,G,T.
///
/// A wrong order only swaps C and G, which no reverse-complement test can see: it comes from `model.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseOrder([u8; 4]);

impl BaseOrder {
    /// A, C, G, T.
    pub const ACGT: Self = Self(*b"ACGT");
    /// A, G, C, T.
    pub const AGCT: Self = Self(*b"AGCT");

    /// The channel of a base of either case; `None` for `N` and anything else (all channels zero).
    pub fn channel(self, base: u8) -> Option<usize> {
        let base = base.to_ascii_uppercase();
        self.0.iter().position(|&b| b == base)
    }

    /// The base of a channel.
    ///
    /// # Panics
    /// Where `channel` is 4 or more.
    pub fn base(self, channel: usize) -> u8 {
        self.0[channel]
    }

    /// `sequence` as one row of four 0/1 values a base (`[length, 4]`, row-major); `N` is a row of zeros.
    pub fn one_hot<T: Copy + From<u8>>(self, sequence: &[u8]) -> Vec<T> {
        let mut rows = vec![T::from(0); sequence.len() * 4];
        for (row, &base) in rows.chunks_exact_mut(4).zip(sequence) {
            if let Some(channel) = self.channel(base) {
                row[channel] = T::from(1);
            }
        }
        rows
    }
}

impl fmt::Display for BaseOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl FromStr for BaseOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut order = [0; 4];
        let mut sorted: Vec<u8> = text.bytes().collect();
        sorted.sort_unstable();
        if sorted != BASES {
            return Err(format!("base order \"{text}\" is not A, C, G and T once each"));
        }
        order.copy_from_slice(text.as_bytes());
        Ok(Self(order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_order_tells_c_from_g() {
        assert_eq!(BaseOrder::ACGT.one_hot::<u8>(b"GN"), [0, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(BaseOrder::AGCT.one_hot::<u8>(b"gN"), [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!("AGCT".parse(), Ok(BaseOrder::AGCT));
        assert!("AGGT".parse::<BaseOrder>().is_err());
        assert!("AGCTA".parse::<BaseOrder>().is_err());
    }

    #[test]
    fn reverse_complement_twice_is_the_same() {
        assert_eq!(reverse_complement(b"ACGTN"), b"NACGT");
        assert_eq!(reverse_complement(&reverse_complement(b"GATTACA")), b"GATTACA");
    }
}
