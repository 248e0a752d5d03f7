//! A small session in memory, for tests of everything that reads a state.

use super::{ModelInfo, SignalView, State};
use crate::genome::{ChromSizes, Gene, Genes, Region, Strand, Transcript};
use crate::models::Manifest;
use crate::session::{Genome, Sample, SampleId, Session, TrackId, TrackInfo, TrackKind};
use crate::theme::Theme;
use crate::tracks::{Column, Feature, Features, SignalUnit};
use std::path::PathBuf;
use std::sync::Arc;

/// Genes `name start end strand` on `chr1` of 100 kb and `chr2` of 50 kb.
fn genes(chroms: &ChromSizes) -> Genes {
    let gene = |(chrom, name, start, end, strand): (&str, &str, u64, u64, Strand)| Gene {
        id: format!("ENSG_{name}"),
        name: name.to_owned(),
        biotype: "protein_coding".to_owned(),
        region: Region::new(chrom, start, end),
        strand,
        transcripts: vec![Transcript {
            id: format!("{name}-201"),
            start,
            end,
            exons: vec![(start, start + 500), (end - 500, end)],
            cds: Some((start + 100, end - 100)),
            ..Transcript::default()
        }],
    };
    let genes = [
        ("chr1", "ALPHA", 20_000, 26_000, Strand::Forward),
        ("chr1", "BETA", 40_000, 47_000, Strand::Reverse),
        ("chr1", "GAMMA", 60_000, 61_000, Strand::Forward),
        ("chr2", "DELTA", 10_000, 12_000, Strand::Forward),
    ];
    Genes::new(genes.map(gene).into(), |c| chroms.rank(c))
}

fn track(label: &str, kind: TrackKind, format: &str, sample: Option<usize>, unit: Option<SignalUnit>) -> TrackInfo {
    TrackInfo {
        label: label.to_owned(),
        mark: (kind == TrackKind::Signal).then(|| label.to_owned()),
        sample: sample.map(SampleId),
        unit,
        kind,
        path: PathBuf::from(format!("{label}.file")),
        format: format.to_owned(),
        min_coverage: None,
        table: None,
    }
}

/// Two samples, a promoter row, a signal and a methylation row, no files behind them.
pub(crate) fn session() -> Session {
    let chroms = ChromSizes::parse("chr1\t100000\nchr2\t50000").unwrap();
    let sample = |name: &str| Sample { name: name.to_owned(), expression: None, tf_expression: None, unit: "TPM".to_owned() };
    Session {
        note: "simulated data".to_owned(),
        genome: Genome {
            name: "toy".to_owned(),
            genes: Arc::new(genes(&chroms)),
            chroms,
            fasta: Some(PathBuf::from("toy.fa")),
            ..Genome::default()
        },
        samples: vec![sample("S01"), sample("S02")],
        tracks: vec![
            track("H3K4me3", TrackKind::Signal, "bigwig", Some(0), Some(SignalUnit::Rpm)),
            track("5mC", TrackKind::Signal, "bigwig", Some(0), None),
            track("H3K4me3", TrackKind::Signal, "bigwig", Some(1), Some(SignalUnit::Rpm)),
            track("EPD", TrackKind::Features, "epd", None, None),
        ],
        ..Session::default()
    }
}

/// A state of [`session`] with one model of this manifest, if any.
pub(crate) fn state(manifest: Option<Result<Manifest, String>>) -> State {
    let models = manifest.into_iter().map(|manifest| ModelInfo { folder: PathBuf::from("models/toy"), manifest }).collect();
    let mut state = State::new(Arc::new(session()), models, Theme::named("dark").unwrap());
    let promoter =
        |start, end, name: &str| ("chr1".to_owned(), Feature { start, end, name: name.to_owned(), ..Feature::default() });
    let promoters = [promoter(19_951, 20_011, "ALPHA_1"), promoter(46_989, 47_049, "BETA_1")];
    state.features.insert(TrackId(3), Ok(Arc::new(Features::new(promoters, &state.session.genome.chroms))));
    state
}

/// Fills every signal in view: a ramp from 0 to `n - 1` over the columns, with a gap in the first tenth.
pub(crate) fn fill_signals(state: &mut State) {
    let n = state.n_columns;
    let column = |i: usize| match i * 10 < n {
        true => Column::MISSING,
        false => Column { mean: i as f32, min: i as f32, max: i as f32, covered: 1.0 },
    };
    for (track, _) in state.session.clone().tracks_of(state.sample).filter(|(_, t)| t.kind == TrackKind::Signal) {
        let columns = Ok((0..n).map(column).collect());
        state.signals.insert(track, SignalView { region: state.region.clone(), columns });
    }
}
