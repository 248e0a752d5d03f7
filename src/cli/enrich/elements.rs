//! Kinds of annotated elements, and which of a gene's bins touch them.

use super::super::Failure;
use super::super::input::GeneInputs;
use super::{EnrichArgs, OfGene};
use crate::genome::{Gene, Region, Window};
use crate::models::Manifest;
use crate::regulation::attention::{cell, region_of};
use crate::regulation::enrichment::GeneBins;
use crate::tracks::{self, Feature, Features, Track, clean_text};
use std::sync::Arc;

/// Bases around the TSS in which a promoter of EPD is the gene's.
const PROMOTER_REACH: u64 = 1_000;

/// A kind of element, and which of a gene's it holds.
pub(super) struct ElementSet {
    pub(super) name: String,
    features: Arc<Features>,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Promoters of the gene's strand within 1 kb of its TSS; bins beyond are not counted.
    Promoters,
    /// Enhancers linked to the gene; bins within 1 kb of the TSS are not counted.
    Enhancers,
    /// Whatever lies in the window.
    Any,
}

impl ElementSet {
    pub(super) fn open(args: &EnrichArgs, inputs: &GeneInputs) -> Result<Vec<Self>, Failure> {
        let rule = |format: &str| match format {
            "epd" => Rule::Promoters,
            "genehancer" => Rule::Enhancers,
            _ => Rule::Any,
        };
        let session = &inputs.session;
        let mut sets = Vec::new();
        if args.elements.is_empty() {
            let tracks = session.tracks_of(inputs.sample).filter(|(_, t)| t.kind == crate::session::TrackKind::Features);
            for (_, info) in tracks {
                let opened = tracks::open(&info.path, Some(&info.format), &session.genome.chroms)?;
                match opened.value {
                    Track::Features(features) => {
                        sets.push(Self { name: info.label.clone(), features, rule: rule(&info.format) });
                    }
                    _ => eprintln!("cislens: {}: {} is not read whole and left out", info.path.display(), info.format),
                }
            }
        }
        for path in &args.elements {
            let format = tracks::format_of(path, None)?;
            let opened = tracks::open(path, Some(format.name), &session.genome.chroms)?;
            opened.warnings.iter().for_each(|warning| eprintln!("cislens: {}", clean_text(warning)));
            let Track::Features(features) = opened.value else {
                return Err(Failure::Usage(format!(
                    "--elements {}: {} is no file of intervals read whole (of an indexed one, a part as BED)",
                    path.display(),
                    format.name
                )));
            };
            let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            sets.push(Self { name, features, rule: rule(format.name) });
        }
        Ok(sets)
    }

    fn holds(&self, feature: &Feature, gene: &Gene, tss: u64) -> bool {
        match self.rule {
            Rule::Promoters => {
                let near = feature.start <= tss + PROMOTER_REACH && tss <= feature.end + PROMOTER_REACH;
                near && feature.strand.is_none_or(|strand| strand == gene.strand)
            }
            Rule::Enhancers => {
                feature.genes.iter().any(|(name, _)| *name == gene.name || *name == gene.id || name == gene.unversioned_id())
            }
            Rule::Any => true,
        }
    }

    /// A gene's bins and the elements they touch.
    pub(super) fn bins(&self, of: &OfGene, gene: &Gene, tss: u64, manifest: &Manifest, window: &Window) -> GeneBins {
        let n = of.n_bins();
        let cells: Vec<Region> = (0..n).map(|bin| region_of(window, &cell(manifest, n, bin))).collect();
        let (from, to) = (window.start().max(0) as u64, window.end().max(0) as u64);
        let here = self.features.overlapping(&Region::new(window.chrom().clone(), from, to));
        let touched =
            |f: &Feature| -> Vec<usize> { (0..n).filter(|&bin| cells[bin].start < f.end && f.start < cells[bin].end).collect() };
        let elements = here.filter(|f| self.holds(f, gene, tss)).map(touched).filter(|bins| !bins.is_empty()).collect();
        let is_near = |cell: &Region| cell.start <= tss + PROMOTER_REACH && tss <= cell.end + PROMOTER_REACH;
        let universe = match self.rule {
            Rule::Promoters => Some(cells.iter().map(is_near).collect()),
            Rule::Enhancers => Some(cells.iter().map(|c| !is_near(c)).collect()),
            Rule::Any => None,
        };
        GeneBins { called: of.any(), attention: of.largest(), elements, universe }
    }
}
