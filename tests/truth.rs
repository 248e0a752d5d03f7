//! Recovery of what was planted in the sample data, by the sample's own network on genes it has not learnt from, beside simple scores
//! and the same network with shuffled weights.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::Device;
use cislens::attribution::truth::{CONTRASTS, Line, Truth, read_truth, recover};
use cislens::genome::GeneId;
use cislens::models::{load_model, load_shuffled};
use cislens::session::{Readers, SampleId, Session};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// By how much the attribution must be better than every simple score and the shuffled weights.
const MARGIN: f64 = 0.06;

struct Sample {
    folder: PathBuf,
    session: Arc<Session>,
    truth: Truth,
    /// The genes of chr3, which no network of the sample is fitted to (models/isegnet/genes.tsv).
    held_out: Vec<GeneId>,
}

fn sample() -> Sample {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data");
    let session = Arc::new(Session::open(&folder.join("session.toml")).unwrap());
    let truth = Truth::new(read_truth(&folder.join("truth.tsv")).unwrap());
    let held_out = session.genome.genes.iter().filter(|(_, gene)| *gene.region.chrom == *"chr3").map(|(id, _)| id).collect();
    Sample { folder, session, truth, held_out }
}

#[test]
fn mutagenesis_finds_the_sites_that_only_dna_shows() {
    let Sample { folder, session, truth, held_out } = sample();
    let genes: Vec<GeneId> = held_out.into_iter().step_by(12).collect();
    let path = folder.join("models/isegnet");
    let (network, shuffled) = (load_model(&path, &Device::Cpu).unwrap(), load_shuffled(&path, 1, &Device::Cpu).unwrap());
    let networks = [("isegnet", &*network), ("shuffled", &*shuffled)];
    let mut readers = Readers::new(session.clone());
    let lines = recover(&networks, &mut readers, SampleId(0), &truth, &genes, &mut |_| true).unwrap();
    let of = |contrast: &str| -> Vec<&Line> { lines.iter().filter(|line| line.contrast == contrast).collect() };

    // `cislens evaluate isegnet --sample S01 --truth sample-data/truth.tsv` over 60 genes of chr3: AUROC 0.90 and AUPRC 0.92 where the
    // best other score, the distance, has 0.63 and 0.71.
    let lines_of_sites = of(CONTRASTS[0].name);
    let [own, others @ ..] = &lines_of_sites[..] else { panic!("no line: {lines:?}") };
    assert_eq!((own.score.as_str(), others.len()), ("isegnet", 4));
    assert!(own.recovery.working >= 60 && own.recovery.decoys >= 60, "{own:?}");
    let best = |of: fn(&Line) -> f64| others.iter().map(|line| of(line)).fold(0.0, f64::max);
    let (auroc, auprc) = (best(|line| line.recovery.auroc), best(|line| line.recovery.auprc));
    assert!(own.recovery.auroc > auroc + 0.1 && own.recovery.auprc > auprc + 0.08, "{lines_of_sites:#?}");
    assert!(own.recovery.auroc > 0.8, "{own:?}");

    // Against idle planted sites no score can beat the distance: those of the core promoter are planted nearest to the TSS.
    let against_idle = of(CONTRASTS[1].name);
    let distance = against_idle.iter().find(|line| line.score.starts_with("-|distance")).unwrap();
    assert!(distance.recovery.auroc > 0.999, "{against_idle:#?}");
    assert!(against_idle[0].recovery.auroc > 0.85, "{against_idle:#?}");
    assert!(
        against_idle[1..]
            .iter()
            .filter(|line| !line.score.starts_with("-|"))
            .all(|l| l.recovery.auroc < against_idle[0].recovery.auroc)
    );
}

#[test]
fn occlusion_finds_the_enhancers_among_peaks_that_drive_nothing() {
    let Sample { folder, session, truth, held_out: genes } = sample();
    let path = folder.join("models/attentive-chrome");
    let network = load_model(&path, &Device::Cpu).unwrap();
    let shuffled: Vec<_> = (1..=5).map(|seed| load_shuffled(&path, seed, &Device::Cpu).unwrap()).collect();
    let mut networks = vec![("attentive-chrome", &*network)];
    networks.extend(shuffled.iter().map(|network| ("shuffled", &**network)));
    // The mean over the four samples of each score: a window rarely holds an enhancer and a peak that drives nothing.
    let mut sums: Vec<(String, f64, f64)> = Vec::new();
    let (mut working, mut decoys) = (0, 0);
    for sample in 0..4 {
        let mut readers = Readers::new(session.clone());
        let lines = recover(&networks, &mut readers, SampleId(sample), &truth, &genes, &mut |_| true).unwrap();
        let of_enhancers = lines.iter().filter(|line| line.contrast == "working enhancers / decoy peaks of the window");
        for (i, Line { score, recovery, .. }) in of_enhancers.enumerate() {
            if sums.len() == i {
                sums.push((score.clone(), 0.0, 0.0));
            }
            assert_eq!(sums[i].0, *score);
            (sums[i].1, sums[i].2) = (sums[i].1 + recovery.auroc / 4.0, sums[i].2 + recovery.auprc / 4.0);
            if i == 0 {
                (working, decoys) = (working + recovery.working, decoys + recovery.decoys);
            }
        }
    }
    println!("{working} enhancers, {decoys} decoy peaks: {sums:#?}");
    assert!(working >= 150 && decoys >= 100, "{working} {decoys}");
    let [own, others @ ..] = &sums[..] else { panic!("no line") };
    // Five shuffles of the weights count by their mean: one alone says high or low for every peak alike.
    let (shuffles, simple) = others.split_at(5);
    let mean = |of: fn(&(String, f64, f64)) -> f64| shuffles.iter().map(of).sum::<f64>() / 5.0;
    let best = |of: fn(&(String, f64, f64)) -> f64| simple.iter().map(of).fold(mean(of), f64::max);
    let (auroc, auprc) = (best(|line| line.1), best(|line| line.2));
    assert!(own.1 > auroc + MARGIN && own.2 > auprc + MARGIN / 2.0, "{own:?} against {auroc} {auprc}");
}
