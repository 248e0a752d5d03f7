//! Tables: expression, the factors' expression, and the truth.

use super::random::Random;
use super::rule::{NOISE, Rule, TPM_FLOOR, Without};
use super::samples::FULL_ACTIVITY_TPM;
use super::world::{GenePlan, World};
use std::fmt::Write;

/// `tpm.tsv`: gene_id and one column a sample.
pub(super) fn tpm(world: &World) -> String {
    let columns: Vec<Vec<f64>> = (0..world.samples.len()).map(|sample| measured(world, sample)).collect();
    let mut text = "gene_id".to_owned();
    for sample in &world.samples {
        let _ = write!(text, "\t{}", sample.name);
    }
    for (i, gene) in world.genes.iter().enumerate() {
        let _ = write!(text, "\n{}", gene.gene.id);
        for column in &columns {
            let _ = write!(text, "\t{:.3}", column[i]);
        }
    }
    text.push('\n');
    text
}

/// Measured TPM of each gene in a sample: the rule's, with noise.
pub(super) fn measured(world: &World, sample: usize) -> Vec<f64> {
    let rule = rule(world, sample);
    let mut random = Random::new(world.seed, &format!("expression/{}", world.samples[sample].name));
    let tpm = world.genes.iter().map(|gene| {
        let ln_tpm = rule.expression(gene, Without::Nothing).ln_tpm() + NOISE * random.normal();
        TPM_FLOOR + libm::exp(ln_tpm)
    });
    tpm.collect()
}

/// `tf_expression.tsv`: factor, motif, and TPM in each sample.
pub(super) fn tf_expression(world: &World) -> String {
    let mut text = "tf\tmotif".to_owned();
    for sample in &world.samples {
        let _ = write!(text, "\t{}", sample.name);
    }
    for (i, motif) in world.table.motifs.iter().enumerate() {
        let _ = write!(text, "\n{}\t{}", motif.tf, motif.name);
        for sample in &world.samples {
            let _ = write!(text, "\t{:.2}", sample.activity[i] * FULL_ACTIVITY_TPM);
        }
    }
    text.push('\n');
    text
}

/// Smaller effects are left out: of full samples, and of panel samples.
pub(super) const LEAST_EFFECT: f64 = 0.05;
pub(super) const LEAST_PANEL_EFFECT: f64 = 0.3;

/// `truth.tsv`. Full samples: every instance and element with an effect; panel samples: elements of some effect. What has no
/// effect in any full sample, decoys among it, stands once, for all samples (`*`).
pub(super) fn truth(world: &World) -> String {
    let mut text = "sample\tgene_id\telement_id\telement_kind\tchrom\tstart\tend\tstrand\tmotif\teffect\n".to_owned();
    let rules: Vec<Rule<'_>> = (0..world.samples.len()).map(|sample| rule(world, sample)).collect();
    for gene in &world.genes {
        for row in rows_of_gene(world, gene) {
            let effects: Vec<f64> = rules
                .iter()
                .map(|rule| if rule.sample.is_full || row.is_element() { rule.effect(gene, row.without) } else { 0.0 })
                .collect();
            let mut is_inert = true;
            for (sample, &effect) in world.samples.iter().zip(&effects) {
                let shown = rounded(effect);
                if sample.is_full && effect.abs() >= LEAST_EFFECT {
                    is_inert = false;
                    let _ = writeln!(text, "{}\t{}\t{shown}", sample.name, row.text);
                }
                if !sample.is_full && effect.abs() >= LEAST_PANEL_EFFECT && matches!(row.without, Without::Element(_)) {
                    let _ = writeln!(text, "{}\t{}\t{shown}", sample.name, row.text);
                }
            }
            if is_inert {
                let _ = writeln!(text, "*\t{}\t0", row.text);
            }
        }
    }
    for (index, element) in world.elements.iter().enumerate().filter(|(_, e)| e.kind.is_decoy()) {
        for row in rows_of_element(world, ".", index, element.kind.name()) {
            let _ = writeln!(text, "*\t{}\t0", row.text);
        }
    }
    text
}

/// What can be taken from a gene, and the columns between the sample and the effect.
struct Row {
    without: Without,
    text: String,
}

impl Row {
    fn is_element(&self) -> bool {
        matches!(self.without, Without::Element(_))
    }
}

fn rows_of_gene(world: &World, gene: &GenePlan) -> Vec<Row> {
    let id = &gene.gene.id;
    let mut rows = Vec::new();
    if let Some(island) = gene.island {
        let (chrom, start, end) = (&world.chroms[gene.chrom].name, island.start, island.end);
        let text = format!("{id}\t{chrom}.i{}\tcpg_island\t{chrom}\t{start}\t{end}\t.\t.", start / 10);
        rows.push(Row { without: Without::Island, text });
    }
    let pair = gene.pair.map_or(Vec::new(), |(a, b)| vec![a, b]);
    let elements = [gene.promoter].into_iter().chain(gene.second_promoter).chain(pair.iter().copied());
    for index in elements.chain(gene.enhancers.iter().copied()) {
        let kind = if pair.contains(&index) { "enhancer_pair" } else { world.elements[index].kind.name() };
        rows.extend(rows_of_element(world, id, index, kind));
    }
    rows
}

/// The element, then its instances.
fn rows_of_element(world: &World, gene: &str, index: usize, kind: &str) -> Vec<Row> {
    let element = &world.elements[index];
    let head = format!("{gene}\t{}\t{kind}\t{}", element.id, world.chroms[element.chrom].name);
    let mut rows =
        vec![Row { without: Without::Element(index), text: format!("{head}\t{}\t{}\t.\t.", element.start, element.end) }];
    rows.extend(element.instances.iter().enumerate().map(|(i, site)| {
        let motif = &world.table.motifs[site.motif];
        let end = site.start + motif.len();
        let text = format!("{head}\t{}\t{end}\t{}\t{}", site.start, site.strand, motif.name);
        Row { without: Without::Instance(index, i), text }
    }));
    rows
}

fn rule(world: &World, sample: usize) -> Rule<'_> {
    Rule { table: &world.table, elements: &world.elements, sample: &world.samples[sample] }
}

/// Two decimals at most; `0` for what rounds to it.
fn rounded(effect: f64) -> String {
    let text = format!("{effect:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" || text == "-" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn effects_are_short_numbers() {
        let cases = [(0.0, "0"), (-0.004, "0"), (0.5, "0.5"), (-1.25, "-1.25"), (10.0, "10"), (0.1234, "0.12")];
        for (effect, text) in cases {
            assert_eq!(rounded(effect), text);
        }
    }
}
