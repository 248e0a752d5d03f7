//! Bases: isochores, CpG depletion, CpG islands, repeats, and the planted motifs.

use super::layout::Layout;
use super::motif_table::MotifTable;
use super::random::Random;
use super::world::{Element, Island};
use crate::genome::{Strand, complement, reverse_complement};

/// CpGs seen for each expected: outside islands, as in vertebrate genomes.
const CPG_RATIO: f64 = 0.20;
/// Families of interspersed repeats, their length and how far copies have diverged.
const REPEATS: [(usize, f64); 2] = [(280, 0.10), (420, 0.18)];

/// The bases of one chromosome.
pub(super) fn make_sequence(
    table: &MotifTable,
    len: u64,
    layout: &Layout,
    elements: &[Element],
    gap: (u64, u64),
    random: &mut Random,
) -> Vec<u8> {
    let islands: Vec<Island> = layout.genes.iter().filter_map(|gene| gene.island).collect();
    let mut bases = background(len, &islands, random);
    spread_repeats(&mut bases, &islands, elements, random);
    for element in elements {
        for instance in &element.instances {
            let mut site = table.motifs[instance.motif].draw(random);
            if instance.strand == Strand::Reverse {
                site = reverse_complement(&site);
            }
            let start = instance.start as usize;
            bases[start..start + site.len()].copy_from_slice(&site);
        }
    }
    bases[gap.0 as usize..gap.1 as usize].fill(b'N');
    bases
}

/// GC drifts as isochores do; C before G is rare but in islands.
fn background(len: u64, islands: &[Island], random: &mut Random) -> Vec<u8> {
    let mut bases = Vec::with_capacity(len as usize);
    let (mut regional, mut local) = (0.41_f64, 0.0_f64);
    let mut next_island = 0;
    let mut previous = b'A';
    for position in 0..len {
        if position % 1_000 == 0 {
            local = 0.7 * local + 0.02 * random.normal();
            if position % 100_000 == 0 {
                regional = 0.38 + 0.10 * random.unit() * random.unit().sqrt();
            }
        }
        while next_island < islands.len() && islands[next_island].end <= position {
            next_island += 1;
        }
        let (gc, cpg) = match islands.get(next_island).filter(|island| island.start <= position) {
            Some(island) => (0.56 + 0.12 * island.strength, 0.50 + 0.40 * island.strength),
            None => ((regional + local).clamp(0.32, 0.56), CPG_RATIO),
        };
        let c_or_g = gc / 2.0;
        let at = (1.0 - gc) / 2.0;
        let weights = if previous == b'C' {
            // The CpGs that decayed are TpGs now: their share goes to T.
            let g = c_or_g * cpg;
            [at, c_or_g, g, at + c_or_g - g]
        } else {
            [at, c_or_g, c_or_g, at]
        };
        previous = b"ACGT"[random.weighted(&weights)];
        bases.push(previous);
    }
    bases
}

/// Copies of repeats over a twentieth of the genome, off islands and elements.
fn spread_repeats(bases: &mut [u8], islands: &[Island], elements: &[Element], random: &mut Random) {
    let families: Vec<(Vec<u8>, f64)> =
        REPEATS.iter().map(|&(len, divergence)| ((0..len).map(|_| *random.pick(b"AACGGGCTT")).collect(), divergence)).collect();
    let mut taken: Vec<(u64, u64)> = islands.iter().map(|i| (i.start, i.end)).collect();
    taken.extend(elements.iter().map(|e| (e.start, e.end)));
    taken.sort_unstable();
    let longest = taken.iter().map(|t| t.1 - t.0).max().unwrap_or(0);
    for _ in 0..bases.len() / 6_500 {
        let (family, divergence) = random.pick(&families);
        let start = random.whole(0, (bases.len() - family.len()) as u64);
        let end = start + family.len() as u64;
        let from = taken.partition_point(|t| t.0 + longest <= start);
        if taken[from..].iter().take_while(|t| t.0 < end).any(|t| t.1 > start) {
            continue;
        }
        let is_reversed = random.chance(0.5);
        for i in 0..family.len() {
            let base = if is_reversed { complement(family[family.len() - 1 - i]) } else { family[i] };
            bases[start as usize + i] = if random.chance(*divergence) { *random.pick(b"ACGT") } else { base };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn islands_have_the_cpgs_the_rest_lacks() {
        let island = Island { start: 100_000, end: 150_000, strength: 0.8 };
        let bases = background(300_000, &[island], &mut Random::new(3, "test"));
        let ratio = |bases: &[u8]| {
            let count = |b| bases.iter().filter(|&&x| x == b).count() as f64;
            let cpg = bases.windows(2).filter(|w| w == b"CG").count() as f64;
            (cpg * bases.len() as f64 / (count(b'C') * count(b'G')), (count(b'C') + count(b'G')) / bases.len() as f64)
        };
        let (inside, gc_inside) = ratio(&bases[100_000..150_000]);
        let (outside, gc_outside) = ratio(&bases[..100_000]);
        assert!(inside > 0.7 && outside < 0.3, "{inside} {outside}");
        assert!(gc_inside > 0.58 && (0.33..0.52).contains(&gc_outside), "{gc_inside} {gc_outside}");
    }
}
