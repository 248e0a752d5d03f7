//! Spans of high attribution at their places of the genome, each with the motif it resembles most.

use super::{Motif, MotifError, Ppm, Seqlet, SeqletOptions, Tomtom, bundled_motifs, read_motifs, signed_seqlets};
use crate::genome::{Region, Window};
use std::path::Path;

/// Motifs ready to be compared with.
pub struct Collection {
    motifs: Vec<Motif>,
    tomtom: Tomtom,
}

impl Collection {
    /// The motifs of a file; the bundled ones where none is named.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no motif.
    pub fn open(path: Option<&Path>) -> Result<Self, MotifError> {
        let motifs = path.map_or_else(|| Ok(bundled_motifs()), read_motifs)?;
        Ok(Self { tomtom: Tomtom::new(&motifs), motifs })
    }

    /// Name of the motif that `bases` resemble most, and its q-value; none where they resemble none.
    fn best(&self, bases: &[u8]) -> Option<(String, f64)> {
        let best = self.tomtom.matches(&Ppm::of_sequence(bases)).into_iter().next()?;
        Some((self.motifs[best.motif].name.clone(), best.q_value))
    }
}

/// A seqlet on the genome.
#[derive(Clone, Debug, PartialEq)]
pub struct CalledSeqlet {
    /// Where.
    pub region: Region,
    /// The span in the window, its sum and its p-value.
    pub seqlet: Seqlet,
    /// The motif it resembles most, and the q-value of that.
    pub motif: Option<(String, f64)>,
}

/// Seqlets of positive and negative `values`, one a base of `sequence`, which a window reads; best first. Spans across the seam of
/// a window's stretches or off the chromosome have no place and are left out. `None` where `go_on` said no between two of them.
pub fn call_seqlets(
    window: &Window,
    sequence: &[u8],
    values: &[f32],
    motifs: &Collection,
    go_on: &dyn Fn() -> bool,
) -> Option<Vec<CalledSeqlet>> {
    let mut called = Vec::new();
    for seqlet in signed_seqlets(values, SeqletOptions::default()) {
        if !go_on() {
            return None;
        }
        let (from, to) = (window.position(seqlet.start as u64), window.position(seqlet.end as u64 - 1));
        let (start, end) = (from.min(to), from.max(to) + 1);
        if start < 0 || end - start != (seqlet.end - seqlet.start) as i64 {
            continue;
        }
        let region = Region::new(window.chrom().clone(), start as u64, end as u64);
        let motif = motifs.best(&sequence[seqlet.start..seqlet.end]);
        called.push(CalledSeqlet { region, seqlet, motif });
    }
    Some(called)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Strand;

    #[test]
    fn seqlets_stand_where_the_genome_has_them_on_both_strands() {
        let site = b"TTCAGCACCACGGACAGCGCC"; // REST
        let mut sequence: Vec<u8> = (0..400).map(|i| b"ACGTTGCA"[(i * 7 + i / 8) % 8]).collect();
        sequence[100..121].copy_from_slice(site);
        let mut values: Vec<f32> = (0..400).map(|i| 0.01 * ((i * 37 % 11) as f32 - 5.0)).collect();
        values[100..121].fill(-1.0);
        let motifs = Collection::open(None).unwrap();
        for strand in [Strand::Forward, Strand::Reverse] {
            let window = Window::around("c", 1_000, strand, 200, 400);
            let called = call_seqlets(&window, &sequence, &values, &motifs, &|| true).unwrap();
            let best = &called[0];
            let (first, last) = (window.position(best.seqlet.start as u64), window.position(best.seqlet.end as u64 - 1));
            assert_eq!((best.region.start as i64, best.region.end as i64), (first.min(last), first.max(last) + 1));
            assert!(best.seqlet.start >= 98 && best.seqlet.end <= 123 && best.seqlet.attribution < -10.0, "{best:?}");
            assert_eq!(best.motif.as_ref().unwrap().0, "REST");
        }
        let window = Window::around("c", 1_000, Strand::Forward, 200, 400);
        assert_eq!(call_seqlets(&window, &sequence, &values, &motifs, &|| false), None);
    }
}
