//! Chain files: which stretches of one assembly are which of another, as UCSC's liftOver reads them.
//!
//! Layout: <https://genome.ucsc.edu/goldenPath/help/chain.html>. A file names the assembly it leads from first ("target") and the
//! one it leads to second ("query"); positions of a query on the reverse strand are counted from its end.

use super::TrackError;
use super::text::{TextLines, shorten};
use crate::genome::{ChromSizes, Region, Strand};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Share of an interval's bases that have to be in the new assembly, liftOver's default.
pub const MIN_MATCH: f64 = 0.95;
/// Most stretches of a file: chains between distant species are not what places are lifted by.
const MOST_BLOCKS: usize = 8_000_000;

/// Why an interval has no place in the new assembly; in liftOver's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// Nothing of it is there.
    Deleted,
    /// Less than [`MIN_MATCH`] of it is there.
    PartlyDeleted,
    /// Its parts lie at different places.
    Split,
    /// It is there more than once.
    Duplicated,
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "Deleted in new",
            Self::PartlyDeleted => "Partially deleted in new",
            Self::Split => "Split in new",
            Self::Duplicated => "Duplicated in new",
        })
    }
}

/// A stretch without a gap.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: u64,
    end: u64,
    chain: u32,
    /// Where it begins in the new assembly, counted along the chain's strand.
    to: u64,
}

#[derive(Debug)]
struct Chain {
    to: Arc<str>,
    to_len: u64,
    is_reverse: bool,
}

#[derive(Debug, Default)]
struct FromChrom {
    blocks: Vec<Block>,
    longest: u64,
}

/// An open chain file.
#[derive(Debug)]
pub struct Chains {
    chains: Vec<Chain>,
    /// Chromosomes of the old assembly.
    from: ChromSizes,
    blocks: HashMap<Arc<str>, FromChrom>,
}

impl Chains {
    /// Reads a chain file, plain or gzipped.
    pub fn read(path: &Path) -> Result<Self, TrackError> {
        let mut lines = TextLines::open(path)?;
        let mut read = Self { chains: Vec::new(), from: ChromSizes::default(), blocks: HashMap::new() };
        let mut open: Option<Open> = None;
        let mut n_blocks = 0;
        while let Some((number, line)) = lines.next()? {
            let wrong = |reason: String| TrackError::malformed(path, format!("line {number}"), reason);
            let words: Vec<&str> = line.split_whitespace().collect();
            match (&words[..], &mut open) {
                ([], _) => {}
                ([first, ..], _) if first.starts_with('#') => {}
                (["chain", ..], Some(_)) => return Err(wrong("a chain begins before the one before it ends".to_owned())),
                (["chain", header @ ..], None) => open = Some(read.begin(header).map_err(wrong)?),
                (_, None) => return Err(wrong(format!("\"{}\" is no chain", shorten(line)))),
                (sizes @ ([_] | [_, _, _]), Some(chain)) => {
                    n_blocks += 1;
                    if n_blocks > MOST_BLOCKS {
                        return Err(wrong(format!("more than {MOST_BLOCKS} stretches")));
                    }
                    if read.add(sizes, chain).map_err(wrong)? {
                        open = None;
                    }
                }
                _ => return Err(wrong(format!("\"{}\" is no stretch of a chain (size, two gaps)", shorten(line)))),
            }
        }
        if open.is_some() {
            return Err(TrackError::malformed(path, "last line", "the last chain does not end (truncated?)"));
        }
        if read.chains.is_empty() {
            return Err(TrackError::malformed(path, "line 1", "no chain in it"));
        }
        for chrom in read.blocks.values_mut() {
            chrom.blocks.sort_by_key(|b| (b.start, b.chain));
        }
        Ok(read)
    }

    /// Chromosomes of the assembly that the file leads from.
    pub fn from(&self) -> &ChromSizes {
        &self.from
    }

    fn begin(&mut self, header: &[&str]) -> Result<Open, String> {
        let [_score, from, from_len, from_strand, start, end, to, to_len, to_strand, to_start, to_end, ..] = header else {
            return Err(format!("{} words where a chain has 12", header.len() + 1));
        };
        let number = |text: &str| {
            text.parse::<u64>().ok().filter(|n| *n < 1 << 40).ok_or_else(|| format!("\"{}\" is no position", shorten(text)))
        };
        let (from_len, start, end) = (number(from_len)?, number(start)?, number(end)?);
        let (to_len, to_start, to_end) = (number(to_len)?, number(to_start)?, number(to_end)?);
        if *from_strand != "+" {
            return Err("the first assembly has to be on the forward strand".to_owned());
        }
        let is_reverse = match *to_strand {
            "+" => false,
            "-" => true,
            other => return Err(format!("\"{}\" is no strand", shorten(other))),
        };
        if start > end || end > from_len || to_start > to_end || to_end > to_len {
            return Err("a chain that leaves its chromosome".to_owned());
        }
        if !self.from.push(from, from_len) && self.from.len_of(from) != Some(from_len) {
            return Err(format!("{} has two lengths", shorten(from)));
        }
        self.chains.push(Chain { to: (*to).into(), to_len, is_reverse });
        Ok(Open { from: (*from).into(), at: start, end, to: to_start, to_end })
    }

    /// Adds a stretch; `true` where it is the chain's last.
    fn add(&mut self, sizes: &[&str], open: &mut Open) -> Result<bool, String> {
        let mut numbers = [0; 3];
        for (number, text) in numbers.iter_mut().zip(sizes) {
            *number =
                text.parse::<u64>().ok().filter(|n| *n < 1 << 40).ok_or_else(|| format!("\"{}\" is no size", shorten(text)))?;
        }
        let [size, gap, to_gap] = numbers;
        let block = Block { start: open.at, end: open.at + size, chain: self.chains.len() as u32 - 1, to: open.to };
        (open.at, open.to) = (block.end + gap, block.to + size + to_gap);
        if open.at > open.end || open.to > open.to_end {
            return Err("a stretch beyond the end that its chain gives".to_owned());
        }
        if size > 0 {
            let chrom = self.blocks.entry(open.from.clone()).or_default();
            chrom.longest = chrom.longest.max(size);
            chrom.blocks.push(block);
        }
        let is_last = sizes.len() == 1;
        if is_last && (open.at, open.to) != (open.end, open.to_end) {
            return Err("the stretches do not add up to what their chain gives".to_owned());
        }
        Ok(is_last)
    }

    /// The place of an interval in the new assembly, and whether it turned to the other strand. An empty interval is lifted as
    /// the base at its start.
    pub fn lift(&self, region: &Region) -> Result<(Region, bool), Unmapped> {
        let Some(chrom) = self.from.resolve(&region.chrom).and_then(|name| self.blocks.get(name)) else {
            return Err(Unmapped::Deleted);
        };
        let (start, end) = (region.start, region.end.max(region.start + 1));
        let mut found: BTreeMap<u32, (u64, u64, u64)> = BTreeMap::new();
        let first = chrom.blocks.partition_point(|b| b.start + chrom.longest <= start);
        for block in chrom.blocks[first..].iter().take_while(|b| b.start < end).filter(|b| b.end > start) {
            let (from, to) = (start.max(block.start), end.min(block.end));
            let (there, until) = (block.to + from - block.start, block.to + to - block.start);
            let part = found.entry(block.chain).or_insert((0, there, until));
            *part = (part.0 + to - from, part.1.min(there), part.2.max(until));
        }
        let least = MIN_MATCH * (end - start) as f64;
        let mut whole = found.iter().filter(|(_, part)| part.0 as f64 >= least);
        match (whole.next(), whole.next()) {
            (Some((&chain, &(_, from, to))), None) => {
                let chain = &self.chains[chain as usize];
                let (from, to) = if chain.is_reverse { (chain.to_len - to, chain.to_len - from) } else { (from, to) };
                let to = if region.is_empty() { from } else { to };
                Ok((Region::new(chain.to.clone(), from, to), chain.is_reverse))
            }
            (Some(_), Some(_)) => Err(Unmapped::Duplicated),
            (None, _) if found.is_empty() => Err(Unmapped::Deleted),
            (None, _) if found.len() > 1 && found.values().map(|part| part.0).sum::<u64>() as f64 >= least => {
                Err(Unmapped::Split)
            }
            (None, _) => Err(Unmapped::PartlyDeleted),
        }
    }

    /// The row of a BED in the new assembly: chromosome, start, end, strand and thick part change, other columns stay.
    pub fn lift_bed_row(&self, line: &str) -> Result<String, String> {
        let separator = if line.contains('\t') { '\t' } else { ' ' };
        let mut columns: Vec<String> =
            line.split(separator).filter(|c| separator == '\t' || !c.is_empty()).map(str::to_owned).collect();
        let number = |text: &String| text.parse::<u64>().map_err(|_| format!("\"{}\" is no position", shorten(text)));
        let [chrom, start, end, ..] = &columns[..] else { return Err(format!("\"{}\" is no BED row", shorten(line))) };
        let (chrom, start, end) = (chrom.clone(), number(start)?, number(end)?);
        if end < start {
            return Err(format!("the end {end} lies before the start {start}"));
        }
        if columns.len() == 12 {
            return Err("blocks are not lifted: give 9 columns".to_owned());
        }
        let (place, is_turned) = self.lift(&Region::new(chrom.as_str(), start, end)).map_err(|e| e.to_string())?;
        (columns[0], columns[1], columns[2]) = (place.chrom.to_string(), place.start.to_string(), place.end.to_string());
        if let Some(strand) = columns.get_mut(5).filter(|_| is_turned) {
            let turned = match Strand::parse(strand) {
                Some(Strand::Forward) => "-",
                Some(Strand::Reverse) => "+",
                None => strand,
            };
            *strand = turned.to_owned();
        }
        if let (Some(Ok(from)), Some(Ok(to)), true) = (columns.get(6).map(number), columns.get(7).map(number), columns.len() <= 9)
        {
            let thick = self.lift(&Region::new(chrom.as_str(), from, to)).ok().map(|(thick, _)| thick);
            let thick =
                thick.filter(|thick| from < to && place.covers(thick)).map_or((place.start, place.start), |t| (t.start, t.end));
            (columns[6], columns[7]) = (thick.0.to_string(), thick.1.to_string());
        }
        Ok(columns.join(&separator.to_string()))
    }
}

/// A chain that is being read.
struct Open {
    from: Arc<str>,
    at: u64,
    end: u64,
    to: u64,
    to_end: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain with a gap on either side, one to the reverse strand, and a second copy of a stretch.
    const CHAINS: &str = "# made by hand\n\
        chain 1000 chr1 1000 + 100 400 chrA 2000 + 500 790 1\n100 50 0\n100 0 40\n50\n\n\
        chain 900 chr1 1000 + 600 700 chrB 500 - 100 200 2\n100\n\n\
        chain 800 chr2 300 + 0 100 chrA 2000 + 0 100 3\n100\n\n\
        chain 700 chr2 300 + 0 100 chrB 500 + 300 400 4\n100\n\n\
        chain 600 chr2 300 + 150 200 chrA 2000 + 1000 1050 5\n50\n\n\
        chain 500 chr2 300 + 200 250 chrB 500 + 0 50 6\n50\n";

    fn chains(text: &str) -> Result<Chains, TrackError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Chains::read(file.path())
    }

    fn lift(start: u64, end: u64, chrom: &str) -> Result<(String, u64, u64, bool), Unmapped> {
        let (region, is_turned) = chains(CHAINS).unwrap().lift(&Region::new(chrom, start, end))?;
        Ok((region.chrom.to_string(), region.start, region.end, is_turned))
    }

    #[test]
    fn places_by_the_arithmetic_of_the_chain() {
        let at = |chrom: &str, start, end, is_turned| Ok((chrom.to_owned(), start, end, is_turned));
        assert_eq!(lift(100, 101, "chr1"), at("chrA", 500, 501, false));
        assert_eq!(lift(150, 200, "1"), at("chrA", 550, 600, false));
        assert_eq!(lift(250, 251, "chr1"), at("chrA", 600, 601, false), "behind a gap of the old assembly");
        assert_eq!(lift(349, 351, "chr1"), at("chrA", 699, 741, false), "across a gap of the new one");
        assert_eq!(lift(399, 400, "chr1"), at("chrA", 789, 790, false));
        // 600 is position 100 from the end of the 500 bases of chrB: base 399.
        assert_eq!(lift(600, 601, "chr1"), at("chrB", 399, 400, true));
        assert_eq!(lift(600, 610, "chr1"), at("chrB", 390, 400, true));
        assert_eq!(lift(620, 620, "chr1"), at("chrB", 379, 379, true));
    }

    #[test]
    fn what_has_no_place_says_why_as_liftover_does() {
        assert_eq!(lift(0, 50, "chr1"), Err(Unmapped::Deleted));
        assert_eq!(lift(210, 240, "chr1"), Err(Unmapped::Deleted), "in the gap");
        assert_eq!(lift(190, 230, "chr1"), Err(Unmapped::PartlyDeleted));
        assert_eq!(lift(10, 20, "chr2"), Err(Unmapped::Duplicated));
        assert_eq!(lift(180, 220, "chr2"), Err(Unmapped::Split));
        assert_eq!(lift(10, 20, "chr9"), Err(Unmapped::Deleted));
        // 95 of 100 bases are enough, 94 are not.
        assert!(lift(105, 205, "chr1").is_ok());
        assert_eq!(lift(106, 206, "chr1"), Err(Unmapped::PartlyDeleted));
    }

    /// pyliftover 0.4.1: `LiftOver("made.chain").convert_coordinate("chr1", p)` for every p of chr1; positions on `-` are given there
    /// as on `+`.
    #[test]
    fn every_base_goes_where_pyliftover_takes_it() {
        let chains = chains(CHAINS).unwrap();
        let mut sum = 0_u64;
        let mut n = 0;
        for position in 0..1_000 {
            if let Ok((region, _)) = chains.lift(&Region::new("chr1", position, position + 1)) {
                n += 1;
                sum += region.start * (position + 1);
            }
        }
        assert_eq!((n, sum), (350, 64_969_650));
    }

    #[test]
    fn rows_keep_their_other_columns_and_turn_their_strand() {
        let chains = chains(CHAINS).unwrap();
        assert_eq!(
            chains.lift_bed_row("chr1\t600\t610\ta name\t5\t+\t602\t604\t1,2,3").unwrap(),
            "chrB\t390\t400\ta name\t5\t-\t396\t398\t1,2,3"
        );
        assert_eq!(chains.lift_bed_row("chr1 100 110").unwrap(), "chrA 500 510");
        assert_eq!(chains.lift_bed_row("chr1\t0\t9").unwrap_err(), "Deleted in new");
        assert!(chains.lift_bed_row("chr1\t9").unwrap_err().contains("is no BED row"));
    }

    #[test]
    fn damaged_chains_name_the_line() {
        for (text, reason) in [
            ("", "no chain in it"),
            ("chr1 5 6\n", "line 1: \"chr1 5 6\" is no chain"),
            ("chain 1 a 10 + 0 5 b 10 + 0 5 1\n4\n", "line 2: the stretches do not add up"),
            ("chain 1 a 10 + 0 5 b 10 + 0 5 1\n4 1\n", "line 2: \"4 1\" is no stretch"),
            ("chain 1 a 10 + 0 5 b 10 + 0 5 1\n4 9 0\n", "line 2: a stretch beyond the end"),
            ("chain 1 a 10 + 0 50 b 10 + 0 5 1\n", "line 1: a chain that leaves its chromosome"),
            ("chain 1 a 10 - 0 5 b 10 + 0 5 1\n", "forward strand"),
            ("chain 1 a 10 + 0 5 b 10 ? 0 5 1\n", "\"?\" is no strand"),
            ("chain 1 a 10 + 0 5 b 10 + 0 5 1\n2 1 1\n", "does not end (truncated?)"),
            ("chain 1 a 10\n", "4 words where a chain has 12"),
        ] {
            let error = chains(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        for cut in 0..CHAINS.len() {
            let _ = chains(&CHAINS[..cut]);
        }
    }
}
