//! The file formats this program opens, and how it tells which one a file is.

use super::lines::open_unzipped;
use super::{
    Loaded, Track, TrackError, annotation, arcs, bed, bed_methyl, bedgraph, bigbed, bigwig, fasta, gene_index, genehancer, gff3,
    gtf, is_url, renamed, tabix, tabix_genes, tabix_signal, two_bit, vcf, wig,
};
use crate::genome::{ChromSizes, Genes};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What a file of a format holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Values along the genome.
    Signal,
    /// Intervals with names and scores.
    Features,
    /// Gene models.
    Genes,
    /// A reference sequence.
    Sequence,
}

/// A file format this program opens as a track.
pub struct Format {
    /// As in `session.toml` and `cislens list formats`.
    pub name: &'static str,
    /// What a file of it holds.
    pub kind: Kind,
    /// One line of what it holds.
    pub about: &'static str,
    /// Endings of file names in lower case, without a compression suffix.
    pub extensions: &'static [&'static str],
    /// Whether a file that begins with these bytes (unzipped) is of this format.
    pub begins: fn(&[u8]) -> bool,
    /// Opens a file; `genome` gives the order of chromosomes and their names.
    pub open: fn(&Path, &ChromSizes) -> Result<Loaded<Track>, TrackError>,
}

/// Every format. Where a file's name does not tell, the first whose `begins` says yes.
pub const FORMATS: &[Format] = &[
    Format {
        name: "bigwig",
        kind: Kind::Signal,
        about: "values along the genome",
        extensions: &["bw", "bigwig"],
        begins: |head| head.starts_with(&[0x26, 0xfc, 0x8f, 0x88]) || head.starts_with(&[0x88, 0x8f, 0xfc, 0x26]),
        open: |path, _| Ok(bigwig::open(path)?.map(|file| Track::Signal(Box::new(file)))),
    },
    Format {
        name: "bigbed",
        kind: Kind::Features,
        about: "intervals behind an index, read where they are seen; also peaks and arcs (bigNarrowPeak, bigInteract)",
        extensions: &["bb", "bigbed", "bignarrowpeak", "biginteract"],
        begins: |head| head.starts_with(&[0xeb, 0xf2, 0x89, 0x87]) || head.starts_with(&[0x87, 0x89, 0xf2, 0xeb]),
        open: |path, genome| Ok(bigbed::open(path, genome)?.map(|file| Track::Indexed(Box::new(file)))),
    },
    Format {
        name: "2bit",
        kind: Kind::Sequence,
        about: "reference sequence, UCSC's 2bit",
        extensions: &["2bit"],
        begins: |head| head.starts_with(&[0x43, 0x27, 0x41, 0x1a]) || head.starts_with(&[0x1a, 0x41, 0x27, 0x43]),
        open: |path, _| Ok(two_bit::open(path)?.map(|file| Track::Sequence(Box::new(file)))),
    },
    Format {
        name: "fasta",
        kind: Kind::Sequence,
        about: "reference sequence, plain or bgzip, with its .fai",
        extensions: &["fa", "fasta", "fna"],
        begins: |head| head.starts_with(b">"),
        open: |path, _| Ok(fasta::open(path)?.map(|file| Track::Sequence(Box::new(file)))),
    },
    Format {
        name: "vcf",
        kind: Kind::Features,
        about: "variants: place, identifier, alleles",
        extensions: &["vcf"],
        begins: |head| head.starts_with(b"##fileformat=VCF"),
        open: |path, genome| Ok(vcf::open(path, genome)?.map(features)),
    },
    Format {
        name: "wig",
        kind: Kind::Signal,
        about: "values in fixed or variable steps",
        extensions: &["wig"],
        begins: |head| {
            let mut lines = lines(head).filter(|line| !bed::is_heading(line));
            lines.next().is_some_and(|line| line.starts_with(b"fixedStep") || line.starts_with(b"variableStep"))
        },
        open: |path, genome| Ok(wig::open(path, genome)?.map(signal)),
    },
    Format {
        name: "bedgraph",
        kind: Kind::Signal,
        about: "intervals with a value, four columns",
        extensions: &["bedgraph", "bg", "bdg"],
        begins: |head| {
            let is_one = |line: &[u8]| bedgraph::parse_line(line).is_ok() && line.split(u8::is_ascii_whitespace).count() == 4;
            lines(head).find(|line| !bed::is_heading(line)).is_some_and(is_one)
        },
        open: |path, genome| Ok(bedgraph::open(path, genome)?.map(signal)),
    },
    Format {
        name: "bedmethyl",
        kind: Kind::Signal,
        about: "share of methylated reads, strands joined, sites of 5 reads or more (ENCODE, modkit)",
        extensions: &["bedmethyl", "bed"],
        begins: |head| lines(head).find(|line| !bed::is_heading(line)).is_some_and(bed_methyl::is_line),
        open: |path, genome| Ok(bed_methyl::open(path, bed_methyl::MIN_COVERAGE, genome)?.map(signal)),
    },
    Format {
        name: "genehancer",
        kind: Kind::Features,
        about: "enhancers with linked genes, GeneHancer's GFF",
        extensions: &["genehancer"],
        begins: |head| has_column(head, |column| contains(column, b"genehancer_id=")),
        open: |path, genome| Ok(genehancer::open(path, genome)?.map(features)),
    },
    Format {
        name: "gtf",
        kind: Kind::Genes,
        about: "genes, GTF 2.2",
        extensions: &["gtf", "gff2"],
        begins: |head| has_column(head, |column| contains(column, b"gene_id ")),
        open: |path, genome| Ok(gtf::open(path, genome)?.map(genes)),
    },
    Format {
        name: "gff3",
        kind: Kind::Genes,
        about: "genes, GFF3",
        extensions: &["gff3"],
        begins: |head| head.starts_with(b"##gff-version") || has_column(head, |column| column.contains(&b'=')),
        open: |path, genome| Ok(gff3::open(path, genome)?.map(genes)),
    },
    Format {
        name: "narrowpeak",
        kind: Kind::Features,
        about: "peaks with summits, ENCODE's narrowPeak",
        extensions: &["narrowpeak"],
        begins: |_| false,
        open: |path, genome| Ok(bed::open_narrow_peak(path, genome)?.map(features)),
    },
    Format {
        name: "broadpeak",
        kind: Kind::Features,
        about: "peaks without summits, ENCODE's broadPeak",
        extensions: &["broadpeak"],
        begins: |_| false,
        open: |path, genome| Ok(bed::open_broad_peak(path, genome)?.map(features)),
    },
    Format {
        name: "interact",
        kind: Kind::Features,
        about: "arcs between two places, UCSC's interact",
        extensions: &["interact"],
        begins: |head| lines(head).any(|line| arcs::parse_interact(line).is_ok()),
        open: |path, genome| Ok(arcs::open_interact(path, genome)?.map(features)),
    },
    Format {
        name: "bedpe",
        kind: Kind::Features,
        about: "arcs between two places, BEDPE",
        extensions: &["bedpe"],
        begins: |head| lines(head).any(|line| arcs::parse_bedpe(line).is_ok()),
        open: |path, genome| Ok(arcs::open_bedpe(path, genome)?.map(features)),
    },
    Format {
        name: "epd",
        kind: Kind::Features,
        about: "promoters, EPD's BED of 8 columns",
        extensions: &["epd"],
        begins: |head| lines(head).next().is_some_and(is_epd_line),
        open: |path, genome| Ok(bed::open(path, genome)?.map(features)),
    },
    Format {
        name: "bed",
        kind: Kind::Features,
        about: "intervals, BED of 3 to 12 columns, tabs or spaces",
        extensions: &["bed"],
        begins: |head| lines(head).any(|line| bed::parse_line(line, 3).is_ok()),
        open: |path, genome| Ok(bed::open(path, genome)?.map(features)),
    },
];

fn features(features: super::Features) -> Track {
    Track::Features(Arc::new(features))
}

fn signal(file: impl super::SignalReader + 'static) -> Track {
    Track::Signal(Box::new(file))
}

fn genes(genes: Genes) -> Track {
    Track::Genes(Arc::new(genes))
}

/// EPD's own form: eight columns apart by single spaces, a strand in the sixth.
fn is_epd_line(line: &[u8]) -> bool {
    let columns: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
    columns.len() == 8 && matches!(columns[5], b"+" | b"-") && bed::parse_line(line, 8).is_ok()
}

/// Lines of a file's beginning that are no comment.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|&b| b == b'\n').filter(|line| !line.is_empty() && line[0] != b'#')
}

/// Whether a line has nine columns with a ninth as asked.
fn has_column(head: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> bool {
    lines(head).any(|line| line.splitn(9, |&b| b == b'\t').nth(8).is_some_and(&is_wanted))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// Opens a file of the named format, or of the one its name or else its content tells. Chromosomes of another length than the
/// genome's, and a file that shares none with it, are said in the warnings.
pub fn open(path: &Path, format: Option<&str>, genome: &ChromSizes) -> Result<Loaded<Track>, TrackError> {
    let format = format_of(path, format)?;
    let at_hand = match format.kind {
        Kind::Genes => gene_index::open(path, format, genome)?,
        _ => open_indexed(path, format, genome)?,
    };
    let loaded = at_hand.map_or_else(|| (format.open)(path, genome), Ok)?;
    Ok(made_of_the_genome(loaded, path, genome))
}

/// Opens a bedMethyl, as [`open`] does, without its sites of fewer than `min_coverage` reads.
pub fn open_methylation(path: &Path, min_coverage: u32, genome: &ChromSizes) -> Result<Loaded<Track>, TrackError> {
    Ok(made_of_the_genome(bed_methyl::open(path, min_coverage, genome)?.map(signal), path, genome))
}

/// A track by the genome's names, with a remark where it does not fit.
fn made_of_the_genome(mut loaded: Loaded<Track>, path: &Path, genome: &ChromSizes) -> Loaded<Track> {
    let remark = mismatch(&loaded.value, genome);
    loaded.warnings.extend(remark.map(|remark| format!("{}: {remark}", path.display())));
    loaded.map(|track| renamed::by_names_of(track, genome))
}

/// A packed text by its index, where it has one and is too long to be read whole at once.
fn open_indexed(path: &Path, format: &Format, genome: &ChromSizes) -> Result<Option<Loaded<Track>>, TrackError> {
    /// Bytes of a packed file up to which it is read whole: a moment, and then every interval is at hand.
    const READ_WHOLE: u64 = 4 << 20;
    let is_short = !is_url(path) && std::fs::metadata(path).is_ok_and(|about| about.len() <= READ_WHOLE);
    if is_short {
        return Ok(None);
    }
    let (intervals, genes) = (tabix::line_of(format.name), tabix_genes::lines_of(format.name));
    if intervals.is_none() && genes.is_none() && format.name != "bedgraph" {
        return Ok(None);
    }
    let Some(index) = tabix::index_of(path) else { return Ok(None) };
    Ok(Some(match (intervals, genes) {
        (Some(parse), _) => tabix::open_intervals(path, &index, parse, genome)?.map(|file| Track::Indexed(Box::new(file))),
        (None, Some(lines)) => tabix_genes::open(path, &index, lines, genome)?.map(|file| Track::Indexed(Box::new(file))),
        (None, None) => tabix_signal::open(path, &index, genome)?.map(signal),
    }))
}

/// Opens a file for a row of intervals or a signal, as [`open`] does; genes as a row of their own, one model a gene.
pub fn open_row(path: &Path, format: Option<&str>, genome: &ChromSizes) -> Result<Loaded<Track>, TrackError> {
    let format = format_of(path, format)?;
    if format.kind != Kind::Genes {
        return open(path, Some(format.name), genome);
    }
    if let Some(loaded) = open_indexed(path, format, genome)? {
        return Ok(made_of_the_genome(loaded, path, genome));
    }
    Ok(open(path, Some(format.name), genome)?.map(|track| match track {
        Track::Genes(genes) => features(super::Features::new(genes.iter().map(|(_, gene)| annotation::model_of(gene)), genome)),
        track => track,
    }))
}

/// The format of a name, or the one the file is where none is named.
pub fn format_of(path: &Path, name: Option<&str>) -> Result<&'static Format, TrackError> {
    match name {
        Some(name) => FORMATS
            .iter()
            .find(|f| f.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| unknown(path, &format!("no format \"{name}\""))),
        None => detect(path),
    }
}

/// Which format a file is: by its name, by its content where the name does not tell.
pub fn detect(path: &Path) -> Result<&'static Format, TrackError> {
    let ending = extension(path);
    let ending = ending.as_deref();
    if ending.is_some_and(|e| ["bam", "cram", "sam"].contains(&e)) {
        return Err(alignments(path));
    }
    let mut named = FORMATS.iter().filter(|f| ending.is_some_and(|e| f.extensions.contains(&e)));
    let (first, second) = (named.next(), named.next());
    if let (Some(format), None) = (first, second) {
        return Ok(format);
    }
    let mut head = Vec::new();
    let read = match (open_unzipped(path), second) {
        (Ok(file), _) => file.take(1 << 16).read_to_end(&mut head),
        (Err(_), Some(format)) => return Ok(format), // opening it will say why it cannot be
        (Err(e), None) => return Err(e),
    };
    if let Some(last) = second {
        let shares = |f: &&Format| ending.is_some_and(|e| f.extensions.contains(&e));
        return Ok(FORMATS.iter().filter(shares).find(|f| (f.begins)(&head)).unwrap_or(last));
    }
    if let (Err(e), true) = (read, head.is_empty()) {
        return Err(TrackError::io(path, e));
    }
    if head.starts_with(b"BAM\x01") || head.starts_with(b"CRAM") {
        return Err(alignments(path));
    }
    FORMATS.iter().find(|f| (f.begins)(&head)).ok_or_else(|| {
        unknown(path, if head.is_empty() { "the file is empty" } else { "neither its name nor its content tells its format" })
    })
}

fn alignments(path: &Path) -> TrackError {
    let reason = "alignments are not drawn: `cislens count` makes bins of a BAM or tagAlign for a model, and a bigWig of its \
                  coverage (bamCoverage) makes a row";
    TrackError::Unsupported { path: path.to_owned(), reason: reason.to_owned() }
}

/// The ending of a file's name in lower case, below `.gz` and `.bgz`.
fn extension(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let name = if is_url(path) { name.split(['?', '#']).next().unwrap_or_default().to_owned() } else { name };
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".bgz")).unwrap_or(&name);
    Some(name.rsplit_once('.')?.1.to_owned())
}

fn unknown(path: &Path, reason: &str) -> TrackError {
    let names: Vec<&str> = FORMATS.iter().map(|f| f.name).collect();
    TrackError::Unsupported { path: path.to_owned(), reason: format!("{reason}; formats: {}", names.join(", ")) }
}

/// What of a track does not fit the genome: chromosomes of another length, or none in common.
pub fn mismatch(track: &Track, genome: &ChromSizes) -> Option<String> {
    if genome.is_empty() {
        return None;
    }
    match track {
        Track::Signal(file) => compare_sizes(file.chroms(), genome),
        Track::Sequence(file) => compare_sizes(file.chroms(), genome),
        Track::Indexed(file) => compare_sizes(file.chroms(), genome),
        Track::Features(features) => compare_ends(features.ends().map(|(c, end)| (c.as_ref(), end)), genome),
        Track::Genes(genes) => compare_ends(genes.iter().map(|(_, g)| (g.region.chrom.as_ref(), g.region.end)), genome),
    }
}

fn compare_sizes(chroms: &ChromSizes, genome: &ChromSizes) -> Option<String> {
    if let Some((chrom, here, there)) = genome.mismatches(chroms).first() {
        return Some(format!("{chrom} has {there} bases here and {here} in the genome: another assembly?"));
    }
    let is_shared = chroms.iter().any(|(name, _)| genome.resolve(name).is_some());
    (!is_shared).then(|| none_shared(&chroms.names_in_short(), genome))
}

fn compare_ends<'a>(places: impl Iterator<Item = (&'a str, u64)>, genome: &ChromSizes) -> Option<String> {
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for (chrom, end) in places {
        let last = ends.entry(chrom).or_default();
        *last = end.max(*last);
    }
    for (chrom, &end) in &ends {
        if let Some(len) = genome.len_of(chrom).filter(|&len| end > len) {
            return Some(format!("{chrom} reaches {end} here and has {len} bases in the genome: another assembly?"));
        }
    }
    let is_shared = ends.keys().any(|chrom| genome.len_of(chrom).is_some());
    let mut here = ChromSizes::default();
    ends.keys().for_each(|chrom| {
        here.push(chrom, 1);
    });
    (!is_shared).then(|| none_shared(&here.names_in_short(), genome))
}

fn none_shared(here: &str, genome: &ChromSizes) -> String {
    format!("no chromosome in common with the genome: here {here}; the genome has {}", genome.names_in_short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;
    use bigtools::beddata::BedParserStreamingIterator;
    use bigtools::{BigWigWrite, Value};
    use std::collections::HashMap;
    use std::io::Write;
    use std::path::PathBuf;

    fn genome() -> ChromSizes {
        ChromSizes::parse("chr1\t100000\nchr2\t50000").unwrap()
    }

    fn bigwig_bytes(folder: &Path) -> Vec<u8> {
        let path = folder.join("made.bw");
        let value = |i: u32| ("chr1".to_owned(), Value { start: i * 20, end: i * 20 + 20, value: (i * 37 % 101) as f32 });
        let data = BedParserStreamingIterator::wrap_infallible_iter((0..5_000).map(value), false);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        BigWigWrite::create_file(&path, HashMap::from([("chr1".to_owned(), 100_000)])).unwrap().write(data, runtime).unwrap();
        std::fs::read(path).unwrap()
    }

    fn bigbed_bytes(folder: &Path) -> Vec<u8> {
        let path = folder.join("made.bb");
        let entry = |i: u32| {
            let rest = format!("NOC{i}\t900\t+");
            ("chr1".to_owned(), bigtools::BedEntry { start: i * 20, end: i * 20 + 15, rest })
        };
        let data = BedParserStreamingIterator::wrap_infallible_iter((0..5_000).map(entry), false);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut writer = bigtools::BigBedWrite::create_file(&path, HashMap::from([("chr1".to_owned(), 100_000)])).unwrap();
        writer.autosql = Some(bigtools::bed::autosql::bed_autosql("NOC\t900\t+"));
        writer.write(data, runtime).unwrap();
        std::fs::read(path).unwrap()
    }

    /// Whether a format is read from any place of its file, and so is never gzipped.
    fn is_binary(format: &Format) -> bool {
        matches!(format.name, "bigwig" | "bigbed" | "2bit" | "fasta")
    }

    /// A good file of each format.
    fn good(format: &Format, folder: &Path) -> Vec<u8> {
        let repeat = |line: fn(u64) -> String| (0..200).map(line).collect::<String>().into_bytes();
        match format.name {
            "bigwig" => bigwig_bytes(folder),
            "fasta" => {
                let lines = |n| "ACGTTGCAAN\n".repeat(n);
                format!(">chr1 x\n{}>chr2\n{}", lines(10_000), lines(5_000)).into_bytes()
            }
            "bigbed" => bigbed_bytes(folder),
            "2bit" => {
                let bases: Vec<u8> =
                    (0..100_000).map(|i| if (500..900).contains(&i) { b'N' } else { b"ACGT"[i * 7 % 4] }).collect();
                two_bit::bytes_for_test("chr1", &bases, true)
            }
            "vcf" => {
                let lines: String =
                    (0..200).map(|i| format!("chr1\t{}\trs{i}\tAC\tG,<DEL>\t9\tPASS\tDP=1\n", 100 * i + 1)).collect();
                format!("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{lines}").into_bytes()
            }
            "wig" => {
                let lines: String = (0..200).map(|i| format!("{}\n", i % 17)).collect();
                format!("track type=wiggle_0\nfixedStep chrom=chr1 start=1 step=20 span=10\n{lines}").into_bytes()
            }
            "bedgraph" => repeat(|i| format!("chr1\t{}\t{}\t{}\n", 100 * i, 100 * i + 60, i % 17)),
            "bedmethyl" => repeat(|i| {
                let (start, end) = (100 * i, 100 * i + 1);
                format!("chr1\t{start}\t{end}\t.\t9\t+\t{start}\t{end}\t0,255,0\t9\t{}\n", i % 101)
            }),
            "bedpe" => {
                repeat(|i| format!("chr1\t{}\t{}\tchr1\t{}\t{}\tG{i}\t3.5\t.\t.\n", 100 * i, 100 * i + 9, 300 * i, 300 * i + 9))
            }
            "interact" => repeat(|i| {
                let (a, b) = (100 * i, 100 * i + 60);
                format!("chr1\t{a}\t{b}\tx\t1\t2\te\t#7A67EE\tchr1\t{a}\t{}\ts\t.\tchr1\t{}\t{b}\tG{i}\t.\n", a + 9, b - 9)
            }),
            "genehancer" => repeat(|i| {
                let start = 100 * i + 1;
                format!(
                    "chr1\t.\tenhancer\t{start}\t{}\t1.5\t.\t.\tgenehancer_id=GH{i};connected_gene=G{i};score=2\n",
                    start + 50
                )
            }),
            "gtf" => repeat(|i| {
                let start = 100 * i + 1;
                format!("chr1\tx\texon\t{start}\t{}\t.\t+\t.\tgene_id \"G{i}\"; transcript_id \"T{i}\";\n", start + 50)
            }),
            "gff3" => repeat(|i| format!("1\tx\tgene\t{}\t{}\t.\t+\t.\tID=gene:G{i};Name=N{i}\n", 100 * i + 1, 100 * i + 50)),
            "narrowpeak" => repeat(|i| format!("chr1\t{}\t{}\tp{i}\t10\t.\t1.5\t2.5\t-1\t7\n", 100 * i, 100 * i + 50)),
            "broadpeak" => repeat(|i| format!("chr1\t{}\t{}\tp{i}\t10\t.\t1.5\t2.5\t-1\n", 100 * i, 100 * i + 50)),
            "epd" => repeat(|i| format!("chr1 {} {} NOC{i} 900 + {} {}\n", 100 * i, 100 * i + 60, 100 * i + 49, 100 * i + 60)),
            "bed" => repeat(|i| format!("chr1\t{}\t{}\tNOC{i}\t900\t+\n", 100 * i, 100 * i + 60)),
            name => panic!("no good file for the format {name}: write one"),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    /// Opens a file and asks all it has; every message must name the file and be fit for a screen.
    fn use_file(path: &Path, format: Option<&str>) -> Result<Loaded<Track>, String> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let check = |message: String| {
            assert!(message.contains(&name), "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
            message
        };
        let mut loaded = open(path, format, &genome()).map_err(|e| check(e.to_string()))?;
        loaded.warnings.iter().for_each(|w| drop(check(w.clone())));
        let region = Region::new("chr1", 0, 100_000);
        match &mut loaded.value {
            Track::Signal(file) => {
                for n in [3, 60, 1_000] {
                    file.columns(&region, n).map_err(|e| check(e.to_string()))?;
                }
                file.values(&region).map_err(|e| check(e.to_string()))?;
                file.take_warnings().into_iter().for_each(|w| drop(check(w)));
            }
            Track::Features(features) => assert!(features.overlapping(&region).count() <= features.len()),
            Track::Indexed(file) => {
                let features = file.features(&region).map_err(|e| check(e.to_string()))?;
                assert!(features.covers(&region) && features.overlapping(&region).count() <= features.len());
            }
            Track::Genes(genes) => assert!(genes.overlapping(&region).count() <= genes.len()),
            Track::Sequence(file) => drop(file.bases(&region).map_err(|e| check(e.to_string()))?),
        }
        Ok(loaded)
    }

    fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn every_format_opens_by_name_by_ending_and_by_content() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for format in FORMATS {
            let bytes = good(format, folder);
            let plain = write(folder, "plain", &bytes);
            let loaded = use_file(&plain, Some(&format.name.to_uppercase())).unwrap();
            assert!(loaded.warnings.iter().all(|w| w.contains("made an index")), "{:?}", loaded.warnings);
            let found = detect(&plain).unwrap().name;
            let same = if format.name.ends_with("peak") { "bed" } else { format.name };
            assert_eq!(found, same);
            for ending in format.extensions {
                let path = write(folder, &format!("x.{}", ending.to_uppercase()), &bytes);
                assert_eq!(detect(&path).unwrap().name, format.name);
                use_file(&path, None).unwrap();
            }
            if !is_binary(format) {
                let path = write(folder, &format!("x.{}.gz", format.extensions[0]), &gzip(&bytes));
                use_file(&path, None).unwrap();
                let path = write(folder, "packed", &gzip(&bytes));
                assert_eq!(detect(&path).unwrap().name, same);
            }
        }
    }

    #[test]
    fn alignments_say_what_to_do_with_them() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("a.bam", &b""[..]), ("a.cram", b"CRAM\x03"), ("reads", b"BAM\x01\0\0"), ("more", b"CRAM\x03\0")] {
            let message = use_file(&write(folder.path(), name, bytes), None).err().unwrap();
            assert!(message.contains("alignments are not drawn: `cislens count`"), "{message}");
        }
    }

    #[test]
    fn a_gff_is_what_its_content_says() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["genehancer", "gff3", "gtf"] {
            let format = FORMATS.iter().find(|f| f.name == name).unwrap();
            let path = write(folder.path(), "x.gff", &good(format, folder.path()));
            assert_eq!(detect(&path).unwrap().name, name);
        }
    }

    #[test]
    fn what_no_format_is_lists_the_formats() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "notes.txt", b"some words\nand more\n");
        let message = use_file(&path, None).err().unwrap();
        assert!(
            message.ends_with(
                "tells its format; formats: bigwig, bigbed, 2bit, fasta, vcf, wig, bedgraph, bedmethyl, genehancer, gtf, gff3, narrowpeak, \
                 broadpeak, interact, bedpe, epd, bed"
            ),
            "{message}"
        );
        assert!(use_file(&path, Some("bam")).err().unwrap().contains("no format \"bam\"; formats: bigwig"));
        assert!(use_file(&write(folder.path(), "nothing", b""), None).err().unwrap().contains("the file is empty"));
    }

    #[test]
    fn damaged_files_of_every_format_are_messages() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !crate::tracks::is_contained_panic() {
                usual(panic)
            }
        }));
        let mut seed = 11_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        for format in FORMATS {
            let ending = format.extensions[0];
            let name = format!("bad.{ending}");
            for format in [None, Some(format.name)] {
                assert!(use_file(&folder.join(format!("missing.{ending}")), format).is_err());
                let below = folder.join(format!("folder.{ending}"));
                std::fs::create_dir_all(&below).unwrap();
                assert!(use_file(&below, format).err().unwrap().contains("this is a folder"));
                let message = use_file(&write(folder, &name, b""), format).err().unwrap();
                assert!(message.contains("empty") || message.contains("0 bytes"), "{message}");
                for len in [1, 3, 64, 1_000, 70_000] {
                    let bytes: Vec<u8> = (0..len).map(|_| random() as u8).collect();
                    assert!(use_file(&write(folder, &name, &bytes), format).is_err(), "{name} of {len} random bytes");
                }
            }
            let whole = good(format, folder);
            for quarter in 1..4 {
                let cut = &whole[..whole.len() * quarter / 4 - 3];
                let _ = use_file(&write(folder, &name, cut), None); // text cut between lines is another good file
                if !is_binary(format) {
                    let packed = gzip(&whole);
                    let cut = &packed[..packed.len() * quarter / 4];
                    let message = use_file(&write(folder, &format!("cut.{ending}.gz"), cut), None).err().unwrap();
                    assert!(message.contains("truncated?"), "{message}");
                }
            }
            for _ in 0..150 {
                let mut bytes = whole.clone();
                for _ in 0..1 + random() % 20 {
                    let at = random() % bytes.len();
                    bytes[at] = random() as u8;
                }
                let _ = use_file(&write(folder, &name, &bytes), None);
            }
        }
    }

    #[test]
    fn another_assembly_and_foreign_chromosomes_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let warning = |name: &str, text: &[u8], genome: &str| {
            let loaded = open(&write(folder, name, text), None, &ChromSizes::parse(genome).unwrap()).unwrap();
            loaded.warnings.into_iter().next_back().unwrap()
        };
        let signal = bigwig_bytes(folder);
        assert!(
            warning("a.bw", &signal, "1\t99999")
                .ends_with("a.bw: 1 has 100000 bases here and 99999 in the genome: another assembly?")
        );
        let foreign = warning("a.bw", &signal, "chrI\t9");
        assert!(foreign.ends_with("no chromosome in common with the genome: here chr1; the genome has chrI"), "{foreign}");
        assert!(
            warning("a.bed", b"chr1 5 10\n", "chr1\t9")
                .ends_with("chr1 reaches 10 here and has 9 bases in the genome: another assembly?")
        );
        assert!(warning("a.bed", b"NC_1 5 10\n", "chr1\t9").ends_with("here NC_1; the genome has chr1"));
        assert!(warning("a.fa", b">chr1\nACGT\n", "chr1\t5").contains("chr1 has 4 bases here and 5"));
    }

    #[test]
    fn measured_files_open_without_a_remark() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real");
        if !root.exists() {
            println!("skipped: no measured files here");
            return;
        }
        let features = |name: &str| match open(&root.join(name), None, &ChromSizes::default()).unwrap() {
            Loaded { value: Track::Features(features), warnings } => {
                assert!(warnings.is_empty(), "{warnings:?}");
                features
            }
            _ => panic!("{name} holds no features"),
        };
        let ctcf = features("hg19-h1-oct4/H1_Ctcf.bed");
        let peaks: Vec<_> = ctcf.overlapping(&Region::new("chr6", 31_125_776, 31_144_789)).collect();
        assert!(!peaks.is_empty() && peaks.iter().all(|p| p.thick.is_none() && p.score.is_some()));
        let narrow = features("formats/mm9_Cebpb.narrowPeak.gz");
        let summits = narrow.overlapping(&Region::new("chr1", 0, 300_000_000)).map(|p| p.summit.unwrap());
        assert_eq!(summits.take(2).collect::<Vec<_>>(), [4_839_583 + 130, 6_959_985 + 236]);
        assert_eq!(features("hg19/refSeq.bed.gz").len(), 73_017);
        assert_eq!(features("hg19/cytoBand.bed").len(), 931);
    }
}
