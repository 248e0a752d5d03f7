//! Sessions of bare files: made-up ones, and the measured ones where they are at hand.

use super::*;
use crate::session::{SampleId, TrackEntry, TrackKind};
use std::fs;

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real").join(path);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path)
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn measured_bigwigs_open_where_they_have_data() {
    let Some(folder) = shared("hg19-h1-oct4") else { return };
    let session = open_paths(&files_of(&folder)).unwrap();
    assert_eq!(session.locus.as_deref(), Some("chr6:31,125,777-31,144,789"), "the data begin at 31125776, 0-based");
    assert!(session.warnings.is_empty(), "{:?}", session.warnings);
    assert_eq!(session.samples.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["H1"]);
    let rows: Vec<(&str, bool)> = session.tracks.iter().map(|t| (t.label.as_str(), t.kind == TrackKind::Signal)).collect();
    assert_eq!(
        rows,
        [
            ("CTCF peaks", false),
            ("CTCF", true),
            ("H2A.Z peaks", false),
            ("H2A.Z", true),
            ("Nanog peaks", false),
            ("Nanog", true),
            ("Oct4 peaks", false),
            ("Oct4", true),
            ("Pol2", false),
            ("chromHMM", false),
            ("H3K27ac peaks", false),
            ("H3K27ac", true),
            ("H3K4me1 peaks", false),
            ("H3K4me1", true),
            ("H3K4me3 peaks", false),
            ("H3K4me3", true),
        ]
    );
    for mark in ["H3K27ac", "H3K4me1", "H2A.Z", "CTCF", "Oct4"] {
        assert!(session.signal_for(SampleId(0), mark).is_some(), "{mark}");
    }
}

#[test]
fn names_that_could_mean_two_things_are_labels() {
    let Some(folder) = shared("hg38-chr21-atac") else { return };
    let made = init(&files_of(&folder), &InitOptions::default()).unwrap();
    assert!(made.file.tracks.iter().all(|t| t.mark.is_none() && t.sample.is_none()));
    assert_eq!(made.file.tracks[0].label.as_deref(), Some("ACCx_025FE5F8_T1"));
    assert_eq!((made.understood.len(), made.problems.len()), (8, 0), "{:?}", made.problems);
    assert!(made.file.locus.unwrap().starts_with("chr21:45,63"));
}

#[test]
fn two_tables_are_two_samples_with_their_expression() {
    let Some(folder) = shared("deepdiff") else { return };
    let marks = "H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3".split(',').map(str::to_owned).collect();
    let options = InitOptions { marks, folder: folder.clone(), ..InitOptions::default() };
    let made = init(&files_of(&folder), &options).unwrap();
    assert!(made.problems.is_empty(), "{:?}", made.problems);
    assert_eq!(made.file.tracks[0].file, Path::new("Cell1.test.csv"));
    let text = toml::to_string(&made.file).unwrap();
    assert_eq!(toml::from_str::<SessionFile>(&text).unwrap(), made.file);
    let session = Session::build(&made.file, &folder).unwrap();
    assert_eq!((session.genome.genes.len(), session.samples.len(), session.tracks.len()), (600, 2, 10));
    for (sample, count) in session.samples.iter().zip([153.0, 22_232.0]) {
        let gene = session.genome.genes.get(session.genome.genes.find("ENSG00000000003").unwrap());
        assert_eq!((sample.unit.as_str(), sample.expression.as_ref().unwrap().value(gene)), ("count", Some(count)));
    }
    let refused = init(&files_of(&folder), &InitOptions::default()).unwrap_err();
    assert!(
        matches!(&refused, InitError::Usage(text) if text.contains("--marks") && text.contains("Cell1.test.csv")),
        "{refused}"
    );
    let wrong = InitOptions { marks: vec!["a".into(), "b".into()], ..options };
    let made = init(&files_of(&folder), &wrong).unwrap();
    let error = Session::build(&made.file, &folder).unwrap_err().to_string();
    assert!(error.contains("Cell1.test.csv: line 1: 5 columns of counts, but --marks names 2: a,b"), "{error}");
}

#[test]
fn what_a_file_is_decides_its_place_in_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let gtf = "chr1\tx\texon\t101\t900\t.\t+\t.\tgene_id \"G1\"; gene_name \"ONE\"; transcript_id \"T1\";\n";
    let files = [
        write("hg38.chrom.sizes", "chr1\t100000\n"),
        write("genes.gtf", gtf),
        write("Hs_EPDnew_006_hg38.bed", "chr1 100 160 ONE_1 900 + 149 160\n"),
        write("GeneHancer.gff", "chr1\t.\tenhancer\t2001\t2100\t1.5\t.\t.\tgenehancer_id=GH1;connected_gene=ONE;score=2\n"),
        write("K562.H3K27ac.narrowPeak", "chr1\t5000\t5100\tp\t10\t.\t1.5\t2.5\t-1\t7\n"),
        write("tpm.tsv", "gene_id\tK562\tHepG2\nG1\t1.5\t2\n"),
        write("notes.bam", "BAM?\n"),
        folder.path().join("absent.bw"),
    ];
    let options = InitOptions { folder: folder.path().to_owned(), ..InitOptions::default() };
    let made = init(&files, &options).unwrap();
    let genome = &made.file.genome;
    assert_eq!((genome.name.as_str(), genome.sizes.as_deref()), ("hg38", Some(Path::new("hg38.chrom.sizes"))));
    assert_eq!(genome.genes.as_deref(), Some(Path::new("genes.gtf")));
    let rows: Vec<_> =
        made.file.tracks.iter().map(|t| (t.label.as_deref().unwrap(), t.format.as_deref(), t.sample.as_deref())).collect();
    assert_eq!(
        rows,
        [("EPD", Some("epd"), None), ("GeneHancer", Some("genehancer"), None), ("H3K27ac peaks", None, Some("K562"))]
            .map(|(l, f, s)| (l, f.filter(|f| *f != "genehancer"), s)),
    );
    assert_eq!(made.file.samples.len(), 1);
    let expression = made.file.samples[0].expression.as_ref().unwrap();
    assert_eq!((expression.file.as_path(), expression.unit.as_str()), (Path::new("tpm.tsv"), "TPM"));
    assert_eq!(made.problems.len(), 2, "{:?}", made.problems);
    assert!(made.problems[0].contains("notes.bam: alignments are not drawn"), "{:?}", made.problems);
    assert!(made.problems[1].contains("absent.bw: "));
    let session = Session::build(&made.file, folder.path()).unwrap();
    assert_eq!((session.genome.genes.len(), session.tracks.len()), (1, 3));
}

#[test]
fn intervals_alone_are_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peaks.bed");
    fs::write(&path, "chr2\t500\t900\na\t5\t9\n").unwrap();
    let session = open_paths(&[path]).unwrap();
    assert_eq!(session.genome.chroms.len_of("chr2"), Some(900));
    assert_eq!(session.locus.as_deref(), Some("a:6-9"));
}

#[test]
fn rivals_for_a_mark_need_a_word() {
    let Some(folder) = shared("hg19-h1-oct4") else { return };
    let copy = tempfile::tempdir().unwrap();
    let names = [("H1_k27ac.bw", "a_H3K27ac.bw"), ("H1_k27ac.bw", "a.H3K27ac.bw"), ("H1_Oct4.bw", "x.bw")];
    let files = names.map(|(from, to)| {
        fs::copy(folder.join(from), copy.path().join(to)).unwrap();
        copy.path().join(to)
    });
    let marks = |options: &InitOptions| {
        let made = init(&files, options).unwrap();
        let marks: Vec<Option<String>> = made.file.tracks.iter().map(|t| t.mark.clone()).collect();
        (marks, made.problems)
    };
    let (both, problems) = marks(&InitOptions::default());
    assert_eq!(both, [None, None, None]);
    assert!(problems.len() == 2 && problems[0].contains("one of 2 files of H3K27ac: --track H3K27ac=FILE"), "{problems:?}");
    let said = |sample: &str| vec![(format!("{sample}H3K27ac"), files[1].clone()), ("SOX2".to_owned(), files[2].clone())];
    let (one, problems) = marks(&InitOptions { tracks: said("a:"), ..InitOptions::default() });
    assert_eq!(one, [Some("H3K27ac".to_owned()), Some("SOX2".to_owned()), None], "{problems:?}");
    assert!(problems.is_empty());
}

#[test]
fn a_batch_download_is_known_by_its_metadata() {
    let Some(measured) = shared("hg19-h1-oct4") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [("H1_k4me3.bw", "ENCFF1.bigWig"), ("H1_k4me3.bw", "ENCFF2.bigWig"), ("H1_k27ac.bw", "ENCFF3.bigWig")] {
        fs::copy(measured.join(from), folder.path().join(to)).unwrap();
    }
    fs::write(
        folder.path().join("ENCFF4.tsv"),
        "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\nENSG1.2\tT1\t9\t9\t4\t1.5\t2\n",
    )
    .unwrap();
    let table = "File accession\tFile format\tOutput type\tFile assembly\tAssay\tBiosample term name\tExperiment target\n\
        ENCFF1\tbigWig\tsignal p-value\thg19\tHistone ChIP-seq\tH1\tH3K4me3-human\n\
        ENCFF2\tbigWig\tfold change over control\thg19\tHistone ChIP-seq\tH1\tH3K4me3-human\n\
        ENCFF3\tbigWig\tfold change over control\tGRCh38\tHistone ChIP-seq\tH1\tH3K27ac-human\n\
        ENCFF4\ttsv\tgene quantifications\thg19\ttotal RNA-seq\tH1\t\n";
    fs::write(folder.path().join("metadata.tsv"), table).unwrap();
    let options = InitOptions { folder: folder.path().to_owned(), ..InitOptions::default() };
    let made = init(&[folder.path().join("metadata.tsv")], &options).unwrap();
    assert_eq!(made.file, init(&files_of(folder.path()), &options).unwrap().file, "files named twice count once");
    let rows: Vec<_> = made.file.tracks.iter().map(|t| (t.mark.clone().unwrap(), t.signal)).collect();
    let expected =
        [("H3K4me3 ENCFF1".to_owned(), Some(SignalUnit::NegLog10P)), ("H3K4me3".to_owned(), Some(SignalUnit::FoldChange))];
    assert_eq!(rows, expected, "of two files of a mark models read the fold change");
    assert_eq!(made.file.genome.name, "hg19");
    assert_eq!(made.file.samples[0].expression.as_ref().unwrap().unit, "TPM");
    assert!(
        made.problems.len() == 1 && made.problems[0].contains("ENCFF3.bigWig: hg38, where the session is hg19"),
        "{:?}",
        made.problems
    );
}

#[test]
fn a_folder_of_roadmaps_files_is_a_session_of_its_samples() {
    let Some(measured) = shared("hg19-h1-oct4") else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["E003-H3K4me3.pval.signal.bigwig", "E003-H3K27ac.fc.signal.bigwig", "E017-H3K4me3.pval.signal.bigwig"] {
        fs::copy(measured.join("H1_k4me3.bw"), at(name)).unwrap();
    }
    fs::write(at("E003-H3K4me3.narrowPeak"), "chr6\t31120000\t31121000\tp\t0\t.\t1\t1\t1\t10\n").unwrap();
    for passed_over in ["README.md", "x.bed.gz.tbi", ".hidden.bed", "checksums.md5"] {
        fs::write(at(passed_over), "x").unwrap();
    }
    let options = InitOptions { folder: folder.path().to_owned(), ..InitOptions::default() };
    let made = init(&[folder.path().to_owned()], &options).unwrap();
    assert!(made.problems.is_empty(), "{:?}", made.problems);
    let row =
        |t: &TrackEntry| (t.sample.clone().unwrap_or_default(), t.mark.clone().or(t.label.clone()).unwrap_or_default(), t.signal);
    let mut rows: Vec<_> = made.file.tracks.iter().map(row).collect();
    rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let expected = [
        ("E003", "H3K27ac", Some(SignalUnit::FoldChange)),
        ("E003", "H3K4me3", Some(SignalUnit::NegLog10P)),
        ("E003", "H3K4me3 peaks", None),
        ("E017", "H3K4me3", Some(SignalUnit::NegLog10P)),
    ];
    assert_eq!(rows, expected.map(|(sample, mark, unit)| (sample.to_owned(), mark.to_owned(), unit)));
    fs::create_dir(at("empty")).unwrap();
    assert!(init(&[at("empty")], &options).unwrap_err().to_string().contains("a folder without model.toml or any file to show"));
}

#[test]
fn files_beside_a_session_are_rows_below_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("s")).unwrap();
    fs::write(at("s/g.sizes"), "chr1\t1000\n").unwrap();
    fs::write(at("s/own.bed"), "chr1\t1\t2\n").unwrap();
    fs::write(at("more.bed"), "chr1\t5\t9\n").unwrap();
    fs::write(at("bad.bw"), "no bigWig").unwrap();
    let text = "version = 2\nnote = \"n\"\n[genome]\nsizes = \"g.sizes\"\n[[track]]\nfile = \"own.bed\"\n";
    fs::write(at("s/session.toml"), text).unwrap();
    for session in ["s/session.toml", "s"] {
        let session = open_paths(&[at(session), at("more.bed"), at("bad.bw")]).unwrap();
        let labels: Vec<&str> = session.tracks.iter().map(|t| t.label.as_str()).collect();
        assert_eq!((labels, session.note.as_str()), (vec!["own", "more"], "n"));
        assert!(session.warnings.iter().any(|w| w.contains("bad.bw")), "{:?}", session.warnings);
        assert_eq!(session.path, None, "saving it does not change the session it began with");
    }
}

#[test]
fn tables_and_marks_beside_a_session_are_of_its_samples() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("g.sizes"), "chr1\t1000\n").unwrap();
    for name in ["own.bedgraph", "A_H3K27ac_rep2.bedgraph", "A_H3K4me3.bedgraph", "B_H3K4me3.bedgraph"] {
        fs::write(at(name), "chr1\t1\t2\t3.5\n").unwrap();
    }
    fs::write(at("tpm.tsv"), "gene_id\tA\tC\ng1\t1.5\t2.5\n").unwrap();
    let text = "version = 2\nlocus = \"chr1:7-9\"\n[genome]\nsizes = \"g.sizes\"\n[[sample]]\nname = \"A\"\n\
        [[track]]\nfile = \"own.bedgraph\"\nsample = \"A\"\nmark = \"H3K27ac\"\n";
    fs::write(at("session.toml"), text).unwrap();
    let files = ["session.toml", "tpm.tsv", "A_H3K27ac_rep2.bedgraph", "A_H3K4me3.bedgraph", "B_H3K4me3.bedgraph"];
    let session = open_paths(&files.map(at)).unwrap();
    // The session has no genes.
    assert!(session.warnings.iter().all(|w| w.contains("ids are no gene")), "{:?}", session.warnings);
    let rows: Vec<_> =
        session.source.tracks.iter().map(|t| (t.sample.as_deref(), t.mark.as_deref(), t.label.as_deref())).collect();
    // The mark that models read stays the session's own.
    let (a, b) = (Some("A"), Some("B"));
    let expected =
        [(a, Some("H3K27ac"), None), (a, None, Some("H3K27ac_rep2")), (a, Some("H3K4me3"), None), (b, Some("H3K4me3"), None)];
    assert_eq!(rows, expected);
    let samples: Vec<_> = session.source.samples.iter().map(|s| (s.name.as_str(), s.expression.is_some())).collect();
    assert_eq!(samples, [("A", true), ("B", false)]);
    assert_eq!(session.locus.as_deref(), Some("chr1:7-9"));
}

#[test]
fn a_session_file_and_its_folder_open_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.sizes"), "c\t10\n").unwrap();
    fs::write(folder.path().join("session.toml"), "version = 1\nnote = \"n\"\n[genome]\nsizes = \"a.sizes\"\n").unwrap();
    for path in [folder.path().to_owned(), folder.path().join("session.toml")] {
        assert_eq!(open_paths(&[path]).unwrap().note, "n");
    }
    assert!(open_paths(&[]).unwrap_err().to_string().contains("no files given"));
    let folder_only = open_paths(&[folder.path().join("absent")]).unwrap_err().to_string();
    assert!(folder_only.contains("absent: "), "{folder_only}");
}

#[test]
fn paths_are_relative_inside_the_sessions_folder_only() {
    let inside = std::path::absolute("here/data/x.bw").unwrap();
    assert_eq!(relative(&inside, Path::new("here")), Path::new("data/x.bw"));
    assert_eq!(relative(Path::new("here/x.bw"), Path::new("")), Path::new("here/x.bw"));
    assert_eq!(relative(Path::new("x.bw"), Path::new("elsewhere")), std::path::absolute("x.bw").unwrap());
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("x.bw"), "").unwrap();
    assert_eq!(relative(&folder.path().join("sub/../x.bw"), folder.path()), Path::new("x.bw"));
}
