//! Lists of loci: typed, or a file of genes or BED lines.

use super::super::Failure;
use anyhow::{Context, anyhow};
use std::path::Path;

/// A place to draw, as a user types it, and what a file of it is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedLocus {
    pub locus: String,
    pub name: String,
}

impl NamedLocus {
    fn typed(text: &str) -> Self {
        Self { locus: text.to_owned(), name: text.to_owned() }
    }
}

/// Loci of a file, or `A,B,C`. The comma of `1,001` parts nothing; semicolons part as well.
pub(super) fn read(text: &str) -> Result<Vec<NamedLocus>, Failure> {
    if Path::new(text).is_file() {
        return read_file(Path::new(text));
    }
    let loci: Vec<NamedLocus> =
        split(text).into_iter().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).map(|l| NamedLocus::typed(&l)).collect();
    if loci.is_empty() {
        return Err(Failure::Usage("no locus in the list".to_owned()));
    }
    Ok(loci)
}

/// Loci of a file: a gene or locus a line, or the first columns of BED lines (0-based, named by the fourth).
pub(super) fn read_file(path: &Path) -> Result<Vec<NamedLocus>, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
    let mut loci = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.trim().is_empty() || line.starts_with(['#']) || line.starts_with("track") || line.starts_with("browser") {
            continue;
        }
        loci.push(locus_of_line(line).map_err(|reason| anyhow!("{name}, line {}: {reason}", i + 1))?);
    }
    if loci.is_empty() {
        return Err(anyhow!("{name}: no gene or BED line in it").into());
    }
    Ok(loci)
}

fn locus_of_line(line: &str) -> Result<NamedLocus, String> {
    let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    let [chrom, start, end, rest @ ..] = &fields[..] else { return Ok(NamedLocus::typed(fields[0])) };
    let (Ok(start), Ok(end)) = (start.parse::<u64>(), end.parse::<u64>()) else {
        return Err(format!("\"{start}\" and \"{end}\" are no start and end of a BED line"));
    };
    if end <= start {
        return Err(format!("the end, {end}, is not past the start, {start}"));
    }
    let locus = format!("{chrom}:{}-{end}", start + 1);
    let name = rest.first().filter(|n| !n.is_empty() && **n != ".").map_or_else(|| locus.clone(), |n| (*n).to_owned());
    Ok(NamedLocus { locus, name })
}

/// Parts at semicolons, and at commas but those of thousands: three digits and no fourth follow a digit.
fn split(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let is_digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let is_thousands = |i: usize| {
        i > 0
            && is_digit(i - 1)
            && (1..=3).all(|k| is_digit(i + k))
            && !is_digit(i + 4)
            && text[..i].rfind(':') > text[..i].rfind(';')
    };
    let (mut parts, mut part) = (Vec::new(), String::new());
    for (i, c) in text.char_indices() {
        match c {
            ';' => parts.push(std::mem::take(&mut part)),
            ',' if !is_thousands(i) => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_loci_and_not_thousands() {
        assert_eq!(split("MYC,JAK2;TP53"), ["MYC", "JAK2", "TP53"]);
        assert_eq!(split("chr1:1,001-2,000,chr2:5-6,MYC"), ["chr1:1,001-2,000", "chr2:5-6", "MYC"]);
        assert_eq!(split("G1,200"), ["G1", "200"], "no place, no thousands");
    }

    #[test]
    fn lines_are_genes_or_bed() {
        let of = |line: &str| locus_of_line(line).map(|l| (l.locus, l.name));
        assert_eq!(of("MYC"), Ok(("MYC".to_owned(), "MYC".to_owned())));
        assert_eq!(of("chr1\t0\t10\tpeak 1\t5"), Ok(("chr1:1-10".to_owned(), "peak 1".to_owned())));
        assert_eq!(of("chr1\t0\t10\t."), Ok(("chr1:1-10".to_owned(), "chr1:1-10".to_owned())));
        assert!(of("chr1\t10\t10").is_err() && of("chr1\tx\t10").is_err());
    }
}
