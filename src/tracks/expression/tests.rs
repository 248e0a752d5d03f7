//! Every form of table, every guess, every complaint.

use super::*;
use crate::genome::{Region, Strand, Transcript};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::io::Write;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn read(text: &str, columns: &ExpressionColumns<'_>) -> Result<Loaded<Expression>, String> {
    let file = file(text);
    let short = |text: String| text.replace(&format!("{}: ", file.path().display()), "");
    let loaded = Expression::read(file.path(), columns).map_err(|e| short(e.to_string()))?;
    Ok(Loaded { value: loaded.value, warnings: loaded.warnings.into_iter().map(short).collect() })
}

fn rows(text: &str, columns: &ExpressionColumns<'_>) -> Vec<(String, f64)> {
    pairs(&read(text, columns).unwrap().value)
}

fn pairs(expression: &Expression) -> Vec<(String, f64)> {
    expression.rows().map(|(id, value)| row(id, value)).collect()
}

fn row(id: &str, value: f64) -> (String, f64) {
    (id.to_owned(), value)
}

fn gene(id: &str, name: &str) -> Gene {
    Gene {
        id: id.to_owned(),
        name: name.to_owned(),
        biotype: String::new(),
        region: Region::new("c", 0, 10),
        strand: Strand::Forward,
        transcripts: vec![Transcript { end: 10, ..Transcript::default() }],
    }
}

const GUESS: ExpressionColumns<'static> = ExpressionColumns { value: None, id: None, sample: None, transcripts: None };

#[test]
fn a_matrix_gives_the_sample_asked_for() {
    let matrix = "gene_id\tsymbol\tliver\tK562\nE1.2\tA\t1\t2.5\nE2.1\tB\t3\t4\n";
    let sample = |name| ExpressionColumns { sample: Some(name), ..GUESS };
    assert_eq!(rows(matrix, &sample("K562")), [row("E1.2", 2.5), row("E2.1", 4.0)]);
    assert_eq!(rows(matrix, &ExpressionColumns { value: Some("liver"), ..sample("K562") })[1], row("E2.1", 3.0));
    assert_eq!(rows(matrix, &ExpressionColumns { id: Some("symbol"), ..sample("k562") })[0], row("A", 2.5));
    let refused = |columns: &ExpressionColumns<'_>| read(matrix, columns).unwrap_err();
    assert_eq!(
        refused(&sample("HepG2")),
        "header: which column holds the expression? (none is called HepG2) It has gene_id, symbol, liver, K562"
    );
    assert_eq!(
        refused(&ExpressionColumns { value: Some("x"), ..GUESS }),
        "header: no column \"x\"; it has gene_id, symbol, liver, K562"
    );
    assert_eq!(Expression::samples(file(matrix).path()).unwrap(), ["liver", "K562"]);
    // R's write.table: one name fewer than fields; and one sample needs no name.
    assert_eq!(rows("\"K562\"\n\"E1\" 2.5\n\"E2\" 4\n", &GUESS), [row("E1", 2.5), row("E2", 4.0)]);
}

#[test]
fn rsem_gives_tpm() {
    let rsem = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\tTPM_ci_lower_bound\n\
                ENSG00000000003.14\tENST1,ENST2\t2000.00\t1900.00\t100.00\t12.34\t9.9\t11\n";
    assert_eq!(rows(rsem, &GUESS), [row("ENSG00000000003.14", 12.34)]);
    assert_eq!(read(rsem, &GUESS).unwrap().value.column(), "TPM");
    assert_eq!(rows(rsem, &ExpressionColumns { value: Some("expected_count"), ..GUESS })[0].1, 100.0);
    let isoforms = "transcript_id\tgene_id\tlength\tTPM\nT1\tG1\t10\t1.5\nT2\tG1\t10\t2\nT3\tG2\t10\t4\n";
    assert_eq!(rows(isoforms, &GUESS), [row("G1", 3.5), row("G2", 4.0)]);
}

#[test]
fn salmon_sums_the_transcripts_of_a_gene() {
    let salmon = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n\
                  ENST01.2\t100\t90\t1.5\t3\nENST02.1|ENSG1|x\t100\t90\t2.5\t3\nENST03.1\t100\t90\t4\t3\nENST09.1\t100\t90\t8\t3\n";
    let table = file("transcript,gene\nENST01.7,ENSG1.1\nENST02.1,ENSG1.2\nENST03.1,ENSG2.1\n");
    let columns = ExpressionColumns { transcripts: Some(table.path()), ..GUESS };
    let loaded = read(salmon, &columns).unwrap();
    assert_eq!(pairs(&loaded.value), [row("ENSG1.1", 4.0), row("ENSG2.1", 4.0)]);
    assert!(loaded.warnings[0].starts_with("1 transcripts are not in") && loaded.warnings[0].ends_with(": ENST09.1"));
    assert!(read(salmon, &GUESS).unwrap_err().contains("its rows are transcripts"));
    let genes = "Name\tLength\tEffectiveLength\tTPM\tNumReads\nENSG1.1\t100\t90\t1.5\t3\n";
    assert_eq!(rows(genes, &GUESS), [row("ENSG1.1", 1.5)]);
    let other = file("T1\tG1\n");
    let none = read(salmon, &ExpressionColumns { transcripts: Some(other.path()), ..GUESS }).unwrap_err();
    assert!(none.contains("none of its transcripts (ENST01.2, ENST02.1|ENSG1|x, ENST03.1, ENST09.1) is in"), "{none}");
}

#[test]
fn two_columns_need_no_header_and_may_have_one() {
    let expected = [row("ENSG1", 153.0), row("ENSG2", 2.0)];
    assert_eq!(rows("ENSG1,153\nENSG2,2\n", &GUESS), expected);
    assert_eq!(rows("gene,count\r\nENSG1,153\r\nENSG2,2\r\n", &GUESS), expected);
    assert_eq!(rows("gene_id,2001\nENSG1,153\nENSG2,2", &GUESS), expected);
    assert!(read("ENSG1,153\n", &ExpressionColumns { value: Some("TPM"), ..GUESS }).unwrap_err().contains("no header"));
}

#[test]
fn genes_join_by_id_without_version_then_by_symbol() {
    let table = read("id\tx\nENSG1.4\t1\nMYC\t2\nAC01.1\t3\nAC01.2\t4\nGHOST\t5\n", &GUESS).unwrap();
    assert!(table.warnings.is_empty());
    let table = table.value;
    assert_eq!(table.value(&gene("ENSG1.9", "A")), Some(1.0));
    assert_eq!(table.value(&gene("ENSG1", "A")), Some(1.0));
    assert_eq!(table.value(&gene("ENSG2.1", "MYC")), Some(2.0));
    assert_eq!(table.value(&gene("ENSG4.1", "AC01.2")), Some(4.0), "a clone's suffix is no version");
    assert_eq!(table.value(&gene("ENSG3.1", "B")), None);
    let genes = Genes::new(vec![gene("ENSG1.9", "A"), gene("ENSG2.1", "MYC"), gene("ENSG3.1", "B")], |_| None);
    let unmatched = table.unmatched(&genes);
    assert_eq!(
        (unmatched.rows.as_slice(), unmatched.genes.as_slice()),
        (&["AC01.1".to_owned(), "AC01.2".to_owned(), "GHOST".to_owned()][..], &["B".to_owned()][..])
    );
    let warnings = unmatched.warnings();
    assert!(warnings[0].ends_with(": 3 of 5 ids are no gene of the annotation: AC01.1, AC01.2, GHOST"), "{}", warnings[0]);
    assert!(warnings[1].ends_with(": 1 of 3 genes have no expression here: B"), "{}", warnings[1]);
}

#[test]
fn repeated_ids_are_said_and_the_first_counts() {
    let loaded = read("id\tx\nENSG1.4\t1\nENSG1.5\t2\nMYC\t3\nMYC\t4\n", &GUESS).unwrap();
    assert_eq!(pairs(&loaded.value), [row("ENSG1.4", 1.0), row("MYC", 3.0)]);
    assert_eq!(loaded.warnings, ["2 rows repeat an id and were left out (the first counts): ENSG1.5, MYC"]);
}

#[test]
fn the_median_is_of_all_rows() {
    assert_eq!(read("a,5\nb,1\nc,9\n", &GUESS).unwrap().value.median(), 5.0);
    assert_eq!(read("a,5\nb,1\nc,9\nd,6\n", &GUESS).unwrap().value.median(), 5.5);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, message) in [
        ("", "line 1: no row in it"),
        ("# only this\n\n", "line 1: no row in it"),
        ("gene,x\n", "rows: no row in it"),
        ("gene\n", "header: one column (\"gene\"): ids and values, parted by tabs or commas, are needed"),
        ("gene,x\na,1\nb,NaN", "line 3: \"NaN\" of b is no number from 0 up (x)"),
        ("gene,x\na,1\nb,inf", "line 3: \"inf\" of b is no number from 0 up (x)"),
        ("gene,x\na,1\nb,NA", "line 3: \"NA\" of b is no number from 0 up (x)"),
        ("gene,x\na,1\nb,", "line 3: \"\" of b is no number from 0 up (x)"),
        ("gene,x\na,-1", "line 2: \"-1\" of a is no number from 0 up (x)"),
        ("gene,x\na,1\nb", "line 3: 1 columns where the first row has 2"),
        ("gene,x\n,1", "line 2: a row without an id"),
        ("a,1,2\nb,2,3", "line 1: numbers where the names of columns should be"),
    ] {
        assert_eq!(read(text, &GUESS).unwrap_err(), message, "{text:?}");
    }
    assert!(Expression::read(Path::new("absent"), &GUESS).is_err());
    assert!(Expression::read(Path::new("/"), &GUESS).is_err());
}

#[test]
fn damaged_tables_are_errors_or_values() {
    let matrix = "gene_id\tsymbol\tliver\tK562\nENSG1.2\tA\t1\t2.5\nENSG2.1\tB\t3\t4\n";
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let mut refused = 0;
    for _ in 0..1000 {
        let mut bytes = matrix.as_bytes().to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = *b"\n\t,\0 \x1f\"#-e9\xff".choose(&mut rng).unwrap();
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        match Expression::read(file.path(), &ExpressionColumns { sample: Some("K562"), ..GUESS }) {
            Ok(loaded) => assert!(loaded.value.rows().all(|row| row.1.is_finite())),
            Err(_) => refused += 1,
        }
    }
    assert!((1..1000).contains(&refused));
    let long = format!("gene,x\n{},1\n", "A".repeat(2000));
    assert_eq!(read(&long, &GUESS).unwrap_err(), "line 2: an id longer than any");
}

#[test]
fn the_published_counts_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real/deepdiff/Cell1.expr.csv");
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return;
    }
    let loaded = Expression::read(&path, &GUESS).unwrap();
    assert_eq!((loaded.value.rows().len(), loaded.warnings.len()), (19_795, 0));
    assert_eq!(loaded.value.value(&gene("ENSG00000000419.12", "DPM1")), Some(17_156.0));
    // cut -d, -f2 | sort -g | sed -n 9898p
    assert_eq!(loaded.value.median(), 1202.0);
}

#[test]
fn samples_of_a_matrix_are_read_together_and_fail_alone() {
    let file = file("gene_id\tA\tB\tC\nENSG1\t1\t2\tNA\nENSG2\t3\t4\t5\nENSG1\t9\t9\t9\n");
    let of = |sample| ExpressionColumns { sample: Some(sample), ..GUESS };
    let (read, warnings) = Expression::read_samples(file.path(), &[of("B"), of("C"), of("A"), of("D")]).unwrap();
    let values: Vec<Result<Vec<f64>, String>> =
        read.into_iter().map(|r| r.map(|e| e.rows().map(|row| row.1).collect()).map_err(|e| e.to_string())).collect();
    assert_eq!((&values[0], &values[2]), (&Ok(vec![2.0, 4.0]), &Ok(vec![1.0, 3.0])));
    assert!(values[1].as_ref().is_err_and(|e| e.contains("line 2") && e.contains("NA") && e.contains("(C)")), "{values:?}");
    assert!(values[3].as_ref().is_err_and(|e| e.contains("none is called D")), "{values:?}");
    assert!(warnings.len() == 1 && warnings[0].contains("1 rows repeat an id"), "once for the table: {warnings:?}");
}
