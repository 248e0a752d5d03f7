//! Genes of a long annotation, kept in the cache folder once they were read: the text takes seconds, what is kept a moment.
//!
//! One file an annotation, written whole or not at all, with a checksum. It says which file it was made of, by path, size and time of
//! the last change; one of another file, another version or with a bit turned is as none, and the text is read again.

use super::{Format, Loaded, Track, TrackError, is_url, write_whole};
use crate::genome::{ChromSizes, Gene, Genes, Region, Strand, Transcript};
use flate2::Crc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// Changes whenever the form of a file or what a reader makes of a line does.
const FORM: &str = concat!("1 cislens ", env!("CARGO_PKG_VERSION"));
const EXTENSION: &str = "genes";
/// Bytes of a file up to which reading its text takes no longer than a frame.
const READ_AT_ONCE: u64 = 128 << 10;
/// Annotations that are kept; the one used longest ago goes.
const MOST_KEPT: usize = 64;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Says in which folder genes are kept; until then, and where the folder cannot be made, they are not. The first word counts.
pub fn keep_genes_in(folder: PathBuf) {
    if fs::create_dir_all(&folder).is_ok() {
        FOLDER.get_or_init(|| folder);
    }
}

/// Opens the genes of a long file on disk by what is kept of it, which is made where it is not there.
pub(super) fn open(path: &Path, format: &Format, genome: &ChromSizes) -> Result<Option<Loaded<Track>>, TrackError> {
    let Some(folder) = FOLDER.get() else { return Ok(None) };
    let loaded =
        GeneIndex::of(folder, path, format.name).map(|index| index.open(genome, || (format.open)(path, &ChromSizes::default())));
    loaded.transpose()
}

/// Which file genes were read of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    path: PathBuf,
    format: String,
    bytes: u64,
    /// Since 1970.
    changed_ns: u128,
}

impl Origin {
    fn of(path: &Path, format: &str) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let about = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let changed_ns = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Self { path, format: format.to_owned(), bytes: about.len(), changed_ns })
    }
}

/// Where the genes of one annotation are kept.
struct GeneIndex {
    origin: Origin,
    path: PathBuf,
}

impl GeneIndex {
    /// `None` where the file is short, or not on disk.
    fn of(folder: &Path, path: &Path, format: &str) -> Option<Self> {
        let origin = Origin::of(path, format).filter(|origin| !is_url(path) && origin.bytes > READ_AT_ONCE)?;
        let name = Sha256::digest(format!("{format}\n{}", origin.path.display()));
        let name: String = name.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Some(Self { path: folder.join(name).with_extension(EXTENSION), origin })
    }

    /// The genes by the genome's names of chromosomes; `read` reads the text by its own names.
    fn open(
        &self,
        genome: &ChromSizes,
        read: impl FnOnce() -> Result<Loaded<Track>, TrackError>,
    ) -> Result<Loaded<Track>, TrackError> {
        let loaded = match self.read() {
            Some(kept) => kept,
            None => {
                let Loaded { value, mut warnings } = read()?;
                let Track::Genes(genes) = value else { return Ok(Loaded { value, warnings }) };
                if let Err(error) = self.write(&genes, &warnings) {
                    warnings.push(format!("{} is read as text each time: {error}", self.origin.path.display()));
                }
                let genes = Arc::try_unwrap(genes).map_or_else(|shared| (*shared).clone().into_vec(), Genes::into_vec);
                Loaded { value: genes, warnings }
            }
        };
        Ok(loaded.map(|genes| Track::Genes(Arc::new(by_names_of(genes, genome)))))
    }

    /// What is kept; `None` where there is nothing, it is damaged, or of another file.
    fn read(&self) -> Option<Loaded<Vec<Gene>>> {
        let bytes = fs::read(&self.path).ok()?;
        let (sum, content) = bytes.split_at_checked(size_of::<u32>())?;
        if checksum(content).to_le_bytes() != sum {
            return None;
        }
        let (head, mut rest): (Head, _) = postcard::take_from_bytes(content).ok()?;
        if head.form != FORM || head.origin != self.origin {
            return None;
        }
        let chroms: Vec<Arc<str>> = head.chroms.into_iter().map(Arc::from).collect();
        let mut genes = Vec::with_capacity(usize::try_from(head.n_genes).ok().filter(|&n| n <= rest.len())?);
        for _ in 0..head.n_genes {
            let (gene, after): (KeptGene<'_>, _) = postcard::take_from_bytes(rest).ok()?;
            genes.push(gene.into_gene(&chroms)?);
            rest = after;
        }
        // The time of the last use; whoever may not set it keeps the time of the writing.
        let _ = fs::File::open(&self.path).and_then(|file| file.set_modified(SystemTime::now()));
        rest.is_empty().then_some(Loaded { value: genes, warnings: head.warnings })
    }

    /// Keeps genes, unless the text was changed while it was read.
    fn write(&self, genes: &Genes, warnings: &[String]) -> Result<(), TrackError> {
        if Origin::of(&self.origin.path, &self.origin.format).as_ref() != Some(&self.origin) {
            return Ok(());
        }
        let other = |e: postcard::Error| TrackError::io(&self.path, std::io::Error::other(e));
        let mut chroms: Vec<String> = Vec::new();
        for (_, gene) in genes.iter() {
            if chroms.last().is_none_or(|last| **last != *gene.region.chrom) {
                chroms.push(gene.region.chrom.to_string());
            }
        }
        let n_genes = genes.len() as u64;
        let head = Head { form: FORM.to_owned(), origin: self.origin.clone(), warnings: warnings.to_vec(), chroms, n_genes };
        let mut content = postcard::to_extend(&head, Vec::new()).map_err(other)?;
        let mut chrom = 0;
        for (_, gene) in genes.iter() {
            chrom += u32::from(*head.chroms[chrom as usize] != *gene.region.chrom); // in the order of the genes, as gathered
            content = postcard::to_extend(&KeptGene::of(gene, chrom), content).map_err(other)?;
        }
        write_whole(&self.path, |out| {
            let written = out.write_all(&checksum(&content).to_le_bytes()).and_then(|()| out.write_all(&content));
            written.map_err(|e| TrackError::io(&self.path, e))
        })?;
        keep_newest(self.path.parent().unwrap_or(Path::new(".")), MOST_KEPT);
        Ok(())
    }
}

/// What stands before the genes.
#[derive(Serialize, Deserialize)]
struct Head {
    form: String,
    origin: Origin,
    warnings: Vec<String>,
    /// By the file's own names.
    chroms: Vec<String>,
    n_genes: u64,
}

/// A gene as it is kept; its parts by their distance from its start, which takes fewer bytes.
#[derive(Serialize, Deserialize)]
struct KeptGene<'a> {
    id: &'a str,
    name: &'a str,
    biotype: &'a str,
    chrom: u32,
    span: (u64, u64),
    is_forward: bool,
    #[serde(borrow)]
    transcripts: Vec<KeptTranscript<'a>>,
}

#[derive(Serialize, Deserialize)]
struct KeptTranscript<'a> {
    id: &'a str,
    span: (u64, u64),
    exons: Vec<(u64, u64)>,
    cds: Option<(u64, u64)>,
    is_canonical: bool,
    is_mane: bool,
}

/// Start and end as a distance from another start, and a length. A file's positions stay below 2^40 (`parse_position`).
fn relative((start, end): (u64, u64), to: u64) -> (u64, u64) {
    (start.wrapping_sub(to), end - start)
}

fn absolute((distance, len): (u64, u64), from: u64) -> (u64, u64) {
    let start = from.wrapping_add(distance);
    (start, start.wrapping_add(len))
}

impl<'a> KeptGene<'a> {
    fn of(gene: &'a Gene, chrom: u32) -> Self {
        let origin = gene.region.start;
        let transcript = |t: &'a Transcript| KeptTranscript {
            id: &t.id,
            span: relative((t.start, t.end), origin),
            exons: t.exons.iter().map(|&exon| relative(exon, origin)).collect(),
            cds: t.cds.map(|cds| relative(cds, origin)),
            is_canonical: t.is_canonical,
            is_mane: t.is_mane,
        };
        Self {
            id: &gene.id,
            name: &gene.name,
            biotype: &gene.biotype,
            chrom,
            span: relative((origin, gene.region.end), 0),
            is_forward: gene.strand == Strand::Forward,
            transcripts: gene.transcripts.iter().map(transcript).collect(),
        }
    }

    fn into_gene(self, chroms: &[Arc<str>]) -> Option<Gene> {
        let (origin, end) = absolute(self.span, 0);
        let transcript = |t: KeptTranscript<'_>| {
            let (start, end) = absolute(t.span, origin);
            let exons = t.exons.into_iter().map(|exon| absolute(exon, origin)).collect(); // in the same memory
            let cds = t.cds.map(|cds| absolute(cds, origin));
            Transcript { id: t.id.to_owned(), start, end, exons, cds, is_canonical: t.is_canonical, is_mane: t.is_mane }
        };
        Some(Gene {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            biotype: self.biotype.to_owned(),
            region: Region::new(chroms.get(self.chrom as usize)?.clone(), origin, end),
            strand: if self.is_forward { Strand::Forward } else { Strand::Reverse },
            transcripts: self.transcripts.into_iter().map(transcript).collect(),
        })
    }
}

/// Genes by the genome's names and in its order.
fn by_names_of(mut genes: Vec<Gene>, genome: &ChromSizes) -> Genes {
    let (mut from, mut to): (Arc<str>, Arc<str>) = ("".into(), "".into());
    for gene in &mut genes {
        if gene.region.chrom != from {
            from = gene.region.chrom.clone();
            to = genome.resolve(&from).unwrap_or(&from).clone();
        }
        gene.region.chrom = to.clone();
    }
    Genes::new(genes, |chrom| genome.rank(chrom))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Files of genes in a folder, the one used last first.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let file = |entry: fs::DirEntry| {
        let (path, about) = (entry.path(), entry.metadata().ok()?);
        (path.extension().is_some_and(|e| e == EXTENSION) && about.is_file())
            .then(|| Some((about.modified().ok()?, path, about.len())))?
    };
    let mut files: Vec<_> = entries.flatten().filter_map(file).collect();
    files.sort_by(|a, b| b.cmp(a));
    files.into_iter().map(|(_, path, bytes)| (path, bytes)).collect()
}

fn keep_newest(folder: &Path, most: usize) {
    for (path, _) in files(folder).into_iter().skip(most) {
        // Another run may have removed it already.
        let _ = fs::remove_file(path);
    }
}

/// How many annotations a folder keeps, and their bytes.
pub fn kept_genes(folder: &Path) -> (usize, u64) {
    let files = files(folder);
    (files.len(), files.iter().map(|(_, bytes)| bytes).sum())
}

/// Removes every annotation kept in a folder.
///
/// # Errors
/// Where a file cannot be removed.
pub fn forget_genes(folder: &Path) -> std::io::Result<()> {
    files(folder).iter().try_for_each(|(path, _)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracks::gtf;
    use std::cell::Cell;
    use std::fmt::Write as _;
    use std::time::Duration;

    /// Some megabytes of genes on two chromosomes, with a wild line.
    fn annotation(folder: &Path) -> PathBuf {
        let mut text = String::from("chr1\thalf a line\n");
        for i in 0..18_000_u64 {
            let (chrom, start, strand) =
                (if i % 2 == 0 { "1" } else { "chrX" }, 1_000 + i * 90, if i % 3 == 0 { '-' } else { '+' });
            let ids =
                format!("gene_id \"ENSG{i:011}.1\"; transcript_id \"ENST{i:011}.2\"; gene_name \"N{i}\"; gene_type \"x y\"");
            for (kind, from, to) in [("transcript", 0, 80), ("exon", 0, 20), ("exon", 60, 80), ("CDS", 10, 20)] {
                writeln!(
                    text,
                    "{chrom}\tt\t{kind}\t{}\t{}\t.\t{strand}\t.\t{ids}; tag \"MANE_Select\";",
                    start + from,
                    start + to
                )
                .unwrap();
            }
        }
        let path = folder.join("a.gtf");
        fs::write(&path, text).unwrap();
        path
    }

    fn genome() -> ChromSizes {
        ChromSizes::parse("X\t9000000\nchr1\t9000000").unwrap()
    }

    /// Opens through the index; whether the text was read.
    fn open_through(folder: &Path, path: &Path) -> (Loaded<Genes>, bool) {
        let is_read = Cell::new(false);
        let read = || {
            is_read.set(true);
            Ok(gtf::open(path, &ChromSizes::default())?.map(|genes| Track::Genes(Arc::new(genes))))
        };
        let loaded = GeneIndex::of(folder, path, "gtf").unwrap().open(&genome(), read).unwrap();
        let Track::Genes(genes) = loaded.value else { panic!() };
        (Loaded { value: Arc::into_inner(genes).unwrap(), warnings: loaded.warnings }, is_read.get())
    }

    #[test]
    fn what_is_kept_is_what_the_text_says_by_the_genomes_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = annotation(folder.path());
        let plain = gtf::open(&path, &genome()).unwrap();
        let genes = plain.value.into_vec();
        assert_eq!((genes[0].region.chrom.as_ref(), genes[9_000].region.chrom.as_ref()), ("X", "chr1"), "in the genome's order");
        for expects_text in [true, false, false] {
            let (loaded, is_read) = open_through(folder.path(), &path);
            assert_eq!(is_read, expects_text);
            assert_eq!(loaded.warnings, plain.warnings);
            assert_eq!(loaded.warnings.len(), 1, "the wild line is said each time");
            assert!(loaded.value.find("enst00000000007.2").is_some());
            assert!(loaded.value.into_vec() == genes);
        }
        assert_eq!(kept_genes(folder.path()).0, 1);
        forget_genes(folder.path()).unwrap();
        assert_eq!(kept_genes(folder.path()), (0, 0));
        assert!(path.exists());
    }

    #[test]
    fn a_changed_text_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = annotation(folder.path());
        open_through(folder.path(), &path);
        let touched = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().append(true).open(&path).unwrap().set_modified(touched).unwrap();
        assert!(open_through(folder.path(), &path).1);
        let more = "chrX\tt\texon\t5\t9\t.\t+\t.\tgene_id \"new\"; transcript_id \"t\";\n";
        fs::write(&path, fs::read_to_string(&path).unwrap() + more).unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_modified(touched).unwrap(); // another size, the same time
        let (loaded, is_read) = open_through(folder.path(), &path);
        assert!(is_read && loaded.value.find("new").is_some());
    }

    #[test]
    fn a_damaged_index_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = annotation(folder.path());
        let (loaded, _) = open_through(folder.path(), &path);
        let kept = files(folder.path()).remove(0).0;
        let whole = fs::read(&kept).unwrap();
        let mut damaged: Vec<Vec<u8>> = [0, 3, 4, 100, whole.len() / 2, whole.len() - 1].map(|cut| whole[..cut].to_vec()).into();
        for at in [0, 5, 200, whole.len() / 2, whole.len() - 1] {
            let mut turned = whole.clone();
            turned[at] ^= 4;
            damaged.push(turned);
        }
        let genes = loaded.value.into_vec();
        for bytes in damaged {
            fs::write(&kept, &bytes).unwrap();
            let (again, is_read) = open_through(folder.path(), &path);
            assert!(is_read && again.value.into_vec() == genes);
        }
        assert_eq!(fs::read(&kept).unwrap(), whole, "it was made again");
    }

    #[test]
    fn short_files_and_folders_have_none_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("short.gtf"), "x").unwrap();
        assert!(GeneIndex::of(folder.path(), &folder.path().join("short.gtf"), "gtf").is_none());
        assert!(GeneIndex::of(folder.path(), folder.path(), "gtf").is_none());
        assert!(GeneIndex::of(folder.path(), Path::new("https://example.org/a.gtf"), "gtf").is_none());
        for i in 0..5 {
            let path = folder.path().join(i.to_string()).with_extension(EXTENSION);
            fs::write(&path, "x").unwrap();
            fs::File::options().append(true).open(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(i)).unwrap();
        }
        keep_newest(folder.path(), 2);
        let left: Vec<String> =
            files(folder.path()).iter().map(|(p, _)| p.file_stem().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(left, ["4", "3"]);
    }
}
