//! The text of `session.toml`. Paths are relative to its folder.

use super::saved::{BookmarkEntry, FormulaEntry, RegionEntry, ViewEntry};
use crate::genome::TssChoice;
use crate::tracks::SignalUnit;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The contents of `session.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFile {
    /// Version of this layout: 2; 1 is read too, and saved as 2.
    pub version: u32,
    /// Shown in the header: simulated data says so here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Where to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locus: Option<String>,
    /// The reference.
    #[serde(default)]
    pub genome: GenomeEntry,
    /// Cell types or tissues.
    #[serde(default, rename = "sample", skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<SampleEntry>,
    /// Rows to draw, and the signals models read.
    #[serde(default, rename = "track", skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<TrackEntry>,
    /// Folders with `model.toml`.
    #[serde(default, rename = "model", skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelEntry>,
    /// How it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewEntry>,
    /// Places by letter.
    #[serde(default, rename = "bookmark", skip_serializing_if = "Vec::is_empty")]
    pub bookmarks: Vec<BookmarkEntry>,
    /// Regions of interest.
    #[serde(default, rename = "region", skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionEntry>,
    /// Rows of arithmetic.
    #[serde(default, rename = "row", skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<FormulaEntry>,
}

/// The reference genome. Where neither sizes, sequence nor genes are given, bin tables make one of their genes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenomeEntry {
    /// Assembly (`hg38`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Lets models read the DNA of this assembly although they were trained on another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assume_assembly: bool,
    /// Two columns: chromosome, length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<PathBuf>,
    /// Other names of the chromosomes, as accessions: UCSC's `chromAlias.txt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<PathBuf>,
    /// Indexed FASTA, plain or bgzip; 2bit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fasta: Option<PathBuf>,
    /// GTF or GFF3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genes: Option<PathBuf>,
    /// Motifs that seqlets are compared with (MEME or HOMER); those the program carries where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motifs: Option<PathBuf>,
    /// `mane`, `canonical` or `5prime`.
    #[serde(default, with = "tss_choice")]
    pub tss: TssChoice,
}

/// A cell type or tissue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleEntry {
    /// Name.
    pub name: String,
    /// Measured expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<ExpressionEntry>,
    /// Expression of transcription factors by their symbols, for networks that read it; from `expression` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tf_expression: Option<ExpressionEntry>,
}

/// Where a sample's expression stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpressionEntry {
    /// A matrix, RSEM, Salmon or any table with a header.
    pub file: PathBuf,
    /// Column of values; guessed from the kind of table where absent (the sample's name in a matrix, TPM in RSEM and Salmon).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Column of gene ids; guessed where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_column: Option<String>,
    /// Transcript to gene, for Salmon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcripts: Option<PathBuf>,
    /// `TPM`, `count`, ...: shown, and what a model's target is made from.
    #[serde(default = "tpm")]
    pub unit: String,
}

fn tpm() -> String {
    "TPM".to_owned()
}

/// One file drawn as a row, or (bin tables) as one row a mark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackEntry {
    /// The file.
    pub file: PathBuf,
    /// Name of the row; the mark, or the file's stem, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The sample it was measured in; a track without one is shown with every sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// The mark models know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// What its numbers are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalUnit>,
    /// Name of a format; from the file's name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Bin tables have no header: the mark of each count column, in file order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// bedMethyl: least reads of a site, both strands together; 5 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_coverage: Option<u32>,
    /// Bin tables: bases per bin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bin_size: Option<u64>,
}

/// A model's folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// Folder with `model.toml` and `model.safetensors`.
    pub path: PathBuf,
}

mod tss_choice {
    use crate::genome::TssChoice;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `with` passes a reference to the field")]
    pub fn serialize<S: Serializer>(choice: &TssChoice, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(match choice {
            TssChoice::Mane => "mane",
            TssChoice::Canonical => "canonical",
            TssChoice::FivePrime => "5prime",
        })
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<TssChoice, D::Error> {
        match String::deserialize(d)?.as_str() {
            "mane" => Ok(TssChoice::Mane),
            "canonical" => Ok(TssChoice::Canonical),
            "5prime" => Ok(TssChoice::FivePrime),
            other => Err(D::Error::custom(format!("tss \"{other}\" is none of mane, canonical, 5prime"))),
        }
    }
}
