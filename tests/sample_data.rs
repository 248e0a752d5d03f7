//! What the README says of the sample data and its models, measured again from the committed files.
#![expect(clippy::unwrap_used, reason = "a test")]

use candle_core::{DType, Device, Tensor};
use cislens::models::{Batch, load_model, read_manifest};
use cislens::session::{Readers, SampleId, Session};
use cislens::training::{Dataset, evaluate};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No model saw a gene of it.
const HELD_OUT: &str = "chr3";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data")
}

/// A statistic of a model on the held-out chromosome in the samples it was trained on, with its 95 % interval.
fn held_out(model: &str, statistic: &str) -> (f64, f64, f64) {
    let samples = read_manifest(&folder().join("models").join(model)).unwrap().samples;
    held_out_of(model, statistic, &samples, |_| ())
}

/// The same in other samples, after a change of the genes.
fn held_out_of(model: &str, statistic: &str, samples: &[String], change: impl FnOnce(&mut Dataset)) -> (f64, f64, f64) {
    let session = Arc::new(Session::open(&folder().join("session.toml")).unwrap());
    let model = load_model(&folder().join("models").join(model), &Device::Cpu).unwrap();
    let sample = |name: &String| SampleId(session.samples.iter().position(|s| s.name == *name).unwrap());
    let samples: Vec<SampleId> = samples.iter().map(sample).collect();
    let mut readers = Readers::new(session);
    let mut data = Dataset::read(&mut readers, &samples, model.manifest(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    change(&mut data);
    let indices: Vec<usize> = (0..data.examples.len()).filter(|&i| **data.examples[i].window.chrom() == *HELD_OUT).collect();
    assert!(indices.len() > 200, "{} genes on {HELD_OUT}", indices.len());
    let found = evaluate(&*model, &data, &indices, 200, 1).unwrap();
    let (_, interval) = found.iter().find(|(name, _)| *name == statistic).unwrap();
    println!(
        "{model}: {statistic} {:.3} ({:.3} to {:.3})",
        interval.value,
        interval.low,
        interval.high,
        model = model.manifest().name
    );
    (interval.value, interval.low, interval.high)
}

#[test]
fn deepcore_predicts_expression_of_genes_it_has_not_seen() {
    let (r, low, _) = held_out("deepcore", "r");
    assert!(r >= 0.75 && low > 0.6, "{r} {low}");
}

#[test]
fn attentive_chrome_tells_high_from_low_genes_it_has_not_seen() {
    let (auroc, low, _) = held_out("attentive-chrome", "auroc");
    assert!(auroc >= 0.85 && low > 0.75, "{auroc} {low}");
}

/// A sample whose enhancers, factors and signals neither network has seen.
#[test]
fn networks_of_marks_carry_over_to_another_sample() {
    let other = ["S04".to_owned()];
    for (network, statistic, least) in [("deepcore", "r", 0.7), ("attentive-chrome", "auroc", 0.85)] {
        assert!(!read_manifest(&folder().join("models").join(network)).unwrap().samples.contains(&other[0]));
        let (value, ..) = held_out_of(network, statistic, &other, |_| ());
        assert!(value >= least, "{network}: {value}");
    }
}

#[test]
fn isegnet_predicts_expression_of_genes_it_has_not_seen() {
    let (r, low, _) = held_out("isegnet", "r");
    assert!(r >= 0.85 && low > 0.8, "{r} {low}");
}

/// Bins at peaks and between them.
#[test]
fn deepcage_predicts_accessibility_of_loci_it_has_not_seen() {
    let (r, low, _) = held_out("deepcage", "r");
    assert!(r >= 0.55 && low > 0.5, "{r} {low}");
    let model = load_model(&folder().join("models/deepcage"), &Device::Cpu).unwrap();
    // What was never seen, not a base known and no factor expressed, is still predicted a number like others: it was -2,000.
    let zeros = |shape: &[usize]| Some(Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap());
    let tfs = model.manifest().input.tfs.len();
    let blank =
        Batch { sequence: zeros(&[1, 1_000, 4]), marks: None, expression: zeros(&[1, tfs]), motif_scores: zeros(&[1, tfs]) };
    let score = model.forward(&blank).unwrap().score.to_vec1::<f32>().unwrap()[0];
    assert!(score.abs() < 3.0, "{score}");
}

#[test]
fn comparators_tell_high_from_low_genes_as_well_as_their_models_say() {
    for network in ["deepchrome", "lstm", "lstm-attn", "lstm-alpha", "cnn-attn", "cnn-alpha-beta", "mlp", "linear"] {
        let name = format!("comparators/{network}");
        let (auroc, ..) = held_out(&name, "auroc");
        let said = read_manifest(&folder().join("models").join(&name)).unwrap().metrics["test_auroc"];
        // The last digits are the processor's.
        assert!((auroc - said).abs() < 1e-3 && auroc > 0.82, "{network}: {auroc}, {said} in model.toml");
    }
}

/// Networks of the same architecture, seed and split that saw one view only, or were given labels of other genes to learn and to be
/// judged by.
#[test]
fn the_data_can_tell_methods_apart() {
    let both = held_out("deepcore", "r").0;
    let sequence = held_out("ablation/sequence-only", "r").0;
    let marks = held_out("ablation/marks-only", "r").0;
    let samples = ["S01", "S02", "S03"].map(str::to_owned);
    let shuffled = held_out_of("ablation/shuffled-labels", "r", &samples, |data| data.shuffle_labels(1)).0;
    assert!(sequence >= 0.4, "sequence only: {sequence}");
    assert!(both >= marks + 0.05, "both views {both}, marks only {marks}");
    assert!(shuffled.abs() <= 0.1, "shuffled labels: {shuffled}");
}

#[test]
fn the_sample_stays_small() {
    fn bytes(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        entries.map(|path| if path.is_dir() { bytes(&path) } else { path.metadata().unwrap().len() }).sum()
    }
    assert!(bytes(&folder()) <= 40_000_000, "{}", bytes(&folder()));
}

#[test]
fn the_sample_opens_without_a_remark() {
    let session = Session::open(&folder().join("session.toml")).unwrap();
    assert_eq!(session.warnings, Vec::<String>::new());
    assert!(session.note.contains("simulated"), "it says what it is");
    assert!(session.genome.genes.len() >= 1_200);
    assert_eq!(session.samples.len(), 24);
    assert!(session.genome.chroms.len() >= 3);
    let full = session.samples.iter().filter(|s| s.name.starts_with('S')).count();
    assert_eq!(full, 4);
}
