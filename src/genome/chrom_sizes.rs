//! Chromosome names and lengths, and the other names the same chromosome goes by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Why a chromosome sizes table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ChromSizesError {
    /// A line is not `name<tab>length`.
    #[error("line {line}: \"{text}\" is not a chromosome name and a length")]
    Line {
        /// 1-based line number.
        line: usize,
        /// The line as read.
        text: String,
    },
    /// A name stands twice.
    #[error("line {line}: chromosome \"{chrom}\" stands twice")]
    Duplicate {
        /// 1-based line number.
        line: usize,
        /// The repeated name.
        chrom: String,
    },
    /// No chromosome at all.
    #[error("no chromosome in it")]
    Empty,
}

/// Chromosomes in file order with their lengths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChromSizes {
    sizes: Vec<(Arc<str>, u64)>,
    index: HashMap<Arc<str>, usize>,
    /// Other names, as accessions.
    aliases: HashMap<Arc<str>, usize>,
}

impl ChromSizes {
    /// Parses UCSC's two-column `chrom.sizes` (also the first two columns of a `.fai`).
    pub fn parse(text: &str) -> Result<Self, ChromSizesError> {
        let mut sizes = Self::default();
        for (i, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut columns = line.split_whitespace();
            let entry = columns.next().zip(columns.next().and_then(|n| n.parse::<u64>().ok()).filter(|&n| n > 0));
            let Some((chrom, len)) = entry else {
                return Err(ChromSizesError::Line { line: i + 1, text: line.chars().take(80).collect() });
            };
            if !sizes.push(chrom, len) {
                return Err(ChromSizesError::Duplicate { line: i + 1, chrom: chrom.to_owned() });
            }
        }
        if sizes.is_empty() { Err(ChromSizesError::Empty) } else { Ok(sizes) }
    }

    /// Appends a chromosome; `false` where the name is there already.
    pub fn push(&mut self, chrom: &str, len: u64) -> bool {
        if self.index.contains_key(chrom) {
            return false;
        }
        let name: Arc<str> = chrom.into();
        self.index.insert(name.clone(), self.sizes.len());
        self.sizes.push((name, len));
        true
    }

    /// Takes in a table of other names, UCSC's `chromAlias.txt`: on each line one column is a name known here, and the others are
    /// names of the same chromosome. Gives how many names there are now; one that stands for two chromosomes is none.
    pub fn add_aliases(&mut self, table: &str) -> usize {
        let mut ambiguous = HashSet::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let names = || line.split('\t').map(str::trim).filter(|name| !name.is_empty());
            let Some(&chrom) = names().find_map(|name| self.index.get(name)) else { continue };
            for name in names().filter(|name| !self.index.contains_key(*name)) {
                if self.aliases.insert(name.into(), chrom).is_some_and(|before| before != chrom) {
                    ambiguous.insert(name);
                }
            }
        }
        self.aliases.retain(|name, _| !ambiguous.contains(name.as_ref()));
        self.aliases.len()
    }

    /// Length of the chromosome with exactly this name.
    pub fn len_of(&self, chrom: &str) -> Option<u64> {
        self.index.get(chrom).map(|&i| self.sizes[i].1)
    }

    /// Position in file order of the chromosome with exactly this name.
    pub fn rank(&self, chrom: &str) -> Option<usize> {
        self.index.get(chrom).copied()
    }

    /// The name here of what another file calls `chrom`: the same, with or without `chr`, `M` for `MT`, or an alias.
    pub fn resolve(&self, chrom: &str) -> Option<&Arc<str>> {
        let exact = |name: &str| self.index.get(name).map(|&i| &self.sizes[i].0);
        if let Some(name) = exact(chrom) {
            return Some(name);
        }
        if let Some(&i) = self.aliases.get(chrom) {
            return Some(&self.sizes[i].0);
        }
        let bare = chrom.get(..3).filter(|p| p.eq_ignore_ascii_case("chr")).map_or(chrom, |_| &chrom[3..]);
        let bare = if bare.eq_ignore_ascii_case("mt") { "M" } else { bare };
        let upper = bare.to_ascii_uppercase();
        for bare in [bare, upper.as_str()] {
            if let Some(name) = exact(&format!("chr{bare}")).or_else(|| exact(bare)) {
                return Some(name);
            }
        }
        if upper == "M" { exact("MT").or_else(|| exact("chrMT")) } else { None }
    }

    /// Chromosomes in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, u64)> {
        self.sizes.iter().map(|(name, len)| (name, *len))
    }

    /// Number of chromosomes.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Sum of all lengths, bases.
    pub fn total(&self) -> u64 {
        self.sizes.iter().map(|(_, len)| len).sum()
    }

    /// The first few names, for messages: `chr1, chr2, chr3, ... (25)`.
    pub fn names_in_short(&self) -> String {
        let names: Vec<&str> = self.sizes.iter().take(4).map(|(name, _)| name.as_ref()).collect();
        match self.len() {
            n if n > names.len() => format!("{}, ... ({n})", names.join(", ")),
            _ => names.join(", "),
        }
    }

    /// Chromosomes both tables name, but with different lengths: a sign of another assembly. `(name, here, there)`.
    pub fn mismatches(&self, other: &Self) -> Vec<(Arc<str>, u64, u64)> {
        let differs = |(name, there): (&Arc<str>, u64)| {
            let here = self.resolve(name)?;
            let len = self.len_of(here)?;
            (len != there).then(|| (here.clone(), len, there))
        };
        other.iter().filter_map(differs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_chr_are_the_same_chromosome() {
        let ucsc = ChromSizes::parse("chr1\t100\nchrX\t50\nchrM\t16\n").unwrap();
        let ensembl = ChromSizes::parse("1 100\nX 50\nMT 16\n").unwrap();
        for (from, here, there) in [("1", "chr1", "1"), ("chr1", "chr1", "1"), ("Chr1", "chr1", "1"), ("x", "chrX", "X")] {
            assert_eq!(ucsc.resolve(from).unwrap().as_ref(), here, "{from}");
            assert_eq!(ensembl.resolve(from).unwrap().as_ref(), there, "{from}");
        }
        for name in ["chrM", "MT", "M", "chrMT"] {
            assert_eq!(ucsc.resolve(name).unwrap().as_ref(), "chrM");
            assert_eq!(ensembl.resolve(name).unwrap().as_ref(), "MT");
        }
        assert_eq!(ucsc.resolve("chr2"), None);
        assert_eq!(ucsc.resolve("é"), None);
    }

    #[test]
    fn tables_of_aliases_in_both_of_their_forms() {
        let mut sizes = ChromSizes::parse("chr1\t100\nchrX\t50\nchrUn_1\t9").unwrap();
        assert_eq!(sizes.add_aliases("# ucsc\tgenbank\nchr1\tCM000663.2\nchr7\tCM000669.2\nchrX\t\n"), 1);
        // The older form: alias, chromosome, who calls it so. That last column names no chromosome.
        sizes
            .add_aliases("NC_000023.11\tchrX\trefseq\nKI270302.1\tchrUn_1\tgenbank\nGL1\tchrUn_1\tgenbank\nNC_1\tchr1\trefseq\n");
        let name = |alias: &str| sizes.resolve(alias).map(|name| name.to_string());
        assert_eq!(
            [name("CM000663.2"), name("NC_000023.11"), name("KI270302.1")].map(Option::unwrap),
            ["chr1", "chrX", "chrUn_1"]
        );
        assert_eq!([name("CM000669.2"), name("refseq")], [None, None]);
        assert_eq!(name("1").unwrap(), "chr1");
    }

    #[test]
    fn another_assembly_shows_in_the_lengths() {
        let hg19 = ChromSizes::parse("chr9\t141213431\nchr1\t249250621").unwrap();
        let hg38 = ChromSizes::parse("9\t138394717\nchr1\t249250621").unwrap();
        assert_eq!(hg19.mismatches(&hg38), [("chr9".into(), 141_213_431, 138_394_717)]);
    }

    #[test]
    fn bad_lines_are_named() {
        assert_eq!(
            ChromSizes::parse("chr1\tx").unwrap_err().to_string(),
            "line 1: \"chr1\tx\" is not a chromosome name and a length"
        );
        assert!(matches!(ChromSizes::parse("a 1\na 2"), Err(ChromSizesError::Duplicate { line: 2, .. })));
        assert!(matches!(ChromSizes::parse("\n"), Err(ChromSizesError::Empty)));
    }
}
