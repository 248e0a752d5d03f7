//! Lines of annotation files: GTF, EPD's BED, GeneHancer's GFF, narrowPeak. Each ends with a newline.

use super::Feature;
use crate::genome::{Gene, Strand, Transcript};
use std::fmt::Write;

/// The lines of a gene: gene, then each transcript with its exons and CDS in the order they are transcribed.
pub fn gtf_lines(gene: &Gene, source: &str) -> String {
    let mut text = String::new();
    let (chrom, strand) = (&gene.region.chrom, gene.strand);
    let ids = format!("gene_id \"{}\";", gene.id);
    let names = format!("gene_type \"{}\"; gene_name \"{}\";", gene.biotype, gene.name);
    let mut line = |kind: &str, (start, end): (u64, u64), frame: &str, attributes: String| {
        let start = start + 1;
        let _ = writeln!(text, "{chrom}\t{source}\t{kind}\t{start}\t{end}\t.\t{strand}\t{frame}\t{attributes}");
    };
    line("gene", (gene.region.start, gene.region.end), ".", format!("{ids} {names}"));
    for transcript in &gene.transcripts {
        let ids = format!("{ids} transcript_id \"{}\";", transcript.id);
        let mut tags = String::new();
        for (is_tagged, tag) in [(transcript.is_canonical, "Ensembl_canonical"), (transcript.is_mane, "MANE_Select")] {
            if is_tagged {
                let _ = write!(tags, " tag \"{tag}\";");
            }
        }
        line("transcript", (transcript.start, transcript.end), ".", format!("{ids} {names}{tags}"));
        for (i, (exon, coding)) in exons_as_transcribed(transcript, strand).into_iter().enumerate() {
            let number = format!("{ids} {names} exon_number {};{tags}", i + 1);
            line("exon", exon, ".", number.clone());
            if let Some((cds, frame)) = coding {
                line("CDS", cds, &frame.to_string(), number);
            }
        }
    }
    text
}

type Span = (u64, u64);

/// Exons from 5' to 3', each with its coding part and that part's frame (bases before the next codon begins).
fn exons_as_transcribed(transcript: &Transcript, strand: Strand) -> Vec<(Span, Option<(Span, u64)>)> {
    let mut exons = transcript.exons.clone();
    if strand == Strand::Reverse {
        exons.reverse();
    }
    let mut coded = 0;
    let with_cds = |exon: Span| {
        let (start, end) = transcript.cds.map(|cds| (exon.0.max(cds.0), exon.1.min(cds.1))).filter(|c| c.0 < c.1)?;
        let frame = (3 - coded % 3) % 3;
        coded += end - start;
        Some(((start, end), frame))
    };
    let mut with_cds = with_cds;
    exons.into_iter().map(|exon| (exon, with_cds(exon))).collect()
}

/// EPD's line of a promoter: eight columns between spaces, 60 bases about the start, the thick part from it.
pub fn epd_line(chrom: &str, tss: u64, strand: Strand, name: &str) -> String {
    let (start, end, thick) = match strand {
        Strand::Forward => (tss.saturating_sub(49), tss + 11, (tss, tss + 11)),
        Strand::Reverse => (tss.saturating_sub(10), tss + 50, (tss.saturating_sub(10), tss + 1)),
    };
    format!("{chrom} {start} {end} {name} 900 {strand} {} {}\n", thick.0, thick.1)
}

/// GeneHancer's line of an element: 1-based, its linked genes and their scores in the last column.
pub fn genehancer_line(chrom: &str, kind: &str, feature: &Feature) -> String {
    let score = feature.score.map_or_else(|| ".".to_owned(), |score| score.to_string());
    let (start, end, name) = (feature.start + 1, feature.end, &feature.name);
    let mut text = format!("{chrom}\t.\t{kind}\t{start}\t{end}\t{score}\t.\t.\tgenehancer_id={name}");
    for (gene, score) in &feature.genes {
        let _ = write!(text, ";connected_gene={gene}");
        if let Some(score) = score {
            let _ = write!(text, ";score={score}");
        }
    }
    text.push('\n');
    text
}

/// ENCODE's narrowPeak line: the score is the signal, p and q are not known.
pub fn narrow_peak_line(chrom: &str, feature: &Feature) -> String {
    let signal = feature.score.unwrap_or(0.0);
    let score = (signal * 20.0).clamp(0.0, 1000.0) as u32;
    let strand = feature.strand.map_or('.', Strand::symbol);
    let summit = feature.summit.map_or(-1, |summit| summit as i64 - feature.start as i64);
    let (start, end, name) = (feature.start, feature.end, &feature.name);
    format!("{chrom}\t{start}\t{end}\t{name}\t{score}\t{strand}\t{signal}\t-1\t-1\t{summit}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;

    #[test]
    fn epd_lines_are_as_epd_writes_them() {
        // NOC2L_1 as in EPDnew: its start is base 959,256 (1-based) of the reverse strand.
        assert_eq!(epd_line("chr1", 959_255, Strand::Reverse, "NOC2L_1"), "chr1 959245 959305 NOC2L_1 900 - 959245 959256\n");
        assert_eq!(epd_line("chr1", 1_000, Strand::Forward, "A_1"), "chr1 951 1011 A_1 900 + 1000 1011\n");
    }

    #[test]
    fn genehancer_lines_are_one_based() {
        let feature = Feature {
            start: 127_734_999,
            end: 127_737_000,
            name: "GH08J127735".into(),
            score: Some(2.3),
            genes: vec![("MYC".into(), Some(11.2)), ("PVT1".into(), Some(4.0))],
            ..Feature::default()
        };
        let expected = "chr8\t.\tenhancer\t127735000\t127737000\t2.3\t.\t.\tgenehancer_id=GH08J127735;connected_gene=MYC;\
                        score=11.2;connected_gene=PVT1;score=4\n";
        assert_eq!(genehancer_line("chr8", "enhancer", &feature), expected);
    }

    #[test]
    fn frames_count_from_the_five_prime_end() {
        let transcript = Transcript {
            id: "T".into(),
            start: 100,
            end: 400,
            exons: vec![(100, 200), (300, 400)],
            cds: Some((150, 350)),
            is_canonical: true,
            is_mane: false,
        };
        let gene = Gene {
            id: "G.1".into(),
            name: "N".into(),
            biotype: "protein_coding".into(),
            region: Region::new("c", 100, 400),
            strand: Strand::Reverse,
            transcripts: vec![transcript],
        };
        let text = gtf_lines(&gene, "sim");
        let cds: Vec<&str> = text.lines().filter(|l| l.contains("\tCDS\t")).collect();
        assert!(cds[0].starts_with("c\tsim\tCDS\t301\t350\t.\t-\t0\t"), "{text}");
        assert!(cds[1].starts_with("c\tsim\tCDS\t151\t200\t.\t-\t1\t"), "50 bases before: one more ends a codon");
        assert!(cds[1].contains("exon_number 2; tag \"Ensembl_canonical\";"));
    }

    #[test]
    fn a_peak_without_a_summit_says_so() {
        let peak = Feature { start: 10, end: 40, name: "p".into(), score: Some(3.5), ..Feature::default() };
        assert_eq!(narrow_peak_line("c", &peak), "c\t10\t40\tp\t70\t.\t3.5\t-1\t-1\t-1\n");
    }
}
