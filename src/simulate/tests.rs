//! The sample as a whole: the same bytes, and what its files say of each other.

use super::chromatin::{Assay, BIN, mean_signal};
use super::motif_table::{MotifTable, Role};
use super::rule;
use super::*;
use crate::genome::{Strand, reverse_complement};
use crate::session::SessionFile;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

fn small(seed: u64, threads: usize) -> (tempfile::TempDir, Summary) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { seed, out: folder.path().join("sim"), scale: Scale::Small, threads };
    let mut last = None;
    let summary = simulate(&options, &mut |progress| {
        assert_eq!(progress.done, last.as_ref().map_or(0, |p: &Progress| p.done) + 1);
        last = Some(progress.clone());
    })
    .unwrap();
    let last = last.unwrap();
    assert_eq!((last.done, last.total), (summary.files.len(), summary.files.len()));
    (folder, summary)
}

fn hash(path: &Path) -> Vec<u8> {
    Sha256::digest(std::fs::read(path).unwrap()).to_vec()
}

fn hashes(folder: &Path, files: &[(PathBuf, u64)]) -> Vec<Vec<u8>> {
    files.iter().map(|(name, _)| hash(&folder.join(name))).collect()
}

fn unzip(path: &Path) -> String {
    let mut text = String::new();
    noodles::bgzf::io::Reader::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn fasta(path: &Path) -> HashMap<String, Vec<u8>> {
    let text = unzip(path);
    let records = text.split('>').skip(1).map(|record| {
        let (name, bases) = record.split_once('\n').unwrap();
        (name.to_owned(), bases.bytes().filter(|b| *b != b'\n').collect())
    });
    records.collect()
}

fn table(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let ((a, summary), (b, again), (c, other)) = (small(5, 1), small(5, 3), small(6, 2));
    assert_eq!(summary, again);
    let of = |folder: &tempfile::TempDir, summary: &Summary| hashes(&folder.path().join("sim"), &summary.files);
    assert_eq!(of(&a, &summary), of(&b, &again));
    let same = of(&a, &summary).iter().zip(of(&c, &other)).filter(|(x, y)| *x == y).count();
    // Chromosome sizes and the sequence's index do not depend on the seed.
    assert_eq!(same, 2, "another seed is another sample");
    let written = std::fs::read_dir(a.path().join("sim")).unwrap().count() - 1
        + std::fs::read_dir(a.path().join("sim/signals")).unwrap().count();
    assert_eq!(written, summary.files.len(), "nothing is left that is not in the summary");
}

#[test]
fn every_instance_of_the_truth_matches_its_motif_in_the_sequence() {
    let (folder, summary) = small(5, 2);
    let folder = folder.path().join("sim");
    let genome = fasta(&folder.join("sim1.fa.gz"));
    let motifs = MotifTable::bundled().unwrap().motifs;
    let mut seen = std::collections::HashSet::new();
    for row in &table(&folder.join("truth.tsv"))[1..] {
        let [_, _, element, _, chrom, start, end, strand, motif, effect] = &row[..] else { panic!("{row:?}") };
        assert!(effect.parse::<f64>().is_ok(), "{row:?}");
        if motif == "." {
            continue;
        }
        let mut site = genome[chrom][start.parse().unwrap()..end.parse().unwrap()].to_vec();
        if strand == "-" {
            site = reverse_complement(&site);
        }
        assert!(motifs.iter().find(|m| &m.name == motif).unwrap().matches(&site), "{row:?}");
        seen.insert((element.clone(), start.clone()));
    }
    assert_eq!(seen.len(), summary.instances, "each planted instance is named");
}

/// The rule once more, from the files alone and as README.md states it.
#[test]
fn expression_follows_from_the_truth() {
    let (folder, _) = small(5, 2);
    let folder = folder.path().join("sim");
    let roles: HashMap<String, Role> =
        MotifTable::bundled().unwrap().motifs.into_iter().map(|m| (m.name.clone(), m.role)).collect();
    let factors = table(&folder.join("tf_expression.tsv"));
    let tpm = table(&folder.join("tpm.tsv"));
    let truth = table(&folder.join("truth.tsv"));
    let starts: HashMap<String, u64> = canonical_starts(&unzip(&folder.join("genes.gtf.gz")));
    let mut residuals = Vec::new();
    for sample in ["S01", "S02"] {
        let column = |rows: &[Vec<String>]| rows[0].iter().position(|name| name == sample).unwrap();
        let activity: HashMap<&str, f64> =
            factors[1..].iter().map(|row| (row[1].as_str(), row[column(&factors)].parse::<f64>().unwrap() / 100.0)).collect();
        for row in &tpm[1..] {
            let gene = &row[0];
            // Element -> kind, centre, sites by start.
            let mut elements: BTreeMap<&str, (&str, u64, BTreeMap<&str, &str>)> = BTreeMap::new();
            let mut island_effect = 0.0;
            for t in truth.iter().filter(|t| &t[1] == gene) {
                let (start, end) = (t[5].parse::<u64>().unwrap(), t[6].parse::<u64>().unwrap());
                if t[3] == "cpg_island" {
                    if t[0] == sample {
                        island_effect = t[9].parse().unwrap();
                    }
                    continue;
                }
                let element = elements.entry(&t[2]).or_insert((&t[3], 0, BTreeMap::new()));
                if t[8] == "." {
                    element.1 = start + (end - start) / 2;
                } else {
                    element.2.insert(&t[5], &t[8]);
                }
            }
            let bound = |sites: &BTreeMap<&str, &str>, wanted: &[Role]| -> f64 {
                sites.values().filter(|m| wanted.contains(&roles[**m])).map(|m| activity[*m]).sum()
            };
            let open = [Role::Ubiquitous, Role::Lineage];
            let switch = |sites: &BTreeMap<&str, &str>| {
                1.0 / (1.0 + (-rule::SWITCH * (rule::SITE_DRIVE * bound(sites, &open) - rule::HALF_DRIVE)).exp())
            };
            let of_kind = |kind: &str| elements.values().filter(|e| e.0 == kind).collect::<Vec<_>>();
            let promoter = of_kind("promoter")[0];
            let p = switch(&promoter.2);
            let enhancer = |e: &(&str, u64, BTreeMap<&str, &str>)| {
                let distance = e.1.abs_diff(starts[gene]) as f64;
                let closed = (-rule::SITE_OPENING * bound(&e.2, &open)).exp();
                ((-distance / rule::ENHANCER_DECAY).exp(), (1.0 - closed).powi(2))
            };
            let mut sum: f64 = of_kind("enhancer").into_iter().map(enhancer).map(|(near, e)| near * e).sum();
            if let [a, b] = of_kind("enhancer_pair")[..] {
                let (a, b) = (enhancer(a), enhancer(b));
                sum += rule::PAIR_WEIGHT * (a.0 * b.0).sqrt() * a.1 * b.1;
            }
            let second = of_kind("second_promoter").first().map_or(0.0, |e| switch(&e.2));
            let share = rule::ENHANCERS_WHEN_SILENT + (1.0 - rule::ENHANCERS_WHEN_SILENT) * p;
            let marked = rule::SILENT
                + rule::PROMOTER_GAIN * p
                + rule::ENHANCER_GAIN * (1.0 - (-rule::ENHANCER_SATURATION * sum).exp()) * share
                + rule::SECOND_PROMOTER_GAIN * second;
            let core = bound(&promoter.2, &[Role::Activator]) - bound(&promoter.2, &[Role::Repressor]);
            let gate = rule::CORE_WHEN_SILENT + (1.0 - rule::CORE_WHEN_SILENT) * p;
            let unmarked = (rule::CORE_GAIN * core - rule::ISLAND_GAIN * rule::ISLAND_MEAN) * gate + island_effect;
            let measured: f64 = row[column(&tpm)].parse().unwrap();
            residuals.push((measured - rule::TPM_FLOOR).max(0.001).ln() - marked - unmarked);
        }
    }
    let n = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / n;
    let deviation = (residuals.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / n).sqrt();
    assert!(mean.abs() < 4.0 * rule::NOISE / n.sqrt(), "mean {mean}");
    assert!((deviation / rule::NOISE - 1.0).abs() < 0.35, "what is left is noise: {deviation}");
    assert!(residuals.iter().all(|r| (r - mean).abs() < 5.0 * rule::NOISE));
}

/// Start of each gene's canonical transcript, 0-based.
fn canonical_starts(gtf: &str) -> HashMap<String, u64> {
    let lines = gtf.lines().filter(|l| l.contains("\ttranscript\t") && l.contains("tag \"Ensembl_canonical\";"));
    let starts = lines.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let gene = columns[8].split('"').nth(1).unwrap().to_owned();
        (gene, columns[if columns[6] == "+" { 3 } else { 4 }].parse::<u64>().unwrap() - 1)
    });
    starts.collect()
}

#[test]
fn annotation_agrees_with_the_genes() {
    let (folder, summary) = small(5, 2);
    let folder = folder.path().join("sim");
    let gtf = unzip(&folder.join("genes.gtf.gz"));
    let starts = canonical_starts(&gtf);
    assert_eq!(starts.len(), summary.genes);
    let mut names: HashMap<String, String> = HashMap::new();
    for line in gtf.lines().filter(|l| l.contains("\tgene\t")) {
        let quoted: Vec<&str> = line.split('"').collect();
        assert_eq!(quoted[3], "protein_coding");
        names.insert(quoted[5].to_owned(), quoted[1].to_owned());
    }
    assert_eq!(names.len(), summary.genes, "symbols are unique");
    for kind in ["exon", "CDS"] {
        assert!(gtf.contains(&format!("\t{kind}\t")));
    }
    let epd = std::fs::read_to_string(folder.join("promoters.epd")).unwrap();
    let mut firsts = 0;
    for line in epd.lines() {
        let [_, start, end, name, "900", strand, thick_start, thick_end] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let number = |text: &str| text.parse::<u64>().unwrap();
        assert_eq!(number(end) - number(start), 60);
        if let Some(gene) = name.strip_suffix("_1") {
            firsts += 1;
            let start = if strand == "+" { number(thick_start) } else { number(thick_end) - 1 };
            assert_eq!(starts[&names[gene]], start, "{line}");
        }
    }
    assert_eq!(firsts, summary.genes);
    let mut linked = 0;
    for line in std::fs::read_to_string(folder.join("enhancers.gff")).unwrap().lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!((columns.len(), columns[2]), (9, "enhancer"));
        assert!(columns[8].starts_with("genehancer_id=GH0"));
        for gene in columns[8].split(';').filter_map(|a| a.strip_prefix("connected_gene=")) {
            let centre = (columns[3].parse::<u64>().unwrap() + columns[4].parse::<u64>().unwrap()) / 2;
            assert!(starts[&names[gene]].abs_diff(centre) <= 5_000, "{line}");
            linked += 1;
        }
    }
    assert!(linked > summary.genes / 2);
}

#[test]
fn the_session_opens_what_was_written() {
    let (folder, summary) = small(5, 2);
    let folder = folder.path().join("sim");
    let text = std::fs::read_to_string(folder.join("session.toml")).unwrap();
    let session: SessionFile = toml::from_str(&text).unwrap();
    assert_eq!(session.note, "simulated data (seed 5): checks the machinery, not biology");
    assert_eq!((session.samples.len(), session.models.len(), session.genome.name.as_str()), (4, 4, "sim1"));
    let genome = [session.genome.sizes, session.genome.fasta, session.genome.genes].map(Option::unwrap);
    for file in genome.iter().chain(session.tracks.iter().map(|t| &t.file)) {
        assert!(summary.files.iter().any(|(name, _)| name == file), "{}", file.display());
    }
    let marks = |sample: &str| session.tracks.iter().filter(|t| t.sample.as_deref() == Some(sample) && t.mark.is_some()).count();
    assert_eq!((marks("S01"), marks("P01")), (8, 5));
    let gtf = unzip(&folder.join("genes.gtf.gz"));
    assert!(gtf.contains(&format!("gene_name \"{}\"", session.locus.unwrap())));
}

#[test]
fn the_full_genome_is_what_was_asked_for() {
    let world = build::build(1, Scale::Full).unwrap();
    let bases: usize = world.chroms.iter().map(|c| c.bases.len()).sum();
    assert!((9_000_000..=11_000_000).contains(&bases) && world.chroms.len() >= 3);
    let n = world.genes.len();
    let count = |is: &dyn Fn(&world::GenePlan) -> bool| world.genes.iter().filter(|g| is(g)).count();
    assert!(n >= 1_200);
    assert!(count(&|g| g.strand() == Strand::Reverse).abs_diff(n / 2) < n / 10);
    assert!(count(&|g| g.gene.region.len() < 1_000) > n / 20);
    assert!(count(&|g| g.second_tss.is_some()) > n / 20);
    assert!(count(&|g| g.pair.is_some()) > n / 20);
    assert!(count(&|g| g.gene.transcripts[0].exons.len() > 1) > n / 2);
    for k in 0..=4 {
        assert!(count(&|g| g.enhancers.len() + 2 * usize::from(g.pair.is_some()) == k) > n / 50, "{k} enhancers");
    }
    let near = world.genes.windows(2).filter(|w| w[0].chrom == w[1].chrom && w[1].tss - w[0].tss < 10_000).count();
    assert!(near > n / 2, "neighbours' windows overlap");
    let deserts = world.genes.windows(2).filter(|w| w[0].chrom == w[1].chrom && w[1].tss - w[0].tss > 20_000).count();
    assert!(deserts > 10, "there are gene deserts");
    let drives = |e: usize| count(&|g| g.enhancers.contains(&e) || g.pair.is_some_and(|p| p.0 == e || p.1 == e));
    let (mut shared, mut decoys) = (0, 0);
    let mut end = (0, 0);
    let mut placed: Vec<&world::Element> = world.elements.iter().collect();
    placed.sort_by_key(|e| (e.chrom, e.start));
    for element in placed {
        assert!((element.chrom, element.start) >= end, "elements do not overlap: {}", element.id);
        end = (element.chrom, element.end);
        decoys += usize::from(element.kind.is_decoy());
        let bases = &world.chroms[element.chrom].bases;
        for site in &element.instances {
            let motif = &world.table.motifs[site.motif];
            assert!(element.start <= site.start && site.start + motif.len() <= element.end);
            let mut instance = bases[site.start as usize..][..motif.len() as usize].to_vec();
            if site.strand == Strand::Reverse {
                instance = reverse_complement(&instance);
            }
            assert!(motif.matches(&instance));
        }
    }
    for e in (0..world.elements.len()).step_by(20) {
        shared += usize::from(drives(e) > 1);
    }
    assert!(shared > 3 && decoys > n / 4);
    let gc = world.chroms.iter().flat_map(|c| &c.bases).filter(|b| b"CG".contains(b)).count() as f64 / bases as f64;
    assert!((0.38..0.46).contains(&gc), "{gc}");
    for (i, sample) in world.samples.iter().enumerate().take(4) {
        let mut tpm = tables::measured(&world, i);
        tpm.sort_by(f64::total_cmp);
        assert!(tpm[0] > 0.04 && tpm[n / 4] < 2.0 && tpm[n * 9 / 10] > 10.0, "{}", sample.name);
    }
}

#[test]
fn a_decoy_peak_is_marked_as_a_poised_enhancer() {
    let world = build::build(2, Scale::Small).unwrap();
    let mut peaks = 0;
    for (sample, of_sample) in world.samples.iter().enumerate() {
        let rule = rule::Rule { table: &world.table, elements: &world.elements, sample: of_sample };
        let mean =
            |assay| -> Vec<Vec<f64>> { (0..world.chroms.len()).map(|chrom| mean_signal(&world, chrom, sample, assay)).collect() };
        let [open, primed, acetylated, polycomb] = [Assay::Dnase, Assay::H3K4me1, Assay::H3K27ac, Assay::H3K27me3].map(mean);
        for (i, element) in world.elements.iter().enumerate() {
            let is_far = |chrom: usize, from: u64, least: u64| chrom != element.chrom || from.abs_diff(element.centre()) > least;
            let mut others = world.elements.iter().enumerate().filter(|(j, _)| *j != i);
            let is_alone = world.genes.iter().all(|gene| is_far(gene.chrom, gene.tss, 1_500))
                && others.all(|(_, other)| is_far(other.chrom, other.centre(), 1_200));
            if element.kind.name() != "decoy_peak" || rule.activity(i) < 0.4 || !is_alone {
                continue;
            }
            peaks += 1;
            let near = |signal: &[Vec<f64>]| {
                let bin = (element.centre() / BIN) as usize;
                signal[element.chrom][bin - 6..bin + 7].iter().copied().fold(0.0, f64::max)
            };
            assert!(near(&open) > 2.0 && near(&primed) > 2.0 && near(&polycomb) > 1.5, "{}", element.id);
            assert!(near(&acetylated) < 0.5, "{}: {}", element.id, near(&acetylated));
        }
    }
    assert!(peaks > 4, "{peaks}");
}

#[test]
fn marks_stand_where_elements_are_active() {
    let world = build::build(2, Scale::Small).unwrap();
    let rule = rule::Rule { table: &world.table, elements: &world.elements, sample: &world.samples[0] };
    let means: Vec<Vec<Vec<f64>>> = [Assay::H3K4me3, Assay::H3K27me3, Assay::H3K9me3]
        .iter()
        .map(|&assay| (0..world.chroms.len()).map(|chrom| mean_signal(&world, chrom, 0, assay)).collect())
        .collect();
    let signals = signals::measure(&world, 0, Assay::H3K4me3);
    let mut actives = 0;
    for gene in &world.genes {
        let active = rule.promoter(gene.promoter, rule::Without::Nothing);
        let near = |assay: usize| {
            let bin = (gene.tss / BIN) as usize;
            means[assay][gene.chrom][bin - 8..bin + 9].iter().copied().fold(0.0, f64::max)
        };
        if active > 0.8 {
            actives += 1;
            assert!(near(0) > 15.0, "{}", gene.gene.name);
            let measured = signals[gene.chrom].1.iter().filter(|i| i.start < gene.tss + 500 && i.end + 500 > gene.tss);
            assert!(measured.map(|i| i.value).fold(0.0, f32::max) > 12.0, "{}", gene.gene.name);
        }
        if active < 0.1 {
            let expected = match gene.silencing {
                world::Silencing::Polycomb => Some(1),
                world::Silencing::Heterochromatin => Some(2),
                world::Silencing::Unmarked => None,
            };
            assert!(expected.is_none_or(|assay| near(assay) > 3.0), "{}", gene.gene.name);
        }
    }
    assert!(actives > 3);
    // Every base but the gap's was measured, and most of the genome is background.
    for ((_, intervals), chrom) in signals.iter().zip(&world.chroms) {
        let measured: u64 = intervals.iter().map(|i| i.end - i.start).sum();
        assert_eq!(measured, chrom.bases.len() as u64 - (chrom.gap.1 - chrom.gap.0));
        let zero: u64 = intervals.iter().filter(|i| i.value == 0.0).map(|i| i.end - i.start).sum();
        assert!(zero * 2 > measured);
        assert!(intervals.windows(2).all(|w| w[0].value != w[1].value || w[0].end < w[1].start), "equal runs are merged");
    }
}

#[test]
fn methylation_has_one_value_a_cpg() {
    let world = build::build(2, Scale::Small).unwrap();
    for ((_, intervals), chrom) in signals::measure(&world, 0, Assay::Methylation).iter().zip(&world.chroms) {
        assert_eq!(intervals.len(), chrom.bases.windows(2).filter(|w| w == b"CG").count());
        assert!(intervals.iter().all(|i| (0.0..=1.0).contains(&i.value) && i.end == i.start + 2));
        assert!(intervals.iter().all(|i| &chrom.bases[i.start as usize..i.end as usize] == b"CG"));
    }
}

/// `sample-data/` of this repository, where it is checked out.
fn sample_data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data");
    let is_there = folder.join("session.toml").exists();
    if !is_there {
        println!("skipped: no sample-data");
    }
    is_there.then_some(folder)
}

fn rebuilt(is_asked: impl Fn(&Job) -> bool) {
    let Some(committed) = sample_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("signals")).unwrap();
    let world = build::build(1, Scale::Full).unwrap();
    let mut compared = 0;
    for job in jobs(&world).iter().filter(|job| is_asked(job)) {
        job.write(&world, folder.path()).unwrap();
        for name in job.files(&world) {
            assert_eq!(hash(&folder.path().join(&name)), hash(&committed.join(&name)), "{name}");
            compared += 1;
        }
    }
    assert!(compared > 0);
}

#[test]
fn sample_data_is_seed_one() {
    rebuilt(|job| match job {
        Job::Signal { sample, assay } => *sample == 0 && matches!(assay, Assay::H3K4me3 | Assay::Dnase),
        _ => true,
    });
}

#[test]
#[ignore = "every signal once more: some ten seconds"]
fn sample_data_is_seed_one_to_the_last_signal() {
    rebuilt(|_| true);
}
