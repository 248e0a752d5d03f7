//! How well COREs find the pairs of enhancers of simulated data that work only together.

use crate::attribution::truth::TruthRow;
use crate::genome::Region;
use std::collections::BTreeMap;

/// The kind of an element that works only with another.
const PAIR: &str = "enhancer_pair";
/// Effects below this in ln TPM are no effect: the truth's limit for full samples.
const SMALLEST_EFFECT: f64 = 0.05;

/// What was planted for one gene.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planted {
    /// The two enhancers that work only together.
    pub pair: Option<(Region, Region)>,
    /// Every element that works in some sample: promoters, enhancers, the pair.
    pub working: Vec<Region>,
}

impl Planted {
    /// Share of attention (the mean over samples) on bins that touch the pair, and on those that touch any element that works.
    pub fn attention(&self, bins: &[Region], samples: &[Vec<f32>]) -> [f64; 2] {
        let share = |is_on: &dyn Fn(&Region) -> bool| {
            let on: Vec<bool> = bins.iter().map(is_on).collect();
            let of = |row: &Vec<f32>| row.iter().zip(&on).filter(|(_, on)| **on).map(|(w, _)| f64::from(*w)).sum::<f64>();
            samples.iter().map(of).sum::<f64>() / samples.len().max(1) as f64
        };
        let pair = |bin: &Region| self.pair.as_ref().is_some_and(|(a, b)| a.overlaps(bin) || b.overlaps(bin));
        [share(&pair), share(&|bin| self.working.iter().any(|element| element.overlaps(bin)))]
    }
}

/// What was planted, by gene.
pub fn planted(rows: &[TruthRow]) -> BTreeMap<String, Planted> {
    let mut elements: BTreeMap<&str, BTreeMap<&str, (bool, bool, &Region)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.motif.is_none() && row.kind != "cpg_island") {
        let works = row.effect.abs() >= SMALLEST_EFFECT;
        let entry = elements.entry(&row.gene).or_default().entry(&row.element).or_insert((false, false, &row.region));
        *entry = (entry.0 || works, entry.1 || row.kind == PAIR, entry.2);
    }
    let of = |of_gene: BTreeMap<&str, (bool, bool, &Region)>| {
        let mut pair: Vec<Region> = of_gene.values().filter(|e| e.1).map(|e| e.2.clone()).collect();
        pair.sort_by_key(|region| region.start);
        let pair = match pair.as_slice() {
            [a, b] => Some((a.clone(), b.clone())),
            _ => None,
        };
        Planted { pair, working: of_gene.values().filter(|e| e.0).map(|e| e.2.clone()).collect() }
    };
    elements.into_iter().map(|(gene, of_gene)| (gene.to_owned(), of(of_gene))).collect()
}

/// Counts over genes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairRecovery {
    /// Planted pairs.
    pub pairs: u64,
    /// Of them those whose enhancers both lie in blocks that were compared.
    pub testable: u64,
    /// Of them those that a called link joins.
    pub found: u64,
    /// Called links.
    pub links: u64,
    /// Of them those that join a planted pair.
    pub links_of_pairs: u64,
    /// Of them those that join two elements that work.
    pub links_of_elements: u64,
    /// Sums over genes with a pair: attention on it, and on every element that works.
    pub attention: [f64; 2],
}

/// Two blocks on the genome, and whether their link is called.
pub type JoinedBlocks = (Region, Region, bool);

impl PairRecovery {
    /// Takes in a gene's compared blocks and its attention on what was planted ([`Planted::attention`]).
    pub fn add(&mut self, planted: Option<&Planted>, links: &[JoinedBlocks], attention: [f64; 2]) {
        let none = Planted::default();
        let planted = planted.unwrap_or(&none);
        let joins =
            |a: &Region, b: &Region, x: &Region, y: &Region| (a.overlaps(x) && b.overlaps(y)) || (a.overlaps(y) && b.overlaps(x));
        let is_pair = |(a, b, _): &&JoinedBlocks| planted.pair.as_ref().is_some_and(|(x, y)| joins(a, b, x, y));
        let works = |region: &Region| planted.working.iter().position(|e| e.overlaps(region));
        if planted.pair.is_some() {
            self.pairs += 1;
            self.attention.iter_mut().zip(attention).for_each(|(sum, of)| *sum += of);
            self.testable += u64::from(links.iter().any(|link| is_pair(&link)));
            self.found += u64::from(links.iter().any(|link| link.2 && is_pair(&link)));
        }
        for link in links.iter().filter(|link| link.2) {
            self.links += 1;
            self.links_of_pairs += u64::from(is_pair(&link));
            self.links_of_elements += u64::from(matches!((works(&link.0), works(&link.1)), (Some(a), Some(b)) if a != b));
        }
    }

    /// In words, with shares.
    pub fn said(&self) -> String {
        let attention = self.attention.map(|sum| 100.0 * sum / self.pairs.max(1) as f64);
        let share = |part: u64, of: u64| if of == 0 { "none".to_owned() } else { format!("{:.3}", part as f64 / of as f64) };
        format!(
            "{} planted pairs, {} testable, {} found (recall {}, of the testable {}); {} links: {} join a planted pair (precision {}), {} two working elements ({}); of these genes' attention {:.1} % lies on the pairs, {:.1} % on elements that work",
            self.pairs,
            self.testable,
            self.found,
            share(self.found, self.pairs),
            share(self.found, self.testable),
            self.links,
            self.links_of_pairs,
            share(self.links_of_pairs, self.links),
            self.links_of_elements,
            share(self.links_of_elements, self.links),
            attention[0],
            attention[1],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_found_where_both_its_enhancers_are_joined() {
        let row = |element: &str, kind: &str, start: u64, effect: f64| TruthRow {
            sample: "P01".to_owned(),
            gene: "G".to_owned(),
            element: element.to_owned(),
            kind: kind.to_owned(),
            region: Region::new("c", start, start + 200),
            motif: None,
            effect,
        };
        let rows = [
            row("a", PAIR, 1_000, 0.4),
            row("a", PAIR, 1_000, 0.0),
            row("b", PAIR, 9_000, 0.5),
            row("p", "promoter", 5_000, 1.0),
        ];
        let planted = planted(&rows);
        assert_eq!(planted["G"].pair, Some((Region::new("c", 1_000, 1_200), Region::new("c", 9_000, 9_200))));
        let block = |at: u64| Region::new("c", at, at + 100);
        let mut recovery = PairRecovery::default();
        recovery.add(
            planted.get("G"),
            &[(block(1_150), block(9_050), true), (block(1_150), block(5_000), true), (block(3_000), block(9_050), false)],
            [0.25, 0.5],
        );
        recovery.add(None, &[(block(1), block(2_000), true)], [1.0; 2]);
        let expected = PairRecovery {
            pairs: 1,
            testable: 1,
            found: 1,
            links: 3,
            links_of_pairs: 1,
            links_of_elements: 2,
            attention: [0.25, 0.5],
        };
        assert_eq!(recovery, expected);
        // Bins of the first enhancer, the promoter, and nothing.
        let bins = [block(1_150), block(5_000), block(7_000)];
        let attention = planted["G"].attention(&bins, &[vec![0.5, 0.25, 0.25], vec![0.0, 1.0, 0.0]]);
        assert_eq!(attention, [0.25, 0.875]);
        assert!(recovery.said().contains("25.0 % lies on the pairs, 50.0 %"), "{}", recovery.said());
        assert!(recovery.said().contains("recall 1.000") && PairRecovery::default().said().contains("recall none"));
    }
}
