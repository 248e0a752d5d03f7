//! Genes with their transcripts, and the ordered collection a reader walks through.

use super::{Region, Strand};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Which transcript's start is a gene's TSS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TssChoice {
    /// MANE Select; the canonical one where a gene has none.
    Mane,
    /// Tagged canonical by the annotation; the longest transcript where none is.
    #[default]
    Canonical,
    /// The most upstream start of all transcripts.
    FivePrime,
}

/// One transcript; intervals 0-based half-open, exons in genome order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// Accession as in the file.
    pub id: String,
    /// First base.
    pub start: u64,
    /// One past the last base.
    pub end: u64,
    /// Exons, ascending.
    pub exons: Vec<(u64, u64)>,
    /// Coding part, `None` where non-coding.
    pub cds: Option<(u64, u64)>,
    /// Tagged canonical by the annotation.
    pub is_canonical: bool,
    /// Tagged MANE Select.
    pub is_mane: bool,
}

/// A gene and its transcripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gene {
    /// Identifier as in the file, version included (`ENSG00000136997.21`).
    pub id: String,
    /// Symbol; the identifier where the file has none.
    pub name: String,
    /// Biotype (`protein_coding`), empty where the file has none.
    pub biotype: String,
    /// Where it lies.
    pub region: Region,
    /// Its strand; genes without one are not kept.
    pub strand: Strand,
    /// Transcripts, at least one.
    pub transcripts: Vec<Transcript>,
}

impl Gene {
    /// The transcript a choice of TSS means.
    pub fn transcript(&self, choice: TssChoice) -> &Transcript {
        let upstream = |t: &Transcript| match self.strand {
            Strand::Forward => -(t.start as i64),
            Strand::Reverse => t.end as i64,
        };
        let rank = |t: &Transcript| match choice {
            TssChoice::Mane => (t.is_mane, t.is_canonical, (t.end - t.start) as i64),
            TssChoice::Canonical => (t.is_canonical, t.is_mane, (t.end - t.start) as i64),
            TssChoice::FivePrime => (false, false, upstream(t)),
        };
        let mut best = &self.transcripts[0]; // at least one: `Genes::new` drops genes without
        for transcript in &self.transcripts[1..] {
            if rank(transcript) > rank(best) {
                best = transcript;
            }
        }
        best
    }

    /// The transcription start: a base position, 0-based.
    pub fn tss(&self, choice: TssChoice) -> u64 {
        let transcript = self.transcript(choice);
        match self.strand {
            Strand::Forward => transcript.start,
            Strand::Reverse => transcript.end - 1,
        }
    }

    /// The transcription end: the last base transcribed, 0-based.
    pub fn tts(&self, choice: TssChoice) -> u64 {
        let transcript = self.transcript(choice);
        match self.strand {
            Strand::Forward => transcript.end - 1,
            Strand::Reverse => transcript.start,
        }
    }

    /// The identifier without its version: `ENSG00000136997.21` -> `ENSG00000136997`.
    pub fn unversioned_id(&self) -> &str {
        unversioned(&self.id)
    }

    /// Everything it is found by.
    fn names(&self) -> impl Iterator<Item = &str> {
        let own = [self.name.as_str(), self.id.as_str(), self.unversioned_id()];
        own.into_iter().chain(self.transcripts.iter().flat_map(|t| [t.id.as_str(), unversioned(&t.id)]))
    }
}

/// An accession without a trailing `.digits`.
pub(crate) fn unversioned(id: &str) -> &str {
    match id.rsplit_once('.') {
        Some((stem, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => id,
    }
}

/// Which gene of a [`Genes`]; positions in any other list are something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GeneId(pub u32);

/// All genes, ordered by chromosome (as the genome lists them), then by start.
#[derive(Clone, Debug, Default)]
pub struct Genes {
    genes: Vec<Gene>,
    chroms: HashMap<Arc<str>, ChromGenes>,
    /// Made when a name is first asked for: it takes as long as reading all genes from the cache does.
    names: OnceLock<Names>,
}

#[derive(Clone, Debug)]
struct ChromGenes {
    range: Range<usize>,
    longest: u64,
}

/// Genes by the hash of their names in lower case, sorted: a third of the memory of a map of the names themselves, and made in a
/// tenth of the time (GENCODE's genes and transcripts have half a million).
#[derive(Clone, Debug, Default)]
struct Names(Vec<(u64, GeneId)>);

impl Names {
    fn new(genes: &[Gene]) -> Self {
        let mut buffer = String::new();
        let ids = (0_u32..).map(GeneId);
        let mut names: Vec<_> = genes
            .iter()
            .zip(ids)
            .flat_map(|(gene, id)| gene.names().map(move |n| (n, id)))
            .map(|(name, id)| (hash_of(name, &mut buffer), id))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.shrink_to_fit();
        Self(names)
    }

    /// The first gene of a name.
    fn find(&self, genes: &[Gene], name: &str) -> Option<GeneId> {
        let hash = hash_of(name, &mut String::new());
        let from = self.0.partition_point(|&(h, _)| h < hash);
        let mut found = self.0[from..].iter().take_while(|&&(h, _)| h == hash).map(|&(_, id)| id);
        found.find(|id| genes[id.0 as usize].names().any(|n| lower(n).eq(lower(name))))
    }
}

fn lower(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase)
}

/// The hash of a name in lower case; `buffer` is room to work in.
fn hash_of(name: &str, buffer: &mut String) -> u64 {
    buffer.clear();
    if name.is_ascii() {
        buffer.push_str(name);
        buffer.make_ascii_lowercase();
    } else {
        buffer.extend(lower(name));
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(buffer.as_bytes());
    hasher.finish()
}

impl Genes {
    /// Orders `genes`; `rank` gives a chromosome's place (chromosomes without one come last, by name). Genes without a
    /// transcript are dropped.
    pub fn new(mut genes: Vec<Gene>, rank: impl Fn(&str) -> Option<usize>) -> Self {
        genes.retain(|gene| !gene.transcripts.is_empty());
        let place = |chrom: &str| rank(chrom).unwrap_or(usize::MAX);
        genes.sort_by(|a, b| {
            let (one, other) = (&a.region, &b.region);
            let by_chrom = place(&one.chrom).cmp(&place(&other.chrom)).then_with(|| one.chrom.cmp(&other.chrom));
            by_chrom.then_with(|| (one.start, one.end).cmp(&(other.start, other.end))).then_with(|| a.id.cmp(&b.id))
        });
        let mut chroms: HashMap<Arc<str>, ChromGenes> = HashMap::new();
        for (i, gene) in genes.iter().enumerate() {
            let chrom = chroms.entry(gene.region.chrom.clone()).or_insert(ChromGenes { range: i..i, longest: 0 });
            chrom.range.end = i + 1;
            chrom.longest = chrom.longest.max(gene.region.len());
        }
        Self { genes, chroms, names: OnceLock::new() }
    }

    /// The gene of an id from this collection.
    pub fn get(&self, id: GeneId) -> &Gene {
        &self.genes[id.0 as usize]
    }

    /// Symbol, gene or transcript accession, any case, version optional.
    pub fn find(&self, name: &str) -> Option<GeneId> {
        let names = self.names.get_or_init(|| Names::new(&self.genes));
        [name, unversioned(name)].into_iter().find_map(|name| names.find(&self.genes, name))
    }

    /// The genes themselves, in order.
    pub fn into_vec(self) -> Vec<Gene> {
        self.genes
    }

    /// All genes in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (GeneId, &Gene)> {
        self.genes.iter().enumerate().map(|(i, gene)| (GeneId(i as u32), gene))
    }

    /// Genes that share a base with `region`, in order of start.
    pub fn overlapping(&self, region: &Region) -> impl Iterator<Item = (GeneId, &Gene)> {
        let range = self.chroms.get(&region.chrom).map_or(0..0, |chrom| {
            let genes = &self.genes[chrom.range.clone()];
            let from = genes.partition_point(|g| g.region.start + chrom.longest <= region.start);
            let to = genes.partition_point(|g| g.region.start < region.end);
            chrom.range.start + from..chrom.range.start + to.max(from)
        });
        let region = region.clone();
        range.map(|i| (GeneId(i as u32), &self.genes[i])).filter(move |(_, g)| g.region.overlaps(&region))
    }

    /// The gene of `chrom` whose TSS lies nearest to `position`.
    pub fn nearest_tss(&self, chrom: &str, position: u64, choice: TssChoice) -> Option<GeneId> {
        let range = self.chroms.get(chrom)?.range.clone();
        let nearest = range.min_by_key(|&i| self.genes[i].tss(choice).abs_diff(position))?;
        Some(GeneId(nearest as u32))
    }

    /// The next (`step > 0`) or an earlier gene in walking order; stays at the ends.
    pub fn step(&self, from: GeneId, step: i64) -> GeneId {
        let last = self.genes.len().saturating_sub(1) as i64;
        GeneId((i64::from(from.0) + step).clamp(0, last) as u32)
    }

    /// Number of genes.
    pub fn len(&self) -> usize {
        self.genes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.genes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gene(name: &str, chrom: &str, start: u64, end: u64, strand: Strand) -> Gene {
        let transcript = Transcript { id: format!("{name}.t"), start, end, exons: vec![(start, end)], ..Transcript::default() };
        Gene {
            id: format!("ENSG_{name}.3"),
            name: name.to_owned(),
            biotype: "protein_coding".to_owned(),
            region: Region::new(chrom, start, end),
            strand,
            transcripts: vec![transcript],
        }
    }

    #[test]
    fn tss_is_the_first_base_read() {
        assert_eq!(gene("a", "c", 100, 200, Strand::Forward).tss(TssChoice::Canonical), 100);
        assert_eq!(gene("a", "c", 100, 200, Strand::Reverse).tss(TssChoice::Canonical), 199);
    }

    #[test]
    fn the_choice_of_tss_is_obeyed() {
        let mut g = gene("a", "c", 100, 500, Strand::Reverse);
        g.transcripts[0].end = 450;
        g.transcripts.push(Transcript { id: "m".into(), start: 100, end: 400, is_mane: true, ..Transcript::default() });
        g.transcripts.push(Transcript { id: "k".into(), start: 100, end: 300, is_canonical: true, ..Transcript::default() });
        g.transcripts.push(Transcript { id: "u".into(), start: 480, end: 500, ..Transcript::default() });
        assert_eq!(g.tss(TssChoice::Mane), 399);
        assert_eq!(g.tss(TssChoice::Canonical), 299);
        assert_eq!(g.tss(TssChoice::FivePrime), 499);
    }

    #[test]
    fn of_genes_of_one_name_the_first_along_the_genome_is_found() {
        let twice = vec![gene("ÄB.2", "c", 500, 600, Strand::Forward), gene("äb.2", "c", 100, 200, Strand::Forward)];
        let genes = Genes::new(twice, |_| Some(0));
        assert_eq!(genes.get(genes.find("äB.2").unwrap()).region.start, 100);
        assert_eq!(genes.find("äb"), None, "a name without its version is found only where the version is asked for");
        assert_eq!(genes.get(genes.find("ENSG_ÄB.2.7").unwrap()).region.start, 100, "an id of another version");
    }

    #[test]
    fn a_long_gene_that_began_far_upstream_is_found() {
        let genes = Genes::new(
            vec![
                gene("long", "c", 0, 1_000_000, Strand::Forward),
                gene("short", "c", 10, 20, Strand::Forward),
                gene("other", "b", 0, 1_000_000, Strand::Forward),
            ],
            |chrom| ["c", "b"].iter().position(|&c| c == chrom),
        );
        let names = |region| genes.overlapping(&region).map(|(_, g)| g.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(Region::new("c", 900_000, 900_001)), ["long"]);
        assert_eq!(names(Region::new("c", 19, 30)), ["long", "short"]);
        assert!(names(Region::new("c", 1_000_000, 1_000_001)).is_empty());
        assert!(names(Region::new("nowhere", 0, 10)).is_empty());
        assert_eq!(genes.get(genes.find("ensg_SHORT").unwrap()).name, "short");
        assert_eq!(genes.get(genes.find("Long.T").unwrap()).name, "long");
        assert_eq!(genes.find("longer"), None);
        assert_eq!(genes.step(GeneId(2), 1), GeneId(2));
        assert_eq!(genes.get(genes.nearest_tss("c", 12, TssChoice::Canonical).unwrap()).name, "short");
    }
}
