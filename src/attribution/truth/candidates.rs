//! What is compared: planted sites and elements that work in a sample, and decoys.

use super::TruthRow;
use crate::genome::Region;
use crate::models::ModelError;
use crate::motifs::{Scanner, bundled_motifs, is_seen_in_marks};
use std::collections::{BTreeMap, BTreeSet};

/// Effects below this in ln TPM are no effect: the truth's own limit for full samples.
const SMALLEST_EFFECT: f64 = 0.05;
/// Stands for the gene of what drives none.
const NO_GENE: &str = ".";
/// A look-alike lies at most so many bases from the site it resembles: as far from the TSS, on average.
const NEAR: u64 = 150;

/// What a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A planted site whose loss changes the gene's expression in the sample, which marks show.
    MarkedSite,
    /// The same, and no mark shows it: only DNA tells.
    UnmarkedSite,
    /// A planted site without effect in the sample.
    IdleSite,
    /// What resembles a working site's motif most nearby, planted by nobody.
    LookAlike,
    /// The gene's promoter, whose loss changes its expression in the sample.
    Promoter,
    /// An enhancer or second promoter whose loss does.
    Element,
    /// An element of the gene without effect in the sample, or another gene's.
    OtherElement,
    /// A peak that is open and primed like an enhancer and drives nothing.
    DecoyPeak,
}

impl Kind {
    /// Whether it is a site of a motif, not a whole element.
    pub fn is_site(self) -> bool {
        matches!(self, Self::MarkedSite | Self::UnmarkedSite | Self::IdleSite | Self::LookAlike)
    }
}

/// Something planted, or taken for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Where.
    pub region: Region,
    /// What it is.
    pub kind: Kind,
    /// The gene whose window it is looked at in.
    pub gene: String,
    /// The element it is, or lies in.
    pub element: String,
    /// The element's place.
    pub within: Region,
    /// A site's motif; of a look-alike the motif and the start of what it resembles.
    pub motif: String,
}

/// Two sorts of candidates that a score should tell apart.
pub struct Contrast {
    /// What is told from what, within what.
    pub name: &'static str,
    works: fn(Kind) -> bool,
    is_decoy: fn(Kind) -> bool,
}

/// Every contrast, in the order of the table.
pub const CONTRASTS: &[Contrast] = &[
    Contrast {
        name: "sites that no mark shows / look-alikes near them",
        works: |kind| kind == Kind::UnmarkedSite,
        is_decoy: |kind| kind == Kind::LookAlike,
    },
    Contrast {
        name: "sites that no mark shows / idle sites of the element",
        works: |kind| kind == Kind::UnmarkedSite,
        is_decoy: |kind| kind == Kind::IdleSite,
    },
    Contrast {
        name: "all working sites / look-alikes near them",
        works: |kind| matches!(kind, Kind::UnmarkedSite | Kind::MarkedSite),
        is_decoy: |kind| kind == Kind::LookAlike,
    },
    Contrast {
        name: "all working sites / idle sites of the element",
        works: |kind| matches!(kind, Kind::UnmarkedSite | Kind::MarkedSite),
        is_decoy: |kind| kind == Kind::IdleSite,
    },
    Contrast {
        name: "working promoters / decoy peaks of the window",
        works: |kind| kind == Kind::Promoter,
        is_decoy: |kind| kind == Kind::DecoyPeak,
    },
    Contrast {
        name: "working enhancers / decoy peaks of the window",
        works: |kind| kind == Kind::Element,
        is_decoy: |kind| kind == Kind::DecoyPeak,
    },
    Contrast {
        name: "working enhancers / idle and others' elements of the window",
        works: |kind| kind == Kind::Element,
        is_decoy: |kind| kind == Kind::OtherElement,
    },
];

impl Contrast {
    /// Whether a candidate works (`true`) or is a decoy; `None` where it is neither.
    pub fn side(&self, candidate: &Candidate) -> Option<bool> {
        match candidate.kind {
            kind if (self.works)(kind) => Some(true),
            kind if (self.is_decoy)(kind) => Some(false),
            _ => None,
        }
    }

    /// Only candidates of one group are compared: of sites those of an element (with look-alikes: of a motif in it), of elements
    /// those in a gene's window.
    pub fn group(&self, candidate: &Candidate) -> String {
        let Candidate { gene, element, motif, kind, .. } = candidate;
        match (kind.is_site(), (self.is_decoy)(Kind::LookAlike)) {
            (false, _) => gene.clone(),
            (true, false) => format!("{gene} {element}"),
            (true, true) => format!("{gene} {element} {motif}"),
        }
    }
}

/// A planted place and whether it works in a sample.
struct Planted<'a> {
    row: &'a TruthRow,
    works: bool,
}

/// A truth by gene.
pub struct Truth {
    /// Rows of each gene.
    by_gene: BTreeMap<String, Vec<TruthRow>>,
    /// Whole elements of every gene, each once, and decoy peaks.
    elements: Vec<TruthRow>,
}

impl Truth {
    /// Sorts a truth's rows.
    pub fn new(rows: Vec<TruthRow>) -> Self {
        let mut seen = BTreeSet::new();
        let elements = rows.iter().filter(|row| {
            let is_element = row.motif.is_none() && row.kind != "cpg_island" && (row.gene != NO_GENE || row.kind == "decoy_peak");
            is_element && seen.insert(row.element.clone())
        });
        let elements = elements.cloned().collect();
        let mut by_gene: BTreeMap<String, Vec<TruthRow>> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.gene != NO_GENE) {
            by_gene.entry(row.gene.clone()).or_default().push(row);
        }
        Self { by_gene, elements }
    }

    /// Everything to be told apart in the window of a gene on a chromosome, wherever it lies there. Sites are those of elements in
    /// which one works.
    pub fn candidates(&self, sample: &str, gene: &str, chrom: &str) -> Vec<Candidate> {
        let mut places: BTreeMap<(&str, u64, bool), Planted<'_>> = BTreeMap::new();
        for row in self.by_gene.get(gene).into_iter().flatten().filter(|row| row.kind != "cpg_island") {
            let works = row.sample == sample && row.effect.abs() >= SMALLEST_EFFECT;
            let key = (row.element.as_str(), row.region.start, row.motif.is_some());
            places.entry(key).or_insert(Planted { row, works: false }).works |= works;
        }
        let elements: BTreeMap<&str, &Region> =
            places.values().filter(|p| p.row.motif.is_none()).map(|p| (p.row.element.as_str(), &p.row.region)).collect();
        let has_working: BTreeSet<&str> =
            places.values().filter(|p| p.works && p.row.motif.is_some()).map(|p| p.row.element.as_str()).collect();
        let candidate = |row: &TruthRow, kind: Kind| Candidate {
            region: row.region.clone(),
            kind,
            gene: gene.to_owned(),
            element: row.element.clone(),
            within: (*elements.get(row.element.as_str()).unwrap_or(&&row.region)).clone(),
            motif: row.motif.clone().unwrap_or_default(),
        };
        let mut candidates = Vec::new();
        for Planted { row, works } in places.values() {
            match &row.motif {
                None if !works => candidates.push(candidate(row, Kind::OtherElement)),
                None if row.kind == "promoter" => candidates.push(candidate(row, Kind::Promoter)),
                None => candidates.push(candidate(row, Kind::Element)),
                Some(_) if !has_working.contains(row.element.as_str()) => {}
                Some(_) if !works => candidates.push(candidate(row, Kind::IdleSite)),
                Some(motif) if is_seen_in_marks(motif) => candidates.push(candidate(row, Kind::MarkedSite)),
                Some(_) => candidates.push(candidate(row, Kind::UnmarkedSite)),
            }
        }
        let others =
            self.elements.iter().filter(|row| *row.region.chrom == *chrom && !elements.contains_key(row.element.as_str()));
        candidates.extend(others.map(|row| {
            let kind = if row.kind == "decoy_peak" { Kind::DecoyPeak } else { Kind::OtherElement };
            candidate(row, kind)
        }));
        candidates
    }
}

/// For each working site of a known motif the place nearby, in the same element, that resembles the motif most and overlaps nothing
/// planted there, nor another look-alike.
pub(super) fn look_alikes(
    candidates: &[Candidate],
    mut bases: impl FnMut(&Region) -> Result<Option<Vec<u8>>, ModelError>,
) -> Result<Vec<Candidate>, ModelError> {
    let known = bundled_motifs();
    let mut taken: Vec<(u64, u64)> =
        candidates.iter().filter(|c| c.kind.is_site()).map(|c| (c.region.start, c.region.end)).collect();
    let mut found = Vec::new();
    for site in candidates.iter().filter(|c| matches!(c.kind, Kind::MarkedSite | Kind::UnmarkedSite)) {
        let Some(scanner) = known.iter().find(|m| m.name == site.motif).and_then(|m| Scanner::new(&m.ppm).ok()) else { continue };
        let from = site.region.start.saturating_sub(NEAR).max(site.within.start);
        let to = (site.region.end + NEAR).min(site.within.end);
        let around = Region::new(site.region.chrom.clone(), from, to.max(from));
        let Some(bases) = bases(&around)? else { return Ok(found) };
        // Every place, for the best ones may be taken.
        let mut hits = scanner.hits(&bases, 1.0);
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        let place = |start: usize, end: usize| (from + start as u64, from + end as u64);
        let is_free = |(start, end): (u64, u64), taken: &[(u64, u64)]| taken.iter().all(|&(a, b)| end <= a || b <= start);
        if let Some((start, end)) = hits.iter().map(|hit| place(hit.start, hit.end)).find(|span| is_free(*span, &taken)) {
            taken.push((start, end));
            let region = Region::new(site.region.chrom.clone(), start, end);
            found.push(Candidate { region, kind: Kind::LookAlike, ..site.clone() });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sample: &str, gene: &str, element: &str, kind: &str, span: (u64, u64), motif: Option<&str>, effect: f64) -> TruthRow {
        TruthRow {
            sample: sample.to_owned(),
            gene: gene.to_owned(),
            element: element.to_owned(),
            kind: kind.to_owned(),
            region: Region::new("c", span.0, span.1),
            motif: motif.map(str::to_owned),
            effect,
        }
    }

    fn truth() -> Truth {
        Truth::new(vec![
            row("S1", "G", "e1", "promoter", (10, 190), None, 1.5),
            row("S2", "G", "e1", "promoter", (10, 190), None, 1.2),
            row("S1", "G", "i1", "cpg_island", (0, 300), None, 0.5),
            row("S1", "G", "e1", "promoter", (20, 31), Some("SP1"), 0.3),
            row("S2", "G", "e1", "promoter", (40, 52), Some("AP1"), 0.3),
            row("S1", "G", "e1", "promoter", (60, 81), Some("REST"), -0.4),
            row("*", "G", "e2", "enhancer", (400, 500), None, 0.0),
            row("*", "G", "e2", "enhancer", (410, 421), Some("SP1"), 0.0),
            row("S1", "H", "e4", "promoter", (700, 800), None, 2.0),
            row("*", ".", "e3", "decoy_peak", (200, 300), None, 0.0),
            row("*", ".", "e3", "decoy_peak", (210, 221), Some("SP1"), 0.0),
            row("*", ".", "e5", "decoy_closed", (900, 950), None, 0.0),
        ])
    }

    #[test]
    fn decoys_are_what_does_nothing_for_this_gene_in_this_sample() {
        let mut found: Vec<(u64, Kind)> = truth().candidates("S1", "G", "c").iter().map(|c| (c.region.start, c.kind)).collect();
        found.sort_by_key(|(start, _)| *start);
        let expected = [
            (10, Kind::Promoter),
            (20, Kind::MarkedSite),
            (40, Kind::IdleSite),
            (60, Kind::UnmarkedSite),
            (200, Kind::DecoyPeak),
            (400, Kind::OtherElement),
            (700, Kind::OtherElement),
        ];
        assert_eq!(found, expected);
        assert!(truth().candidates("S1", "G", "other").iter().all(|c| c.kind != Kind::DecoyPeak));
    }

    #[test]
    fn a_look_alike_is_the_best_place_that_nobody_planted() {
        // SP1 is planted at 20; two chance matches stand nearby, the better one inside another planted site.
        let mut bases = [b'A'; 200];
        for (at, site) in [(20, "GGGGCGGGGCC"), (41, "GGGGCGGGGCC"), (100, "GGGGCGGGACC")] {
            bases[at..at + site.len()].copy_from_slice(site.as_bytes());
        }
        let candidates = truth().candidates("S1", "G", "c");
        let read = |region: &Region| Ok(Some(bases[region.start as usize..region.end as usize].to_vec()));
        let found = look_alikes(&candidates, read).unwrap();
        let of_sp1: Vec<u64> = found.iter().filter(|c| c.motif == "SP1").map(|c| c.region.start).collect();
        assert_eq!(of_sp1, [100]);
        assert!(found.iter().all(|c| c.kind == Kind::LookAlike && c.element == "e1"));
        let groups: Vec<String> = found.iter().map(|c| CONTRASTS[0].group(c)).collect();
        assert!(groups.contains(&"G e1 SP1".to_owned()) && CONTRASTS[1].group(&found[0]) == "G e1");
    }
}
