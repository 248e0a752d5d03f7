//! Which gene sets a list of genes holds more of than its background does: Fisher's exact test, one-sided, Benjamini and Hochberg's
//! correction over the sets tested.

use super::statistics::{benjamini_hochberg, fisher_exact};
use crate::tracks::read_text_or_pipe;
use std::collections::BTreeSet;
use std::path::Path;

/// Larger files are no gene sets: all of MSigDB has 50 MB.
const MAX_BYTES: u64 = 256 << 20;

/// A set of a GMT file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneSet {
    /// Its name.
    pub name: String,
    /// What its file says of it.
    pub about: String,
    /// Its genes, each once.
    pub genes: BTreeSet<String>,
}

/// How much of a list is in a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Enriched {
    /// The set's name.
    pub set: String,
    /// Genes of the list in the set.
    pub hits: Vec<String>,
    /// Genes of the list.
    pub listed: usize,
    /// Genes of the background in the set.
    pub in_set: usize,
    /// Genes of the background, the list among them.
    pub background: usize,
    /// `a d / (b c)` of the four counts.
    pub odds_ratio: f64,
    /// One-sided Fisher.
    pub p: f64,
    /// Adjusted over all sets that were tested.
    pub q: f64,
}

/// Reads a GMT file: a set a line, its name, a description and its genes between tabs.
///
/// # Errors
/// Names file and line.
pub fn read_gmt(path: &Path) -> Result<Vec<GeneSet>, String> {
    let place = path.display();
    let bytes = std::fs::metadata(path).map_err(|e| format!("{place}: {e}"))?.len();
    if bytes > MAX_BYTES {
        return Err(format!("{place}: {bytes} bytes are more than {MAX_BYTES}"));
    }
    parse_gmt(&read_text_or_pipe(path).map_err(|e| format!("{place}: {e}"))?).map_err(|reason| format!("{place}: {reason}"))
}

fn parse_gmt(text: &str) -> Result<Vec<GeneSet>, String> {
    let mut sets: Vec<GeneSet> = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
        let mut fields = line.split('\t').map(str::trim);
        let (name, about) = (fields.next().unwrap_or_default(), fields.next());
        let genes: BTreeSet<String> = fields.filter(|gene| !gene.is_empty()).map(str::to_owned).collect();
        match about {
            Some(about) if !genes.is_empty() && !name.is_empty() => {
                sets.push(GeneSet { name: name.to_owned(), about: about.to_owned(), genes });
            }
            _ => return Err(format!("line {}: not a name, a description and genes between tabs", i + 1)),
        }
    }
    if sets.is_empty() { Err("no gene set in it".to_owned()) } else { Ok(sets) }
}

/// Tests every set that has a gene of the background, the smallest p first. Genes of sets and list that the background has not are
/// left out of all counts; names are compared without regard to case.
pub fn enrich(list: &[String], background: &[String], sets: &[GeneSet]) -> Vec<Enriched> {
    let key = |name: &String| name.to_uppercase();
    let background: BTreeSet<String> = background.iter().map(key).collect();
    let listed: BTreeSet<String> = list.iter().map(key).filter(|gene| background.contains(gene)).collect();
    let mut found = Vec::new();
    for set in sets {
        let members: BTreeSet<String> = set.genes.iter().map(key).filter(|gene| background.contains(gene)).collect();
        if members.is_empty() {
            continue;
        }
        let hits: Vec<String> = listed.intersection(&members).cloned().collect();
        let (a, listed_only, set_only) = (hits.len(), listed.len() - hits.len(), members.len() - hits.len());
        let neither = background.len() - a - listed_only - set_only;
        let fisher = fisher_exact([[a as u64, listed_only as u64], [set_only as u64, neither as u64]]);
        found.push(Enriched {
            set: set.name.clone(),
            hits,
            listed: listed.len(),
            in_set: members.len(),
            background: background.len(),
            odds_ratio: fisher.odds_ratio,
            p: fisher.p_greater,
            q: 1.0,
        });
    }
    let q = benjamini_hochberg(&found.iter().map(|e| e.p).collect::<Vec<_>>());
    found.iter_mut().zip(q).for_each(|(e, q)| e.q = q);
    found.sort_by(|a, b| a.p.total_cmp(&b.p).then_with(|| a.set.cmp(&b.set)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|i| format!("G{i}")).collect()
    }

    #[test]
    fn p_and_q_are_those_of_scipy() {
        let set = |name: &str, genes: Vec<String>| GeneSet {
            name: name.to_owned(),
            about: String::new(),
            genes: genes.into_iter().collect(),
        };
        // 100 genes, 20 of them listed.
        let sets = [
            set("mostly", [names(0..8), names(30..34)].concat()),
            set("some", [names(0..3), names(40..52)].concat()),
            set("none", names(60..70)),
            set("elsewhere", names(500..510)),
            set("beyond", [names(10..14), names(900..990)].concat()),
        ];
        let found = enrich(&names(0..20), &names(0..100), &sets);
        let of = |name: &str| found.iter().find(|e| e.set == name).unwrap();
        // scipy.stats.fisher_exact([[8, 12], [4, 76]], "greater") and so on; false_discovery_control of the four p-values.
        for (name, p, q) in SCIPY {
            assert!((of(name).p / p - 1.0).abs() < 1e-9, "{name}: {}", of(name).p);
            assert!((of(name).q / q - 1.0).abs() < 1e-9, "{name}: {}", of(name).q);
        }
        assert_eq!((found.len(), found[0].set.as_str(), of("beyond").in_set), (4, "mostly", 4));
        assert!((of("mostly").odds_ratio - 8.0 * 76.0 / (12.0 * 4.0)).abs() < 1e-12);
    }

    const SCIPY: [(&str, f64, f64); 4] = [
        ("mostly", 0.00020337427330204943, 0.0008134970932081977),
        ("some", 0.6183966514427106, 0.8245288685902807),
        ("none", 1.0, 1.0),
        ("beyond", 0.001235583267983857, 0.002471166535967714),
    ];

    #[test]
    fn degenerate_lists_say_nothing() {
        let sets = [GeneSet { name: "s".to_owned(), about: String::new(), genes: names(0..5).into_iter().collect() }];
        assert_eq!(enrich(&[], &names(0..10), &sets)[0].p, 1.0);
        assert_eq!(enrich(&names(0..10), &names(0..10), &sets)[0].p, 1.0, "everything is listed");
        assert!(enrich(&names(0..3), &[], &sets).is_empty());
    }

    #[test]
    fn a_gmt_file_is_sets_between_tabs() {
        let sets = parse_gmt("# c\nA\tabout\tG1\tG2\tG1\n\nB\t\tG3\t\n").unwrap();
        assert_eq!((sets.len(), sets[0].genes.len(), sets[1].genes.len()), (2, 2, 1));
        for wrong in ["", "A\n", "A\tabout\n", "\tabout\tG1"] {
            assert!(parse_gmt(wrong).is_err(), "{wrong:?}");
        }
    }
}
