//! Transcription factors as a network's input (DeepCAGE): their motifs, and their expression brought to a common distribution.

use super::{ModelError, TfSpec};
use crate::motifs::{Motif, TfScanner};
use crate::session::{SampleId, Session};
use std::sync::Arc;

/// Sites with a p-value above this count as none (HOMER's setting in the publication).
const P_VALUE: f64 = 1e-3;

/// The motifs of a network's factors, ready to scan with.
#[derive(Clone, Debug)]
pub struct TfMotifs {
    motifs: Vec<Motif>,
    scanner: TfScanner,
}

impl PartialEq for TfMotifs {
    fn eq(&self, other: &Self) -> bool {
        self.motifs == other.motifs
    }
}

impl TfMotifs {
    /// Of `motifs` those of the factors `names`, which may have several each.
    ///
    /// # Errors
    /// Names the factors that have none.
    pub fn new(motifs: &[Motif], names: &[String]) -> Result<Self, ModelError> {
        let scanner = TfScanner::new(motifs, names, P_VALUE).map_err(|e| ModelError::Input(e.to_string()))?;
        let of = |motif: &&Motif| names.contains(factor(motif));
        Ok(Self { motifs: motifs.iter().filter(of).cloned().collect(), scanner })
    }

    /// The motifs.
    pub fn motifs(&self) -> &[Motif] {
        &self.motifs
    }

    /// The highest score of each factor on either strand of a sequence.
    pub fn scores(&self, sequence: &[u8]) -> Vec<f32> {
        self.scanner.scores(sequence)
    }
}

/// The factor a motif belongs to: the motif itself where its collection does not say.
fn factor(motif: &Motif) -> &String {
    motif.tf.as_ref().unwrap_or(&motif.name)
}

impl TfSpec {
    /// The factors that have a motif and are measured in every one of `samples`, in the order of the motifs; the quantiles are the
    /// means of the samples' ranked ln(TPM + 1).
    ///
    /// # Errors
    /// Where no factor is left.
    pub fn of_samples(motifs: &[Motif], session: &Session, samples: &[SampleId]) -> Result<Self, ModelError> {
        let mut names: Vec<String> = Vec::new();
        for motif in motifs {
            let name = factor(motif);
            if !names.contains(name) && samples.iter().all(|sample| session.tf_expression(*sample, name).is_some()) {
                names.push(name.clone());
            }
        }
        if names.is_empty() {
            let listed: Vec<&str> = samples.iter().map(|s| session.samples[s.0].name.as_str()).collect();
            return Err(ModelError::Input(format!(
                "no transcription factor with a motif is measured in {} (session.toml: tf_expression of a sample)",
                listed.join(", ")
            )));
        }
        let mut quantiles = vec![0.0; names.len()];
        for sample in samples {
            let mut values = logarithms(session, *sample, &names)?;
            values.sort_by(f32::total_cmp);
            quantiles.iter_mut().zip(values).for_each(|(sum, x)| *sum += x / samples.len() as f32);
        }
        let scanned = TfMotifs::new(motifs, &names)?;
        Ok(Self { names, quantiles, scale: Vec::new(), motifs: Some(Arc::new(scanned)) })
    }

    /// Expression of each factor in a sample: ln(TPM + 1), or the quantile of its rank.
    ///
    /// # Errors
    /// Names the factors that are not measured.
    pub fn expression(&self, session: &Session, sample: SampleId) -> Result<Vec<f32>, ModelError> {
        let values = logarithms(session, sample, &self.names)?;
        if self.quantiles.is_empty() {
            return Ok(values);
        }
        // Of equal values all get the lowest rank's quantile, as published.
        let rank = |x: f32| values.iter().filter(|other| **other < x).count();
        Ok(values.iter().map(|x| self.quantiles[rank(*x)]).collect())
    }
}

fn logarithms(session: &Session, sample: SampleId, names: &[String]) -> Result<Vec<f32>, ModelError> {
    let (mut values, mut missing) = (Vec::with_capacity(names.len()), Vec::new());
    for name in names {
        match session.tf_expression(sample, name) {
            Some(tpm) => values.push(tpm.ln_1p() as f32),
            None => missing.push(name.as_str()),
        }
    }
    match missing.len() {
        0 => Ok(values),
        n => Err(ModelError::Input(format!(
            "sample {} has no expression of {n} of {} transcription factors: {}{}",
            session.samples[sample.0].name,
            names.len(),
            missing[..n.min(5)].join(", "),
            if n > 5 { ", ..." } else { "" }
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motifs::bundled_motifs;
    use crate::session::{ExpressionEntry, SampleEntry, SessionFile};

    fn session(table: &str) -> (tempfile::TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tfs.tsv"), table).unwrap();
        std::fs::write(folder.path().join("sizes"), "c\t1000\n").unwrap();
        let sample = |name: &str| SampleEntry {
            name: name.to_owned(),
            tf_expression: Some(ExpressionEntry {
                file: "tfs.tsv".into(),
                id_column: Some("tf".to_owned()),
                ..ExpressionEntry::default()
            }),
            ..SampleEntry::default()
        };
        let mut file = SessionFile { version: 1, samples: vec![sample("a"), sample("b")], ..SessionFile::default() };
        file.genome.sizes = Some("sizes".into());
        let session = Session::build(&file, folder.path()).unwrap();
        (folder, session)
    }

    #[test]
    fn expression_is_brought_to_the_quantiles_of_the_training_samples() {
        let (_folder, session) = session("tf\tmotif\ta\tb\nSP1\tx\t3\t0\nGABPA\tx\t1\t0\nNOTONE\tx\t5\t5\n");
        assert!(session.warnings.is_empty(), "{:?}", session.warnings);
        let samples = [SampleId(0), SampleId(1)];
        let tfs = TfSpec::of_samples(&bundled_motifs(), &session, &samples).unwrap();
        assert_eq!(tfs.names, ["SP1", "GABPA"], "factors with a motif, in its order");
        // Ranked ln(TPM + 1): (ln 2, ln 4) and (0, 0); their means.
        let [low, high] = [2f32.ln() / 2.0, 4f32.ln() / 2.0];
        assert!(tfs.quantiles.iter().zip([low, high]).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", tfs.quantiles);
        assert_eq!(tfs.expression(&session, samples[0]).unwrap(), [tfs.quantiles[1], tfs.quantiles[0]]);
        assert_eq!(tfs.expression(&session, samples[1]).unwrap(), [tfs.quantiles[0]; 2], "ties get the lowest rank's");
        let other = TfSpec { names: vec!["SP1".to_owned(), "ESR9".to_owned()], ..TfSpec::default() };
        let error = other.expression(&session, samples[0]).unwrap_err().to_string();
        assert!(error.contains("no expression of 1 of 2") && error.contains("ESR9"), "{error}");
    }

    #[test]
    fn a_site_scores_on_either_strand() {
        let motifs = bundled_motifs();
        let names = vec!["SP1".to_owned(), "CTCF".to_owned()];
        let scanned = TfMotifs::new(&motifs, &names).unwrap();
        let site = scanned.motifs().iter().find(|m| factor(m) == "SP1").unwrap().ppm.consensus();
        let with = |site: &[u8]| [&b"ATATATATTA".repeat(10)[..], site, &b"ATATATATTA".repeat(10)].concat();
        let (forward, reverse) = (scanned.scores(&with(&site)), scanned.scores(&with(&crate::genome::reverse_complement(&site))));
        assert!(forward[0] > 5.0 && (forward[0] - reverse[0]).abs() < 1e-5, "{forward:?} {reverse:?}");
        assert_eq!(scanned.scores(&with(b"ATAT")), [0.0, 0.0], "nothing above the threshold");
    }
}
