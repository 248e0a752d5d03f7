//! Variants of a VCF: place, identifier and alleles. Genotypes are not read.

use super::lines::{Line, clean, parse_position, parse_score, quote, read_records};
use super::{Feature, Features, Loaded, TrackError};
use crate::genome::ChromSizes;
use std::path::Path;

/// One line of a VCF.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Chromosome, by the genome's name where the genome knows it.
    pub chrom: String,
    /// First base of the reference allele, 0-based (the file's is 1-based).
    pub position: u64,
    /// Identifier, empty where the file has `.`.
    pub id: String,
    /// Reference allele, upper case.
    pub reference: String,
    /// Alternative alleles as written, upper case where they are bases; symbolic ones (`<DEL>`), breakends and `*` too.
    pub alternatives: Vec<String>,
    /// Phred-scaled quality.
    pub quality: Option<f32>,
    /// One past the last base the variant touches: of the reference allele, or what `INFO/END` says.
    pub end: u64,
}

/// Reads the variants of a VCF, plain, gzip or bgzip.
pub fn read_variants(path: &Path, genome: &ChromSizes) -> Result<Loaded<Vec<Variant>>, TrackError> {
    let mut variants = Vec::new();
    let warnings = read_records(path, "a VCF line (8 columns)", |line| match line[0] {
        b'#' => Ok(Line::Other),
        _ => {
            let mut variant = parse_line(line)?;
            if let Some(name) = genome.resolve(&variant.chrom) {
                variant.chrom = name.to_string();
            }
            variants.push(variant);
            Ok(Line::Record)
        }
    })?;
    Ok(Loaded { value: variants, warnings })
}

/// Reads the variants of a VCF as intervals.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<Features>, TrackError> {
    Ok(read_variants(path, genome)?
        .map(|variants| Features::new(variants.into_iter().map(|v| (v.chrom.clone(), v.into_feature())), genome)))
}

impl Variant {
    /// The interval that the reference allele covers, named by the identifier or the alleles.
    pub(super) fn into_feature(self) -> Feature {
        let name = if self.id.is_empty() { self.alleles() } else { format!("{} {}", self.id, self.alleles()) };
        Feature { start: self.position, end: self.end, name, score: self.quality, ..Feature::default() }
    }

    /// `C>T`, long alleles cut short.
    fn alleles(&self) -> String {
        let short = |allele: &str| match allele.char_indices().nth(12) {
            Some((end, _)) => format!("{}...", &allele[..end]),
            None => allele.to_owned(),
        };
        let alternatives: Vec<String> = self.alternatives.iter().take(3).map(|a| short(a)).collect();
        format!("{}>{}", short(&self.reference), alternatives.join(","))
    }
}

/// A line's variant, its chromosome as written.
pub(super) fn parse_line(line: &[u8]) -> Result<Variant, String> {
    let mut columns = line.splitn(9, |&b| b == b'\t');
    let mut column = |name: &str| columns.next().ok_or_else(|| format!("no column {name}: {}", quote(line)));
    let (chrom, position, id) = (column("CHROM")?, column("POS")?, column("ID")?);
    let (reference, alternatives, quality) = (column("REF")?, column("ALT")?, column("QUAL")?);
    column("FILTER")?;
    let info = column("INFO")?;
    // POS 0 is the telomere before the first base (VCF 4.4, 1.6.1): there is no base to show.
    let position = parse_position(position).filter(|&p| p > 0).ok_or_else(|| format!("{} is no position", quote(position)))? - 1;
    if chrom.is_empty() {
        return Err("no chromosome".to_owned());
    }
    if reference.is_empty() || !reference.iter().all(u8::is_ascii_alphabetic) {
        return Err(format!("{} is no reference allele", quote(reference)));
    }
    let allele = |text: &[u8]| match text.iter().all(u8::is_ascii_alphabetic) {
        true => clean(text).to_ascii_uppercase(),
        false => clean(text),
    };
    let ends = info.split(|&b| b == b';').filter_map(|field| parse_position(field.strip_prefix(b"END=")?));
    let last = position + reference.len() as u64;
    Ok(Variant {
        chrom: clean(chrom),
        position,
        id: if id == b"." { String::new() } else { clean(id) },
        reference: allele(reference),
        alternatives: alternatives.split(|&b| b == b',').filter(|a| !a.is_empty() && *a != b".").map(allele).collect(),
        quality: parse_score(quality),
        end: ends.fold(last, u64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;
    use std::io::Write;

    #[test]
    fn a_variants_position_is_counted_from_zero_here() {
        let variant = parse_line(b"20\t14370\trs6054257\tg\tA,<DEL>\t29\tPASS\tNS=3;DP=14\tGT\t0|0").unwrap();
        assert_eq!((variant.position, variant.end, variant.reference.as_str()), (14_369, 14_370, "G"));
        assert_eq!((variant.id.as_str(), variant.quality), ("rs6054257", Some(29.0)));
        assert_eq!(variant.alternatives, ["A", "<DEL>"]);
        let deletion = parse_line(b"20\t100\t.\tACGT\tA\t.\t.\tSVTYPE=DEL;END=400").unwrap();
        assert_eq!((deletion.position, deletion.end, deletion.id.as_str()), (99, 400, ""));
        assert_eq!(deletion.into_feature().name, "ACGT>A");
        assert!(parse_line(b"20\t100\t.\tA\t.\t.\t.\t.").unwrap().alternatives.is_empty());
    }

    #[test]
    fn wild_lines_say_what_is_wrong() {
        for (line, reason) in [
            ("20\t0\t.\tA\tC\t.\t.\t.", "\"0\" is no position"),
            ("20\t1\t.\tA\tC", "no column QUAL"),
            ("20\t1\t.\t\tC\t.\t.\t.", "\"\" is no reference allele"),
            ("\t1\t.\tA\tC\t.\t.\t.", "no chromosome"),
        ] {
            assert!(parse_line(line.as_bytes()).unwrap_err().contains(reason), "{line}");
        }
    }

    #[test]
    fn chromosomes_take_the_genomes_names() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nMT\t7\t.\tA\tG\t.\t.\t.\nwild\n")
            .unwrap();
        let genome = ChromSizes::parse("chrM\t16569").unwrap();
        let loaded = read_variants(file.path(), &genome).unwrap();
        assert_eq!(loaded.value[0].chrom, "chrM");
        assert!(loaded.warnings[0].contains("1 line skipped, line 4: no column POS"), "{:?}", loaded.warnings);
        let features = open(file.path(), &genome).unwrap().value;
        assert_eq!(features.overlapping(&Region::new("chrM", 6, 7)).count(), 1);
        assert_eq!(features.overlapping(&Region::new("chrM", 7, 8)).count(), 0);
    }
}
