//! Which genes a model learnt from: a table beside its weights, so that it is judged on others.

use super::{Dataset, Split, SplitPlan, TrainingError};
use crate::tracks::{TrackError, clean_text, write_whole};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Its name in a model's folder.
pub const PARTS: &str = "genes.tsv";
const MAX_BYTES: u64 = 1 << 28;

/// What a gene was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Learnt from.
    Train,
    /// Said when to stop.
    Valid,
    /// Not seen.
    Test,
}

/// The part of each gene, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    of: BTreeMap<String, Part>,
}

impl Parts {
    /// The parts of a split.
    pub fn new(data: &Dataset, split: &Split) -> Self {
        let parts = [(&split.train, Part::Train), (&split.valid, Part::Valid), (&split.test, Part::Test)];
        let of = parts.iter().flat_map(|(indices, part)| indices.iter().map(|i| (data.examples[*i].gene.clone(), *part)));
        Self { of: of.collect() }
    }

    /// The part of a gene, if the model knows it.
    pub fn part(&self, gene: &str) -> Option<Part> {
        self.of.get(gene).copied()
    }

    /// Ids of the genes of a part.
    pub fn genes(&self, part: Part) -> impl Iterator<Item = &String> {
        self.of.iter().filter(move |(_, of)| **of == part).map(|(gene, _)| gene)
    }

    /// Writes the table into a model's folder.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, folder: &Path, plan: &SplitPlan) -> Result<(), TrainingError> {
        let mut text = format!("# {}\ngene_id\tpart\n", clean_text(&plan.to_string()));
        for (gene, part) in &self.of {
            let part = match part {
                Part::Train => "train",
                Part::Valid => "valid",
                Part::Test => "test",
            };
            text += &format!("{}\t{part}\n", clean_text(gene));
        }
        let path = folder.join(PARTS);
        let written = write_whole(&path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(&path, e)));
        written.map_err(|e| TrainingError::Write(e.to_string()))
    }

    /// Reads the table of a model's folder; `None` where it has none.
    ///
    /// # Errors
    /// Where a line is not a gene and a part.
    pub fn read(folder: &Path) -> Result<Option<Self>, TrainingError> {
        let path = folder.join(PARTS);
        if !path.exists() {
            return Ok(None);
        }
        let error = |reason: String| TrainingError::Data(format!("{}: {reason}", path.display()));
        let bytes = std::fs::metadata(&path).map_err(|e| error(e.to_string()))?.len();
        if bytes > MAX_BYTES {
            return Err(error(format!("{bytes} bytes are more than {MAX_BYTES}")));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| error(e.to_string()))?;
        let mut parts = Self::default();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && *line != "gene_id\tpart") {
            let part = match line.split_once('\t') {
                Some((gene, "train")) => (gene, Part::Train),
                Some((gene, "valid")) => (gene, Part::Valid),
                Some((gene, "test")) => (gene, Part::Test),
                _ => return Err(error(format!("line {}: not a gene and train, valid or test", i + 1))),
            };
            parts.of.insert(part.0.to_owned(), part.1);
        }
        Ok(Some(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written() {
        let of = [("b", Part::Train), ("a", Part::Valid), ("c", Part::Test)];
        let parts = Parts { of: of.map(|(gene, part)| (gene.to_owned(), part)).into() };
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Parts::read(folder.path()).unwrap(), None);
        parts.write(folder.path(), &SplitPlan::Random("80/10/10".parse().unwrap())).unwrap();
        assert_eq!(Parts::read(folder.path()).unwrap(), Some(parts.clone()));
        assert_eq!((parts.part("c"), parts.part("d")), (Some(Part::Test), None));
        std::fs::write(folder.path().join(PARTS), "a\ttrain\nb\ttested\n").unwrap();
        assert!(
            Parts::read(folder.path())
                .unwrap_err()
                .to_string()
                .ends_with("genes.tsv: line 2: not a gene and train, valid or test")
        );
    }
}
