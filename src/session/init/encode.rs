//! ENCODE's `metadata.tsv`: what the files of a batch download are. The files lie beside it, named by their accession.

use super::names;
use crate::tracks::{SignalUnit, read_text};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A batch of every experiment of ENCODE has some 400 MB.
const MOST_BYTES: u64 = 1 << 30;

/// One downloaded file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EncodeFile {
    pub path: PathBuf,
    pub accession: String,
    pub content: Content,
    /// Biosample, the session's sample.
    pub sample: String,
    /// What was measured; empty for expression.
    pub mark: String,
    /// By UCSC's name; empty where it is not said.
    pub assembly: String,
    /// Of several files of one mark and sample the lowest is read by models.
    pub rank: (usize, usize, String),
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Signal(Option<SignalUnit>),
    /// A format of intervals.
    Features(&'static str),
    Expression,
}

/// Whether a table begins as ENCODE's metadata do.
pub(super) fn is_metadata(first_line: &str) -> bool {
    first_line.split('\t').next().is_some_and(|name| name.trim_matches('"') == "File accession")
}

/// Files of the table that lie beside it and can be shown, with remarks about those that cannot.
pub(super) fn read(table: &Path) -> Result<(Vec<EncodeFile>, Vec<String>), String> {
    let len = std::fs::metadata(table).map_err(|e| e.to_string())?.len();
    if len > MOST_BYTES {
        return Err(format!("{len} bytes are more than any metadata"));
    }
    let text = read_text(table).map_err(|e| e.to_string())?;
    let beside = beside(table.parent().unwrap_or(Path::new(".")))?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').map(|name| name.trim_matches('"')).collect();
    let column = |name: &str| header.iter().position(|h| *h == name);
    let needed = |name: &str| column(name).ok_or_else(|| format!("no column \"{name}\""));
    let (accession, output_type) = (needed("File accession")?, needed("Output type")?);
    let format = column("File format").or(column("File type")).ok_or("no column \"File format\"")?;
    let (assay, target) = (needed("Assay")?, column("Experiment target"));
    let (biosample, assembly) = (needed("Biosample term name")?, column("File assembly"));
    let replicates = column("Biological replicate(s)");
    let (mut files, mut remarks, mut absent) = (Vec::new(), Vec::new(), 0);
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').map(|field| field.trim_matches('"')).collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let optional = |at: Option<usize>| at.map_or("", field);
        let Some(path) = beside.get(field(accession)) else {
            absent += 1;
            continue;
        };
        // `bed narrowPeak` is one column in some tables and two in others.
        let kind = format!("{} {}", field(format), optional(column("File format type")));
        let Some((content, rank)) = content(&kind, field(output_type)) else {
            remarks.push(format!("{}: {} of {} is not shown", path.display(), field(output_type), field(format)));
            continue;
        };
        let mark = match content {
            Content::Expression => String::new(),
            _ => mark(field(assay), optional(target)),
        };
        let n_replicates = optional(replicates).split(',').filter(|r| !r.trim().is_empty()).count();
        files.push(EncodeFile {
            path: path.clone(),
            accession: field(accession).to_owned(),
            content,
            sample: field(biosample).to_owned(),
            mark,
            assembly: names::assembly(optional(assembly)).unwrap_or(optional(assembly)).to_owned(),
            // Pooled replicates before single ones.
            rank: (rank, usize::MAX - n_replicates, field(accession).to_owned()),
        });
    }
    if absent > 0 {
        remarks.push(format!("{}: {absent} of its files are not beside it", table.display()));
    }
    Ok((files, remarks))
}

/// Files of a folder by the part of their name before the first dot.
fn beside(folder: &Path) -> Result<HashMap<String, PathBuf>, String> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(here).map_err(|e| format!("{}: {e}", here.display()))?;
    let paths = entries.filter_map(|entry| Some(folder.join(entry.ok()?.file_name())));
    // An index beside its file has the same stem and a longer name.
    let mut files: HashMap<String, PathBuf> = HashMap::new();
    for path in paths {
        let kept = files.entry(names::stem(&path)).or_insert_with(|| path.clone());
        if (path.as_os_str().len(), &path) < (kept.as_os_str().len(), kept) {
            *kept = path;
        }
    }
    Ok(files)
}

/// What a file holds and how good it is for a model among those of its mark.
fn content(format: &str, output_type: &str) -> Option<(Content, usize)> {
    let words: Vec<String> = format.split_whitespace().map(str::to_ascii_lowercase).collect();
    let has = |word: &str| words.iter().any(|w| w == word);
    if has("bigwig") {
        let (unit, rank) = match output_type {
            "fold change over control" => (Some(SignalUnit::FoldChange), 0),
            "signal p-value" => (Some(SignalUnit::NegLog10P), 1),
            "read-depth normalized signal" => (Some(SignalUnit::Rpm), 2),
            "raw signal" | "signal of all reads" | "signal of unique reads" => (Some(SignalUnit::Count), 3),
            _ => (None, 4),
        };
        return Some((Content::Signal(unit), rank));
    }
    if has("bed") {
        let format = match () {
            () if has("narrowpeak") => "narrowpeak",
            () if has("broadpeak") => "broadpeak",
            () => "bed",
        };
        return Some((Content::Features(format), 0));
    }
    (has("tsv") && output_type == "gene quantifications").then_some((Content::Expression, 0))
}

fn mark(assay: &str, target: &str) -> String {
    let target = target.rsplit_once('-').map_or(target, |(target, _organism)| target);
    let name = match (target, assay) {
        ("", "DNase-seq") => "DNase",
        ("", "ATAC-seq") => "ATAC",
        ("", "WGBS" | "RRBS" | "whole-genome shotgun bisulfite sequencing") => "5mC",
        ("", assay) => assay,
        (target, _) => target,
    };
    names::mark(name).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_beside_the_table_are_known_by_their_rows() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ENCFF1.bigWig", "ENCFF2.bigWig", "ENCFF3.bed.gz", "ENCFF4.tsv", "ENCFF5.bam"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let table = folder.path().join("metadata.tsv");
        let rows = [
            "File accession\tFile format\tFile assembly\tOutput type\tAssay\tBiosample term name\tExperiment target\tBiological replicate(s)",
            "ENCFF1\tbigWig\tGRCh38\tsignal p-value\tHistone ChIP-seq\tK562\tH3K4me3-human\t1, 2",
            "ENCFF2\tbigWig\tGRCh38\tfold change over control\tHistone ChIP-seq\tK562\tH3K4me3-human\t1, 2",
            "ENCFF3\tbed narrowPeak\tGRCh38\tpeaks\tDNase-seq\tK562\t\t1",
            "ENCFF4\ttsv\tGRCh38\tgene quantifications\tpolyA plus RNA-seq\tK562\t\t1",
            "ENCFF5\tbam\tGRCh38\talignments\tDNase-seq\tK562\t\t1",
            "ENCFF6\tbigWig\tGRCh38\tsignal p-value\tHistone ChIP-seq\tH1\tH3K4me1-human\t1",
        ];
        std::fs::write(&table, rows.join("\n")).unwrap();
        let (files, remarks) = read(&table).unwrap();
        let content: Vec<_> = files.iter().map(|f| (f.accession.as_str(), f.mark.as_str(), f.content.clone())).collect();
        assert_eq!(
            content,
            [
                ("ENCFF1", "H3K4me3", Content::Signal(Some(SignalUnit::NegLog10P))),
                ("ENCFF2", "H3K4me3", Content::Signal(Some(SignalUnit::FoldChange))),
                ("ENCFF3", "DNase", Content::Features("narrowpeak")),
                ("ENCFF4", "", Content::Expression),
            ]
        );
        assert!(files.iter().all(|f| f.sample == "K562" && f.assembly == "hg38"));
        assert!(files[1].rank < files[0].rank);
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(remarks[0].contains("ENCFF5.bam: alignments of bam is not shown"), "{remarks:?}");
        assert!(remarks[1].contains("1 of its files are not beside it"), "{remarks:?}");
        assert!(is_metadata(rows[0]) && !is_metadata("gene_id\tTPM"));
        std::fs::write(&table, "File accession\tx\n").unwrap();
        assert_eq!(read(&table).unwrap_err(), "no column \"Output type\"");
    }
}
