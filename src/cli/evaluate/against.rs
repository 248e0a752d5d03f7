//! What a model is compared with: another model, a table of predictions made elsewhere, or a baseline.

use super::super::Failure;
use super::super::input::find_model;
use crate::models::{Model, load_model, missing_input};
use crate::session::{Readers, Session};
use crate::tracks::read_text_or_pipe;
use crate::training::{Baseline, Dataset, Scores, baseline_scores, predict};
use anyhow::{Context, anyhow};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAX_BYTES: u64 = 1 << 28;

/// One of them, opened.
pub(super) enum Other {
    Model(Box<dyn Model>),
    Table { path: PathBuf, scores: BTreeMap<String, f64> },
    Baseline(&'static Baseline),
}

pub(super) fn open(names: &[PathBuf], session: &Session) -> Result<Vec<Other>, Failure> {
    let one = |name: &PathBuf| {
        if let Some(baseline) = name.to_str().and_then(Baseline::named) {
            return Ok(Other::Baseline(baseline));
        }
        if name.extension().is_some_and(|e| e == "tsv") {
            return Ok(Other::Table { path: name.clone(), scores: read_table(name)? });
        }
        let folder = find_model(name, session)?;
        Ok(Other::Model(load_model(&folder, &candle_core::Device::Cpu)?))
    };
    names.iter().map(one).collect()
}

impl Other {
    /// Its scores of the genes at `genes`.
    #[expect(clippy::too_many_arguments, reason = "what a baseline learns from and what a model reads")]
    pub fn scores(
        &self,
        session: &Session,
        sample: &str,
        data: &Dataset,
        train: &[usize],
        genes: &[usize],
        targets: &[f64],
        seed: u64,
    ) -> Result<Scores, Failure> {
        match self {
            Self::Baseline(baseline) => Ok(baseline_scores(baseline, data, train, genes, targets, seed)?),
            Self::Table { path, scores } => {
                let value = |i: &usize| {
                    let gene = &data.examples[*i].gene;
                    let found = scores.get(gene).or_else(|| scores.get(gene.split('.').next().unwrap_or(gene)));
                    found.copied().ok_or_else(|| anyhow!("{}: no prediction of gene {gene}", path.display()))
                };
                let name = path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                Ok(Scores { name, values: genes.iter().map(value).collect::<Result<_, _>>()? })
            }
            Self::Model(model) => {
                let manifest = model.manifest();
                let id = session.samples.iter().position(|s| s.name == sample).map_or(0, |i| i);
                let id = crate::session::SampleId(id);
                if let Some(reason) = missing_input(session, id, manifest) {
                    return Err(Failure::Usage(format!("model {}: {reason}", manifest.name)));
                }
                // Its window and inputs are its own.
                let mut readers = Readers::new(Arc::new(session.clone()));
                let own = Dataset::read(&mut readers, &[id], manifest, &mut |_, _| ControlFlow::Continue(()))?;
                let place: BTreeMap<&String, usize> = own.examples.iter().enumerate().map(|(i, e)| (&e.gene, i)).collect();
                let find = |i: &usize| {
                    let gene = &data.examples[*i].gene;
                    place.get(gene).copied().ok_or_else(|| anyhow!("model {} cannot read gene {gene}", manifest.name))
                };
                let indices: Vec<usize> = genes.iter().map(find).collect::<Result<_, _>>()?;
                Ok(Scores { name: manifest.name.clone(), values: predict(&**model, &own, &indices)? })
            }
        }
    }
}

/// Columns `gene_id` and `output` of a table with a header, as `cislens predict` writes it; `#` begins a remark.
fn read_table(path: &Path) -> Result<BTreeMap<String, f64>, Failure> {
    let place = || path.display().to_string();
    if std::fs::metadata(path).with_context(place)?.len() > MAX_BYTES {
        return Err(anyhow!("{}: more than {MAX_BYTES} bytes", path.display()).into());
    }
    let text = read_text_or_pipe(path).with_context(place)?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    let header: Vec<&str> = lines.next().map(|(_, line)| line.split('\t').collect()).unwrap_or_default();
    let column = |name: &str| {
        let found = header.iter().position(|h| *h == name);
        found.ok_or_else(|| anyhow!("{}: no column {name}; there are {}", path.display(), header.join(", ")))
    };
    let (gene, output) = (column("gene_id")?, column("output")?);
    let mut scores = BTreeMap::new();
    for (i, line) in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let value = fields.get(output).and_then(|text| text.parse::<f64>().ok()).filter(|x| x.is_finite());
        match (fields.get(gene), value) {
            (Some(gene), Some(value)) => scores.insert((*gene).to_owned(), value),
            _ => return Err(anyhow!("{}: line {}: no gene and finite number", path.display(), i + 1).into()),
        };
    }
    Ok(scores)
}
