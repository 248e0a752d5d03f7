//! Edits of what a network reads, as words that a reader types, a session keeps and a command repeats: `chr1:20,001 A>G`,
//! `delete chr1:20,001-20,050`, `blank H3K4me3 chr1:20,001-21,000`.
//!
//! Positions are those of the reference, whatever other edits there are; alleles stand on the forward strand.

use super::Session;
use crate::genome::{ChromSizes, Locus, Region, thousands};
use crate::motifs::bundled_motifs;
use std::fmt;

/// What can be typed, with a word on each.
pub const EDIT_FORMS: &[(&str, &str)] = &[
    ("chr1:20,001 A>G", "other bases: AC>G, A>ATT"),
    ("insert TGACTCA before chr1:20,001", "bases, or a motif: SP1"),
    ("delete chr1:20,001-20,050", "bases, or sites of a motif: SP1"),
    ("write TGACTCA at chr1:20,001", "over the bases that are there"),
    ("blank H3K4me3 chr1:20,001-21,000", "no signal; blank DNA: N"),
    ("scale H3K4me3 chr1:20,001-21,000 2", "times a factor"),
    ("paint H3K4me3 chr1:20,001-21,000 30", "one value"),
    ("methylate chr1:20,001-21,000", "5mC to 1; demethylate: to 0"),
    ("swap H3K4me3 chr1:20,001-21,000 S02", "as measured in another sample"),
];

/// Most bases put in or taken out at once.
const MOST_BASES: u64 = 100_000;
/// The word for bases where a mark could stand.
const DNA: &str = "DNA";
/// Names under which methylation is known.
pub const METHYLATION: [&str; 5] = ["5mC", "5mCG", "WGBS", "RRBS", "methylation"];

/// A change of the bases, or of a mark, over a stretch of the genome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Edit {
    /// Where; without a base where something is put in before its start.
    pub region: Region,
    /// What.
    pub change: Change,
}

/// What becomes of a stretch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The bases become others, of any number.
    Bases {
        /// What is said to be there; checked before anything is predicted.
        reference: Option<String>,
        /// What is there afterwards, `A C G T N`.
        to: String,
    },
    /// Every base of a mark has this value.
    Paint(String, Amount),
    /// Every base of a mark has its value times this factor; what was not measured stays so.
    Scale(String, Amount),
    /// Every base of a mark has the value measured in the sample of this name.
    Swap(String, String),
}

/// A finite number that can be compared and hashed.
#[derive(Clone, Copy, Debug)]
pub struct Amount(f32);

impl Amount {
    /// `value`, if it is a number.
    pub fn new(value: f32) -> Option<Self> {
        // One zero, so that equal edits are equal.
        value.is_finite().then_some(Self(if value == 0.0 { 0.0 } else { value }))
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Amount {}

impl std::hash::Hash for Amount {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl Edit {
    /// The bases of `region` become `to`.
    pub fn bases(region: Region, reference: Option<&[u8]>, to: &[u8]) -> Self {
        let text = |bases: &[u8]| String::from_utf8_lossy(bases).to_ascii_uppercase();
        Self { region, change: Change::Bases { reference: reference.map(text), to: text(to) } }
    }

    /// `mark` has no signal over `region`.
    pub fn blank(region: Region, mark: &str) -> Self {
        Self { region, change: Change::Paint(mark.to_owned(), Amount(0.0)) }
    }

    /// The mark it changes; `None` where it changes bases.
    pub fn mark(&self) -> Option<&str> {
        match &self.change {
            Change::Bases { .. } => None,
            Change::Paint(mark, _) | Change::Scale(mark, _) | Change::Swap(mark, _) => Some(mark),
        }
    }

    /// Bases it adds (negative: takes away).
    pub fn growth(&self) -> i64 {
        match &self.change {
            Change::Bases { to, .. } => to.len() as i64 - self.region.len() as i64,
            _ => 0,
        }
    }

    /// Whether both change the same bases: which of them counts could not be said.
    pub fn conflicts(&self, other: &Self) -> bool {
        let is_of_bases = self.mark().is_none() && other.mark().is_none() && self.region.chrom == other.region.chrom;
        let (a, b) = (&self.region, &other.region);
        is_of_bases && (a == b || a.start.max(b.start) < a.end.min(b.end) || is_inside(a, b) || is_inside(b, a))
    }

    /// In a word or two, for a label at its place.
    pub fn label(&self) -> String {
        const LONGEST: usize = 12;
        match &self.change {
            Change::Bases { to, .. } if to.is_empty() => format!("-{} bp", self.region.len()),
            Change::Bases { to, .. } if to.len() > LONGEST => format!("{:+} bp", self.growth()),
            Change::Bases { to, .. } if self.region.is_empty() => format!("+{to}"),
            Change::Bases { reference: Some(reference), to } if reference.len() <= LONGEST => format!("{reference}>{to}"),
            Change::Bases { to, .. } => format!(">{to}"),
            Change::Paint(mark, Amount(0.0)) => format!("no {mark}"),
            Change::Paint(mark, Amount(value)) => format!("{mark}={value}"),
            Change::Scale(mark, Amount(factor)) => format!("{mark} x{factor}"),
            Change::Swap(mark, sample) => format!("{mark} of {sample}"),
        }
    }
}

/// Whether something put in at `point` (a region without a base) stands between two bases of `region`.
fn is_inside(point: &Region, region: &Region) -> bool {
    point.is_empty() && region.start < point.start && point.start < region.end
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = &self.region;
        let first = format!("{}:{}", region.chrom, thousands(region.start + 1));
        match &self.change {
            Change::Bases { to, .. } if region.is_empty() => write!(f, "insert {to} before {first}"),
            Change::Bases { reference: None, to } if to.is_empty() => write!(f, "delete {region}"),
            Change::Bases { reference: None, to } if to.len() as u64 == region.len() && to.bytes().all(|b| b == b'N') => {
                write!(f, "blank {DNA} {region}")
            }
            Change::Bases { reference: None, to } if to.len() as u64 == region.len() => write!(f, "write {to} at {first}"),
            Change::Bases { reference: None, to } => write!(f, "{region} >{to}"),
            Change::Bases { reference: Some(reference), to } => write!(f, "{first} {reference}>{to}"),
            Change::Paint(mark, Amount(0.0)) => write!(f, "blank {mark} {region}"),
            Change::Paint(mark, Amount(value)) => write!(f, "paint {mark} {region} {value}"),
            Change::Scale(mark, Amount(factor)) => write!(f, "scale {mark} {region} {factor}"),
            Change::Swap(mark, sample) => write!(f, "swap {mark} {region} {sample}"),
        }
    }
}

/// Edits of text one after the other: what a later one would change of the same bases is refused.
///
/// # Errors
/// Names the edit and the reason.
pub fn parse_edits<'a>(texts: impl IntoIterator<Item = &'a str>, words: &EditWords<'_>) -> Result<Vec<Edit>, String> {
    let mut edits: Vec<Edit> = Vec::new();
    for text in texts {
        let edit = words.parse(text).map_err(|reason| format!("{text}: {reason}"))?;
        if let Some(other) = edits.iter().find(|other| other.conflicts(&edit)) {
            return Err(format!("{text}: changes the same bases as {other}"));
        }
        edits.push(edit);
    }
    Ok(edits)
}

/// What the words of an edit may name.
pub struct EditWords<'a> {
    chroms: &'a ChromSizes,
    marks: Vec<&'a str>,
    samples: Vec<&'a str>,
    /// Stretches that have a name (`selection`, `window`); the first is meant where none is said.
    places: Vec<(&'static str, Region)>,
}

impl<'a> EditWords<'a> {
    /// Those of a session; `places` are stretches that have a name, the first of which is meant where none is said.
    pub fn new(session: &'a Session, places: Vec<(&'static str, Region)>) -> Self {
        let mut marks: Vec<&str> = session.tracks.iter().filter_map(|t| t.mark.as_deref()).collect();
        marks.sort_unstable();
        marks.dedup();
        let samples = session.samples.iter().map(|s| s.name.as_str()).collect();
        Self { chroms: &session.genome.chroms, marks, samples, places }
    }

    /// Understands an edit.
    ///
    /// # Errors
    /// In words that say what would be understood.
    pub fn parse(&self, text: &str) -> Result<Edit, String> {
        let text = text.trim();
        let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let mut rest = Words(rest.split_whitespace().collect());
        let edit = match verb.to_ascii_lowercase().as_str() {
            "insert" => {
                let bases = rest.bases()?;
                let at = self.position(&mut rest, &["before", "at"])?;
                Edit::bases(Region::new(at.chrom, at.start, at.start), None, &bases)
            }
            "write" => {
                let bases = rest.bases()?;
                let at = self.position(&mut rest, &["at"])?;
                let end = at.start + bases.len() as u64;
                Edit::bases(self.on_chrom(Region::new(at.chrom, at.start, end))?, None, &bases)
            }
            "delete" => Edit::bases(self.place(&mut rest)?, None, b""),
            "blank" => {
                let is_dna = rest.0.first().is_some_and(|word| word.eq_ignore_ascii_case(DNA));
                if is_dna {
                    rest.next();
                    let region = self.place(&mut rest)?;
                    let bases = vec![b'N'; check_length(region.len())?];
                    Edit::bases(region, None, &bases)
                } else {
                    let mark = self.mark(&mut rest)?;
                    Edit::blank(self.place(&mut rest)?, &mark)
                }
            }
            "paint" => {
                let (mark, value) = (self.mark(&mut rest)?, rest.amount()?);
                Edit { region: self.place(&mut rest)?, change: Change::Paint(mark, value) }
            }
            "scale" => {
                let (mark, factor) = (self.mark(&mut rest)?, rest.amount()?);
                Edit { region: self.place(&mut rest)?, change: Change::Scale(mark, factor) }
            }
            "swap" => {
                let mark = self.mark(&mut rest)?;
                let sample = self.sample(rest.pop("which sample's? as in swap H3K4me3 S02")?)?;
                rest.0.retain(|word| !word.eq_ignore_ascii_case("from"));
                Edit { region: self.place(&mut rest)?, change: Change::Swap(mark, sample) }
            }
            word @ ("methylate" | "demethylate") => {
                let value = if word == "methylate" { 1.0 } else { 0.0 };
                let is_it = |mark: &&&str| METHYLATION.iter().any(|name| name.eq_ignore_ascii_case(mark));
                let mark = self.marks.iter().find(is_it).ok_or_else(|| {
                    format!(
                        "no mark of the session is methylation ({}); it has {}",
                        METHYLATION.join(", "),
                        self.marks.join(", ")
                    )
                })?;
                Edit { region: self.place(&mut rest)?, change: Change::Paint((*mark).to_owned(), Amount(value)) }
            }
            _ => self.alleles(text)?,
        };
        match (rest.0.first(), &edit.change) {
            (Some(word), change) if !(matches!(change, Change::Bases { .. }) && text.contains('>')) => {
                Err(format!("\"{word}\" is not understood"))
            }
            _ => Ok(edit),
        }
    }

    /// `chr1:20,001 A>G`, or `>G` where the base that is there is not said.
    fn alleles(&self, text: &str) -> Result<Edit, String> {
        let form =
            || "write chr1:20,001A>G, or insert, delete, write, blank, scale, paint, methylate, demethylate, swap".to_owned();
        let at = text.rfind(|c: char| c.is_ascii_digit()).ok_or_else(form)? + 1;
        let (place, alleles) = text.split_at(at);
        let (reference, to) = alleles.trim().split_once('>').ok_or_else(form)?;
        let (reference, to) = (reference.trim().to_ascii_uppercase(), to.trim().to_ascii_uppercase());
        if !reference.bytes().chain(to.bytes()).all(|b| b"ACGTN".contains(&b)) || (reference.is_empty() && to.is_empty()) {
            return Err(form());
        }
        if reference == to {
            return Err("nothing is changed".to_owned());
        }
        check_length(reference.len().max(to.len()) as u64)?;
        let region = match (self.locus(place)?, reference.len() as u64) {
            (Place::Base(base), n) => Region { end: base.start + n.max(1), ..base },
            (Place::Stretch(region), 0) => region,
            (Place::Stretch(region), n) if region.len() == n => region,
            (Place::Stretch(region), n) => return Err(format!("{region} has {} bases, {reference} {n}", region.len())),
        };
        let reference = Some(reference).filter(|r| !r.is_empty());
        Ok(Edit { region: self.on_chrom(region)?, change: Change::Bases { reference, to } })
    }

    /// The stretch that is named next, or meant where none is.
    fn place(&self, words: &mut Words<'_>) -> Result<Region, String> {
        let Some(word) = words.next() else {
            let place = self.places.first().map(|(_, region)| region.clone());
            return place.ok_or_else(|| "where? as in chr1:20,001-21,000".to_owned());
        };
        match self.locus(word)? {
            Place::Base(region) | Place::Stretch(region) => Ok(region),
        }
    }

    fn position(&self, words: &mut Words<'_>, before: &[&str]) -> Result<Region, String> {
        if words.0.first().is_some_and(|word| before.iter().any(|b| b.eq_ignore_ascii_case(word))) {
            words.next();
        }
        self.place(words)
    }

    fn locus(&self, word: &str) -> Result<Place, String> {
        let word = word.trim();
        if let Some((_, region)) = self.places.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            return Ok(Place::Stretch(region.clone()));
        }
        // A bare position is one of the chromosome in view.
        let plain = word.replace([',', '_'], "");
        let chrom = self.places.first().map(|(_, region)| region.chrom.clone());
        let text = match (chrom, plain.split('-').all(|n| n.parse::<u64>().is_ok())) {
            (Some(chrom), true) => format!("{chrom}:{plain}"),
            _ => word.to_owned(),
        };
        match Locus::parse(&text, self.chroms).map_err(|e| e.to_string())? {
            Locus::Position(chrom, position) => Ok(Place::Base(Region::new(chrom, position, position + 1))),
            Locus::Region(region) => Ok(Place::Stretch(region)),
            Locus::Name(name) => {
                let named: Vec<&str> = self.places.iter().map(|(name, _)| *name).collect();
                let or = if named.is_empty() { String::new() } else { format!(", {}", named.join(", ")) };
                Err(format!("\"{name}\" is no place: chr1:20,001-21,000{or}"))
            }
        }
    }

    fn on_chrom(&self, region: Region) -> Result<Region, String> {
        match self.chroms.len_of(&region.chrom) {
            Some(len) if region.end <= len => Ok(region),
            len => Err(format!("{region} ends after {}, which has {} bases", region.chrom, thousands(len.unwrap_or(0)))),
        }
    }

    /// The mark that is named next; marks of several words are known too.
    fn mark(&self, words: &mut Words<'_>) -> Result<String, String> {
        for n in (1..=words.0.len()).rev() {
            let name = words.0[..n].join(" ");
            let found = self.marks.iter().find(|mark| **mark == name);
            if let Some(mark) = found.or_else(|| self.marks.iter().find(|mark| mark.eq_ignore_ascii_case(&name))) {
                words.0.drain(..n);
                return Ok((*mark).to_owned());
            }
        }
        let what = words.0.first().map_or_else(|| "which mark?".to_owned(), |word| format!("no mark \"{word}\";"));
        Err(format!("{what} the session has {}", if self.marks.is_empty() { "none".to_owned() } else { self.marks.join(", ") }))
    }

    fn sample(&self, word: &str) -> Result<String, String> {
        let found = self.samples.iter().find(|name| name.eq_ignore_ascii_case(word));
        let found = found.ok_or_else(|| format!("no sample \"{word}\"; the session has {}", self.samples.join(", ")))?;
        Ok((*found).to_owned())
    }
}

/// A base, or a stretch that was written as one.
enum Place {
    Base(Region),
    Stretch(Region),
}

struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    fn pop(&mut self, or: &str) -> Result<&'a str, String> {
        self.0.pop().ok_or_else(|| or.to_owned())
    }

    /// The number that stands last.
    fn amount(&mut self) -> Result<Amount, String> {
        let word = self.pop("how much? a number stands last")?;
        let number = word.strip_prefix(['x', '\u{d7}']).unwrap_or(word).parse::<f32>().ok();
        let number = number.and_then(Amount::new).ok_or_else(|| format!("\"{word}\" is no number"))?;
        if number.0 < 0.0 { Err(format!("{word}: a signal is not below 0")) } else { Ok(number) }
    }

    /// Bases as letters, or those of a motif by its name.
    fn bases(&mut self) -> Result<Vec<u8>, String> {
        let word = self.next().ok_or("which bases? as in insert TGACTCA before chr1:20,001")?;
        let letters = word.to_ascii_uppercase().into_bytes();
        if letters.iter().all(|base| b"ACGTN".contains(base)) {
            check_length(letters.len() as u64)?;
            return Ok(letters);
        }
        let is_it = |name: &str| name.eq_ignore_ascii_case(word);
        let motifs = bundled_motifs();
        let motif = motifs.iter().find(|m| is_it(&m.name) || m.tf.as_deref().is_some_and(is_it));
        let motif = motif.ok_or_else(|| {
            let names: Vec<&str> = motifs.iter().map(|m| m.tf.as_deref().unwrap_or(&m.name)).collect();
            format!("\"{word}\" is neither bases (A C G T N) nor a motif ({})", names.join(", "))
        })?;
        Ok(motif.ppm.consensus())
    }
}

fn check_length(n: u64) -> Result<usize, String> {
    match n <= MOST_BASES {
        true => Ok(n as usize),
        false => Err(format!("{} bases are more than {}", thousands(n), thousands(MOST_BASES))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<T>(places: Vec<(&'static str, Region)>, then: impl FnOnce(&EditWords<'_>) -> T) -> T {
        let chroms = ChromSizes::parse("chr1\t50000").unwrap();
        then(&EditWords { chroms: &chroms, marks: vec!["5mC", "H3K4me3", "my mark"], samples: vec!["S01", "S02"], places })
    }

    #[test]
    fn what_an_edit_says_of_itself_is_understood_again() {
        let typed = [
            ("chr1:20,001A>G", "chr1:20,001 A>G"),
            ("1:20001 c>t", "chr1:20,001 C>T"),
            ("chr1:20,001 ACG>A", "chr1:20,001 ACG>A"),
            ("chr1:20,001 A>ATT", "chr1:20,001 A>ATT"),
            ("chr1:20,001 >T", "write T at chr1:20,001"),
            ("chr1:20,001-20,003 >T", "chr1:20,001-20,003 >T"),
            ("insert tgactca before chr1:20,001", "insert TGACTCA before chr1:20,001"),
            ("insert TT chr1:7", "insert TT before chr1:7"),
            ("delete chr1:20,001-20,050", "delete chr1:20,001-20,050"),
            ("delete chr1:20,001", "delete chr1:20,001-20,001"),
            ("write TGA at chr1:20,001", "write TGA at chr1:20,001"),
            ("blank dna chr1:11-14", "blank DNA chr1:11-14"),
            ("blank h3k4me3 chr1:11-14", "blank H3K4me3 chr1:11-14"),
            ("blank my mark chr1:11-14", "blank my mark chr1:11-14"),
            ("scale H3K4me3 chr1:11-14 x2.5", "scale H3K4me3 chr1:11-14 2.5"),
            ("paint H3K4me3 chr1:11-14 30", "paint H3K4me3 chr1:11-14 30"),
            ("methylate chr1:11-14", "paint 5mC chr1:11-14 1"),
            ("demethylate chr1:11-14", "blank 5mC chr1:11-14"),
            ("swap H3K4me3 chr1:11-14 from s02", "swap H3K4me3 chr1:11-14 S02"),
        ];
        words(Vec::new(), |words| {
            for (text, expected) in typed {
                let edit = words.parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
                assert_eq!(edit.to_string(), expected);
                let again = words.parse(expected).unwrap_or_else(|reason| panic!("{expected}: {reason}"));
                assert_eq!(again, edit, "{expected}");
            }
            let motif = words.parse("insert SP1 before chr1:20").unwrap();
            assert!(motif.growth() >= 6, "{motif}");
        });
    }

    #[test]
    fn where_nothing_is_said_the_first_place_is_meant() {
        let places = vec![("selection", Region::new("chr1", 99, 200)), ("window", Region::new("chr1", 0, 1_000))];
        words(places, |words| {
            let of = |text: &str| words.parse(text).map(|e| e.to_string()).unwrap_or_else(|reason| reason);
            assert_eq!(of("blank H3K4me3"), "blank H3K4me3 chr1:100-200");
            assert_eq!(of("scale H3K4me3 window 0.5"), "scale H3K4me3 chr1:1-1,000 0.5");
            assert_eq!(of("scale H3K4me3 0.5"), "scale H3K4me3 chr1:100-200 0.5");
            assert_eq!(of("swap H3K4me3 S02"), "swap H3K4me3 chr1:100-200 S02");
            assert_eq!(of("insert GG"), "insert GG before chr1:100");
            assert_eq!(of("150 A>G"), "chr1:150 A>G");
            assert_eq!(of("delete"), "delete chr1:100-200");
        });
    }

    #[test]
    fn what_is_not_understood_is_said() {
        words(Vec::new(), |words| {
            for (text, reason) in [
                ("chr1:20001", "write chr1:20,001A>G"),
                ("", "write chr1:20,001A>G"),
                ("A>G", "write chr1:20,001A>G"),
                ("chr1:20001A>A", "nothing is changed"),
                ("chr1:20001A>X", "write chr1:20,001A>G"),
                ("chr1:60000A>G", "positions 1 to 50000"),
                ("chr1:49,999 ACG>A", "ends after chr1"),
                ("chr1:1-5A>G", "has 5 bases"),
                ("chr9:1A>G", "no chromosome"),
                ("blank H3K9me3 chr1:1-5", "no mark \"H3K9me3\"; the session has 5mC"),
                ("blank H3K4me3", "where?"),
                ("blank H3K4me3 nowhere", "is no place"),
                ("blank H3K4me3 chr1:1-5 more", "\"more\" is not understood"),
                ("paint H3K4me3 chr1:1-5", "is no number"),
                ("paint H3K4me3 chr1:1-5 inf", "is no number"),
                ("scale H3K4me3 chr1:1-5 -1", "not below 0"),
                ("swap H3K4me3 chr1:1-5 S09", "no sample \"S09\""),
                ("insert QQQ before chr1:5", "neither bases"),
                ("insert", "which bases?"),
                ("write TTT at chr1:49,999", "ends after chr1"),
            ] {
                let found = words.parse(text).map(|e| e.to_string()).unwrap_err();
                assert!(found.contains(reason), "{text}: {found}");
            }
        });
    }

    #[test]
    fn edits_of_the_same_bases_conflict() {
        words(Vec::new(), |words| {
            let of = |texts: &[&str]| parse_edits(texts.iter().copied(), words);
            assert_eq!(of(&["chr1:11 A>G", "chr1:12 A>G", "insert T before chr1:11", "delete chr1:13-20"]).unwrap().len(), 4);
            assert_eq!(of(&["blank H3K4me3 chr1:1-9", "scale H3K4me3 chr1:5-9 2", "chr1:6 A>T"]).unwrap().len(), 3);
            for pair in
                [["delete chr1:11-20", "chr1:15 A>G"], ["delete chr1:11-20", "insert T before chr1:15"], ["chr1:5 A>G"; 2]]
            {
                assert!(of(&pair).unwrap_err().contains("changes the same bases"), "{pair:?}");
            }
        });
    }
}
