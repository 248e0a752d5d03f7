//! GeneHancer's GFF: enhancers with the genes they are linked to.
//!
//! `chr8 . enhancer 127735000 127737000 2.3 . . genehancer_id=GH08J127735;connected_gene=MYC;score=11.2;connected_gene=PVT1;score=4.0`
//! with tabs; each `score` belongs to the `connected_gene` before it. Fishilevich et al. 2017, Database bax028.

use super::annotation::Columns;
use super::gff3::{decoded, pairs};
use super::lines::{Line, clean, parse_score, read_records};
use super::{Feature, Features, Loaded, TrackError};
use crate::genome::ChromSizes;
use std::path::Path;

/// Reads the elements and their links.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<Features>, TrackError> {
    let mut features = Vec::new();
    let warnings = read_records(path, "an element with a genehancer_id", |line| {
        if line[0] == b'#' || is_heading(line) {
            return Ok(Line::Other);
        }
        features.push(parse_line(line)?);
        Ok(Line::Record)
    })?;
    Ok(Loaded { value: Features::new(features, genome), warnings })
}

/// GeneHancer's own files name their columns in the first line, with or without `#`.
fn is_heading(line: &[u8]) -> bool {
    line.split(|&b| b == b'\t').nth(3).is_some_and(|column| column.eq_ignore_ascii_case(b"start"))
}

pub(super) fn parse_line(line: &[u8]) -> Result<(String, Feature), String> {
    let columns = Columns::parse(line)?;
    let mut feature = Feature {
        start: columns.span.0,
        end: columns.span.1,
        score: columns.score,
        strand: columns.strand,
        ..Feature::default()
    };
    for (key, value) in pairs(columns.attributes) {
        match key {
            b"genehancer_id" => feature.name = decoded(value),
            b"connected_gene" => feature.genes.push((decoded(value), None)),
            b"score" => {
                if let Some((_, score)) = feature.genes.last_mut() {
                    *score = parse_score(value);
                }
            }
            _ => {}
        }
    }
    if feature.name.is_empty() {
        return Err("no genehancer_id".to_owned());
    }
    Ok((clean(columns.chrom), feature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_belong_to_the_gene_before_them() {
        let line =
            b"chr8\t.\tenhancer\t127735000\t127737000\t2.3\t.\t.\tgenehancer_id=GH08J127735;connected_gene=MYC;score=11.2;\
                     connected_gene=LINC%2C1;connected_gene=PVT1;score=4.0";
        let (chrom, feature) = parse_line(line).unwrap();
        assert_eq!((chrom.as_str(), feature.start, feature.end), ("chr8", 127_734_999, 127_737_000));
        assert_eq!((feature.name.as_str(), feature.score), ("GH08J127735", Some(2.3)));
        let genes = [("MYC".to_owned(), Some(11.2)), ("LINC,1".to_owned(), None), ("PVT1".to_owned(), Some(4.0))];
        assert_eq!(feature.genes, genes);
    }

    #[test]
    fn the_heading_of_the_columns_is_no_wild_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "chrom\tsource\tfeature name\tstart\tend\tscore\tstrand\tframe\tattributes\n\
                    chr1\tGH\tEnhancer\t10\t20\t1\t.\t.\tgenehancer_id=GH1\nchr1\tGH\tEnhancer\t10\t5\t1\t.\t.\tgenehancer_id=GH2\n";
        std::fs::write(file.path(), text).unwrap();
        let loaded = open(file.path(), &ChromSizes::default()).unwrap();
        assert_eq!(loaded.value.len(), 1);
        assert!(
            loaded.warnings[0].ends_with("1 line skipped, line 3: the end 5 lies before the start 10"),
            "{:?}",
            loaded.warnings
        );
    }
}
