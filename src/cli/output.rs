//! Results of many inputs as one `.npz` or `.tsv`, with what made them.

use super::Failure;
use super::input::Inputs;
use crate::genome::{Stretch, Window};
use crate::models::{Manifest, Model, OutputKind, probability};
use crate::tracks::{Array, NpzRows, TrackError, Values, clean_text, write_whole};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where results go.
pub(super) enum Output {
    /// Arrays by name.
    Npz(NpzRows),
    /// Lines with their columns.
    Tsv(Table),
}

/// A table under way.
pub(super) struct Table {
    path: PathBuf,
    columns: Vec<String>,
    rows: String,
}

impl Output {
    /// By the ending of the name; that it can be written shows before the work begins.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("npz") => Ok(Self::Npz(NpzRows::new(path)?)),
            Some("tsv") => {
                NpzRows::new(path)?;
                Ok(Self::Tsv(Table { path: path.to_owned(), columns: Vec::new(), rows: String::new() }))
            }
            _ => Err(Failure::Usage(format!("--out {}: it ends in .npz or .tsv", path.display()))),
        }
    }

    /// Writes everything: `windows` are the places of the inputs `kept`, `provenance` what made the results; `named` are arrays of their
    /// own among the rows.
    pub(super) fn finish(
        self,
        inputs: &Inputs,
        (kept, windows): (&[usize], &[Window]),
        named: Vec<(&'static str, Array)>,
        provenance: &str,
    ) -> Result<(), Failure> {
        match self {
            Self::Npz(rows) => {
                let mut others = places(inputs, kept, windows);
                others.extend(named);
                others.push(("provenance", Array { shape: Vec::new(), values: Values::Text(vec![provenance.to_owned()]) }));
                rows.finish(&others.iter().map(|(name, array)| (*name, array)).collect::<Vec<_>>())?;
            }
            Self::Tsv(table) => {
                let path = &table.path;
                let text = format!("# {}\n{}\n{}", clean_text(provenance), table.columns.join("\t"), table.rows);
                write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?;
            }
        }
        Ok(())
    }
}

impl Table {
    /// Appends a line; every line names the same columns in the same order.
    pub(super) fn push(&mut self, fields: Vec<(String, String)>) {
        if self.columns.is_empty() {
            self.columns = fields.iter().map(|(name, _)| clean_text(name).into_owned()).collect();
        }
        let values: Vec<String> = fields.iter().map(|(_, value)| clean_text(value).into_owned()).collect();
        self.rows.push_str(&values.join("\t"));
        self.rows.push('\n');
    }
}

/// `output`: what the published network returns. Where that is not F, F beside it: the `logit` of a classifier, or `score`.
pub(super) fn push_output(rows: &mut NpzRows, model: &dyn Model, score: f64) -> Result<(), TrackError> {
    let published = model.published_output(score);
    let one = |value: f64| Array::f32(&[1], vec![value as f32]);
    rows.push("output", &Array::f32(&[published.len()], published.iter().map(|y| *y as f32).collect()))?;
    let is_classifier = model.manifest().output.kind == OutputKind::Binary;
    // By what the network is, not by this value: every row has the same arrays.
    let is_score = [-0.5, 0.5].iter().all(|&score| model.published_output(score) == [score]);
    if !is_score {
        rows.push(if is_classifier { "logit" } else { "score" }, &one(score))?;
    }
    if is_classifier { rows.push("probability", &one(probability(score))) } else { Ok(()) }
}

/// What made the results: program, command, model and input.
pub(super) fn provenance(command: &str, manifest: &Manifest, inputs: &Inputs) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let Manifest { name, architecture, hash, .. } = manifest;
    let input = match inputs {
        Inputs::Arrays(_) => "plain arrays".to_owned(),
        Inputs::Genes(genes) => {
            let sample = genes.session.samples.get(genes.sample.0).map_or("", |s| s.name.as_str());
            let genome = genes.session.genome.name.as_str();
            let note = genes.session.note.as_str();
            let parts = [("sample ", sample), ("genome ", genome), ("", note)];
            let parts = parts.iter().filter(|(_, text)| !text.is_empty());
            parts.map(|(what, text)| format!("{what}{text}")).collect::<Vec<_>>().join(", ")
        }
    };
    format!("cislens {version} {command}; model {name} ({architecture}) {hash}; {input}")
}

/// Columns that say which gene a line is about and what the network read: 0-based, half-open, in genome order.
pub(super) fn place(inputs: &Inputs, i: usize, window: &Window) -> Vec<(String, String)> {
    let column = |name: &str, value: String| (name.to_owned(), value);
    match inputs {
        Inputs::Arrays(_) => vec![column("input", (i + 1).to_string())],
        Inputs::Genes(genes) => {
            let gene = genes.session.genome.genes.get(genes.genes[i]);
            vec![
                column("gene_id", gene.id.clone()),
                column("gene", gene.name.clone()),
                column("chrom", window.chrom().to_string()),
                column("start", window.start().to_string()),
                column("end", window.end().to_string()),
                column("strand", gene.strand.to_string()),
            ]
        }
    }
}

/// Arrays that say the same of `.npz` rows; `strand` is the direction in which the rows run.
fn places(inputs: &Inputs, kept: &[usize], windows: &[Window]) -> Vec<(&'static str, Array)> {
    let Inputs::Genes(genes) = inputs else { return Vec::new() };
    let whole = |values: Vec<i64>| Array { shape: vec![values.len()], values: Values::I64(values) };
    let of_gene = |text: fn(&crate::genome::Gene) -> &str| {
        let gene = |&i: &usize| text(genes.session.genome.genes.get(genes.genes[i])).to_owned();
        Array::text(kept.iter().map(gene).collect())
    };
    let mut places = vec![
        ("gene", of_gene(|gene| &gene.name)),
        ("gene_id", of_gene(|gene| &gene.id)),
        ("chrom", Array::text(windows.iter().map(|w| w.chrom().to_string()).collect())),
        ("start", whole(windows.iter().map(|w| w.start()).collect())),
        ("end", whole(windows.iter().map(Window::end).collect())),
        ("strand", Array::text(windows.iter().map(|w| w.strand().to_string()).collect())),
    ];
    let stretches = windows.first().map_or(1, |w| w.stretches().count());
    if stretches > 1 {
        // Rows join stretches of the genome: `start` and `end` are the lowest and highest base of all, these are each one's.
        let of_each = |edge: fn(&Stretch) -> i64| {
            let values = windows.iter().flat_map(|w| w.stretches().map(edge)).collect();
            Array { shape: vec![windows.len(), stretches], values: Values::I64(values) }
        };
        places.extend([("stretch_start", of_each(|s| s.start)), ("stretch_end", of_each(Stretch::end))]);
    }
    places
}
