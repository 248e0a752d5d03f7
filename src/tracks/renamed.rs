//! Files that call chromosomes by other names than the genome does, as accessions: asked by the genome's names.

use super::{Column, FeatureReader, Features, SequenceReader, SignalReader, Track, TrackError};
use crate::genome::{ChromSizes, Region};
use std::collections::HashMap;
use std::sync::Arc;

/// The file's name of each chromosome whose name there cannot be told from the genome's without a table of aliases.
struct Names(HashMap<Arc<str>, Arc<str>>);

impl Names {
    fn new(file: &ChromSizes, genome: &ChromSizes) -> Self {
        let only_by_alias = |name: &Arc<str>| {
            let known = genome.resolve(name)?;
            file.resolve(known).is_none().then(|| (known.clone(), name.clone()))
        };
        Self(file.iter().filter_map(|(name, _)| only_by_alias(name)).collect())
    }

    fn in_file(&self, region: &Region) -> Region {
        match self.0.get(&region.chrom) {
            Some(chrom) => Region { chrom: chrom.clone(), ..region.clone() },
            None => region.clone(),
        }
    }
}

/// A reader that is asked by the genome's names.
struct Renamed<R: ?Sized> {
    names: Names,
    file: Box<R>,
}

/// The same track, to be asked by the genome's names; nothing is put between where names agree.
pub(super) fn by_names_of(track: Track, genome: &ChromSizes) -> Track {
    match track {
        Track::Signal(file) => match Names::new(file.chroms(), genome) {
            Names(names) if names.is_empty() => Track::Signal(file),
            names => Track::Signal(Box::new(Renamed { names, file })),
        },
        Track::Indexed(file) => match Names::new(file.chroms(), genome) {
            Names(names) if names.is_empty() => Track::Indexed(file),
            names => Track::Indexed(Box::new(Renamed { names, file })),
        },
        Track::Sequence(file) => match Names::new(file.chroms(), genome) {
            Names(names) if names.is_empty() => Track::Sequence(file),
            names => Track::Sequence(Box::new(Renamed { names, file })),
        },
        // Read whole, by the genome's names already.
        Track::Features(_) | Track::Genes(_) => track,
    }
}

impl SignalReader for Renamed<dyn SignalReader> {
    fn chroms(&self) -> &ChromSizes {
        self.file.chroms()
    }

    fn values(&mut self, region: &Region) -> Result<Vec<f32>, TrackError> {
        self.file.values(&self.names.in_file(region))
    }

    fn columns(&mut self, region: &Region, n: usize) -> Result<Vec<Column>, TrackError> {
        self.file.columns(&self.names.in_file(region), n)
    }

    fn take_warnings(&mut self) -> Vec<String> {
        self.file.take_warnings()
    }
}

impl FeatureReader for Renamed<dyn FeatureReader> {
    fn chroms(&self) -> &ChromSizes {
        self.file.chroms()
    }

    fn features(&mut self, region: &Region) -> Result<Features, TrackError> {
        Ok(self.file.features(&self.names.in_file(region))?.within(region.clone()))
    }
}

impl SequenceReader for Renamed<dyn SequenceReader> {
    fn chroms(&self) -> &ChromSizes {
        self.file.chroms()
    }

    fn bases(&mut self, region: &Region) -> Result<Vec<u8>, TrackError> {
        self.file.bases(&self.names.in_file(region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracks::open;

    #[test]
    fn a_file_of_accessions_is_asked_by_the_genomes_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut genome = ChromSizes::parse("chr1\t100\nchrM\t50").unwrap();
        genome.add_aliases("# ucsc\tgenbank\trefseq\nchr1\tCM000663.2\tNC_000001.11\nchrM\tJ01415.2\tNC_012920.1\n");
        let signal = write("a.bedgraph", "NC_000001.11 5 9 2.5\nNC_012920.1 1 2 3\n");
        let loaded = open(&signal, None, &genome).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let Track::Signal(mut file) = loaded.value else { panic!("no signal") };
        assert_eq!(file.values(&Region::new("chr1", 5, 6)).unwrap(), [2.5]);
        assert_eq!(file.columns(&Region::new("chrM", 1, 2), 1).unwrap()[0].max, 3.0);
        let bases = write("a.fa", ">CM000663.2\nACGTACGT\n");
        let Track::Sequence(mut file) = open(&bases, None, &genome).unwrap().value else { panic!("no sequence") };
        assert_eq!(file.bases(&Region::new("chr1", 1, 4)).unwrap(), b"CGT");
        let peaks = write("a.bed", "J01415.2\t3\t8\tx\n");
        let Track::Features(features) = open(&peaks, None, &genome).unwrap().value else { panic!("no features") };
        assert_eq!(features.overlapping(&Region::new("chrM", 0, 9)).count(), 1);
        let other = open(&write("b.bedgraph", "NC_000001.11 5 900 2.5\n"), None, &genome).unwrap();
        assert!(other.warnings[0].contains("another assembly?"), "{:?}", other.warnings);
    }
}
