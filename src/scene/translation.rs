//! What the bases spell in each of the six frames.

use super::{Geometry, Plot, Row};
use crate::genome::{Strand, translate};
use crate::state::State;

/// Bases a column beyond which starts and stops cannot be told apart.
const MOST_BASES_PER_COLUMN: u64 = 20;

/// Three bases and what they are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codon {
    /// First of the three bases in the genome's order.
    pub start: u64,
    /// One-letter code; `*` a stop, `X` not known.
    pub acid: u8,
}

/// One reading frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodonLane {
    /// `+1` to `+3`, `-1` to `-3`: by the genome's position modulo three, so that a frame keeps its lane while one pans.
    pub label: String,
    /// Codons in view, from the left.
    pub codons: Vec<Codon>,
}

pub(super) fn fill(row: &mut Row, state: &State, geometry: Geometry) {
    if state.region.len() > MOST_BASES_PER_COLUMN * geometry.n_columns as u64 {
        return row.plot = Plot::Note("zoom in to see starts and stops (Z: letters)".to_owned());
    }
    let Some((region, bases)) = &state.sequence else { return };
    let bases = match bases {
        Err(reason) => return row.plot = Plot::Message(reason.clone()),
        Ok(bases) => bases,
    };
    if region.chrom != state.region.chrom {
        return;
    }
    let lane = |(strand, offset): (Strand, u64)| {
        let first = region.start + (3 + offset - region.start % 3) % 3;
        let starts = (first..).step_by(3).take_while(|start| start + 3 <= region.end);
        let codon = |start: u64| Some(Codon { start, acid: translate(bases, (start - region.start) as usize, strand)? });
        CodonLane { label: format!("{strand}{}", offset + 1), codons: starts.filter_map(codon).collect() }
    };
    let frames = [Strand::Forward, Strand::Reverse].into_iter().flat_map(|strand| (0..3).map(move |offset| (strand, offset)));
    row.detail = "standard code \u{b7} M start, * stop".to_owned();
    row.plot = Plot::Codons(frames.map(lane).collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;
    use crate::state::{RowId, toy};

    #[test]
    fn frames_keep_their_lane_while_one_pans() {
        let mut state = toy::state(None);
        state.n_columns = 9;
        let geometry = Geometry { n_columns: 9, char_columns: 1.0, max_lanes: 3 };
        let genome = b"CCATGAAATAACC"; // from position 30: ATG AAA TAA in frame 32 % 3 = 2
        let mut acids = Vec::new();
        for start in 30..33 {
            let region = Region::new("chr1", start, start + 9);
            let bases = genome[(start - 30) as usize..(start - 21) as usize].to_vec();
            (state.region, state.sequence) = (region.clone(), Some((region, Ok(bases))));
            let Plot::Codons(lanes) = super::super::Scene::row(&state, geometry, RowId::Translation).plot else {
                panic!("codons")
            };
            assert_eq!(lanes.iter().map(|l| l.label.as_str()).collect::<Vec<_>>(), ["+1", "+2", "+3", "-1", "-2", "-3"]);
            acids.extend(lanes[2].codons.iter().map(|c| (c.start, c.acid as char)));
        }
        acids.sort_unstable();
        acids.dedup();
        assert_eq!(acids, [(32, 'M'), (35, 'K'), (38, '*')]);
    }
}
