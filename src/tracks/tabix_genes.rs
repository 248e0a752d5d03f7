//! Gene models of a GTF or GFF3 packed with bgzip and indexed: those of a region, whole, by their lines alone.

use super::annotation::{Columns, GeneLines, model_of};
use super::tabix::{self, IndexedText, count_up};
use super::{FeatureReader, Features, Loaded, TrackError, gff3, gtf};
use crate::genome::{ChromSizes, Gene, Region};
use std::path::Path;

/// Begins to read lines of a format.
pub(super) type BeginLines = fn() -> Box<dyn GeneLines>;

/// How the lines of a format are read, where it is one of genes.
pub(super) fn lines_of(format: &str) -> Option<BeginLines> {
    match format {
        "gtf" => Some(|| Box::new(gtf::Reader::default())),
        "gff3" => Some(|| Box::new(gff3::Reader::default())),
        _ => None,
    }
}

/// An open indexed annotation.
pub struct TabixGenes {
    file: IndexedText,
    begin: BeginLines,
}

/// Opens a packed annotation with its index.
pub(super) fn open(path: &Path, index: &Path, begin: BeginLines, genome: &ChromSizes) -> Result<Loaded<TabixGenes>, TrackError> {
    Ok(tabix::open(path, index, genome)?.map(|file| TabixGenes { file, begin }))
}

impl TabixGenes {
    /// The genes of the lines of a region: of a gene that reaches beyond it not all of them.
    fn genes_of_lines(&mut self, region: &Region) -> Result<Vec<Gene>, TrackError> {
        let (mut lines, mut n, genome) = ((self.begin)(), 0, self.file.genome.clone());
        let span = |line: &[u8]| Columns::parse(line).map(|columns| Some((columns.span, ())));
        self.file.each(region, span, |line, _, ()| {
            lines.read(line, &genome)?;
            count_up(&mut n)
        })?;
        Ok(lines.genes().0)
    }

    /// The genes that share a base with a region, with all their lines.
    fn genes(&mut self, region: &Region) -> Result<Vec<Gene>, TrackError> {
        /// Where no line says how far a gene or a transcript reaches, exons further apart than this are not joined.
        const LONGEST_INTRON: u64 = 250_000;
        const MOST_ROUNDS: usize = 8;
        let (from, to) = (region.start.saturating_sub(LONGEST_INTRON), region.end.saturating_add(LONGEST_INTRON));
        let mut read = Region::new(region.chrom.clone(), from, to);
        let mut genes = Vec::new();
        for _ in 0..MOST_ROUNDS {
            genes = self.genes_of_lines(&read)?;
            genes.retain(|gene| gene.region.overlaps(&Region { chrom: gene.region.chrom.clone(), ..region.clone() }));
            let (start, end) = genes
                .iter()
                .fold((read.start, read.end), |(start, end), gene| (start.min(gene.region.start), end.max(gene.region.end)));
            if (start, end) == (read.start, read.end) {
                break;
            }
            (read.start, read.end) = (start, end);
        }
        Ok(genes)
    }
}

impl FeatureReader for TabixGenes {
    fn chroms(&self) -> &ChromSizes {
        &self.file.chroms
    }

    fn features(&mut self, region: &Region) -> Result<Features, TrackError> {
        let genes = self.genes(region)?;
        Ok(Features::new(genes.iter().map(model_of), &self.file.genome).within(region.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracks::{Feature, Track, format};
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tabix").join(name)
    }

    /// The same file read from end to end.
    fn whole(name: &str, genome: &ChromSizes) -> std::sync::Arc<Features> {
        let Track::Features(features) = format::open_row(&file(name), None, genome).unwrap().value else { panic!("{name}") };
        features
    }

    #[test]
    fn any_part_has_the_gene_models_of_the_whole_file() {
        let genome = ChromSizes::parse("1\t600000\nchr2\t40000").unwrap();
        for (name, index) in [("genes.gtf.gz", ".tbi"), ("genes.gff3.gz", ".csi"), ("exons.gtf.gz", ".tbi")] {
            let format = if name.contains("gtf") { "gtf" } else { "gff3" };
            let index = PathBuf::from(format!("{}{index}", file(name).display()));
            let mut parts = open(&file(name), &index, lines_of(format).unwrap(), &genome).unwrap().value;
            let all = whole(name, &genome);
            assert_eq!(all.len(), 640, "{name}");
            for (chrom, start, end) in [
                ("1", 0, 5_000),
                ("1", 90_000, 90_001),
                ("1", 95_300, 96_000),
                ("1", 250_000, 300_000),
                ("1", 419_000, 600_000),
                ("chr2", 0, 40_000),
            ] {
                let region = Region::new(chrom, start, end);
                let found = parts.features(&region).unwrap();
                assert!(found.covers(&region));
                let here = |features: &Features| features.overlapping(&region).cloned().collect::<Vec<Feature>>();
                assert!(!here(&all).is_empty(), "{name} {region}");
                assert_eq!(here(&found), here(&all), "{name} {region}");
            }
            assert!(parts.features(&Region::new("chr9", 0, 9)).unwrap_err().to_string().contains("it has chr1, chr2"));
        }
    }
}
