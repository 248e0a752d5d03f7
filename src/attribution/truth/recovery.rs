//! How well scores tell what works from decoys, compared only within groups.

use std::collections::BTreeMap;

/// How well scores tell working candidates from decoys of their group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// Working candidates that have a decoy in their group.
    pub working: usize,
    /// Decoys that have a working candidate in their group.
    pub decoys: usize,
    /// The chance that a working candidate scores above a decoy of its group, over all such pairs, ties half: the area under the ROC
    /// curve where there is one group.
    pub auroc: f64,
    /// Average precision within groups, each weighing as many as work in it.
    pub auprc: f64,
    /// What scores without information reach: the share that works, weighed in the same way.
    pub chance: f64,
}

/// How well scores tell working candidates (`true`) from decoys of the same group; `None` where no group has both.
pub(super) fn within_groups(scores: impl IntoIterator<Item = (String, f64, bool)>) -> Option<Recovery> {
    let mut groups: BTreeMap<String, Vec<(f64, bool)>> = BTreeMap::new();
    for (group, score, works) in scores {
        groups.entry(group).or_default().push((score, works));
    }
    let (mut working, mut decoys, mut wins, mut pairs, mut precision, mut chance) = (0, 0, 0.0, 0.0, 0.0, 0.0);
    for group in groups.values_mut() {
        let of_group = group.iter().filter(|(_, works)| *works).count();
        if of_group == 0 || of_group == group.len() {
            continue;
        }
        working += of_group;
        decoys += group.len() - of_group;
        pairs += (of_group * (group.len() - of_group)) as f64;
        chance += (of_group * of_group) as f64 / group.len() as f64;
        group.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut hits, mut misses) = (0.0, 0.0);
        for tied in group.chunk_by(|a, b| a.0 == b.0) {
            let working_here = tied.iter().filter(|(_, works)| *works).count() as f64;
            let decoys_here = tied.len() as f64 - working_here;
            wins += decoys_here * (hits + working_here / 2.0);
            hits += working_here;
            misses += decoys_here;
            precision += working_here * hits / (hits + misses);
        }
    }
    let n = working as f64;
    (working > 0).then(|| Recovery { working, decoys, auroc: wins / pairs, auprc: precision / n, chance: chance / n })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scores: &[(&str, f64, bool)]) -> Recovery {
        within_groups(scores.iter().map(|&(group, score, works)| (group.to_owned(), score, works))).unwrap()
    }

    #[test]
    fn one_group_is_the_area_under_both_curves() {
        let one = |scores: &[(f64, bool)]| of(&scores.iter().map(|&(score, works)| ("g", score, works)).collect::<Vec<_>>());
        let perfect = one(&[(3.0, true), (2.0, true), (1.0, false)]);
        assert_eq!((perfect.auroc, perfect.auprc), (1.0, 1.0));
        let worst = one(&[(1.0, true), (2.0, false), (3.0, false)]);
        assert!(worst.auroc == 0.0 && (worst.auprc - 1.0 / 3.0).abs() < 1e-12);
        let tied = one(&[(1.0, true), (1.0, false), (1.0, false), (1.0, true)]);
        assert_eq!((tied.auroc, tied.auprc, tied.chance), (0.5, 0.5, 0.5));
        // scikit-learn 1.5: roc_auc_score 0.75, average_precision_score 0.8333 of [0, 0, 1, 1] by [0.1, 0.4, 0.35, 0.8].
        let known = one(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]);
        assert!((known.auroc - 0.75).abs() < 1e-12 && (known.auprc - 0.833_333_333).abs() < 1e-8);
        assert_eq!(within_groups([("g".to_owned(), 1.0, true)]), None);
    }

    #[test]
    fn pairs_are_compared_only_within_a_group() {
        // Pooled, the second group's decoy would win over the first group's working one.
        let parted = of(&[("a", 1.0, true), ("a", 0.0, false), ("b", 9.0, true), ("b", 8.0, false), ("c", 5.0, false)]);
        assert_eq!((parted.working, parted.decoys, parted.auroc, parted.auprc), (2, 2, 1.0, 1.0));
        // Pairs weigh the same: one of the three is lost.
        let uneven = of(&[("a", 1.0, true), ("a", 2.0, false), ("b", 1.0, true), ("b", 0.0, false), ("b", 0.5, false)]);
        assert!((uneven.auroc - 2.0 / 3.0).abs() < 1e-12);
        assert!((uneven.chance - (0.5 + 1.0 / 3.0) / 2.0).abs() < 1e-12);
    }
}
