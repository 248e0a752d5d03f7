//! Motifs against brute force, and against memelite 0.5 and tangermeme 1.6 (numbers pasted from them).

use super::*;
use crate::genome::{Strand, reverse_complement};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn scanner(consensus: &str) -> Scanner {
    Scanner::new(&Ppm::of_consensus(consensus).unwrap()).unwrap()
}

fn place(name: &str) -> usize {
    bundled_motifs().iter().position(|m| m.name == name).unwrap()
}

fn random_bases(random: &mut ChaCha8Rng, n: usize) -> Vec<u8> {
    (0..n).map(|_| b"ACGT"[random.random_range(0..4)]).collect()
}

fn shared(what: &str) -> Option<std::path::PathBuf> {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(what);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn a_p_value_is_the_share_of_all_sequences_that_score_as_high() {
    let pwm = Ppm::of_consensus("TGASRC").unwrap().to_pwm([0.3, 0.2, 0.2, 0.3], 1e-3).unwrap();
    let scanner = Scanner::of(&pwm);
    let mut all: Vec<(f64, f64)> = Vec::new();
    for word in 0..4_usize.pow(6) {
        let bases: Vec<usize> = (0..6).map(|i| word >> (2 * i) & 3).collect();
        let score: f64 = bases.iter().zip(pwm.rows()).map(|(&b, row)| (row[b] * 100.0).round()).sum();
        all.push((score / 100.0, bases.iter().map(|&b| pwm.background()[b]).product()));
    }
    for i in (0..all.len()).step_by(97) {
        let share: f64 = all.iter().filter(|(score, _)| *score >= all[i].0 - 1e-9).map(|(_, p)| p).sum();
        let p = scanner.p_value(all[i].0);
        assert!((p - share).abs() < 1e-12 * share.max(1e-3), "{} {p} {share}", all[i].0);
    }
    assert_eq!(scanner.p_value(scanner.highest_score() + 0.01), 0.0);
    assert_eq!(scanner.p_value(-1000.0), 1.0);
}

#[test]
fn sites_of_random_sequence_are_as_many_as_the_p_value_says() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let sequence = random_bases(&mut random, 200_000);
    let scanner = scanner("NRTGASTCAYNN");
    let hits = scanner.hits(&sequence, 1e-3);
    // Two strands; the p-value of the lowest score that is called lies at or below the threshold.
    let largest = hits.iter().map(|hit| hit.p_value).fold(0.0, f64::max);
    let expected = 2.0 * 200_000.0 * largest;
    assert!(largest <= 1e-3 && (hits.len() as f64 - expected).abs() < 6.0 * expected.sqrt(), "{} {expected}", hits.len());
}

#[test]
fn sites_are_found_on_both_strands_at_their_place() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut sequence = random_bases(&mut random, 300);
    sequence[100..109].copy_from_slice(b"GGGGCGGGG");
    sequence[200..209].copy_from_slice(&reverse_complement(b"GGGGCGGGG"));
    let scanner = scanner("GGGGCGGGG");
    let hits = scanner.hits(&sequence, 1e-5);
    let places: Vec<_> = hits.iter().map(|h| (h.start, h.end, h.strand)).collect();
    assert_eq!(places, [(100, 109, Strand::Forward), (200, 209, Strand::Reverse)]);
    assert!((hits[0].p_value - 0.25_f64.powi(9)).abs() < 1e-18);
    let mirrored = scanner.hits(&reverse_complement(&sequence), 1e-5);
    assert_eq!(mirrored[0].start, 300 - 209);
    assert_eq!(scanner.best(&sequence), Some(hits[0]));
    assert_eq!(scanner.best(b"GGGG"), None);
    assert_eq!(scanner.best(&[b'N'; 20]).unwrap().score, 0.0, "N says nothing");
}

/// `fimo(motifs, sequence, bin_size=0.01, threshold=1e-3)` of memelite, which adds 1e-4 to probabilities and does not divide by
/// their sum: its scores are higher by 0.00058 bits a position.
#[test]
fn hits_agree_with_memelite() {
    let sequence = b"AAGGATCCTTAAGGATCCTTAAGGATCCTTAAGGATCCTTAAGGATCCTTAAGGATCCTTCATGACTCAGGTTTGGGGCGGGGCCCAANNTGAGTCANAC";
    let found = |name: &str| {
        let scanner = Scanner::new(&bundled_motifs()[place(name)].ppm).unwrap();
        scanner.hits(sequence, 1e-3).into_iter().map(|h| (h.start, h.strand, h.score, h.p_value)).collect::<Vec<_>>()
    };
    let (forward, reverse) = (Strand::Forward, Strand::Reverse);
    let expected = [
        ("AP1", 60, forward, 9.954_299, 3.051_76e-5),
        ("AP1", 88, forward, 12.096_775, 3.051_76e-5),
        ("AP1", 59, reverse, 9.954_299, 3.051_76e-5),
        ("AP1", 87, reverse, 12.096_775, 3.051_76e-5),
        ("TP63", 40, forward, 6.172_492, 1.770_779e-4),
        ("TP63", 0, reverse, 6.172_492, 1.770_779e-4),
        ("REST", 76, reverse, -2.779_120, 4.843_791e-4),
    ];
    for (name, start, strand, score, p) in expected {
        let hit = found(name).into_iter().find(|h| (h.0, h.1) == (start, strand));
        let hit = hit.unwrap_or_else(|| panic!("{name} {start} is not found: {:?}", found(name)));
        assert!((hit.2 - score).abs() < 0.15, "{name}: score {} where {score}", hit.2);
        // memelite looks a sum of rounded weights up by the rounded sum, which is off by a step a position at most.
        let scanner = Scanner::new(&bundled_motifs()[place(name)].ppm).unwrap();
        let near = [0.06, -0.06].map(|step| scanner.p_value(hit.2 + step));
        assert!(
            near[0] * 0.999 < p && p < near[1] * 1.001 && near[0] <= hit.3 && hit.3 <= near[1],
            "{name} {start}: {near:?} {p}"
        );
    }
    assert_eq!(["AP1", "TP63", "REST", "SP1"].map(|name| found(name).len()), [4, 10, 1, 1]);
    assert_eq!((found("SP1")[0].0, found("SP1")[0].1), (74, forward));
}

/// `recursive_seqlets(x)` of tangermeme 1.6.
#[test]
fn seqlets_agree_with_tangermeme() {
    let mut x: Vec<f64> = (0..300).map(|i| (f64::from((i * 37 + 11) % 101) / 101.0 - 0.5) * 0.1).collect();
    for (start, len, height) in [(40, 8, 1.0), (120, 12, 0.8), (200, 5, 1.5), (260, 30, 0.6)] {
        for j in 0..len {
            x[start + j] += height * (1.0 + 0.1 * ((j * 7) % 5) as f64);
        }
    }
    let values = |x: &[f64]| x.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let expected = [
        (120, 132, 11.260_990_083, 6.457_246_102_9e-7),
        (39, 49, 9.644_554_371_9, 2.738_019_498_4e-6),
        (198, 207, 8.948_019_804_0, 4.375_639_029_4e-6),
        (286, 290, 3.072_277_188_3, 9.785_810_123_5e-3),
    ];
    let found = recursive_seqlets(&values(&x), SeqletOptions::default());
    assert_eq!(found.len(), expected.len());
    for (seqlet, (start, end, sum, p)) in found.iter().zip(expected) {
        assert_eq!((seqlet.start, seqlet.end), (start, end));
        assert!((seqlet.attribution - sum).abs() < 1e-8 && (seqlet.p_value / p - 1.0).abs() < 1e-9, "{seqlet:?}");
    }
    let negated: Vec<f64> = x.iter().map(|v| -v).collect();
    assert_eq!(recursive_seqlets(&values(&negated), SeqletOptions::default()), []);
    // A negative span, in both calls.
    x[150..156].iter_mut().for_each(|v| *v -= 1.2);
    let negative = signed_seqlets(&values(&x), SeqletOptions::default()).into_iter().find(|s| s.attribution < 0.0).unwrap();
    assert_eq!((negative.start, negative.end), (148, 158));
    assert!((negative.attribution + 7.224_752_489_5).abs() < 1e-8);
    assert!((negative.p_value / 2.573_881_918_1e-9 - 1.0).abs() < 1e-8);
}

#[test]
fn a_planted_span_is_found_and_noise_is_rarely_called() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut called = 0;
    for _ in 0..20 {
        let mut noise: Vec<f32> = (0..2_000).map(|_| random.random::<f32>() - 0.5).collect();
        called += recursive_seqlets(&noise, SeqletOptions::default()).iter().map(|s| s.end - s.start).sum::<usize>();
        let start = random.random_range(100..1_800);
        noise[start..start + 9].iter_mut().for_each(|v| *v += 2.0);
        let best = &recursive_seqlets(&noise, SeqletOptions::default())[0];
        // By definition a span may reach past the planted one as far as spans of 4 with one high position are significant.
        assert!((start - 3..=start).contains(&best.start) && (start + 9..=start + 12).contains(&best.end), "{best:?} at {start}");
        let strict = &recursive_seqlets(&noise, SeqletOptions { threshold: 1e-6, ..SeqletOptions::default() })[0];
        assert!(strict.start.abs_diff(start) <= 1 && strict.end.abs_diff(start + 9) <= 1, "{strict:?} at {start}");
    }
    assert!(called as f64 / 40_000.0 <= 0.02 * 4.0, "{called}: at most twice the threshold starts a span of 4");
    assert_eq!(recursive_seqlets(&[0.5; 100], SeqletOptions::default()), []);
    assert_eq!(recursive_seqlets(&[], SeqletOptions::default()), []);
    assert_eq!(recursive_seqlets(&[1.0, f32::NAN], SeqletOptions::default()), []);
}

/// `tomtom(queries, motifs, n_target_bins=None)` of memelite 0.5: p-value, offset, overlap, strand.
#[test]
fn matches_agree_with_memelite() {
    let motifs = bundled_motifs();
    let tomtom = Tomtom::new(&motifs);
    let (forward, reverse) = (Strand::Forward, Strand::Reverse);
    let expected = [
        ("TGACTCA", "AP1", 2.823_802_572_0e-4, 3, 7, reverse),
        ("TGACTCA", "FOXA1", 1.001_252_505_0e-1, 3, 7, forward),
        ("TGACTCA", "HNF4A", 1.159_631_853_8e-1, 8, 6, reverse),
        ("TGACTCA", "CTCF", 9.555_336_958_7e-1, 11, 7, forward),
        ("GGGGCGGGG", "SP1", 2.841_085_772_6e-6, 0, 9, forward),
        ("GGGGCGGGG", "CTCF", 9.024_552_013_2e-2, 10, 9, forward),
        ("GGGGCGGGG", "REST", 2.796_129_298_1e-1, 0, 9, reverse),
        ("CACGTG", "RUNX1", 2.945_040_033_3e-1, 2, 6, reverse),
        ("TTGCGCAAAGTCA", "CEBPA", 2.215_003_688_4e-3, 2, 10, reverse),
        ("TTGCGCAAAGTCA", "HNF4A", 5.548_408_542_5e-3, -1, 12, forward),
        ("TTGCGCAAAGTCA", "SOX2_POU5F1", 1.406_498_564_2e-1, 5, 10, forward),
        ("ACGT", "GABPA", 3.036_167_321_3e-1, 2, 4, reverse),
    ];
    for (query, name, p, offset, overlap, strand) in expected {
        let matches = tomtom.matches(&Ppm::of_sequence(query.as_bytes()));
        assert_eq!(matches.len(), motifs.len());
        let found = matches.iter().find(|m| m.motif == place(name)).unwrap();
        assert!((found.p_value / p - 1.0).abs() < 1e-8, "{query} {name}: {found:?} where {p}");
        assert_eq!((found.offset, found.overlap, found.strand), (offset, overlap, strand), "{query} {name}");
        assert!(matches.windows(2).all(|w| w[0].p_value <= w[1].p_value && w[0].q_value <= w[1].q_value));
        assert!(matches.iter().all(|m| m.q_value >= m.p_value * (1.0 - 1e-12) && m.q_value <= 1.0));
    }
    let sp1 = &tomtom.matches(&Ppm::of_sequence(b"GGGGCGGGG"))[0];
    assert!((sp1.q_value / (2.841_085_772_6e-6 * 21.0) - 1.0).abs() < 1e-8);
    assert!(tomtom.matches(&Ppm::of_sequence(b"")).is_empty());
    assert!(Tomtom::new(&[]).matches(&Ppm::of_sequence(b"ACGT")).is_empty());
}

#[test]
fn every_format_reads_what_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("motifs");
    let mut motifs = bundled_motifs();
    motifs.truncate(5);
    for format in MOTIF_FORMATS {
        std::fs::write(&path, (format.format)(&motifs, "a test")).unwrap();
        let read = read_motifs(&path).unwrap();
        assert_eq!(read.len(), 5);
        for (a, b) in motifs.iter().zip(&read) {
            assert_eq!(a.name, b.name, "{}", format.name);
            for (a, b) in a.ppm.rows().concat().iter().zip(b.ppm.rows().concat()) {
                assert!((a - b).abs() < 1e-12, "{}", format.name);
            }
        }
    }
}

#[test]
fn damaged_motif_files_are_named_with_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.motif");
    let error = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read_motifs(&path).unwrap_err().to_string()
    };
    assert!(error("").contains("a.motif: neither MEME"));
    assert!(error(">A\tx\t1\n0.5 0.5 0\n").ends_with("line 2: 3 numbers where A, C, G, T have four"));
    assert!(error(">A\tx\t1\n0.5 0.5 0 z\n").ends_with("line 2: \"z\" is no number"));
    assert!(error(">A\tx\tnan\n0.5 0.5 0 0\n").contains("line 1: the threshold \"nan\" is no number"));
    assert!(error(">A\tx\n0.5 0.9 0 0\n").contains("do not sum to 1"));
    assert!(error(">A\tx\n0.5 -0.5 0.5 0.5\n").contains("position 1"));
    assert!(error(">A\tx\n>B\ty\n1 0 0 0\n").contains("no position"));
    assert!(error(&format!(">A\tx\n{}", "1 0 0 0\n".repeat(201))).contains("more than 200 positions"));
    assert!(error("MEME version 4\nALPHABET= ACDEF\n").contains("line 2: the alphabet"));
    assert!(error("MEME version 4\n").contains("no motif in it"));
    assert!(error("MEME version 4\nletter-probability matrix: w= 1\n1 0 0 0\n").contains("without a MOTIF line"));
    let short = "MEME version 4\nMOTIF a\nletter-probability matrix: alength= 4 w= 2\n1 0 0 0\n";
    assert!(error(short).contains("1 rows where w= 2"));
    assert!(read_motifs(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    assert!(read_motifs(&folder.path().join("none")).is_err());
}

/// The thresholds of HOCOMOCO's HOMER files were set at p = 0.001 (HOCOMOCO v11's `_0.001` collection): an independent check of
/// scores and p-values together. The scores of our scan are log2, those of the file natural logarithms.
#[test]
fn thresholds_of_hocomoco_have_the_p_value_they_were_made_for() {
    let Some(path) = shared("real/deepcage/HOCOMOCOv11_core.homer.motif") else { return };
    let mut motifs = read_motifs(&path).unwrap();
    assert_eq!(motifs.len(), 401);
    assert_eq!((motifs[0].name.as_str(), motifs[0].tf.as_deref()), ("AHR_HUMAN.H11MO.0.B", Some("AHR")));
    let p = |m: &Motif| Scanner::new(&m.ppm).unwrap().p_value(m.threshold.unwrap() / std::f64::consts::LN_2);
    let mut all: Vec<f64> = motifs.iter().step_by(8).map(p).collect();
    all.sort_by(f64::total_cmp);
    let median = all[all.len() / 2];
    assert!((5e-4..2e-3).contains(&median), "median {median}, {:?}", (all[0], all[all.len() - 1]));
    read_tf_names(&path.with_file_name("HOCOMOCOv11_core.tsv"), &mut motifs).unwrap();
    assert!(motifs.iter().any(|m| m.name.starts_with("ANDR_HUMAN") && m.tf.as_deref() == Some("AR")));
    let full = read_motifs(&path.with_file_name("HOCOMOCOv11_full.homer.motif")).unwrap();
    assert_eq!(full.len(), 769);
}

#[test]
fn the_score_of_a_factor_is_that_of_its_best_site() {
    let motifs = bundled_motifs();
    let tfs = ["CTCF", "SP1", "FOS"];
    let scanner = TfScanner::new(&motifs, &tfs, 1e-3).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut sequence = vec![b'A'; 1_000];
    assert_eq!(scanner.scores(&sequence), [0.0; 3]);
    sequence[500..507].copy_from_slice(b"TGACTCA");
    let scores = scanner.scores(&sequence);
    let best = Scanner::new(&motifs[place("AP1")].ppm).unwrap().best(&sequence).unwrap();
    assert!((f64::from(scores[2]) - best.score * std::f64::consts::LN_2).abs() < 1e-5 && scores[2] > 5.0);
    assert_eq!(scores[..2], [0.0; 2]);
    let random = random_bases(&mut random, 1_000);
    let (forward, reverse) = (scanner.scores(&random), scanner.scores(&reverse_complement(&random)));
    assert_eq!(forward, reverse, "both strands are read");
    let error = TfScanner::new(&motifs, &["CTCF", "NOPE"], 1e-3).unwrap_err().to_string();
    assert_eq!(error, "no motif of NOPE");
}

#[test]
fn matrices_keep_their_kinds_apart() {
    let ppm = Pfm::new(vec![[8.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]).unwrap().to_ppm(0.0);
    assert_eq!(ppm.information_content(), [2.0, 0.0]);
    assert_eq!(ppm.consensus(), b"AA");
    assert_eq!(ppm.reverse_complement().rows()[1], [0.0, 0.0, 0.0, 1.0]);
    let pwm = ppm.to_pwm([0.25; 4], 1e-9).unwrap();
    assert!((pwm.rows()[0][0] - 2.0).abs() < 1e-6 && pwm.rows()[1][2].abs() < 1e-6);
    assert!(ppm.to_pwm([0.25; 4], 0.0).is_err() && ppm.to_pwm([0.0, 0.5, 0.25, 0.25], 1.0).is_err());
    assert!(Pfm::new(Vec::new()).is_err() && Pfm::new(vec![[0.0; 4]]).is_err());
    assert!(Ppm::of_consensus("AXE").is_err() && Ppm::of_consensus("").is_err());
    assert_eq!(bundled_motifs().len(), 21);
}
