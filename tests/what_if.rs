//! Edits against networks that read an edited genome: the same numbers, for every architecture, on both strands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod toy;

use candle_core::Device;
use cislens::genome::{Region, Strand, complement};
use cislens::jobs::{Prediction, Subject, predict};
use cislens::models::{MODELS, Model, load_model};
use cislens::session::{Amount, Change, Edit, Readers, SampleId, Session};
use cislens::tracks::{SignalInterval, write_bgzip_fasta, write_bigwig};
use std::path::Path;
use std::sync::Arc;
use toy::LEN;

fn edit(start: u64, end: u64, to: &str) -> Edit {
    Edit::bases(Region::new("a", start, end), None, to.as_bytes())
}

fn paint(mark: &str, start: u64, end: u64, value: f32) -> Edit {
    Edit { region: Region::new("a", start, end), change: Change::Paint(mark.to_owned(), Amount::new(value).unwrap()) }
}

/// Every mark that a network may read, painted, scaled and blanked in places that are no multiple of a bin.
fn edits_of_marks(session: &Session) -> Vec<Edit> {
    let marks: std::collections::BTreeSet<&str> = session.tracks.iter().filter_map(|t| t.mark.as_deref()).collect();
    marks
        .into_iter()
        .flat_map(|mark| {
            let scale = Change::Scale(mark.to_owned(), Amount::new(0.5).unwrap());
            [
                paint(mark, 1_383, 1_437, 6.0),
                Edit { region: Region::new("a", 1_430, 1_505), change: scale },
                Edit::blank(Region::new("a", 1_290, 1_301), mark),
            ]
        })
        .collect()
}

fn predicted(model: &dyn Model, readers: &mut Readers, gene: &str, edits: &[Edit]) -> Prediction {
    let session = readers.session().clone();
    let gene = session.genome.genes.find(gene).unwrap();
    let window = model.manifest().window_of(session.genome.genes.get(gene), session.genome.tss);
    let subject = Subject { model: 0, sample: SampleId(0), gene, window, edits: edits.into() };
    predict(model, &subject, readers).unwrap().0
}

/// Writes the session again with the edits in its files: bases as they become, signals base by base.
fn write_edited(folder: &Path, original: &Arc<Session>, edits: &[Edit]) -> Arc<Session> {
    let path = toy::write_session(folder);
    let mut readers = Readers::new(original.clone());
    let chroms = ["a", "b"].map(|chrom| {
        let mut bases = readers.bases(&Region::new(chrom, 0, LEN)).unwrap().unwrap();
        for edit in edits.iter().filter(|edit| &*edit.region.chrom == chrom) {
            if let Change::Bases { to, .. } = &edit.change {
                bases.splice(edit.region.start as usize..edit.region.end as usize, to.bytes());
            }
        }
        bases
    });
    for ending in ["", ".fai", ".gzi"] {
        let _ = std::fs::remove_file(folder.join(format!("toy.fa.gz{ending}")));
    }
    write_bgzip_fasta(&folder.join("toy.fa.gz"), &[("a", &chroms[0]), ("b", &chroms[1])]).unwrap();
    for (i, track) in original.tracks.iter().enumerate() {
        let signals = ["a", "b"].map(|chrom| {
            let mut values = readers.values(cislens::session::TrackId(i), &Region::new(chrom, 0, LEN)).unwrap();
            for edit in edits.iter().filter(|edit| &*edit.region.chrom == chrom && edit.mark() == track.mark.as_deref()) {
                for value in &mut values[edit.region.start as usize..edit.region.end as usize] {
                    match &edit.change {
                        Change::Paint(_, to) => *value = to.get(),
                        Change::Scale(_, factor) => *value *= factor.get(),
                        _ => unreachable!("not in these tests"),
                    }
                }
            }
            let one =
                |(start, value): (usize, &f32)| SignalInterval { start: start as u64, end: start as u64 + 1, value: *value };
            let measured = values.iter().enumerate().filter(|(_, value)| value.is_finite()).map(one).collect::<Vec<_>>();
            (Arc::<str>::from(chrom), measured)
        });
        let name = track.path.file_name().unwrap();
        write_bigwig(&folder.join(name), &original.genome.chroms, &signals, &[]).unwrap();
    }
    Arc::new(Session::open(&path).unwrap())
}

#[test]
fn every_network_reads_an_edited_window_as_one_of_an_edited_genome() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let session = Arc::new(Session::open(&toy::write_session(folder.path())).unwrap());
    let mut edits = edits_of_marks(&session);
    edits.extend([edit(1_395, 1_396, "T"), edit(1_420, 1_424, "ACGT"), edit(1_300, 1_304, "GGCC")]);
    let edited = write_edited(other.path(), &session, &edits);
    let (mut readers, mut readers_edited) = (Readers::new(session), Readers::new(edited));
    for architecture in MODELS {
        let model = load_model(&folder.path().join(architecture.name), &Device::Cpu).unwrap();
        let name = architecture.name;
        let before = predicted(&*model, &mut readers, "ONE0", &[]);
        let found = predicted(&*model, &mut readers, "ONE0", &edits);
        let expected = predicted(&*model, &mut readers_edited, "ONE0", &[]);
        assert_eq!(found.input_hash, expected.input_hash, "{name}: other numbers were read");
        assert_eq!((found.score, found.output), (expected.score, expected.output), "{name}");
        assert_eq!(found.unedited.unwrap().score, before.score, "{name}");
        assert_ne!(found.score, before.score, "{name}: the edits do something");
    }
}

#[test]
fn an_edit_and_its_mirror_change_a_gene_and_its_twin_alike() {
    let folder = tempfile::tempdir().unwrap();
    let session = Arc::new(Session::open(&toy::write_session(folder.path())).unwrap());
    let mut edits = edits_of_marks(&session);
    edits.extend([edit(1_395, 1_396, "T"), edit(1_410, 1_410, "GATTACA"), edit(1_360, 1_380, ""), edit(1_450, 1_452, "C")]);
    let mirror = |edit: &Edit| {
        let region = Region::new("b", LEN - edit.region.end, LEN - edit.region.start);
        let change = match &edit.change {
            Change::Bases { reference, to } => {
                let to = to.bytes().rev().map(|base| complement(base) as char).collect();
                Change::Bases { reference: reference.clone(), to }
            }
            other => other.clone(),
        };
        Edit { region, change }
    };
    let mirrored: Vec<Edit> = edits.iter().map(mirror).collect();
    let mut readers = Readers::new(session);
    for architecture in MODELS {
        let model = load_model(&folder.path().join(architecture.name), &Device::Cpu).unwrap();
        let forward = predicted(&*model, &mut readers, "ONE0", &edits);
        let reverse = predicted(&*model, &mut readers, "TWIN0", &mirrored);
        assert_eq!(forward.input_hash, reverse.input_hash, "{}", architecture.name);
        assert_eq!(forward.score, reverse.score, "{}", architecture.name);
    }
    let gene = readers.session().genome.genes.find("TWIN0").unwrap();
    assert_eq!(readers.session().genome.genes.get(gene).strand, Strand::Reverse);
}
