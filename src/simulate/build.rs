//! Builds the world of a seed: layout, elements, sequence, samples.

use super::elements::place_elements;
use super::layout::{Layout, place_genes};
use super::motif_table::MotifTable;
use super::random::Random;
use super::samples::make_samples;
use super::sequence::make_sequence;
use super::world::{Chrom, Scale, World};
use std::collections::HashSet;

/// Bases of unknown sequence in the widest desert of a chromosome.
const GAP: u64 = 4_000;

/// Everything but signals and tables; the reason where the genes do not fit their chromosomes.
pub(super) fn build(seed: u64, scale: Scale) -> Result<World, String> {
    let table = MotifTable::bundled()?;
    let mut names = HashSet::new();
    let mut layouts = Vec::new();
    for (i, &(name, len, n)) in scale.chroms().iter().enumerate() {
        let mut random = Random::new(seed, &format!("layout/{name}"));
        layouts.push(place_genes((i, name, len, n), table.lineages.len(), &mut names, &mut random)?);
    }
    let (mut chroms, mut genes, mut elements) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (&(name, len, _), mut layout)) in scale.chroms().iter().zip(layouts).enumerate() {
        let gap = gap(&layout);
        let mut random = Random::new(seed, &format!("elements/{name}"));
        let mut placed = place_elements(&table, (i, len), &mut layout, gap, elements.len(), &mut random);
        for (j, element) in placed.iter_mut().enumerate() {
            element.id = format!("{name}.e{}", j + 1);
        }
        let mut random = Random::new(seed, &format!("sequence/{name}"));
        let bases = make_sequence(&table, len, &layout, &placed, gap, &mut random);
        let mut random = Random::new(seed, &format!("heterochromatin/{name}"));
        let mut heterochromatin = Vec::new();
        for &(start, end) in layout.deserts.iter().filter(|d| d.1 - d.0 > 12_000) {
            if random.chance(0.5) {
                // Off the windows of the genes on both sides.
                heterochromatin.push((start + 5_500, end - 5_500));
            }
        }
        elements.extend(placed);
        chroms.push(Chrom { name: name.into(), bases, gap, heterochromatin });
        genes.append(&mut layout.genes);
    }
    for (i, gene) in genes.iter_mut().enumerate() {
        gene.gene.id = format!("SIMG{:08}.1", i + 1);
        for (j, transcript) in gene.gene.transcripts.iter_mut().enumerate() {
            transcript.id = format!("SIMT{:08}.1", 10 * (i + 1) + j);
        }
    }
    let (full, panel) = scale.samples();
    let samples = make_samples(&table, full, panel, &mut Random::new(seed, "samples"));
    Ok(World { seed, table, chroms, genes, elements, samples })
}

/// In the middle of the widest desert between genes; at the chromosome's end where every desert is narrow.
fn gap(layout: &Layout) -> (u64, u64) {
    let inner = &layout.deserts[1..layout.deserts.len() - 1];
    let widest = inner.iter().max_by_key(|d| d.1 - d.0).filter(|d| d.1 - d.0 > 4 * GAP);
    let bins = |position: u64| position / 100 * 100;
    match (widest, layout.deserts.last()) {
        (Some(&(start, end)), _) => {
            let centre = bins(start + (end - start) / 2);
            (centre - GAP / 2, centre + GAP / 2)
        }
        (None, Some(&(_, end))) => (end - 1_000, end),
        (None, None) => (0, 0),
    }
}
