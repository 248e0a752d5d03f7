//! bigWig reading against a plain second computation, on made, measured and damaged files.

use super::*;
use bigtools::BigWigWrite;
use bigtools::beddata::BedParserStreamingIterator;
use std::collections::HashMap;
use tempfile::TempDir;

fn measured(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real").join(name);
    if !path.exists() {
        println!("skipped: {name} is not here");
    }
    path.exists().then_some(path)
}

/// As the program's own hook: a contained panic says nothing.
fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_contained_panic() {
                usual(panic)
            }
        }));
    });
}

fn write(folder: &TempDir, chrom: &str, len: u32, values: &[(u32, u32, f32)]) -> PathBuf {
    let path = folder.path().join("x.bw");
    let values: Vec<_> = values.iter().map(|&(start, end, value)| (chrom.to_owned(), Value { start, end, value })).collect();
    let data = BedParserStreamingIterator::wrap_infallible_iter(values.into_iter(), false);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    BigWigWrite::create_file(&path, HashMap::from([(chrom.to_owned(), len)])).unwrap().write(data, runtime).unwrap();
    path
}

/// 60,000 values of a rule, with gaps, in steps of 7 bases.
fn ruled(folder: &TempDir) -> (PathBuf, Vec<f32>) {
    let mut values = Vec::new();
    let mut bases = vec![f32::NAN; 500_000];
    for i in 0..60_000_u32 {
        if i % 11 < 8 && !(20_000..22_000).contains(&i) {
            let (start, value) = (i * 7 + 100, ((i * 7_919) % 1_000) as f32 / 8.0 - 40.0);
            values.push((start, start + 5, value));
            bases[start as usize..start as usize + 5].fill(value);
        }
    }
    (write(folder, "chr1", 500_000, &values), bases)
}

fn assert_close(a: &[Column], b: &[Column], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert_eq!(a.is_missing(), b.is_missing(), "column {i}: {a:?} {b:?}");
        if !a.is_missing() {
            let near = |x: f32, y: f32| (x - y).abs() <= tolerance * y.abs().max(1.0);
            assert!(near(a.mean, b.mean) && near(a.covered, b.covered), "column {i}: {a:?} {b:?}");
            assert!(near(a.min, b.min) && near(a.max, b.max), "column {i}: {a:?} {b:?}");
        }
    }
}

#[test]
fn values_and_columns_are_those_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bases) = ruled(&folder);
    let mut file = open(&path).unwrap().value;
    file.zooms.clear();
    for (start, end, n) in [(0, 500_000, 317), (99, 106, 7), (99, 106, 20), (139_990, 154_200, 100), (499_000, 500_000, 3)] {
        let region = Region::new("chr1", start, end);
        let expected = &bases[start as usize..end as usize];
        let values = file.values(&region).unwrap();
        assert!(values.iter().zip(expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));
        assert_close(&file.columns(&region, n).unwrap(), &columns_of_values(expected, n), 1e-5);
    }
}

#[test]
fn past_the_end_is_missing_and_nothing_asked_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "chr1", 1_000, &[(990, 1_000, 2.0)]);
    let mut file = open(&path).unwrap().value;
    let values = file.values(&Region::new("1", 995, 1_005)).unwrap();
    assert!(values[..5].iter().all(|&v| v == 2.0) && values[5..].iter().all(|v| v.is_nan()));
    let columns = file.columns(&Region::new("1", 990, 1_010), 2).unwrap();
    assert_eq!((columns[0].covered, columns[1].is_missing()), (1.0, true));
    for (start, end) in [(5_000, 6_000), (u64::MAX - 10, u64::MAX), (1_000, 1_000)] {
        let region = Region::new("chr1", start, end);
        assert!(file.values(&region).unwrap().iter().all(|v| v.is_nan()));
        assert!(file.columns(&region, 3).unwrap().iter().all(Column::is_missing));
    }
    assert!(file.columns(&Region::new("chr1", 0, 100), 0).unwrap().is_empty());
    assert!(file.values(&Region::new("chr1", 0, u64::MAX)).unwrap_err().to_string().contains("too many"));
    assert!(file.columns(&Region::new("chr1", 0, u64::MAX), 10).is_ok());
}

#[test]
fn an_unknown_chromosome_names_the_file_and_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "chr1", 1_000, &[(0, 10, 2.0)]);
    let error = open(&path).unwrap().value.values(&Region::new("chr2", 0, 5)).unwrap_err();
    let expected = format!("{}: no chromosome \"chr2\" in this file; it has chr1", path.display());
    assert_eq!(error.to_string(), expected);
}

/// Values of a rule without a gap.
fn contiguous(folder: &TempDir) -> (PathBuf, Vec<f32>) {
    let values: Vec<_> = (0..50_000_u32).map(|i| (i * 8, i * 8 + 8, ((i * 7_919) % 1_000) as f32 / 8.0 - 40.0)).collect();
    let bases = values.iter().flat_map(|&(_, _, value)| [value; 8]).collect();
    (write(folder, "chr1", 400_000, &values), bases)
}

#[test]
fn a_zoom_level_is_used_only_where_two_of_its_records_fit_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bases) = contiguous(&folder);
    let mut file = open(&path).unwrap().value;
    assert_eq!(file.zooms(), [160, 640]);
    let mut raw = open(&path).unwrap().value;
    raw.zooms.clear();
    let columns = |file: &mut BigWig, n| file.columns(&Region::new("chr1", 0, 400_000), n).unwrap();
    let means = |columns: &[Column]| columns.iter().map(|c| c.mean.to_bits()).collect::<Vec<_>>();
    // At a base less than two records a column, the values: the two agree to the last digit.
    assert!(means(&columns(&mut file, 1_251)) == means(&columns(&mut raw, 1_251)));
    assert!(means(&columns(&mut file, 1_249)) != means(&columns(&mut raw, 1_249)));
    for n in [1_250, 312, 100, 7, 1] {
        let zoomed = columns(&mut file, n);
        let sum = |columns: &[Column]| columns.iter().map(|c| f64::from(c.mean)).sum::<f64>() / n as f64;
        let mean = bases.iter().map(|&v| f64::from(v)).sum::<f64>() / 400_000.0;
        assert!((sum(&zoomed) - mean).abs() < 0.05, "{n}: {} {mean}", sum(&zoomed));
        assert!(zoomed.iter().all(|c| (c.covered - 1.0).abs() < 1e-5));
    }
    // 1,250 columns of 320 bases are two records each: nothing is cut.
    assert_close(&columns(&mut file, 1_250), &columns_of_values(&bases, 1_250), 1e-5);
}

#[test]
fn zoom_levels_that_fill_the_gaps_are_not_believed() {
    // bigtools' own writer; one CpG every 300 bases, then 30 kb without any.
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<_> = (0..4_000).filter(|i| i % 400 < 300).map(|i| (i * 300, i * 300 + 1, 0.75)).collect();
    let path = write(&folder, "chr1", 1_300_000, &values);
    let mut file = open(&path).unwrap().value;
    assert!(!file.zooms().is_empty());
    let columns = file.columns(&Region::new("chr1", 0, 1_200_000), 40).unwrap();
    assert!(file.zooms().is_empty());
    let warnings = file.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("x.bw: its zoom levels are wrong"), "{warnings:?}");
    assert_eq!(columns.iter().filter(|c| c.is_missing()).count(), 10);
    assert!(columns.iter().all(|c| c.covered < 0.004));
    assert!(file.take_warnings().is_empty());
}

#[test]
fn the_zoom_levels_of_measured_files_are_believed() {
    for name in [
        "formats/fixedStep.bw",
        "formats/sparse_signed.bigWig",
        "formats/hg38_chr17_dense.bigWig",
        "hg19-h1-oct4/H1_H2az.bw",
        "hg19-h1-oct4/H1_Oct4.bw",
        "hg38-chr21-atac/ACCx_025FE5F8_T1.bw",
        "hg19/Gm12878RnaSeq.sample.bigWig",
    ] {
        let Some(path) = measured(name) else { continue };
        let mut file = open(&path).unwrap().value;
        let before = file.zooms().to_vec();
        let (chrom, len) = file.chroms().iter().max_by_key(|c| c.1).map(|(c, len)| (c.clone(), len)).unwrap();
        file.columns(&Region::new(chrom, 0, len), 1).unwrap();
        assert!(file.are_zooms_checked, "{name}");
        assert_eq!((file.take_warnings(), file.zooms()), (vec![], &before[..]), "{name}");
    }
}

#[test]
fn equal_values_stay_equal_at_every_zoom() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<_> = (0..40_000).map(|i| (i * 50, i * 50 + 50, if i < 20_000 { 3.0 } else { -1.5 })).collect();
    let path = write(&folder, "chr1", 2_000_000, &values);
    let mut file = open(&path).unwrap().value;
    for n in [10, 37, 100, 800, 5_000] {
        for (i, column) in file.columns(&Region::new("chr1", 0, 2_000_000), n).unwrap().iter().enumerate() {
            assert!((column.covered - 1.0).abs() < 1e-4, "{n} {i} {column:?}");
            let middle = (2 * i + 1) as f64 / (2 * n) as f64;
            if (middle - 0.5).abs() > 1.0 / n as f64 {
                let expected = if middle < 0.5 { 3.0 } else { -1.5 };
                assert_eq!((column.mean, column.min, column.max), (expected, expected, expected), "{n} {i}");
            }
        }
    }
}

#[test]
fn the_dense_measured_file_has_the_published_totals() {
    // The totals in bigtools' own documentation of this file.
    let Some(path) = measured("formats/hg38_chr17_dense.bigWig") else { return };
    let mut file = open(&path).unwrap().value;
    assert_eq!(file.chroms().len_of("chr17"), Some(83_257_441));
    let (mut bases, mut highest) = (0, 0.0_f32);
    for start in (0..83_257_441).step_by(10_000_000) {
        for value in file.values(&Region::new("17", start, (start + 10_000_000).min(83_257_441))).unwrap() {
            bases += u64::from(!value.is_nan());
            highest = highest.max(value);
        }
    }
    assert_eq!((bases, highest), (137_894, 14_254.0));
    assert_eq!(file.values(&Region::new("chr17", 59_897, 59_899)).unwrap()[1], 0.06792);
    file.zooms.clear();
    let first = file.values(&Region::new("chr17", 59_000, 62_000)).unwrap();
    let columns = file.columns(&Region::new("chr17", 59_000, 62_000), 150).unwrap();
    assert_close(&columns, &columns_of_values(&first, 150), 1e-5);
}

#[test]
fn two_records_of_one_base_are_not_painted_solid() {
    let Some(path) = measured("formats/sparse_signed.bigWig") else { return };
    let mut file = open(&path).unwrap().value;
    let finest = u64::from(file.zooms()[0]);
    assert!(finest > 100_000, "{finest}");
    let mut records = Vec::new();
    for (chrom, len) in file.chroms().clone().iter() {
        let region = Region::new(chrom.clone(), 0, len);
        file.each_value(&region, |start, end, value| records.push((chrom.clone(), start, end, value))).unwrap();
    }
    let (chrom, at, end, value) = records.iter().find(|r| r.3 < 0.0).unwrap().clone();
    assert_eq!(end - at, 1);
    let region = Region::new(chrom, at - 3_300, at + 3_300);
    let columns = file.columns(&region, 100).unwrap();
    let inside: Vec<_> = records.iter().filter(|r| r.0 == region.chrom && region.contains(r.1)).collect();
    let filled = columns.iter().filter(|c| !c.is_missing()).count();
    assert!((1..=inside.len()).contains(&filled), "{filled} columns of {} records", inside.len());
    let column = columns[50];
    assert!((column.mean - value).abs() < 1e-6 && column.covered < 0.05, "{column:?}");
}

#[test]
fn measured_files_agree_with_their_bases() {
    for name in ["formats/nozooms.bw", "formats/fixedStep.bw", "hg19-h1-oct4/H1_k4me3.bw", "hg19/Gm12878RnaSeq.sample.bigWig"] {
        let Some(path) = measured(name) else { continue };
        let loaded = open(&path).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let mut file = loaded.value;
        let chroms: Vec<_> = file.chroms().iter().map(|(c, len)| (c.clone(), len)).collect();
        let mut measured = 0;
        for (chrom, len) in chroms {
            let mut first = None;
            file.each_value(&Region::new(chrom.clone(), 0, len), |start, _, _| first = first.or(Some(start))).unwrap();
            let start = first.unwrap().saturating_sub(10);
            let region = Region::new(chrom, start, start + 9_000);
            let values = file.values(&region).unwrap();
            measured += values.iter().filter(|v| !v.is_nan()).count();
            for n in [1, 7, 90, 900, 9_000, 10_000] {
                let columns = file.columns(&region, n).unwrap();
                let uses_zoom = file.zooms().first().is_some_and(|&z| u64::from(z) * 2 * n as u64 <= region.len());
                if !uses_zoom {
                    assert_close(&columns, &columns_of_values(&values, n), 1e-5);
                }
            }
        }
        assert!(measured > 0, "{name}");
    }
}

/// Opens and asks everything; whatever is wrong must come as an error.
fn read_all(path: &Path) -> Result<(), TrackError> {
    let mut file = open(path)?.value;
    let chroms: Vec<_> = file.chroms().iter().map(|(c, len)| (c.clone(), len)).collect();
    let mut result = Ok(());
    for (chrom, len) in chroms.into_iter().take(3) {
        let len = len.min(500_000);
        for n in [5, 200] {
            result = result.and(file.columns(&Region::new(chrom.clone(), 0, len), n).map(drop));
        }
        result = result.and(file.values(&Region::new(chrom, 0, len)).map(drop));
    }
    assert!(!is_contained_panic());
    result
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = ruled(&folder);
    let whole = std::fs::read(&path).unwrap();
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    hush();
    let index = u64::from_le_bytes(whole[24..32].try_into().unwrap()) as usize;
    let tree = u64::from_le_bytes(whole[8..16].try_into().unwrap()) as usize;
    let mut failed = 0;
    for i in 0..1_100 {
        let mut bytes = whole.clone();
        // Every byte of the header, the list of chromosomes and the index's start, then anywhere.
        let at = match i {
            0..400 => i,
            400..500 => tree + i - 400,
            500..700 => index + i - 500,
            _ => random(whole.len()),
        };
        bytes[at] = [0, 0xff, 0x7f, 0x80, random(256) as u8][random(5)];
        std::fs::write(&path, &bytes).unwrap();
        if let Err(e) = read_all(&path) {
            assert!(e.to_string().contains("x.bw"), "{e}");
            failed += 1;
        }
    }
    assert!(failed > 300, "{failed}");
}

#[test]
fn a_list_or_index_that_leads_back_to_itself_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = ruled(&folder);
    let whole = std::fs::read(&path).unwrap();
    for (at, key) in [(8, 4), (24, 16)] {
        let start = u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
        let node = start + if at == 8 { 32 } else { 48 };
        let mut bytes = whole.clone();
        bytes[node..node + 4].copy_from_slice(&[0, 0, 1, 0]); // an inner node with one child
        if at == 24 {
            bytes[node + 4..node + 12].fill(0);
            bytes[node + 12..node + 20].fill(0xff);
        }
        bytes[node + 4 + key..node + 12 + key].copy_from_slice(&(node as u64).to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let error = read_all(&path).unwrap_err().to_string();
        assert!(error.contains("x.bw") && (error.contains("leads back to itself") || error.contains("bytes;")), "{error}");
    }
}

#[test]
fn a_file_cut_off_in_its_zoom_levels_is_read_from_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bases) = contiguous(&folder);
    let whole = std::fs::read(&path).unwrap();
    let index = u64::from_le_bytes(whole[24..32].try_into().unwrap()) as usize;
    let first_zoom = u64::from_le_bytes(whole[72..80].try_into().unwrap()) as usize;
    assert!(index < first_zoom, "bigtools writes the zoom levels last");
    let mut were_read = 0;
    for cut in (first_zoom + 1..whole.len()).step_by(997) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let Loaded { value: mut file, mut warnings } = open(&path).unwrap();
        let region = Region::new("chr1", 0, 400_000);
        let columns = file.columns(&region, 20).unwrap();
        warnings.extend(file.take_warnings());
        were_read += usize::from(!warnings.is_empty());
        assert!(warnings.iter().all(|w| w.contains("x.bw: ") && w.contains("zoom level")), "{warnings:?}");
        let exact = columns_of_values(&bases, 20);
        for (a, b) in columns.iter().zip(&exact) {
            let is_near = a.is_missing() == b.is_missing() && (a.covered - b.covered).abs() < 0.1;
            assert!(is_near && (a.is_missing() || (a.mean - b.mean).abs() < 5.0), "{a:?} {b:?}");
        }
    }
    assert!(were_read > 3, "{were_read}");
    std::fs::write(&path, &whole[..index + 10]).unwrap();
    assert!(open(&path).is_err());
}

#[test]
fn other_formats_are_called_by_their_name() {
    let Some(path) = measured("formats/hg19_chr21.bb") else { return };
    assert!(open(&path).err().unwrap().to_string().contains("this is a bigBed, not a bigWig"));
}
