//! Edits against networks that read an edited genome: the same numbers, for every architecture, on both strands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod program;
mod toy;

use candle_core::Device;
use cislens::attribution::Run;
use cislens::genome::{Region, Strand, complement};
use cislens::jobs::{Prediction, Subject, predict};
use cislens::models::{MODELS, Model, load_model};
use cislens::regulation::minimal_change::{Search, minimal_change};
use cislens::regulation::variants::{AlleleIndex, alleles, effects};
use cislens::session::{Amount, Change, Edit, Readers, SampleId, Session};
use cislens::tracks::{SignalInterval, Variant, write_bgzip_fasta, write_bigwig};
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

/// Alleles of every kind in the window of ONE0, and on the mirrored chromosome in that of TWIN0.
fn variants() -> Vec<Variant> {
    let mut variants = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    let session = Arc::new(Session::open(&toy::write_session(folder.path())).unwrap());
    let mut readers = Readers::new(session);
    for chrom in ["a", "b"] {
        for position in [1_365, 1_405, 1_560] {
            let bases = readers.bases(&Region::new(chrom, position, position + 3)).unwrap().unwrap();
            let reference = String::from_utf8(bases).unwrap();
            let (first, rest) = reference.split_at(1);
            let other = if first == "A" { "G" } else { "A" };
            let mut add = |reference: &str, alternatives: &[String]| {
                variants.push(Variant {
                    chrom: chrom.to_owned(),
                    position,
                    id: String::new(),
                    reference: reference.to_owned(),
                    alternatives: alternatives.to_vec(),
                    quality: None,
                    end: position + reference.len() as u64,
                });
            };
            add(first, &[other.to_owned(), format!("{first}GATTACA"), "<DEL>".to_owned()]);
            add(&reference, &[first.to_owned(), format!("{other}{rest}"), format!("{other}TTGACCT")]);
        }
    }
    variants
}

#[test]
fn a_variants_effect_is_that_of_predicting_the_edited_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let session = Arc::new(Session::open(&toy::write_session(folder.path())).unwrap());
    let alleles = alleles(&variants());
    let index = AlleleIndex::new(&alleles);
    let mut readers = Readers::new(session.clone());
    for architecture in MODELS {
        let model = load_model(&folder.path().join(architecture.name), &Device::Cpu).unwrap();
        if model.manifest().input.sequence.is_none() {
            continue;
        }
        for name in ["ONE0", "TWIN0"] {
            let gene = session.genome.genes.find(name).unwrap();
            let window = model.manifest().window_of(session.genome.genes.get(gene), session.genome.tss);
            let inside = index.inside(&alleles, &*model, &window);
            assert!(inside.len() >= 8, "{name} holds {inside:?}");
            // A pass of DeepCAGE takes a hundred times as long as one of the others.
            let some = if architecture.name == "deepcage" { 5 } else { inside.len() };
            let edits: Vec<&Edit> = inside.iter().take(some).map(|&i| alleles[i].edit.as_ref().unwrap()).collect();
            let found = effects(&*model, &mut readers, SampleId(0), &window, &edits, &Run::new(&|| true, &mut |_| ())).unwrap();
            let mut moved = 0;
            for (edit, effect) in edits.iter().zip(found) {
                let effect = effect.unwrap();
                let plain = predicted(&*model, &mut readers, name, &[(*edit).clone()]);
                let expected = plain.score - plain.unedited.unwrap().score;
                let room = 1e-5 * effect.reference.abs().max(1.0);
                assert!((effect.change() - expected).abs() < room, "{} {name} {edit}: {effect:?} {expected}", architecture.name);
                moved += usize::from(effect.change().abs() > room);
            }
            assert!(moved > 2, "{} {name}: variants do something", architecture.name);
        }
    }
}

#[test]
fn a_minimal_change_turns_the_gene_and_none_of_it_can_be_missed() {
    let folder = tempfile::tempdir().unwrap();
    let session = Arc::new(Session::open(&toy::write_session(folder.path())).unwrap());
    let mut readers = Readers::new(session.clone());
    for (architecture, by) in [("deepcore", "marks"), ("deepcore", "bases"), ("attentive-chrome", "marks")] {
        let model = load_model(&folder.path().join(architecture), &Device::Cpu).unwrap();
        for name in [if by == "marks" { "ONE0" } else { "TWIN0" }] {
            let gene = session.genome.genes.find(name).unwrap();
            let window = model.manifest().window_of(session.genome.genes.get(gene), session.genome.tss);
            let mut search = |target: f64| {
                let search =
                    Search { most: 4, ..Search::parse(&format!("{target} by {by}"), &session, model.manifest()).unwrap() };
                let run = &mut |_: &_| ();
                let run = Run::new(&|| true, run);
                minimal_change(&*model, &mut readers, SampleId(0), &window, &search, &run, &mut |_, _| ()).unwrap()
            };
            let here = search(1e9);
            assert!(!here.is_reached && here.n_units == 4, "{here:?}");
            // Half of the way that can be gone is gone in fewer steps.
            let target = f64::midpoint(here.before, here.after);
            let found = search(target);
            assert!(
                found.is_reached && found.n_units < here.n_units && !found.edits.is_empty(),
                "{architecture} {by}: {found:?}"
            );
            let words = cislens::session::EditWords::new(&session, Vec::new());
            let edits = cislens::session::parse_edits(found.edits.iter().map(String::as_str), &words).unwrap();
            let plain = predicted(&*model, &mut readers, name, &edits);
            assert_eq!(plain.score, found.after, "the plain path says the same");
            assert!(plain.score >= target && plain.unedited.unwrap().score < target);
            for i in 0..edits.len() {
                let rest: Vec<Edit> = edits.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, e)| e.clone()).collect();
                assert!(
                    predicted(&*model, &mut readers, name, &rest).score < target,
                    "{architecture} {by}: without {}",
                    edits[i]
                );
            }
        }
    }
}

#[test]
fn the_variants_of_a_file_are_scored_sorted_and_what_is_not_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let session = toy::write_session(folder.path());
    let mut readers = Readers::new(Arc::new(Session::open(&session).unwrap()));
    let base =
        |readers: &mut Readers, chrom: &str, p: u64| readers.bases(&Region::new(chrom, p, p + 1)).unwrap().unwrap()[0] as char;
    let other = |base: char| if base == 'A' { 'C' } else { 'A' };
    let mut vcf = "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".to_owned();
    for (chrom, p) in [("a", 1_398), ("a", 1_502), ("b", 1_610), ("a", 2_900)] {
        let there = base(&mut readers, chrom, p);
        vcf += &format!("{chrom}\t{}\trs{p}\t{there}\t{},{there}TT\t.\t.\t.\n", p + 1, other(there));
    }
    let there = base(&mut readers, "a", 1_450);
    vcf += &format!("a\t1451\twrong\t{}\t{there}\t.\t.\t.\na\t1452\tsymbol\tA\t<DUP>\t.\t.\t.\n", other(there));
    std::fs::write(folder.path().join("v.vcf"), vcf).unwrap();
    let args = "variants deepcore --session session.toml --vcf v.vcf --out v.tsv --svg v.svg --threads 2";
    let ran = program::cislens(folder.path(), args).done();
    assert!(ran.stderr.contains("wrong") || ran.stderr.contains("the reference has"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("<DUP> is a symbolic allele") && ran.stderr.contains("2 alleles lie in no window"),
        "{}",
        ran.stderr
    );
    let text = std::fs::read_to_string(folder.path().join("v.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines[0][..5], ["chrom", "pos", "id", "ref", "alt"]);
    let effects: Vec<f64> = lines[1..].iter().filter_map(|line| line[11].parse().ok()).collect();
    assert!(effects.len() >= 6 && effects.windows(2).all(|pair| pair[0].abs() >= pair[1].abs()), "{effects:?}");
    let last = lines.last().unwrap();
    assert_eq!((last[2], last[11], last[12]), ("symbol", "NA", "<DUP> is a symbolic allele"));
    let wrong = lines.iter().find(|line| line[2] == "wrong").unwrap();
    assert_eq!((wrong[11], wrong[12]), ("NA", format!("the reference has {there}").as_str()));
    let minus = lines.iter().find(|line| line[2] == "rs1610" && line[6] == "TWIN0").unwrap();
    assert_eq!((minus[7], minus[8]), ("-", "-11"), "upstream is negative in the gene's direction");
    let svg = std::fs::read_to_string(folder.path().join("v.svg")).unwrap();
    assert!(svg.contains("strongest effects"));
    program::cislens(folder.path(), "variants attentive-chrome --session session.toml --vcf v.vcf --out v.tsv")
        .refused(2, &["reads no DNA"]);
    program::cislens(folder.path(), "variants deepcore --session session.toml --vcf none.vcf --out w.tsv")
        .refused(1, &["none.vcf"]);
    program::cislens(folder.path(), &format!("{args} --resume")).refused(2, &["no interrupted run"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("v.tsv")).unwrap(), text, "nothing half-written");
    let args = "minimal-change attentive-chrome --session session.toml --gene ONE0 --to low --most 3 --out m.tsv";
    program::cislens(folder.path(), args).done();
    assert!(std::fs::read_to_string(folder.path().join("m.tsv")).unwrap().contains("ONE0"));
    program::cislens(folder.path(), &args.replace("low", "nowhere"))
        .refused(2, &["to low, high, a value of F, or a sample (toy)"]);
}

/// Two samples that differ in one mark, and gene sets.
#[test]
fn differences_between_samples_are_explained_and_their_genes_found_in_sets() {
    let folder = tempfile::tempdir().unwrap();
    let path = toy::write_session(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let tracks = text.split_once("[[sample]]").unwrap().1;
    let tracks = &tracks[tracks.find("[[track]]").unwrap()..tracks.find("[[model]]").unwrap()];
    // The other sample has another mark's signal where the first has H3K4me3.
    let other = tracks.replace("sample = \"toy\"", "sample = \"other\"").replace("toy_H3K4me3.bw", "toy_H3K27me3.bw");
    let sample = "[[sample]]\nname = \"other\"\n";
    std::fs::write(
        &path,
        text.replace("[[model]]\npath = \"deepcore\"", &format!("{sample}{other}[[model]]\npath = \"deepcore\"")),
    )
    .unwrap();
    std::fs::write(folder.path().join("sets.gmt"), "forward\tx\tONE0\tONE1\nabsent\tx\tNOBODY\n").unwrap();
    std::fs::write(folder.path().join("list.txt"), "ONE0\nONE1\n").unwrap();
    let args = "differential attentive-chrome --session session.toml --sample toy --against other --against-model mlp --out d.tsv \
                --svg d.svg --gene-sets sets.gmt --listed list.txt --n-steps 243 --threads 2";
    program::cislens(folder.path(), args).done();
    let text = std::fs::read_to_string(folder.path().join("d.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let at = |name: &str| lines[0].iter().position(|c| *c == name).unwrap_or_else(|| panic!("no {name} in {:?}", lines[0]));
    let number = |line: &[&str], name: &str| line[at(name)].parse::<f64>().unwrap();
    assert_eq!(lines.len(), 5);
    let mut differing = 0;
    for line in &lines[1..] {
        let difference = number(line, "difference");
        let parts: f64 = lines[0].iter().filter(|c| c.starts_with("from_")).map(|c| number(line, c)).sum();
        let room = 2e-6 + 0.02 * difference.abs();
        assert!((parts - difference).abs() < room, "the parts sum to the predicted difference: {parts} {difference}");
        assert!((parts - difference - number(line, "completeness_delta")).abs() < 1e-5);
        for other in lines[0].iter().filter(|c| c.starts_with("from_") && **c != "from_H3K4me3") {
            assert_eq!(number(line, other), 0.0, "only H3K4me3 differs");
        }
        let both = number(line, "input_effect") + number(line, "model_effect");
        assert!((both - (number(line, "predicted_toy") - number(line, "other_model_other"))).abs() < 1e-5, "the 2 x 2 adds up");
        differing += usize::from(difference.abs() > 1e-5);
    }
    assert!(differing > 0);
    let sets = std::fs::read_to_string(folder.path().join("d.sets.tsv")).unwrap();
    // Two of four genes listed, both in the set: the chance of that is 1 in 6.
    let row: Vec<&str> = sets.lines().nth(2).unwrap().split('\t').collect();
    assert_eq!((row[0], row[1], row[4]), ("forward", "2", "4"));
    assert!((row[6].parse::<f64>().unwrap() - 1.0 / 6.0).abs() < 1e-9, "{row:?}");
    assert_eq!(sets.lines().count(), 3, "a set without a gene of the background is not tested");
    assert!(std::fs::read_to_string(folder.path().join("d.svg")).unwrap().contains("genes predicted on and off"));
    program::cislens(folder.path(), &args.replace("other --against-model", "nobody --against-model"))
        .refused(2, &["the session has toy, other"]);
    std::fs::write(folder.path().join("sets.gmt"), "no tabs\n").unwrap();
    program::cislens(folder.path(), args).refused(1, &["sets.gmt: line 1"]);
}
