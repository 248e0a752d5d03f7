//! Where elements lie, which genes they drive, and the motif instances in them.

use super::layout::Layout;
use super::motif_table::{MotifTable, Role};
use super::random::Random;
use super::world::{Element, ElementKind, GenePlan, Instance};
use crate::genome::Strand;

/// A gene's enhancers lie no farther than this from its start.
pub(super) const REACH: u64 = 4_800;
/// Bases of a promoter up- and downstream of the start.
const PROMOTER: (i64, i64) = (600, 150);
/// The core promoter, where activators and repressors bind in the gene's direction: offsets from the start.
pub(super) const CORE: (i64, i64) = (-350, 90);
/// Chances of 0, 1, 2, ... copies of an activator or repressor at a core promoter: none, or a cluster.
const CORE_COPIES: [f64; 7] = [0.50, 0.04, 0.06, 0.10, 0.12, 0.10, 0.08];
/// Chances of 0 to 4 enhancers.
const ENHANCERS: [f64; 5] = [0.28, 0.28, 0.24, 0.13, 0.07];

/// Which bases elements have taken, in cells of ten.
struct Taken(Vec<bool>);

impl Taken {
    fn cells(start: u64, end: u64) -> std::ops::Range<usize> {
        start as usize / 10..(end as usize).div_ceil(10)
    }

    fn is_free(&self, start: u64, end: u64) -> bool {
        self.0.get(Self::cells(start, end)).is_some_and(|cells| !cells.iter().any(|&c| c))
    }

    fn take(&mut self, start: u64, end: u64) {
        if let Some(cells) = self.0.get_mut(Self::cells(start, end)) {
            cells.fill(true);
        }
    }
}

/// Makes the elements of one chromosome and links its genes to them (indices from `base` on).
pub(super) fn place_elements(
    table: &MotifTable,
    chrom: (usize, u64),
    layout: &mut Layout,
    gap: (u64, u64),
    base: usize,
    random: &mut Random,
) -> Vec<Element> {
    let mut maker =
        Maker { table, chrom: chrom.0, taken: Taken(vec![false; chrom.1 as usize / 10 + 1]), elements: Vec::new(), base };
    maker.taken.take(gap.0.saturating_sub(1_000), gap.1 + 1_000);
    for gene in &mut layout.genes {
        maker.promoter(gene, random);
    }
    for gene in &mut layout.genes {
        maker.second_promoter(gene, random);
    }
    for gene in &mut layout.genes {
        maker.enhancers(gene, random);
    }
    maker.share(&mut layout.genes, random);
    for gene in &mut layout.genes {
        if gene.enhancers.len() >= 2 && random.chance(0.35) {
            gene.pair = Some((gene.enhancers.remove(0), gene.enhancers.remove(0)));
        }
    }
    maker.decoys(&layout.genes, &layout.deserts, random);
    maker.elements
}

struct Maker<'a> {
    table: &'a MotifTable,
    chrom: usize,
    taken: Taken,
    elements: Vec<Element>,
    base: usize,
}

impl Maker<'_> {
    fn add(&mut self, kind: ElementKind, start: u64, end: u64, mut instances: Vec<Instance>) -> usize {
        self.taken.take(start, end);
        instances.sort_by_key(|i| i.start);
        let (id, chrom) = (String::new(), self.chrom);
        self.elements.push(Element { id, kind, chrom, start, end, instances, looks_like_promoter: false });
        self.base + self.elements.len() - 1
    }

    fn promoter(&mut self, gene: &mut GenePlan, random: &mut Random) {
        let span = |a: u64, b: u64| (a.min(b), a.max(b) + 1);
        let at = |offset| gene.along(gene.tss, offset);
        let (start, end) = span(at(-PROMOTER.0), at(PROMOTER.1));
        let factors = if gene.is_housekeeping {
            let ubiquitous = self.table.of_role(Role::Ubiquitous);
            let n = random.weighted(&[0.0, 0.04, 0.20, 0.36, 0.28, 0.12]);
            (0..n).map(|_| *random.pick(&ubiquitous)).collect()
        } else {
            self.lineage_motifs(&gene.lineages, 3, random)
        };
        let (low, high) = span(at(-PROMOTER.0 + 10), at(CORE.0 - 10));
        let mut instances = self.scatter(&factors, (low, high), None, random);
        let mut core = Vec::new();
        for role in [Role::Activator, Role::Repressor] {
            for motif in self.table.of_role(role) {
                core.extend(vec![motif; random.weighted(&CORE_COPIES)]);
            }
        }
        let (low, high) = span(at(CORE.0), at(CORE.1));
        instances.extend(self.scatter(&core, (low, high), Some(gene.strand()), random));
        gene.promoter = self.add(ElementKind::Promoter, start, end, instances);
    }

    fn second_promoter(&mut self, gene: &mut GenePlan, random: &mut Random) {
        let Some(second) = gene.second_tss else { return };
        let (a, b) = (gene.along(second, -350), gene.along(second, 100));
        let (start, end) = (a.min(b), a.max(b) + 1);
        if self.taken.is_free(start, end) {
            let factors = self.lineage_motifs(&gene.lineages, 3, random);
            let instances = self.scatter(&factors, (start + 10, end - 10), None, random);
            gene.second_promoter = Some(self.add(ElementKind::SecondPromoter, start, end, instances));
        }
    }

    fn enhancers(&mut self, gene: &mut GenePlan, random: &mut Random) {
        for _ in 0..random.weighted(&ENHANCERS) {
            for _ in 0..20 {
                let distance = random.between(800.0, REACH as f64 - 250.0) as i64;
                let centre = gene.along(gene.tss, if random.chance(0.55) { -distance } else { distance });
                let half = random.whole(150, 226);
                let (start, end) = (centre.saturating_sub(half), centre + half);
                if self.taken.is_free(start.saturating_sub(200), end + 200) {
                    let lineage = *random.pick(&gene.lineages);
                    let factors = self.lineage_motifs(&[lineage], 3, random);
                    let instances = self.scatter(&factors, (start + 10, end - 10), None, random);
                    gene.enhancers.push(self.add(ElementKind::Enhancer, start, end, instances));
                    break;
                }
            }
        }
    }

    /// Links enhancers to further genes whose start they reach.
    fn share(&self, genes: &mut [GenePlan], random: &mut Random) {
        for (i, element) in self.elements.iter().enumerate() {
            if element.kind != ElementKind::Enhancer {
                continue;
            }
            let index = self.base + i;
            let near = genes.partition_point(|g| g.tss + REACH < element.centre());
            for gene in genes[near..].iter_mut().take_while(|g| g.tss <= element.centre() + REACH) {
                let is_full = gene.enhancers.len() >= 4;
                if !is_full && !gene.enhancers.contains(&index) && random.chance(0.4) {
                    gene.enhancers.push(index);
                }
            }
        }
    }

    fn decoys(&mut self, genes: &[GenePlan], deserts: &[(u64, u64)], random: &mut Random) {
        let lineages = self.table.lineages.len() as u64;
        let any = |random: &mut Random| [random.whole(0, lineages) as usize];
        for gene in genes {
            // Half of these lie in the window of a gene.
            for (chance, kind) in
                [(0.2, ElementKind::DecoyPeak), (0.5, ElementKind::DecoyClosed), (0.15, ElementKind::DecoyInsulator)]
            {
                if !random.chance(chance) {
                    continue;
                }
                let distance = random.between(900.0, 4_900.0) as i64;
                let centre = gene.along(gene.tss, if random.chance(0.5) { -distance } else { distance });
                let lineage = any(random);
                self.decoy(kind, centre, &lineage, random);
            }
        }
        for &(start, end) in deserts {
            for _ in 0..(end - start) / 9_000 {
                let kind = if random.chance(0.8) { ElementKind::DecoyClosed } else { ElementKind::DecoyInsulator };
                let lineage = any(random);
                self.decoy(kind, random.whole(start + 1_000, (end - 1_000).max(start + 1_001)), &lineage, random);
            }
        }
    }

    fn decoy(&mut self, kind: ElementKind, centre: u64, lineages: &[usize], random: &mut Random) {
        let (start, end) = (centre.saturating_sub(180), centre + 180);
        if !self.taken.is_free(start.saturating_sub(200), end + 200) {
            return;
        }
        let motifs = match kind {
            ElementKind::DecoyInsulator => self.table.of_role(Role::Insulator),
            ElementKind::DecoyPeak => {
                let ubiquitous = self.table.of_role(Role::Ubiquitous);
                (0..random.whole(2, 5)).map(|_| *random.pick(&ubiquitous)).collect()
            }
            _ => {
                let mut motifs = self.lineage_motifs(lineages, 2, random);
                if random.chance(0.25) {
                    let core = [self.table.of_role(Role::Activator), self.table.of_role(Role::Repressor)].concat();
                    motifs.push(*random.pick(&core));
                }
                motifs
            }
        };
        let instances = self.scatter(&motifs, (start + 10, end - 10), None, random);
        self.add(kind, start, end, instances);
        if let Some(element) = self.elements.last_mut() {
            element.looks_like_promoter = kind == ElementKind::DecoyPeak && random.chance(0.3);
        }
    }

    /// `least` to `least + 2` motifs of factors of each lineage.
    fn lineage_motifs(&self, lineages: &[usize], least: u64, random: &mut Random) -> Vec<usize> {
        let mut motifs = Vec::new();
        for &lineage in lineages {
            let known = self.table.of_lineage(lineage);
            motifs.extend((0..random.whole(least, least + 3)).map(|_| *random.pick(&known)));
        }
        motifs
    }

    /// Places motifs without overlap in `low..high` at random distances; those that find no room are left out.
    fn scatter(&self, motifs: &[usize], span: (u64, u64), strand: Option<Strand>, random: &mut Random) -> Vec<Instance> {
        let mut order = motifs.to_vec();
        for i in (1..order.len()).rev() {
            order.swap(i, random.whole(0, i as u64 + 1) as usize);
        }
        let (low, high) = span;
        let mut room = high.saturating_sub(low);
        order.retain(|&motif| {
            let fits = room >= self.table.motifs[motif].len() + 4;
            room -= if fits { self.table.motifs[motif].len() + 4 } else { 0 };
            fits
        });
        // The room that is left is shared out between them.
        let mut cuts: Vec<u64> = order.iter().map(|_| random.whole(0, room + 1)).collect();
        cuts.sort_unstable();
        let (mut at, mut before) = (low, 0);
        let mut instances = Vec::new();
        for (&motif, &cut) in order.iter().zip(&cuts) {
            at += cut - before;
            before = cut;
            let strand = strand.unwrap_or(if random.chance(0.5) { Strand::Forward } else { Strand::Reverse });
            instances.push(Instance { motif, start: at, strand });
            at += self.table.motifs[motif].len() + 4;
        }
        instances
    }
}
