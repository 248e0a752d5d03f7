//! Kinds of annotated elements, and which of a gene's bins touch them.

use super::super::Failure;
use super::super::input::GeneInputs;
use super::{EnrichArgs, OfGene};
use crate::genome::{ChromSizes, Gene, Region, Window};
use crate::models::Manifest;
use crate::regulation::attention::{cell, region_of};
use crate::regulation::enrichment::GeneBins;
use crate::tracks::{self, Feature, Features, Track, clean_text};
use std::collections::BTreeMap;
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

/// More classes than any segmentation or registry has; chromHMM's has 8 to 51 states.
const MOST_CLASSES: usize = 60;

/// The features of each class, where the file has such: the word that a name begins with, as chromHMM's states and the kinds of
/// ENCODE's cCREs. Names that are mostly each feature's own make no classes.
fn classes(features: &Features, genome: &ChromSizes) -> BTreeMap<String, Features> {
    let class = |feature: &Feature| feature.name.split(' ').next().unwrap_or_default().to_owned();
    let mut classes: BTreeMap<String, Vec<(String, Feature)>> = BTreeMap::new();
    for (chrom, feature) in features.iter() {
        classes.entry(class(feature)).or_default().push((chrom.to_string(), feature.clone()));
        if classes.len() > MOST_CLASSES {
            return BTreeMap::new();
        }
    }
    if classes.len() < 2 || 2 * classes.len() > features.len() {
        return BTreeMap::new();
    }
    classes.into_iter().map(|(class, features)| (class, Features::new(features, genome))).collect()
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
            let rule = rule(format.name);
            let classes = if rule == Rule::Any { classes(&features, &session.genome.chroms) } else { BTreeMap::new() };
            sets.push(Self { name: name.clone(), features, rule });
            for (class, features) in classes {
                sets.push(Self { name: format!("{name}: {class}"), features: Arc::new(features), rule });
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn classes_of(names: &[&str]) -> Vec<(String, usize)> {
        let genome = ChromSizes::parse("chr1\t1000\n").unwrap();
        let feature = |(i, name): (usize, &&str)| {
            let start = 10 * i as u64;
            ("chr1".to_owned(), Feature { start, end: start + 10, name: (*name).to_owned(), ..Feature::default() })
        };
        let features = Features::new(names.iter().enumerate().map(feature), &genome);
        classes(&features, &genome).into_iter().map(|(class, features)| (class, features.len())).collect()
    }

    #[test]
    fn states_and_kinds_are_classes_and_names_of_their_own_are_not() {
        let states = classes_of(&["1_TssA", "15_Quies", "1_TssA", "15_Quies", "15_Quies", "7_Enh"]);
        assert_eq!(states, [("15_Quies".to_owned(), 3), ("1_TssA".to_owned(), 2), ("7_Enh".to_owned(), 1)]);
        let kinds = classes_of(&["pELS EH1", "dELS EH2", "dELS EH3", "pELS EH4", "dELS EH5", "dELS EH6"]);
        assert_eq!(kinds, [("dELS".to_owned(), 4), ("pELS".to_owned(), 2)]);
        assert_eq!(classes_of(&["peak1", "peak2", "peak3"]), []);
        assert_eq!(classes_of(&["", "", ""]), [], "one class is the file");
        let many: Vec<String> = (0..200).map(|i| format!("state{}", i % 90)).collect();
        assert_eq!(classes_of(&many.iter().map(String::as_str).collect::<Vec<_>>()), [], "too many");
    }
}
