//! GTF and GFF3 against noodles' readers and the files' own numbers.

use super::{gff3, gtf};
use crate::genome::{ChromSizes, Gene, Genes, Region, Strand, TssChoice};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

fn measured(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real").join(name);
    if !path.exists() {
        println!("skipped: {name} is not here");
    }
    path.exists().then_some(path)
}

fn read<T>(text: &str, open: impl Fn(&Path, &ChromSizes) -> T) -> T {
    let file = tempfile::Builder::new().prefix("genes").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    open(file.path(), &ChromSizes::parse("chr1\t100000\nchr2\t100000").unwrap())
}

fn gene<'a>(genes: &'a Genes, name: &str) -> &'a Gene {
    genes.get(genes.find(name).unwrap_or_else(|| panic!("no gene {name}")))
}

const GENCODE: &str = "##description: x\n\
    chr1\tHAVANA\tgene\t101\t900\t.\t-\t.\tgene_id \"ENSG1.5\"; gene_type \"protein_coding\"; gene_name \"A;B\"; level 2;\n\
    chr1\tHAVANA\ttranscript\t101\t900\t.\t-\t.\tgene_id \"ENSG1.5\"; transcript_id \"ENST1.1\"; gene_name \"A;B\"; tag \"basic\";\n\
    chr1\tHAVANA\texon\t801\t900\t.\t-\t.\tgene_id \"ENSG1.5\"; transcript_id \"ENST1.1\"; exon_number 1;\n\
    chr1\tHAVANA\texon\t101\t200\t.\t-\t.\tgene_id \"ENSG1.5\"; transcript_id \"ENST1.1\"; exon_number 2;\n\
    chr1\tHAVANA\ttranscript\t101\t700\t.\t-\t.\tgene_id  \"ENSG1.5\"; transcript_id \"ENST2.1\"; tag \"Ensembl_canonical\"; tag \"MANE_Select\";\n\
    chr1\tHAVANA\texon\t101\t700\t.\t-\t.\tgene_id \"ENSG1.5\"; transcript_id \"ENST2.1\";\r\n\
    chr1\tHAVANA\tCDS\t301\t400\t.\t-\t0\tgene_id \"ENSG1.5\"; transcript_id \"ENST2.1\";\n\
    chr1\tHAVANA\tCDS\t501\t600\t.\t-\t0\tgene_id \"ENSG1.5\"; transcript_id \"ENST2.1\";\n";

#[test]
fn gencode_positions_tags_and_names() {
    let loaded = read(GENCODE, gtf::open).unwrap();
    assert!(loaded.warnings.is_empty());
    let genes = loaded.value;
    let gene = gene(&genes, "a;b");
    assert_eq!((gene.id.as_str(), gene.name.as_str(), gene.biotype.as_str()), ("ENSG1.5", "A;B", "protein_coding"));
    assert_eq!((&gene.region, gene.strand), (&Region::new("chr1", 100, 900), Strand::Reverse));
    assert_eq!(gene.transcripts.len(), 2);
    assert_eq!(gene.transcripts[0].exons, [(100, 200), (800, 900)]);
    let canonical = gene.transcript(TssChoice::Canonical);
    assert_eq!((canonical.id.as_str(), canonical.is_mane, canonical.cds), ("ENST2.1", true, Some((300, 600))));
    assert_eq!((gene.tss(TssChoice::Canonical), gene.tss(TssChoice::FivePrime)), (699, 899));
}

/// Keys and values of a column that comes after those that `attributes` has read.
fn pairs_after(attributes: &mut gtf::Attributes, column: &str) -> Vec<(String, String)> {
    attributes.read(column.as_bytes());
    attributes.iter().map(|(k, v)| (String::from_utf8_lossy(k).into(), String::from_utf8_lossy(v).into())).collect()
}

fn pairs(column: &str) -> Vec<(String, String)> {
    pairs_after(&mut gtf::Attributes::default(), column)
}

#[test]
fn attributes_in_the_forms_that_are_met() {
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    assert_eq!(pairs("a \"b c\"; d 2"), [pair("a", "b c"), pair("d", "2")]);
    assert_eq!(pairs(" a  \"x;y\" ;;b=\"z\"; c=4;"), [pair("a", "x;y"), pair("b", "z"), pair("c", "4")]);
    assert_eq!(pairs("a \"x\\\"y\"; b \"\""), [pair("a", "x\\\"y"), pair("b", "")]);
    assert_eq!(pairs("a \"open; b 2"), [pair("a", "open; b 2")]);
    for column in ["", ";", "\"", "a", "a ", "= ;", "\"\"\"", "a \"", ". ; ."] {
        pairs(column); // ends, and does not panic
    }
}

#[test]
fn attributes_are_the_same_whatever_line_came_before() {
    let long = "gene_id \"ENSG00000000001.1\"; transcript_id \"ENST00000000001.1\"; level 2; tag \"basic;\"; exon_id=E1; gene_name \"A\\\"B\"";
    let mut columns: Vec<String> = (0..=long.len()).map(|end| long[..end].to_owned()).collect();
    for at in (0..long.len()).step_by(3) {
        // A value that goes on, ends sooner, or is another.
        for byte in ["", ";", "\"", "x", " "] {
            columns.push(format!("{}{byte}{}", &long[..at], &long[at + 1..]));
        }
    }
    let mut attributes = gtf::Attributes::default();
    for (i, column) in columns.iter().enumerate() {
        for other in [long, &columns[(i * 37) % columns.len()]] {
            pairs_after(&mut attributes, other);
            assert_eq!(pairs_after(&mut attributes, column), pairs(column), "{column} after {other}");
        }
    }
}

#[test]
fn genes_are_made_of_exons_where_a_file_has_only_those() {
    let text = "chr1\tx\texon\t11\t20\t0.0\t+\t.\tgene_id \"g\"; transcript_id \"t\";\n\
                chr1\tx\texon\t31\t40\t0.0\t+\t.\tgene_id \"g\"; transcript_id \"t\";\n\
                chr2\tx\texon\t31\t40\t0.0\t-\t.\tgene_id \"g\"; transcript_id \"t\";\n\
                1\tx\tgene\t51\t60\t.\t+\t.\tgene_id \"alone\"\n\
                chr1\tx\texon\t41\t40\t.\t+\t.\tgene_id \"h\"; transcript_id \"t\";\n\
                chr1\tx\texon\t0\t40\t.\t+\t.\tgene_id \"h\"; transcript_id \"t\";\n\
                chr1\tx\texon\t1\t40\t.\t?\t.\tgene_id \"h\"; transcript_id \"u\";\n\
                chr1\tx\texon\t1\t40\n\
                chr1\tx\texon\t1\t40\t.\t+\t.\tID=3\n";
    let loaded = read(text, gtf::open).unwrap();
    let spans: Vec<_> = loaded.value.iter().map(|(_, g)| (g.id.clone(), g.region.clone())).collect();
    let expected = [
        ("g".to_owned(), Region::new("chr1", 10, 40)),
        ("alone".to_owned(), Region::new("chr1", 50, 60)),
        ("g".to_owned(), Region::new("chr2", 30, 40)),
    ];
    assert_eq!(spans, expected);
    assert!(
        loaded.warnings[0].ends_with("4 lines skipped, first at line 5: the end 40 lies before the start 41"),
        "{:?}",
        loaded.warnings
    );
    assert!(loaded.warnings[1].ends_with("genes without a strand, left out: 1"), "{:?}", loaded.warnings);
}

#[test]
fn gff3_by_id_and_parent_in_any_order() {
    let text = "##gff-version 3\n\
                1\tx\texon\t11\t20\t.\t+\t.\tParent=transcript:T1,transcript:T2\n\
                1\tx\tCDS\t15\t18\t.\t+\t0\tID=c;Parent=transcript:T1\n\
                1\tx\tmRNA\t11\t50\t.\t+\t.\tID=transcript:T1;Parent=gene:G1;tag=basic,Ensembl_canonical,MANE Select;transcript_id=T1\n\
                1\tx\tlnc_RNA\t11\t20\t.\t+\t.\tID=transcript:T2;Parent=gene:G1\n\
                1\tx\tgene\t11\t50\t.\t+\t.\tID=gene:G1;Name=A%3BB;biotype=protein_coding;gene_id=G1\n\
                1\tx\tfive_prime_UTR\t11\t12\t.\t+\t.\tParent=transcript:T1\n\
                1\tx\tbiological_region\t11\t12\t.\t+\t.\tlogic_name=cpg\n\
                1\tx\tgene\t60\t70\t.\t-\t.\tID=gene-MT;gene=MT\n\
                1\tx\tCDS\t61\t66\t.\t-\t0\tID=cds-1;Parent=gene-MT\n\
                1\tx\texon\t61\t66\t.\t-\t0\tParent=nowhere\n\
                ##FASTA\n>1\nACGT\n";
    let loaded = read(text, gff3::open).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("lines whose parent is not in the file, left out: 1"), "{:?}", loaded.warnings);
    let genes = loaded.value;
    let gene_of = |name| gene(&genes, name);
    let g = gene_of("A;B");
    assert_eq!((g.id.as_str(), g.region.clone(), g.transcripts.len()), ("G1", Region::new("chr1", 10, 50), 2));
    let t = g.transcript(TssChoice::Mane);
    assert_eq!((t.id.as_str(), t.is_mane, t.is_canonical, t.cds), ("T1", true, true, Some((14, 18))));
    assert_eq!(t.exons, [(10, 20)]);
    let mt = gene_of("MT");
    assert_eq!((mt.transcripts[0].cds, mt.transcripts[0].start, mt.region.end), (Some((60, 66)), 60, 70));
}

#[test]
fn files_without_genes_say_so() {
    let region = "1\tx\tbiological_region\t11\t12\t.\t+\t.\tlogic_name=cpg\n";
    assert!(read(region, gff3::open).unwrap_err().to_string().contains("no line of the file is a GFF3 line of a gene"));
    let strandless = "1\tx\texon\t11\t12\t.\t.\t.\tgene_id \"g\"; transcript_id \"t\"\n";
    assert!(read(strandless, gtf::open).unwrap_err().to_string().contains("no gene in it"));
    assert!(read("a b c\n", gtf::open).unwrap_err().to_string().contains("line 1: 1 columns where 9 are needed: \"a b c\""));
}

fn unzipped(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    match path.extension().is_some_and(|e| e == "gz") {
        true => flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap(),
        false => BufReader::new(file).read_to_end(&mut bytes).unwrap(),
    };
    bytes
}

/// Every transcript's exons as noodles reads them, by its id.
type Exons = BTreeMap<String, BTreeSet<(u64, u64)>>;

fn exons_of(genes: &Genes) -> Exons {
    let mut exons = Exons::new();
    for (_, gene) in genes.iter() {
        for transcript in &gene.transcripts {
            exons.entry(transcript.id.clone()).or_default().extend(&transcript.exons);
        }
    }
    exons
}

#[test]
fn the_measured_gff3_has_the_exons_that_noodles_reads() {
    for name in ["grch38/Homo_sapiens.GRCh38.86.chromosome.7.gff3.gz", "formats/Ensembl_MYC-region.gff3"] {
        let Some(path) = measured(name) else { continue };
        let genome = ChromSizes::parse("chr7\t159345973\nchr8\t145138636").unwrap();
        let loaded = gff3::open(&path, &genome).unwrap();
        let genes = loaded.value;
        let text = unzipped(&path);
        let mut expected = Exons::new();
        let mut names = BTreeMap::new();
        for record in noodles::gff::io::Reader::new(&text[..]).record_bufs() {
            let record = record.unwrap();
            let get = |key: &[u8]| record.attributes().get(key).and_then(|v| v.as_string()).map(ToString::to_string);
            if record.ty() == "exon" {
                let parent = get(b"Parent").unwrap().replace("transcript:", "");
                let span = (usize::from(record.start()) as u64 - 1, usize::from(record.end()) as u64);
                expected.entry(parent).or_default().insert(span);
            }
            if let (Some(id), None) = (get(b"ID").filter(|id| id.starts_with("gene:")), get(b"Parent")) {
                let start = usize::from(record.start()) as u64 - 1;
                names.insert(id.replace("gene:", ""), (get(b"Name").unwrap_or_default(), start));
            }
        }
        assert!(exons_of(&genes) == expected, "{name}: {} {}", exons_of(&genes).len(), expected.len());
        assert_eq!(genes.len(), names.len(), "{name}");
        for (_, gene) in genes.iter() {
            let (name, start) = &names[&gene.id];
            assert_eq!((&gene.name, gene.region.start), (name, *start));
            assert!(matches!(gene.region.chrom.as_ref(), "chr7" | "chr8") && !gene.biotype.is_empty());
        }
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
}

#[test]
fn the_measured_gtf_has_the_exons_that_noodles_reads() {
    for name in ["hg19/refseq_ucsc.gtf", "formats/NCBI_hg38_MYC.gtf"] {
        let Some(path) = measured(name) else { continue };
        let loaded = gtf::open(&path, &ChromSizes::default()).unwrap();
        let text = unzipped(&path);
        let mut expected = Exons::new();
        for record in noodles::gtf::io::Reader::new(&text[..]).record_bufs() {
            let record = record.unwrap();
            if record.ty() == "exon" {
                let id = record.attributes().get(b"transcript_id".as_ref()).unwrap().as_string().unwrap().to_string();
                let span = (usize::from(record.start()) as u64 - 1, usize::from(record.end()) as u64);
                expected.entry(id).or_default().insert(span);
            }
        }
        let exons = exons_of(&loaded.value);
        for (id, spans) in &expected {
            assert_eq!(exons.get(id), Some(spans), "{name} {id}");
        }
        assert!(!expected.is_empty() && loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
    if let Some(path) = measured("formats/NCBI_hg38_MYC.gtf") {
        let genes = gtf::open(&path, &ChromSizes::default()).unwrap().value;
        let myc = gene(&genes, "MYC");
        println!("{myc:?}");
        assert_eq!((myc.strand, myc.biotype.as_str()), (Strand::Forward, "protein_coding"));
    }
}
