//! The mean of each signal along a chromosome, in bins of 50 bases, before noise.

use super::random::Random;
use super::rule::{ENHANCER_GAIN, PROMOTER_GAIN, Rule, SILENT, Without};
use super::world::{Element, ElementKind, GenePlan, Silencing, World, along};
use crate::genome::Strand;

/// Bases a bin.
pub(super) const BIN: u64 = 50;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assay {
    H3K4me1,
    H3K4me3,
    H3K9me3,
    H3K27me3,
    H3K36me3,
    H3K27ac,
    Dnase,
    Methylation,
}

impl Assay {
    /// In the order of the rows on the screen: first what a reader looks for first.
    pub(super) const ALL: [Self; 8] = [
        Self::H3K4me3,
        Self::H3K27ac,
        Self::H3K4me1,
        Self::H3K36me3,
        Self::H3K27me3,
        Self::H3K9me3,
        Self::Dnase,
        Self::Methylation,
    ];
    /// What DeepCORE reads.
    pub(super) const PANEL: [Self; 5] = [Self::H3K4me1, Self::H3K4me3, Self::H3K9me3, Self::H3K27me3, Self::H3K27ac];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::H3K4me1 => "H3K4me1",
            Self::H3K4me3 => "H3K4me3",
            Self::H3K9me3 => "H3K9me3",
            Self::H3K27me3 => "H3K27me3",
            Self::H3K36me3 => "H3K36me3",
            Self::H3K27ac => "H3K27ac",
            Self::Dnase => "DNase",
            Self::Methylation => "5mC",
        }
    }

    /// Broad marks are read by whole fragments, two bins at a time.
    pub(super) fn is_broad(self) -> bool {
        matches!(self, Self::H3K9me3 | Self::H3K27me3 | Self::H3K36me3)
    }
}

/// A signal being built.
struct Field {
    bins: Vec<f64>,
}

impl Field {
    /// Adds a Gaussian bump.
    fn bump(&mut self, centre: u64, width: f64, height: f64) {
        let reach = (3.0 * width) as u64;
        let (from, to) = (centre.saturating_sub(reach) / BIN, (centre + reach) / BIN + 1);
        for bin in from..to.min(self.bins.len() as u64) {
            let x = ((bin * BIN + BIN / 2) as f64 - centre as f64) / width;
            self.bins[bin as usize] += height * libm::exp(-0.5 * x * x);
        }
    }

    /// Raises to a plateau with soft shoulders; where plateaus overlap the higher stays.
    fn plateau(&mut self, start: u64, end: u64, shoulder: f64, height: impl Fn(f64) -> f64) {
        let reach = (2.0 * shoulder) as u64;
        let (from, to) = (start.saturating_sub(reach) / BIN, (end + reach) / BIN + 1);
        for bin in from..to.min(self.bins.len() as u64) {
            let x = (bin * BIN + BIN / 2) as f64;
            let outside = (start as f64 - x).max(x - end as f64).max(0.0) / shoulder;
            let along = ((x - start as f64) / (end - start).max(1) as f64).clamp(0.0, 1.0);
            let value = height(along) * libm::exp(-outside * outside);
            let cell = &mut self.bins[bin as usize];
            *cell = cell.max(value);
        }
    }

    /// The two nucleosomes beside an open site, the one downstream higher.
    fn beside(&mut self, centre: u64, strand: Strand, offset: i64, width: f64, height: f64) {
        self.bump(along(centre, strand, offset), width, height);
        self.bump(along(centre, strand, -offset), width * 0.8, height * 0.65);
    }
}

/// The mean of `assay` on chromosome `chrom` in sample `sample`, by bin: reads per million, or the methylated share.
pub(super) fn mean_signal(world: &World, chrom: usize, sample: usize, assay: Assay) -> Vec<f64> {
    let rule = Rule { table: &world.table, elements: &world.elements, sample: &world.samples[sample] };
    let len = world.chroms[chrom].bases.len() as u64;
    let name = &world.samples[sample].name;
    let part = format!("heights/{name}/{}/{}", assay.name(), world.chroms[chrom].name);
    let mut random = Random::new(world.seed, &part);
    let mut field = Field { bins: vec![0.0; len.div_ceil(BIN) as usize] };
    if assay == Assay::Methylation {
        methylation(world, chrom, &rule, &mut field);
        return field.bins;
    }
    for gene in world.genes.iter().filter(|g| g.chrom == chrom) {
        // The same number of draws for each gene: what one gene does leaves the others alone.
        let height = random.factor(0.10);
        mark_gene(&rule, gene, assay, height, &mut field);
    }
    for (i, element) in world.elements.iter().enumerate().filter(|(_, e)| e.chrom == chrom) {
        let height = random.factor(0.15);
        let (centre, activity) = (element.centre(), rule.activity(i));
        match element.kind {
            ElementKind::Enhancer => mark_enhancer(centre, activity, assay, height, &mut field),
            ElementKind::DecoyPeak => {
                mark_poised(element, centre, activity * 0.8, assay, height, &mut field);
                if element.looks_like_promoter && assay == Assay::H3K4me3 {
                    field.beside(centre, Strand::Forward, 200, 220.0, 16.0 * height);
                }
            }
            ElementKind::DecoyInsulator if assay == Assay::Dnase => field.bump(centre, 90.0, 7.0 * height),
            _ => {}
        }
    }
    if assay == Assay::H3K9me3 {
        for &(start, end) in &world.chroms[chrom].heterochromatin {
            field.plateau(start, end, 400.0, |_| 4.0);
        }
    }
    field.bins
}

fn mark_gene(rule: &Rule<'_>, gene: &GenePlan, assay: Assay, height: f64, field: &mut Field) {
    let expression = rule.expression(gene, Without::Nothing);
    let active = expression.promoter;
    let strand = gene.strand();
    let mut starts = vec![(gene.tss, active, 1.0)];
    if let (Some(tss), Some(element)) = (gene.second_tss, gene.second_promoter) {
        starts.push((tss, rule.promoter(element, Without::Nothing), 0.6));
    }
    for (tss, active, share) in starts {
        let level = active * share * height;
        match assay {
            Assay::H3K4me3 => field.beside(tss, strand, 250, 260.0, 34.0 * level),
            Assay::H3K27ac => field.beside(tss, strand, 270, 240.0, 20.0 * level),
            Assay::H3K4me1 => field.beside(tss, strand, 1_050, 240.0, 5.0 * level),
            Assay::Dnase => field.bump(gene.along(tss, -90), 110.0, 14.0 * level),
            _ => {}
        }
    }
    let off = 1.0 - active;
    let (start, end) = (gene.tss.min(gene.along(gene.tss, 2_600)), gene.tss.max(gene.along(gene.tss, 2_600)));
    match (assay, gene.silencing) {
        (Assay::H3K27me3, Silencing::Polycomb) => {
            field.plateau(start.saturating_sub(1_400), end + 400, 500.0, |_| 7.0 * off * height);
        }
        (Assay::H3K4me3, Silencing::Polycomb) if gene.island.is_some() => field.bump(gene.tss, 250.0, 3.0 * off),
        (Assay::H3K9me3, Silencing::Heterochromatin) => {
            field.plateau(start.saturating_sub(1_200), end + 600, 500.0, |_| 6.0 * off * height);
        }
        (Assay::H3K36me3, _) => {
            // What elongates behind the promoter; the core promoter's part of expression does not show.
            let level = ((expression.marked - SILENT) / (PROMOTER_GAIN + ENHANCER_GAIN)).clamp(0.0, 1.2);
            let body = gene.gene.region.len();
            let from = gene.along(gene.tss, 300.min(body as i64 / 3));
            let to = gene.along(gene.tss, body.max(1_200) as i64);
            let rise = |x: f64| if strand == Strand::Forward { 0.6 + 0.4 * x } else { 1.0 - 0.4 * x };
            field.plateau(from.min(to), from.max(to), 250.0, |x| 11.0 * level * height * rise(x));
        }
        _ => {}
    }
}

fn mark_enhancer(centre: u64, activity: f64, assay: Assay, height: f64, field: &mut Field) {
    match assay {
        // Enhancers are primed before they act.
        Assay::H3K4me1 => field.beside(centre, Strand::Forward, 240, 210.0, (0.8 + 8.0 * activity) * height),
        Assay::H3K27ac => field.beside(centre, Strand::Forward, 200, 180.0, 17.0 * activity * height),
        Assay::Dnase => field.bump(centre, 100.0, 10.0 * activity * height),
        _ => {}
    }
}

/// A poised enhancer (Rada-Iglesias 2011): open and primed as an active one is, but Polycomb's mark lies where acetylation would.
fn mark_poised(element: &Element, centre: u64, activity: f64, assay: Assay, height: f64, field: &mut Field) {
    match assay {
        Assay::H3K27ac => {}
        Assay::H3K27me3 => field.plateau(element.start, element.end, 300.0, |_| 7.0 * activity * height),
        _ => mark_enhancer(centre, activity, assay, height, field),
    }
}

/// High everywhere but in islands and at active elements.
fn methylation(world: &World, chrom: usize, rule: &Rule<'_>, field: &mut Field) {
    // Built as what is lost, so that plateaus keep the deepest loss.
    for (i, element) in world.elements.iter().enumerate().filter(|(_, e)| e.chrom == chrom) {
        let loss = match element.kind {
            ElementKind::DecoyInsulator => 0.4,
            ElementKind::DecoyPeak | ElementKind::Enhancer => 0.55 * rule.activity(i),
            ElementKind::Promoter | ElementKind::SecondPromoter => 0.75 * rule.activity(i),
            ElementKind::DecoyClosed => 0.0,
        };
        field.plateau(element.start, element.end, 200.0, |_| loss);
    }
    for gene in world.genes.iter().filter(|g| g.chrom == chrom) {
        if let Some(island) = gene.island {
            field.plateau(island.start + 100, island.end - 100, 150.0, |_| 0.8);
        }
    }
    for bin in &mut field.bins {
        *bin = 0.86 - *bin;
    }
}
