//! Where genes lie: clusters with deserts between them, both strands, transcripts with exons.

use super::random::Random;
use super::world::{GenePlan, Island, Silencing, along};
use crate::genome::{Gene, Region, Strand, Transcript};
use std::collections::HashSet;

/// No transcription start nearer than this to a chromosome's end: every window lies inside.
const END_MARGIN: u64 = 8_000;
/// Bases between clusters at the least.
const LEAST_DESERT: u64 = 2_000;
/// Least distance between starts: promoters do not share bases.
pub(super) const TSS_APART: u64 = 1_300;
/// A second start lies this far downstream of the first.
const SECOND_TSS: (i64, i64) = (1_000, 2_400);

/// The genes of one chromosome, in order of position.
pub(super) struct Layout {
    pub(super) genes: Vec<GenePlan>,
    /// The stretches without genes, ascending, chromosome ends included.
    pub(super) deserts: Vec<(u64, u64)>,
}

/// A gene placed from the start of its cluster.
struct Placed {
    start: u64,
    len: u64,
    strand: Strand,
}

/// Places `n` genes on a chromosome of `len` bases; fails where they do not fit.
pub(super) fn place_genes(
    chrom: (usize, &str, u64, usize),
    n_lineages: usize,
    names: &mut HashSet<String>,
    random: &mut Random,
) -> Result<Layout, String> {
    let (chrom_index, chrom_name, chrom_len, n) = chrom;
    let mut clusters: Vec<(Vec<Placed>, u64)> = Vec::new();
    let mut left = n;
    while left > 0 {
        let mean = if random.chance(0.3) { 9.0 } else { 3.5 };
        let size = (2 + random.poisson(mean) as usize).min(left);
        left -= size;
        clusters.push(place_cluster(size, random));
    }
    let taken: u64 = clusters.iter().map(|(_, span)| span).sum();
    let needed = taken + 2 * END_MARGIN + clusters.len() as u64 * LEAST_DESERT;
    let room =
        chrom_len.checked_sub(needed).ok_or_else(|| format!("{chrom_name}: {n} genes need {needed} bases of {chrom_len}"))?;
    let weights: Vec<f64> = (0..=clusters.len()).map(|_| -libm::log(1.0 - random.unit())).collect();
    let total: f64 = weights.iter().sum();
    let mut layout = Layout { genes: Vec::new(), deserts: Vec::new() };
    let mut at = 0;
    for (i, (cluster, span)) in clusters.into_iter().enumerate() {
        let margin = if i == 0 { END_MARGIN } else { LEAST_DESERT };
        let desert = margin + (room as f64 * weights[i] / total) as u64;
        layout.deserts.push((at, at + desert));
        at += desert;
        let style = ClusterStyle {
            lineages: (0..2).map(|_| random.whole(0, n_lineages as u64) as usize).collect(),
            is_heterochromatin_prone: random.chance(0.25),
            stem: stem(names, random),
        };
        for (j, placed) in cluster.iter().enumerate() {
            let region = Region::new(chrom_name, at + placed.start, at + placed.start + placed.len);
            layout.genes.push(plan(chrom_index, region, placed.strand, format!("{}{}", style.stem, j + 1), &style, random));
        }
        at += span;
    }
    layout.deserts.push((at, chrom_len));
    Ok(layout)
}

/// What neighbouring genes have in common.
struct ClusterStyle {
    lineages: Vec<usize>,
    is_heterochromatin_prone: bool,
    stem: String,
}

/// Genes side by side: starts 1.3 to 4.5 kb apart for three in ten, about a window's half apart or more for the others.
fn place_cluster(size: usize, random: &mut Random) -> (Vec<Placed>, u64) {
    let mut genes: Vec<Placed> = Vec::new();
    let (mut edge, mut last_tss) = (0_u64, None::<u64>);
    for _ in 0..size {
        let len = if random.chance(0.09) {
            random.whole(350, 950)
        } else {
            (libm::exp(7.8 + 0.55 * random.normal()) as u64).clamp(1_000, 12_000)
        };
        let strand = match genes.last() {
            Some(last) if random.chance(0.45) => last.strand,
            Some(last) if last.strand == Strand::Forward => Strand::Reverse,
            Some(_) => Strand::Forward,
            None => *random.pick(&[Strand::Forward, Strand::Reverse]),
        };
        let apart = if random.chance(0.14) { random.whole(TSS_APART, 4_500) } else { random.whole(5_300, 8_500) };
        let tails_meet = strand == Strand::Reverse && genes.last().is_some_and(|g| g.strand == Strand::Forward);
        // Some neighbours that point at each other share the ends of their last exons.
        let mut start = if tails_meet && random.chance(0.1) { edge - 120 } else { edge + random.whole(150, 600) };
        if genes.is_empty() {
            start = 0;
        }
        if let Some(last) = last_tss {
            let tss_offset = if strand == Strand::Forward { 0 } else { len - 1 };
            start = start.max((last + apart).saturating_sub(tss_offset));
        }
        last_tss = Some(if strand == Strand::Forward { start } else { start + len - 1 });
        edge = edge.max(start + len);
        genes.push(Placed { start, len, strand });
    }
    (genes, edge)
}

/// A pronounceable symbol nobody has yet: neighbours share it and are numbered.
fn stem(names: &mut HashSet<String>, random: &mut Random) -> String {
    loop {
        let mut name = String::new();
        for letters in ["BDFGKLMNPRSTVZ", "AEIOU", "BDFGKLMNPRSTVZ", "AEIOU"] {
            name.push(char::from(*random.pick(letters.as_bytes())));
        }
        if names.insert(name.clone()) {
            return name;
        }
    }
}

fn plan(chrom: usize, region: Region, strand: Strand, name: String, style: &ClusterStyle, random: &mut Random) -> GenePlan {
    let tss = if strand == Strand::Forward { region.start } else { region.end - 1 };
    let len = region.len() as i64;
    let is_housekeeping = random.chance(0.40);
    let strength =
        if is_housekeeping { Some(random.between(0.3, 1.0)) } else { random.chance(0.2).then(|| random.between(0.05, 0.3)) };
    let island = strength.map(|strength| {
        let half = 220.0 + 480.0 * strength;
        let (up, down) = ((half * random.between(0.8, 1.1)) as i64, (half * random.between(0.8, 1.2)) as i64);
        let (a, b) = (along(tss, strand, -up), along(tss, strand, down));
        Island { start: a.min(b), end: a.max(b), strength }
    });
    let silencing = match (is_housekeeping, style.is_heterochromatin_prone) {
        (true, _) => Silencing::Unmarked,
        (false, true) if random.chance(0.8) => Silencing::Heterochromatin,
        (false, _) if random.chance(0.8) => Silencing::Polycomb,
        _ => Silencing::Unmarked,
    };
    let mut lineages: Vec<usize> = (0..if random.chance(0.25) { 2 } else { 1 }).map(|_| *random.pick(&style.lineages)).collect();
    lineages.dedup();
    let second = (len > 3_200 && random.chance(0.3)).then(|| random.whole(SECOND_TSS.0 as u64, SECOND_TSS.1 as u64) as i64);
    let exons = exons(len, random);
    let mut transcripts = vec![transcript(&region, strand, &exons, true)];
    if let Some(offset) = second {
        transcripts.push(transcript(&region, strand, &exons_from(&exons, offset), false));
    } else if exons.len() > 3 && random.chance(0.15) {
        // A shorter form that skips an exon.
        let mut skipped = exons.clone();
        skipped.remove(1 + random.whole(0, exons.len() as u64 - 2) as usize);
        transcripts.push(transcript(&region, strand, &skipped, false));
    }
    let gene = Gene { id: String::new(), name, biotype: "protein_coding".to_owned(), region, strand, transcripts };
    GenePlan {
        gene,
        chrom,
        tss,
        second_tss: second.map(|offset| along(tss, strand, offset)),
        is_housekeeping,
        lineages,
        island,
        silencing,
        promoter: 0,
        second_promoter: None,
        enhancers: Vec::new(),
        pair: None,
    }
}

/// Exons of a gene of `len` bases, as offsets from its start in its own direction.
fn exons(len: i64, random: &mut Random) -> Vec<(i64, i64)> {
    let n = match len {
        ..1_000 => 1 + usize::from(random.chance(0.5)),
        _ => 2 + (random.whole(0, 3) + (len / 1_100) as u64).min(8) as usize,
    };
    // Exon, intron, exon, ...: a seventh part of a gene at the least is exon.
    let weights: Vec<f64> = (0..2 * n - 1).map(|i| random.between(0.5, 1.5) * if i % 2 == 0 { 0.45 } else { 1.0 }).collect();
    let total: f64 = weights.iter().sum();
    let mut edges = vec![0];
    let mut sum = 0.0;
    for weight in &weights {
        sum += weight;
        edges.push((len as f64 * sum / total) as i64);
    }
    edges[2 * n - 1] = len;
    edges.chunks_exact(2).map(|edge| (edge[0], edge[1])).collect()
}

/// The exons of a transcript that starts at `offset` within a gene.
fn exons_from(exons: &[(i64, i64)], offset: i64) -> Vec<(i64, i64)> {
    let mut kept: Vec<(i64, i64)> = exons.iter().copied().filter(|&(_, end)| end > offset + 30).collect();
    match kept.first_mut() {
        Some(first) if first.0 <= offset => first.0 = offset,
        // Starts in an intron: an exon of its own, unless the next one is near.
        Some(first) if first.0 - offset < 160 => first.0 = offset,
        _ => kept.insert(0, (offset, offset + 90)),
    }
    kept
}

fn transcript(region: &Region, strand: Strand, exons: &[(i64, i64)], is_canonical: bool) -> Transcript {
    let place = |(from, to): (i64, i64)| match strand {
        Strand::Forward => ((region.start as i64 + from) as u64, (region.start as i64 + to) as u64),
        Strand::Reverse => ((region.end as i64 - to) as u64, (region.end as i64 - from) as u64),
    };
    let spliced: i64 = exons.iter().map(|(from, to)| to - from).sum();
    let coding_from = spliced / 8;
    let coding_len = (spliced - coding_from - spliced / 5) / 3 * 3;
    // The gene-relative position of a base of the spliced transcript.
    let unspliced = |mut offset: i64| {
        for &(from, to) in exons {
            if offset < to - from {
                return from + offset;
            }
            offset -= to - from;
        }
        exons.last().map_or(0, |e| e.1 - 1)
    };
    let cds = place((unspliced(coding_from), unspliced(coding_from + coding_len - 1) + 1));
    let mut exons: Vec<(u64, u64)> = exons.iter().map(|&exon| place(exon)).collect();
    exons.sort_unstable();
    let (start, end) = (exons[0].0, exons[exons.len() - 1].1);
    Transcript { id: String::new(), start, end, exons, cds: Some(cds), is_canonical, is_mane: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genes_fit_their_chromosome_and_transcripts_their_genes() {
        let mut random = Random::new(7, "test");
        let layout = place_genes((0, "chr1", 900_000, 100), 8, &mut HashSet::new(), &mut random).unwrap();
        assert_eq!(layout.genes.len(), 100);
        let mut tss: Vec<u64> = layout.genes.iter().map(|g| g.tss).collect();
        assert!(tss.is_sorted());
        tss.dedup();
        assert!(tss.windows(2).all(|w| w[1] - w[0] >= TSS_APART));
        for gene in &layout.genes {
            assert!(gene.tss >= END_MARGIN && gene.tss + END_MARGIN <= 900_000);
            let region = &gene.gene.region;
            for (i, t) in gene.gene.transcripts.iter().enumerate() {
                assert!(t.start >= region.start && t.end <= region.end && t.start < t.end);
                assert!(t.exons.windows(2).all(|w| w[0].1 < w[1].0), "introns have bases: {:?}", t.exons);
                assert!(t.exons.iter().all(|e| e.0 < e.1));
                let cds = t.cds.unwrap();
                let coding: u64 = t.exons.iter().map(|e| e.1.min(cds.1).saturating_sub(e.0.max(cds.0))).sum();
                assert!(coding > 0 && coding.is_multiple_of(3), "{coding}");
                let first = if gene.strand() == Strand::Forward { t.start } else { t.end - 1 };
                let expected = if i == 1 { gene.second_tss.unwrap_or(gene.tss) } else { gene.tss };
                assert_eq!(first, expected);
            }
        }
        assert!(layout.deserts.windows(2).all(|w| w[0].1 <= w[1].0));
        assert!(place_genes((0, "c", 50_000, 100), 8, &mut HashSet::new(), &mut random).is_err());
    }
}
