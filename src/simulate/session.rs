//! `session.toml` of the sample.

use super::chromatin::Assay;
use super::rule::{Rule, Without};
use super::world::{ASSEMBLY, World};
use crate::session::{ExpressionEntry, GenomeEntry, ModelEntry, SampleEntry, SessionFile, TrackEntry};
use crate::tracks::SignalUnit;

/// Where a signal stands, relative to the folder.
pub(super) fn signal_file(sample: &str, assay: &str) -> String {
    format!("signals/{sample}.{assay}.bw")
}

/// Where the peaks of a sample's DNase stand.
pub(super) fn peak_file(sample: &str) -> String {
    format!("signals/{sample}.DNase.narrowPeak")
}

/// The text of `session.toml`.
pub(super) fn session(world: &World) -> String {
    let file = SessionFile {
        version: 1,
        note: format!("simulated data (seed {}): checks the machinery, not biology", world.seed),
        locus: good_locus(world),
        genome: GenomeEntry {
            name: ASSEMBLY.to_owned(),
            sizes: Some("sim1.chrom.sizes".into()),
            fasta: Some("sim1.fa.gz".into()),
            genes: Some("genes.gtf.gz".into()),
            ..GenomeEntry::default()
        },
        samples: world
            .samples
            .iter()
            .map(|sample| {
                let expression = ExpressionEntry { file: "tpm.tsv".into(), unit: "TPM".to_owned(), ..ExpressionEntry::default() };
                let tf_expression = Some(ExpressionEntry {
                    file: "tf_expression.tsv".into(),
                    id_column: Some("tf".to_owned()),
                    unit: "TPM".to_owned(),
                    ..ExpressionEntry::default()
                });
                SampleEntry { name: sample.name.clone(), expression: Some(expression), tf_expression }
            })
            .collect(),
        tracks: tracks(world),
        models: ["models/deepcore", "models/attentive-chrome", "models/isegnet", "models/deepcage"]
            .map(|path| ModelEntry { path: path.into() })
            .to_vec(),
        ..SessionFile::default()
    };
    toml::to_string(&file).expect("a session of plain strings and tables can be written because no key is anything else")
}

fn tracks(world: &World) -> Vec<TrackEntry> {
    let annotation = |file: &str, label: &str, format: &str| TrackEntry {
        file: file.into(),
        label: Some(label.to_owned()),
        format: Some(format.to_owned()),
        ..TrackEntry::default()
    };
    let mut tracks = vec![annotation("promoters.epd", "EPD", "epd"), annotation("enhancers.gff", "GeneHancer", "genehancer")];
    for sample in &world.samples {
        let of_sample =
            |file: String| TrackEntry { file: file.into(), sample: Some(sample.name.clone()), ..TrackEntry::default() };
        for assay in if sample.is_full { &Assay::ALL[..] } else { &Assay::PANEL[..] } {
            let signal = if *assay == Assay::Methylation { SignalUnit::Fraction } else { SignalUnit::Rpm };
            let track = of_sample(signal_file(&sample.name, assay.name()));
            tracks.push(TrackEntry { mark: Some(assay.name().to_owned()), signal: Some(signal), ..track });
            if *assay == Assay::Dnase {
                tracks.push(TrackEntry { label: Some("DNase peaks".to_owned()), ..of_sample(peak_file(&sample.name)) });
            }
        }
    }
    tracks
}

/// A gene to open at: active in the first sample, with enhancers on both sides of its start and neighbours in view.
fn good_locus(world: &World) -> Option<String> {
    let rule = Rule { table: &world.table, elements: &world.elements, sample: world.samples.first()? };
    let score = |i: usize| {
        let gene = &world.genes[i];
        let expression = rule.expression(gene, Without::Nothing);
        let all = gene.enhancers.iter().copied().chain(gene.pair.map(|p| p.0)).chain(gene.pair.map(|p| p.1));
        let active: Vec<usize> = all.filter(|&e| rule.activity(e) > 0.6).collect();
        let upstream = active.iter().filter(|&&e| world.elements[e].centre() < gene.tss).count();
        let both_sides = upstream > 0 && upstream < active.len();
        let long = gene.gene.region.len().min(4_000) as f64 / 4_000.0;
        let core = world.elements[gene.promoter].instances.len().min(10) as f64 / 10.0;
        expression.promoter.min(0.9) * 2.0
            + f64::from(u8::from(both_sides))
            + 0.3 * active.len().min(3) as f64
            + long
            + core
            + expression.ln_tpm().clamp(0.0, 5.0) / 2.0
    };
    let best = (0..world.genes.len()).max_by(|&a, &b| score(a).total_cmp(&score(b)).then(b.cmp(&a)))?;
    Some(world.genes[best].gene.name.clone())
}
