//! What file names say: marks, samples, assemblies. Only what cannot mean two things is taken.

use crate::tracks::{FORMATS, SignalUnit, clean_text};
use std::path::Path;

/// The name before the first dot that ends it: `signals/Cell1.test.csv` -> `Cell1`.
pub(super) fn stem(path: &Path) -> String {
    let name = file_name(path);
    name.split('.').find(|part| !part.is_empty()).unwrap_or(&name).to_owned()
}

/// The name without the endings that say its format and compression: `S01.H3K4me3.bw` -> `S01.H3K4me3`.
pub(super) fn long_stem(path: &Path) -> String {
    let name = file_name(path);
    let mut rest = name.as_str();
    for _ in 0..2 {
        match rest.rsplit_once('.') {
            Some((before, ending)) if !before.is_empty() && is_ending(ending) => rest = before,
            _ => break,
        }
    }
    rest.to_owned()
}

/// A stem without what Roadmap's names say of a signal at their end, and what its numbers then are: `E003-H3K4me3.pval.signal`.
pub(super) fn roadmap_signal(stem: &str) -> Option<(&str, SignalUnit)> {
    let rest = stem.strip_suffix(".signal")?;
    let (rest, unit) = match rest.rsplit_once('.')? {
        (rest, "pval") => (rest, SignalUnit::NegLog10P),
        (rest, "fc") => (rest, SignalUnit::FoldChange),
        _ => return None,
    };
    Some((rest.strip_suffix(".imputed").unwrap_or(rest), unit))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| clean_text(&name.to_string_lossy()).into_owned()).unwrap_or_default()
}

fn is_ending(ending: &str) -> bool {
    const OF_TABLES: [&str; 8] = ["gz", "bgz", "gff", "csv", "tsv", "txt", "tab", "sf"];
    let ending = ending.to_ascii_lowercase();
    let mut of_formats = FORMATS.iter().flat_map(|format| format.extensions);
    OF_TABLES.contains(&ending.as_str()) || of_formats.any(|known| *known == ending)
}

/// A mark in the spelling models use, if `text` is one by any usual name: `k27ac` -> `H3K27ac`.
pub(super) fn mark(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if let Some(mark) = histone_mark(&lower) {
        return Some(mark);
    }
    let name = match lower.as_str() {
        "h2az" | "h2a.z" | "h2afz" => "H2A.Z",
        "dnase" | "dnaseseq" | "dhs" => "DNase",
        "atac" | "atacseq" => "ATAC",
        "5mc" | "wgbs" | "methylation" => "5mC",
        "ctcf" => "CTCF",
        _ => return None,
    };
    Some(name.to_owned())
}

/// `h3k4me3`, `h4k20me1`; without the histone where the residue tells it.
fn histone_mark(lower: &str) -> Option<String> {
    let (histone, rest) = match lower.get(..2) {
        Some(histone @ ("h3" | "h4")) => (Some(histone), &lower[2..]),
        _ => (None, lower),
    };
    let rest = rest.strip_prefix('k')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (residue, change) = rest.split_at(digits);
    let residue: u32 = residue.parse().ok()?;
    let change = match change {
        "ac" | "me1" | "me2" | "me3" => change,
        _ => return None,
    };
    let histone = match (histone, residue) {
        (Some(histone), _) => histone,
        (None, 4 | 9 | 18 | 27 | 36 | 79) => "h3",
        (None, 20) => "h4",
        (None, _) => return None,
    };
    Some(format!("{}K{residue}{change}", histone.to_ascii_uppercase()))
}

/// The assembly a name speaks of, by UCSC's name.
pub(super) fn assembly(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_lowercase().as_str() {
        "hg38" | "grch38" => "hg38",
        "hg19" | "grch37" | "b37" => "hg19",
        "mm10" | "grcm38" => "mm10",
        "mm39" | "grcm39" => "mm39",
        "mm9" => "mm9",
        "chm13" | "t2t-chm13" => "chm13",
        _ => return None,
    })
}

/// Words of a name, with where each begins.
pub(super) fn words(stem: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in stem.split(is_separator) {
        if !word.is_empty() {
            words.push((at, word));
        }
        at += word.len() + 1; // separators are one byte each
    }
    words
}

fn is_separator(c: char) -> bool {
    matches!(c, '_' | '.' | '-' | ' ')
}

/// `H1_k27ac` -> (`H1`, `H3K27ac`): a name whose last word is its only mark. The sample may be empty.
pub(super) fn sample_and_mark(stem: &str) -> Option<(String, String)> {
    let words = words(stem);
    let mut marks = words.iter().filter_map(|&(at, word)| Some((at, word, mark(word)?)));
    let (at, word, found) = marks.next()?;
    if marks.next().is_some() || at + word.len() != stem.trim_end_matches(is_separator).len() {
        return None;
    }
    Some((stem[..at].trim_end_matches(is_separator).to_owned(), found))
}

/// What follows a known sample in a name: `H1_Oct4` -> `Oct4`.
pub(super) fn after_sample<'a>(stem: &'a str, sample: &str) -> Option<&'a str> {
    let rest = stem.strip_prefix(sample).filter(|_| !sample.is_empty())?;
    let rest = rest.strip_prefix(is_separator)?.trim_matches(is_separator);
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_by_their_usual_names_and_nothing_else() {
        for (text, expected) in [
            ("k27ac", "H3K27ac"),
            ("H3K4me3", "H3K4me3"),
            ("h3k79ME2", "H3K79me2"),
            ("k20me1", "H4K20me1"),
            ("H4K16ac", "H4K16ac"),
            ("H2az", "H2A.Z"),
            ("dnase", "DNase"),
            ("Ctcf", "CTCF"),
            ("WGBS", "5mC"),
        ] {
            assert_eq!(mark(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["k562", "K562", "k5ac", "h3", "k", "kme3", "Oct4", "H3K4", "h3k4me4", "", "ké"] {
            assert_eq!(mark(text), None, "{text}");
        }
    }

    #[test]
    fn a_sample_stands_before_a_mark_that_ends_the_name() {
        let guess = |stem: &str| sample_and_mark(stem);
        let pair = |sample: &str, mark: &str| Some((sample.to_owned(), mark.to_owned()));
        assert_eq!(guess("H1_k27ac"), pair("H1", "H3K27ac"));
        assert_eq!(guess("S01.H3K4me3"), pair("S01", "H3K4me3"));
        assert_eq!(guess("left lung-DNase"), pair("left lung", "DNase"));
        assert_eq!(guess("h3k4me3"), pair("", "H3K4me3"));
        assert_eq!(guess("K562_DNase_rep2"), None, "which word is the sample?");
        assert_eq!(guess("H3K4me3_vs_H3K27ac"), None);
        assert_eq!(guess("H1_Oct4"), None);
        assert_eq!(after_sample("H1_Oct4", "H1"), Some("Oct4"));
        assert_eq!(after_sample("H1Oct4", "H1"), None);
        assert_eq!(after_sample("H1_", "H1"), None);
        assert_eq!(after_sample("x_y", ""), None);
    }

    #[test]
    fn roadmaps_names_say_what_the_numbers_are() {
        let of = |name: &str| roadmap_signal(&long_stem(Path::new(name))).map(|(rest, unit)| (rest.to_owned(), unit));
        assert_eq!(of("E003-H3K4me3.pval.signal.bigwig"), Some(("E003-H3K4me3".to_owned(), SignalUnit::NegLog10P)));
        assert_eq!(of("E003-DNase.fc.signal.bw"), Some(("E003-DNase".to_owned(), SignalUnit::FoldChange)));
        assert_eq!(of("E003-H2A.Z.imputed.pval.signal.bigwig"), Some(("E003-H2A.Z".to_owned(), SignalUnit::NegLog10P)));
        assert_eq!(of("my.signal.bw"), None);
    }

    #[test]
    fn names_end_before_what_says_their_format() {
        let of = |name: &str| (stem(Path::new(name)), long_stem(Path::new(name)));
        assert_eq!(of("a/Cell1.test.csv"), ("Cell1".to_owned(), "Cell1.test".to_owned()));
        assert_eq!(of("S01.H3K4me3.bigWig"), ("S01".to_owned(), "S01.H3K4me3".to_owned()));
        assert_eq!(of("x.narrowPeak.gz"), ("x".to_owned(), "x".to_owned()));
        assert_eq!(of(".bw"), ("bw".to_owned(), ".bw".to_owned()));
    }
}
