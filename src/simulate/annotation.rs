//! Annotation files of the simulated genome.

use super::world::{ElementKind, World};
use crate::tracks::{Feature, epd_line, genehancer_line, gtf_lines, narrow_peak_line};
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

/// Name and length of each chromosome.
pub(super) fn chrom_sizes(world: &World) -> String {
    world.chroms.iter().fold(String::new(), |mut text, chrom| {
        let _ = writeln!(text, "{}\t{}", chrom.name, chrom.bases.len());
        text
    })
}

/// Gene models.
pub(super) fn gtf(world: &World) -> String {
    let head = "##description: simulated genes of sim1; not a real genome\n##format: gtf\n".to_owned();
    world.genes.iter().fold(head, |text, gene| text + &gtf_lines(&gene.gene, "cislens"))
}

/// EPD's lines: each gene's first start is `NAME_1`, its second `NAME_2`.
pub(super) fn promoters(world: &World) -> String {
    let mut text = String::new();
    for gene in &world.genes {
        let starts = [Some(gene.tss), gene.second_tss];
        for (i, tss) in starts.into_iter().flatten().enumerate() {
            text += &epd_line(&gene.gene.region.chrom, tss, gene.strand(), &format!("{}_{}", gene.gene.name, i + 1));
        }
    }
    text
}

/// GeneHancer's lines: enhancers with the genes they drive, and decoy peaks, which are linked to none.
pub(super) fn enhancers(world: &World) -> String {
    let mut text = String::new();
    let mut ids = HashSet::new();
    let mut elements: Vec<usize> = (0..world.elements.len())
        .filter(|&i| matches!(world.elements[i].kind, ElementKind::Enhancer | ElementKind::DecoyPeak))
        .collect();
    elements.sort_by_key(|&i| (world.elements[i].chrom, world.elements[i].start));
    for index in elements {
        let element = &world.elements[index];
        let mut kilobase = element.start / 1_000;
        while !ids.insert((element.chrom, kilobase)) {
            kilobase += 1;
        }
        let genes: Vec<(String, Option<f32>)> = world
            .genes
            .iter()
            .filter(|g| g.enhancers.contains(&index) || g.pair.is_some_and(|(a, b)| a == index || b == index))
            .map(|g| {
                // Nearer elements are linked with more confidence, as GeneHancer's distance score does.
                let score = 12.0 - 2.0 * (element.centre().abs_diff(g.tss) as f32 / 1_000.0);
                (g.gene.name.clone(), Some((score * 10.0).round() / 10.0))
            })
            .collect();
        let feature = Feature {
            start: element.start,
            end: element.end,
            name: format!("GH{:02}J{kilobase:06}", element.chrom + 1),
            score: Some(0.5 + element.instances.len() as f32 / 10.0),
            genes,
            ..Feature::default()
        };
        text += &genehancer_line(&world.chroms[element.chrom].name, "enhancer", &feature);
    }
    text
}

/// narrowPeak lines.
pub(super) fn peaks(peaks: &[(Arc<str>, Feature)]) -> String {
    peaks.iter().fold(String::new(), |text, (chrom, peak)| text + &narrow_peak_line(chrom, peak))
}
