//! Intervals with names: peaks, promoters, enhancers.

use crate::genome::{ChromSizes, Region, Strand};
use std::collections::HashMap;
use std::sync::Arc;

/// One interval of an annotation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feature {
    /// First base, 0-based.
    pub start: u64,
    /// One past the last base.
    pub end: u64,
    /// Name, empty where the file has none.
    pub name: String,
    /// The file's score, if any.
    pub score: Option<f32>,
    /// Strand, if any.
    pub strand: Option<Strand>,
    /// The thick part of a BED feature (EPD: from the TSS).
    pub thick: Option<(u64, u64)>,
    /// The summit of a narrowPeak, an absolute position.
    pub summit: Option<u64>,
    /// Genes the feature is linked to, with the link's score (GeneHancer).
    pub genes: Vec<(String, Option<f32>)>,
    /// The colour the file gives it, red, green and blue (BED's `itemRgb`).
    pub colour: Option<[u8; 3]>,
    /// Parts it is made of, ascending, as the exons of a transcript (BED12); empty where it is whole.
    pub blocks: Vec<(u64, u64)>,
    /// The two places an arc joins; `None` where the feature is one interval.
    pub link: Option<Box<Link>>,
}

/// The two ends of an arc, as an enhancer and its gene.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The end on the feature's own chromosome.
    pub here: (u64, u64),
    /// The other end, which may lie on another chromosome.
    pub there: Region,
}

impl Feature {
    /// The base a reader jumps to: the summit, else the middle.
    pub fn anchor(&self) -> u64 {
        self.summit.unwrap_or(self.start + (self.end - self.start) / 2)
    }
}

/// The features of a file by chromosome, in order of start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    chroms: HashMap<Arc<str>, ChromFeatures>,
    /// The part of the genome these were read for; `None` is all of it.
    part: Option<Region>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ChromFeatures {
    features: Vec<Feature>,
    longest: u64,
}

impl Features {
    /// Sorts features by chromosome and start. Names are turned into the genome's where it knows them.
    pub fn new(features: impl IntoIterator<Item = (String, Feature)>, genome: &ChromSizes) -> Self {
        let mut chroms: HashMap<Arc<str>, ChromFeatures> = HashMap::new();
        for (chrom, feature) in features {
            let name = genome.resolve(&chrom).cloned().unwrap_or_else(|| chrom.into());
            let entry = chroms.entry(name).or_default();
            entry.longest = entry.longest.max(feature.end - feature.start);
            entry.features.push(feature);
        }
        for chrom in chroms.values_mut() {
            chrom.features.sort_by_key(|f| (f.start, f.end));
        }
        Self { chroms, part: None }
    }

    /// The same, read for a part of the genome only.
    pub fn within(self, part: Region) -> Self {
        Self { part: Some(part), ..self }
    }

    /// Whether everything the file has in `region` is here.
    pub fn covers(&self, region: &Region) -> bool {
        self.part.as_ref().is_none_or(|part| part.covers(region))
    }

    /// Features that share a base with `region`, in order of start.
    pub fn overlapping<'a>(&'a self, region: &Region) -> impl Iterator<Item = &'a Feature> + use<'a> {
        let (features, longest) = self.chroms.get(&region.chrom).map_or((&[][..], 0), |c| (&c.features[..], c.longest));
        let from = features.partition_point(|f| f.start + longest <= region.start);
        let to = features.partition_point(|f| f.start < region.end).max(from);
        let (start, end) = (region.start, region.end);
        features[from..to].iter().filter(move |f| f.start < end && start < f.end)
    }

    /// The first feature whose anchor lies beyond `position` (`forward`), or the last one before it.
    pub fn neighbour(&self, chrom: &str, position: u64, forward: bool) -> Option<&Feature> {
        let features = &self.chroms.get(chrom)?.features;
        if forward {
            features.iter().filter(|f| f.anchor() > position).min_by_key(|f| f.anchor())
        } else {
            features.iter().filter(|f| f.anchor() < position).max_by_key(|f| f.anchor())
        }
    }

    /// All features with their chromosomes, by name of the chromosome, those of each in order of start.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Feature)> {
        let mut chroms: Vec<_> = self.chroms.iter().collect();
        chroms.sort_by_key(|(name, _)| *name);
        chroms.into_iter().flat_map(|(name, chrom)| chrom.features.iter().map(move |feature| (name, feature)))
    }

    /// Names of the chromosomes with features.
    pub fn chroms(&self) -> impl Iterator<Item = &Arc<str>> {
        self.chroms.keys()
    }

    /// Each chromosome with the end of its feature that reaches furthest.
    pub fn ends(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.chroms.iter().map(|(name, chrom)| (name, chrom.features.iter().map(|f| f.end).max().unwrap_or(0)))
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.chroms.values().map(|c| c.features.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
