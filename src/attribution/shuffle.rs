//! Random sequences that keep every dinucleotide (Altschul and Erickson 1985): the background in which a motif is judged.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator of its own for the `i`th draw of a seed, so that a draw does not depend on how many came before.
pub(super) fn draw(seed: u64, i: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(i as u64 + 1);
    random
}

/// `sequence` in another order with the same dinucleotides, the same first and the same last base: a random Eulerian path over
/// the bases. `N` counts as a base.
pub(crate) fn dinucleotide_shuffle(sequence: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let (Some(&first), Some(&last)) = (sequence.first(), sequence.last()) else { return Vec::new() };
    let mut followers: Vec<Vec<u8>> = vec![Vec::new(); 256];
    for pair in sequence.windows(2) {
        followers[usize::from(pair[0])].push(pair[1]);
    }
    let bases: Vec<u8> = (0..=255_u8).filter(|&b| !followers[usize::from(b)].is_empty()).collect();
    // Each base's last exit must lead on to the last base, else the path ends before every pair is used. Wilson's algorithm draws
    // such exits evenly: walk at random until a base whose exit leads on; the last exit taken of each base on the way stays.
    let mut exits = [None; 256];
    let mut leads_on = [false; 256];
    leads_on[usize::from(last)] = true;
    for &from in &bases {
        let mut at = from;
        while !leads_on[usize::from(at)] {
            let of = &followers[usize::from(at)];
            let exit = random.random_range(0..of.len());
            exits[usize::from(at)] = Some(exit);
            at = of[exit];
        }
        let mut at = from;
        while let (false, Some(exit)) = (leads_on[usize::from(at)], exits[usize::from(at)]) {
            leads_on[usize::from(at)] = true;
            at = followers[usize::from(at)][exit];
        }
    }
    for &base in &bases {
        let of = &mut followers[usize::from(base)];
        let exit = exits[usize::from(base)].map(|i| of.swap_remove(i));
        of.shuffle(random);
        of.extend(exit);
        of.reverse(); // taken from the end
    }
    let mut shuffled = Vec::with_capacity(sequence.len());
    shuffled.push(first);
    let mut at = first;
    while let Some(to) = followers[usize::from(at)].pop() {
        shuffled.push(to);
        at = to;
    }
    shuffled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn pairs(sequence: &[u8]) -> BTreeMap<&[u8], usize> {
        sequence.windows(2).fold(BTreeMap::new(), |mut counts, pair| {
            *counts.entry(pair).or_default() += 1;
            counts
        })
    }

    #[test]
    fn dinucleotides_and_both_ends_are_kept() {
        let mut random = draw(7, 0);
        for len in [0, 1, 2, 3, 10, 57, 1_000] {
            for letters in [&b"ACGT"[..], b"ACGTN", b"AT", b"A"] {
                let sequence: Vec<u8> = (0..len).map(|_| letters[random.random_range(0..letters.len())]).collect();
                let shuffled = dinucleotide_shuffle(&sequence, &mut random);
                assert_eq!(pairs(&shuffled), pairs(&sequence));
                assert_eq!((shuffled.first(), shuffled.last()), (sequence.first(), sequence.last()));
                assert!(len < 57 || letters.len() < 4 || shuffled != sequence);
            }
        }
    }

    #[test]
    fn long_runs_do_not_hold_it_up() {
        let runs: Vec<u8> = b"ACGT".iter().flat_map(|&base| vec![base; 2_500]).collect();
        assert_eq!(dinucleotide_shuffle(&runs, &mut draw(1, 0)), runs, "there is one path");
    }

    #[test]
    fn every_path_is_as_likely() {
        // ACAGATA has the exits A -> C, G, T in any order and back: six sequences.
        let mut counts = BTreeMap::new();
        for i in 0..6_000 {
            *counts.entry(dinucleotide_shuffle(b"ACAGATA", &mut draw(3, i))).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Standard deviation 29.
        assert!(counts.values().all(|&n| (850..1150).contains(&n)), "{counts:?}");
        assert_eq!(dinucleotide_shuffle(b"ACAGATA", &mut draw(3, 5)), dinucleotide_shuffle(b"ACAGATA", &mut draw(3, 5)));
    }
}
