//! The rule that turns elements and factor activities into expression. README.md of the sample data states it in words.
//!
//! The constants were fixed before any model was tuned. What marks show is the promoter's and the enhancers' activity; what
//! they do not show is the core promoter and the strength of the CpG island.

use super::motif_table::{MotifTable, Role};
use super::world::{Element, ElementKind, GenePlan, Sample};

/// ln TPM of a gene whose elements are all inactive.
pub(super) const SILENT: f64 = -1.2;
/// Added to ln TPM by a fully active promoter.
pub(super) const PROMOTER_GAIN: f64 = 3.0;
/// Drive of one promoter site of a fully active factor.
pub(super) const SITE_DRIVE: f64 = 0.52;
/// Drive at which a promoter is half active, and how sharply it switches.
pub(super) const HALF_DRIVE: f64 = 0.9;
pub(super) const SWITCH: f64 = 6.0;
/// 1 - exp(-this x activity) of one enhancer site.
pub(super) const SITE_OPENING: f64 = 0.6;
/// Most that enhancers add to ln TPM.
pub(super) const ENHANCER_GAIN: f64 = 2.4;
/// How fast that most is reached, and the share of it that is left where the promoter is inactive.
pub(super) const ENHANCER_SATURATION: f64 = 0.6;
pub(super) const ENHANCERS_WHEN_SILENT: f64 = 0.25;
/// Bases over which an enhancer's weight falls to 1/e.
pub(super) const ENHANCER_DECAY: f64 = 7_000.0;
/// Weight of two enhancers that work only together, relative to one that works alone.
pub(super) const PAIR_WEIGHT: f64 = 2.0;
/// Added to ln TPM by a fully active second promoter.
pub(super) const SECOND_PROMOTER_GAIN: f64 = 0.5;
/// Added to ln TPM by each bound activator and taken by each repressor at the core promoter, and the most of either.
pub(super) const CORE_GAIN: f64 = 0.4;
/// Added to ln TPM by a CpG island of strength 1 beyond what marks show, and the strength that adds nothing.
pub(super) const ISLAND_GAIN: f64 = 1.2;
pub(super) const ISLAND_MEAN: f64 = 0.3;
/// Share of the core promoter's and the island's effect that is left where the promoter is inactive.
pub(super) const CORE_WHEN_SILENT: f64 = 0.4;
/// Deviation of measured ln TPM around the rule.
pub(super) const NOISE: f64 = 0.52;
/// TPM that is measured where nothing is transcribed.
pub(super) const TPM_FLOOR: f64 = 0.05;

/// Something taken away, to see what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    Nothing,
    /// One instance of an element: `(element, instance)`.
    Instance(usize, usize),
    /// All instances of an element.
    Element(usize),
    /// The gene's CpG island.
    Island,
}

/// The rule at work in one sample.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) table: &'a MotifTable,
    pub(super) elements: &'a [Element],
    pub(super) sample: &'a Sample,
}

/// What the rule says of a gene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expression {
    /// Activity of the promoter, 0 to 1.
    pub(super) promoter: f64,
    /// Part of ln TPM that marks show.
    pub(super) marked: f64,
    /// Part that they do not show.
    pub(super) unmarked: f64,
}

impl Expression {
    pub(super) fn ln_tpm(self) -> f64 {
        self.marked + self.unmarked
    }
}

impl Rule<'_> {
    /// Sum of the activities of the factors bound in an element, by whether their role is `at_core`.
    fn bound(&self, element: usize, without: Without, of_role: impl Fn(Role) -> bool) -> f64 {
        let sites = self.elements[element].instances.iter().enumerate();
        sites
            .filter(|&(i, site)| {
                of_role(self.table.motifs[site.motif].role)
                    && without != Without::Element(element)
                    && without != Without::Instance(element, i)
            })
            .map(|(_, site)| self.sample.activity[site.motif])
            .sum()
    }

    /// Activity of a promoter, 0 to 1.
    pub(super) fn promoter(&self, element: usize, without: Without) -> f64 {
        let drive = SITE_DRIVE * self.bound(element, without, opens);
        1.0 / (1.0 + libm::exp(-SWITCH * (drive - HALF_DRIVE)))
    }

    /// Activity of an enhancer (or of a decoy peak), 0 to 1.
    pub(super) fn enhancer(&self, element: usize, without: Without) -> f64 {
        // A single site among weak ones does little: the square makes an enhancer a matter of several.
        let closed = libm::exp(-SITE_OPENING * self.bound(element, without, opens));
        (1.0 - closed) * (1.0 - closed)
    }

    /// The parts of a gene's ln TPM.
    pub(super) fn expression(&self, gene: &GenePlan, without: Without) -> Expression {
        let promoter = self.promoter(gene.promoter, without);
        let near = |element: usize| libm::exp(-(self.elements[element].centre().abs_diff(gene.tss) as f64) / ENHANCER_DECAY);
        let mut enhancers: f64 = gene.enhancers.iter().map(|&e| near(e) * self.enhancer(e, without)).sum();
        if let Some((a, b)) = gene.pair {
            let together = self.enhancer(a, without) * self.enhancer(b, without);
            enhancers += PAIR_WEIGHT * (near(a) * near(b)).sqrt() * together;
        }
        let second = gene.second_promoter.map_or(0.0, |element| self.promoter(element, without));
        let share = ENHANCERS_WHEN_SILENT + (1.0 - ENHANCERS_WHEN_SILENT) * promoter;
        let marked = SILENT
            + PROMOTER_GAIN * promoter
            + ENHANCER_GAIN * (1.0 - libm::exp(-ENHANCER_SATURATION * enhancers)) * share
            + SECOND_PROMOTER_GAIN * second;
        let activators = self.bound(gene.promoter, without, |role| role == Role::Activator);
        let repressors = self.bound(gene.promoter, without, |role| role == Role::Repressor);
        let island = gene.island.filter(|_| without != Without::Island).map_or(0.0, |island| island.strength);
        let core = CORE_GAIN * (activators - repressors) + ISLAND_GAIN * (island - ISLAND_MEAN);
        let unmarked = core * (CORE_WHEN_SILENT + (1.0 - CORE_WHEN_SILENT) * promoter);
        Expression { promoter, marked, unmarked }
    }

    /// What a gene's ln TPM loses without something.
    pub(super) fn effect(&self, gene: &GenePlan, without: Without) -> f64 {
        self.expression(gene, Without::Nothing).ln_tpm() - self.expression(gene, without).ln_tpm()
    }

    /// Activity of any element, 0 to 1: how strongly it is marked.
    pub(super) fn activity(&self, element: usize) -> f64 {
        match self.elements[element].kind {
            ElementKind::Promoter | ElementKind::SecondPromoter => self.promoter(element, Without::Nothing),
            ElementKind::Enhancer | ElementKind::DecoyPeak => self.enhancer(element, Without::Nothing),
            ElementKind::DecoyClosed => 0.0,
            ElementKind::DecoyInsulator => 1.0,
        }
    }
}

/// Whether a factor opens chromatin, and so is seen in marks.
fn opens(role: Role) -> bool {
    matches!(role, Role::Ubiquitous | Role::Lineage)
}
