//! What variants do to a prediction: F with the other allele minus F with the reference, for every gene whose window holds them.

use crate::attribution::kernels::{self, evaluator, plain};
use crate::attribution::{AttributionError, Run};
use crate::genome::{Region, Strand, Window, complement};
use crate::models::{EditedSource, Input, Model, ModelError, edit_obstacle};
use crate::session::{Edit, Readers, SampleId};
use crate::tracks::Variant;
use serde::{Deserialize, Serialize};

/// One alternative allele of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allele {
    /// Index of the variant in its file.
    pub variant: usize,
    /// Identifier, empty where there is none.
    pub id: String,
    /// What it changes, alleles on the forward strand; or why it cannot be scored.
    pub edit: Result<Edit, String>,
    /// As the file has it: `chr1:20,001 A>G`.
    pub name: String,
    /// Where it begins.
    pub position: u64,
    /// The file's reference and alternative allele.
    pub alleles: (String, String),
}

/// What an allele does to F.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// F with the reference allele.
    pub reference: f64,
    /// F with the other.
    pub alternative: f64,
}

impl Effect {
    /// How much F changes.
    pub fn change(self) -> f64 {
        self.alternative - self.reference
    }
}

/// Every alternative allele of variants, in their order. Symbolic alleles, breakends and alleles with other letters than A, C, G, T
/// stay in the list with the reason why they are not scored.
pub fn alleles(variants: &[Variant]) -> Vec<Allele> {
    let mut found = Vec::new();
    for (i, variant) in variants.iter().enumerate() {
        for to in &variant.alternatives {
            let position = crate::genome::thousands(variant.position + 1);
            found.push(Allele {
                variant: i,
                id: variant.id.clone(),
                edit: edit_of(variant, to),
                name: format!("{}:{position} {}>{to}", variant.chrom, variant.reference),
                position: variant.position,
                alleles: (variant.reference.clone(), to.clone()),
            });
        }
    }
    found
}

fn edit_of(variant: &Variant, to: &str) -> Result<Edit, String> {
    let is_letters = |allele: &str| allele.bytes().all(|b| b.is_ascii_alphabetic());
    let is_bases = |allele: &str| allele.bytes().all(|b| b"ACGT".contains(&b.to_ascii_uppercase()));
    if !is_letters(to) {
        return Err(format!("{to} is a symbolic allele"));
    }
    if !is_bases(to) || !is_bases(&variant.reference) {
        return Err("an allele has other letters than A, C, G, T".to_owned());
    }
    let reference = variant.reference.to_ascii_uppercase();
    if reference == to.to_ascii_uppercase() {
        return Err("both alleles are the same".to_owned());
    }
    let region = Region::new(variant.chrom.as_str(), variant.position, variant.position + reference.len() as u64);
    Ok(Edit::bases(region, Some(reference.as_bytes()), to.as_bytes()))
}

/// The alleles of a chromosome by place, so that those of a window are found without looking at all.
pub struct AlleleIndex {
    order: Vec<usize>,
    longest: u64,
}

impl AlleleIndex {
    /// Sorts alleles by chromosome and place.
    pub fn new(alleles: &[Allele]) -> Self {
        let mut order: Vec<usize> = (0..alleles.len()).filter(|&i| alleles[i].edit.is_ok()).collect();
        order.sort_by(|&a, &b| Self::key(&alleles[a]).cmp(&Self::key(&alleles[b])));
        let longest = alleles.iter().filter_map(|a| a.edit.as_ref().ok()).map(|e| e.region.len()).max().unwrap_or(0);
        Self { order, longest }
    }

    fn key(allele: &Allele) -> (&str, u64) {
        allele.edit.as_ref().map_or(("", 0), |edit| (&*edit.region.chrom, edit.region.start))
    }

    /// Those that change what a network reads in a window, in the order of the file.
    pub fn inside(&self, alleles: &[Allele], model: &dyn Model, window: &Window) -> Vec<usize> {
        let from = (&**window.chrom(), (window.start().max(0) as u64).saturating_sub(self.longest));
        let to = (&**window.chrom(), window.end().max(0) as u64);
        let first = self.order.partition_point(|&i| Self::key(&alleles[i]) < from);
        let last = self.order.partition_point(|&i| Self::key(&alleles[i]) < to);
        let is_read = |edit: &Edit| edit_obstacle(edit, model.manifest(), window, &[]).is_none();
        let mut inside: Vec<usize> =
            self.order[first..last].iter().copied().filter(|&i| alleles[i].edit.as_ref().is_ok_and(is_read)).collect();
        inside.sort_unstable();
        inside
    }
}

/// Scores edits of one window, each for itself; those whose reference allele is not that of the genome get the reason. Substitutions
/// go through the network's exact kernel; bases that are put in or taken out, and networks that read motif scores, through the whole
/// network.
///
/// # Errors
/// Where the window cannot be read, or something newer is wanted.
pub fn effects(
    model: &dyn Model,
    readers: &mut Readers,
    sample: SampleId,
    window: &Window,
    edits: &[&Edit],
    run: &Run<'_>,
) -> Result<Vec<Result<Effect, String>>, AttributionError> {
    let manifest = model.manifest();
    let input = Input::assemble(manifest, window, &mut EditedSource::new(readers, sample, manifest, window, &[]))?;
    run.step()?;
    let evaluator = evaluator(model, &input)?;
    let reference = evaluator.score();
    let mut found: Vec<Result<Effect, String>> = Vec::with_capacity(edits.len());
    let mut substitutions: Vec<(usize, kernels::Edit)> = Vec::new();
    for (i, edit) in edits.iter().enumerate() {
        run.step()?;
        if let Err(reason) = check_reference(readers, edit)? {
            found.push(Err(reason));
            continue;
        }
        let mut alternative = f64::NAN;
        if edit.growth() == 0 && manifest.input.tfs.is_empty() {
            substitutions.push((i, substitution(edit, window)));
        } else {
            let edit = [(*edit).clone()];
            let mut edited = input.clone();
            edited.read_bases_again(manifest, &mut EditedSource::new(readers, sample, manifest, window, &edit))?;
            alternative = plain(model, &edited)?.score();
        }
        found.push(Ok(Effect { reference, alternative }));
    }
    for some in substitutions.chunks(evaluator.chunk().max(1)) {
        run.step()?;
        let edits: Vec<kernels::Edit> = some.iter().map(|(_, edit)| edit.clone()).collect();
        for ((i, _), delta) in some.iter().zip(evaluator.deltas(&edits)?) {
            found[*i] = Ok(Effect { reference, alternative: reference + delta });
        }
    }
    Ok(found)
}

/// Whether the genome has the reference allele.
fn check_reference(readers: &mut Readers, edit: &Edit) -> Result<Result<(), String>, AttributionError> {
    let crate::session::Change::Bases { reference: Some(reference), .. } = &edit.change else { return Ok(Ok(())) };
    let len = readers.session().genome.chroms.len_of(&edit.region.chrom).unwrap_or(0);
    if edit.region.end > len {
        return Ok(Err(format!("it ends after {}, which has {len} bases", edit.region.chrom)));
    }
    let there = readers.bases(&edit.region).map_err(ModelError::from)?.unwrap_or_default();
    Ok(match there == reference.as_bytes() {
        true => Ok(()),
        false => Err(format!("the reference has {}", String::from_utf8_lossy(&there[..there.len().min(40)]))),
    })
}

/// A substitution at every index at which the network reads its bases.
fn substitution(edit: &Edit, window: &Window) -> kernels::Edit {
    let crate::session::Change::Bases { to, .. } = &edit.change else { return kernels::Edit::default() };
    let is_reverse = window.strand() == Strand::Reverse;
    let turned = |base: u8| if is_reverse { complement(base) } else { base };
    let at = |(i, base): (usize, u8)| {
        let indices: Vec<u64> = window.indices(edit.region.start as i64 + i as i64).collect();
        indices.into_iter().map(move |index| (index as usize, turned(base)))
    };
    kernels::Edit { bases: to.bytes().enumerate().flat_map(at).collect(), marks: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(position: u64, reference: &str, alternatives: &[&str]) -> Variant {
        Variant {
            chrom: "chr1".to_owned(),
            position,
            id: String::new(),
            reference: reference.to_owned(),
            alternatives: alternatives.iter().map(|&a| a.to_owned()).collect(),
            quality: None,
            end: position + reference.len() as u64,
        }
    }

    #[test]
    fn every_allele_is_an_edit_or_says_why_it_is_none() {
        let found =
            alleles(&[variant(9, "A", &["C", "<DEL>", "AGG", "N"]), variant(20, "ACN", &["A"]), variant(30, "A", &["*", "a"])]);
        let said: Vec<String> =
            found.iter().map(|a| a.edit.as_ref().map_or_else(|reason| reason.clone(), Edit::to_string)).collect();
        assert_eq!(
            said,
            [
                "chr1:10 A>C",
                "<DEL> is a symbolic allele",
                "chr1:10 A>AGG",
                "an allele has other letters than A, C, G, T",
                "an allele has other letters than A, C, G, T",
                "* is a symbolic allele",
                "both alleles are the same",
            ]
        );
        assert_eq!((found[2].variant, found[2].name.as_str()), (0, "chr1:10 A>AGG"));
    }

    #[test]
    fn a_variant_on_a_minus_strand_gene_is_read_as_its_complement_in_every_copy() {
        let window = Window::around("chr1", 100, Strand::Reverse, 10, 30).joined(95, 5, 10);
        let edit = Edit::bases(Region::new("chr1", 99, 101), Some(b"AC"), b"GT");
        // 100 is read at 10 and 99 at 11; the second stretch reads them at 30 + 0 and 30 + 1.
        assert_eq!(substitution(&edit, &window).bases, [(11, b'C'), (31, b'C'), (10, b'A'), (30, b'A')]);
    }
}
