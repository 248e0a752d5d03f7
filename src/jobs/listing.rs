//! Genes by what a model makes of them, worked out one after the other: prediction error, change between samples or models,
//! attribution of an input, disagreement of two explanations.

use super::Subject;
use crate::attribution::{AttributionError, method};
use crate::genome::{GeneId, Region};
use crate::models::{Model, OutputKind, measured_output};
use crate::regulation::disagreement::{Anchor, Side, disagreement};
use crate::session::{Readers, SampleId};

/// What genes are listed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Predicted less measured, in the unit of the output.
    Error,
    /// The output here less the output there.
    Difference,
    /// The sum of an input's attributions over the window.
    Attribution(String),
    /// The distance of two explanations, and where they are furthest apart.
    Disagreement,
}

/// A model, a sample and a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListingSide {
    /// Index of the model in the session.
    pub model: usize,
    /// The sample.
    pub sample: SampleId,
    /// Name of the method.
    pub method: &'static str,
}

/// What is listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// In words.
    pub title: String,
    /// By what.
    pub by: By,
    /// Here.
    pub here: ListingSide,
    /// There, where two are compared.
    pub there: ListingSide,
    /// The genes.
    pub genes: Vec<GeneId>,
}

/// A gene of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The gene.
    pub gene: GeneId,
    /// What it is listed by; NaN where that cannot be said.
    pub value: f64,
    /// Where to look, and what is to be seen there.
    pub place: Option<(Region, String)>,
}

impl Listing {
    /// What a gene is listed by.
    pub(super) fn judge(
        &self,
        gene: GeneId,
        [here, there]: [&dyn Model; 2],
        readers: &mut Readers,
        is_current: &dyn Fn() -> bool,
    ) -> Result<Listed, AttributionError> {
        let listed = |value| Listed { gene, value, place: None };
        let output = |model: &dyn Model, sample: SampleId, readers: &mut Readers| -> Result<f64, AttributionError> {
            let session = readers.session().clone();
            let window = model.manifest().window_of(session.genome.genes.get(gene), session.genome.tss);
            let subject = Subject { model: 0, sample, gene, window, edits: std::sync::Arc::default() };
            let predicted = super::predict(model, &subject, readers);
            Ok(predicted.map_err(AttributionError::NotApplicable)?.0.output)
        };
        let explain = |side: &ListingSide, model: &dyn Model, readers: &mut Readers| {
            let method =
                method(side.method).ok_or_else(|| AttributionError::NotApplicable(format!("no method {}", side.method)))?;
            Side { model, sample: side.sample, method }.explain(readers, gene, is_current)
        };
        Ok(match &self.by {
            By::Error => {
                let session = readers.session().clone();
                let measured = measured_output(&session, here.manifest(), self.here.sample, gene);
                let Some(measured) = measured else { return Ok(listed(f64::NAN)) };
                listed(output(here, self.here.sample, readers)? - measured)
            }
            By::Difference => listed(output(here, self.here.sample, readers)? - output(there, self.there.sample, readers)?),
            By::Attribution(label) => {
                let (_, blocks) = explain(&self.here, here, readers)?;
                let sum = blocks.sums().find(|(of, _)| of == label).map(|(_, sum)| sum);
                listed(sum.unwrap_or(f64::NAN))
            }
            By::Disagreement => {
                let (_, a) = explain(&self.here, here, readers)?;
                let (_, b) = explain(&self.there, there, readers)?;
                let Some(found) = disagreement(&a, &b) else { return Ok(listed(f64::NAN)) };
                let genome = &readers.session().genome;
                let region = Anchor::of(genome.genes.get(gene), genome.tss).region(found.place.block);
                let (label, here, there) = (&found.place.label, found.place.here, found.place.there);
                let note = format!(
                    "{label} at {region}: share {here:+.3} here, {there:+.3} there \u{b7} distance {:.2}",
                    found.distance
                );
                Listed { gene, value: found.distance, place: Some((region, note)) }
            }
        })
    }
}

/// Whether the outputs of two models are in one unit.
pub fn is_one_unit(here: &crate::models::Manifest, there: &crate::models::Manifest) -> bool {
    let unit = |m: &crate::models::Manifest| match m.output.kind {
        OutputKind::Regression => (true, m.output.unit.clone(), m.output.pseudocount.to_bits()),
        OutputKind::Binary => (false, m.output.unit.clone(), 0),
    };
    unit(here) == unit(there)
}
