//! What the first filters over DNA look for, read off the sequences that excite them.

use super::{Manifest, ModelError};
use crate::motifs::Pfm;
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::Path;

/// A filter sees a site where it is excited more than this share of its strongest (DeepBind, Basset: half).
const SHARE: f32 = 0.5;
/// Names under which networks keep the first convolution over DNA, `[filters, kernel, 4]`.
pub(super) const NAMES: [&str; 4] = ["sequence.conv.weight", "sequence.conv1.weight", "conv1.weight", "conv1.conv.weight"];

/// The first convolution over DNA of a network.
pub struct SequenceFilters {
    /// Per filter and position of its kernel, weights of A, C, G, T.
    weights: Vec<Vec<[f32; 4]>>,
}

/// Bases counted over the sites of one filter.
#[derive(Clone, Debug)]
pub struct FilterSites {
    /// Index of the filter.
    pub filter: usize,
    /// Sites counted.
    pub n_sites: usize,
    /// Counts of A, C, G, T at each position.
    pub counts: Pfm,
}

impl SequenceFilters {
    /// Reads them from a model's folder.
    ///
    /// # Errors
    /// Where the network reads no DNA, or has no convolution as its first layer.
    pub fn read(folder: &Path, manifest: &Manifest) -> Result<Self, ModelError> {
        let order = manifest.input.sequence;
        let order = order.ok_or_else(|| ModelError::Manifest(format!("{} reads no DNA", manifest.name)))?;
        let path = folder.join(super::FILES[1]);
        let tensors: HashMap<String, Tensor> = candle_core::safetensors::load(&path, &Device::Cpu)?;
        let found = NAMES.iter().find_map(|name| tensors.get(*name)).filter(|t| t.dims().len() == 3 && t.dims()[2] == 4);
        let tensor = found.ok_or_else(|| ModelError::Manifest(format!("{} has no convolution over DNA", manifest.name)))?;
        let weights = tensor.to_dtype(DType::F32)?.to_vec3::<f32>()?;
        let acgt = |row: &Vec<f32>| crate::genome::BASES.map(|base| order.channel(base).map_or(0.0, |c| row[c]));
        Ok(Self { weights: weights.iter().map(|filter| filter.iter().map(acgt).collect()).collect() })
    }

    /// Filters.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Counts the bases of the sites that excite one filter more than half as much as the strongest of all sequences does; `None`
    /// where nothing excites it.
    pub fn sites(&self, filter: usize, sequences: &[Vec<u8>]) -> Option<FilterSites> {
        self.sites_above(filter, sequences, SHARE)
    }

    /// As [`SequenceFilters::sites`], of sites that excite the filter more than `share` of its strongest.
    pub fn sites_above(&self, filter: usize, sequences: &[Vec<u8>], share: f32) -> Option<FilterSites> {
        let weights = self.weights.get(filter)?;
        let width = weights.len();
        let codes: Vec<Vec<Option<usize>>> = sequences
            .iter()
            .map(|s| s.iter().map(|base| crate::genome::BASES.iter().position(|b| b == base)).collect())
            .collect();
        let excitation = |site: &[Option<usize>]| -> f32 { weights.iter().zip(site).map(|(w, c)| c.map_or(0.0, |c| w[c])).sum() };
        let scored: Vec<Vec<f32>> = codes.iter().map(|s| s.windows(width).map(excitation).collect()).collect();
        let strongest = scored.iter().flatten().copied().fold(0.0_f32, f32::max);
        if strongest <= 0.0 {
            return None;
        }
        let mut rows = vec![[0.0; 4]; width];
        let mut n_sites = 0;
        for (sequence, scores) in codes.iter().zip(&scored) {
            for (start, _) in scores.iter().enumerate().filter(|(_, s)| **s > share * strongest) {
                n_sites += 1;
                for (row, code) in rows.iter_mut().zip(&sequence[start..]) {
                    match code {
                        Some(code) => row[*code] += 1.0,
                        // An unknown base is each of them a quarter.
                        None => row.iter_mut().for_each(|count| *count += 0.25),
                    }
                }
            }
        }
        Pfm::new(rows).ok().map(|counts| FilterSites { filter, n_sites, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(consensus: &[u8]) -> SequenceFilters {
        let row = |b: &u8| crate::genome::BASES.map(|base| if base == *b { 1.0 } else { -1.0 });
        SequenceFilters { weights: vec![consensus.iter().map(row).collect()] }
    }

    #[test]
    fn a_filter_finds_what_it_was_made_of() {
        let sequences = vec![b"TTTTGACGTTTTNNNNN".to_vec(), b"CCGACGAC".to_vec(), b"AC".to_vec()];
        let sites = of(b"GACG").sites(0, &sequences).unwrap();
        // Four of four excite it fully; three of four half as much, which is not more than half.
        assert_eq!(sites.n_sites, 2);
        let ppm = sites.counts.to_ppm(0.0);
        assert_eq!(ppm.consensus(), b"GACG");
        assert!(of(b"GACG").sites(1, &sequences).is_none());
        assert!(of(b"GGGGGG").sites(0, &[b"TTTTTTTTT".to_vec()]).is_none(), "nothing excites it");
    }
}
