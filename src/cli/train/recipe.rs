//! What is fitted, to which genes, and how: the options that training and the designs of an evaluation share.

use super::super::Failure;
use crate::models::{BinStatistic, Manifest, MarkSpec, Orientation, OutputKind, TfSpec, Transform, architecture, missing_input};
use crate::motifs::{bundled_motifs, read_tf_motifs};
use crate::session::{SampleId, Session};
use crate::tracks::SignalUnit;
use crate::training::{Clip, Descent, FitOptions, Rule, Shares, SplitPlan, Validation};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Recipe {
    /// Published sizes to start from, where an architecture has several (paper, code)
    #[arg(long)]
    pub preset: Option<String>,
    /// Fit as the network was published: its optimiser, rate, batch, epochs, dropout, L2 and stopping, and signals as they are
    #[arg(long)]
    pub published: bool,
    /// Learn from one view only (ablation)
    #[arg(long, value_enum, value_name = "VIEW")]
    pub without: Option<View>,
    /// Learn from these marks only (ablation)
    #[arg(long, value_delimiter = ',', value_name = "MARK,...")]
    pub marks: Vec<String>,
    /// Bases around the TSS [default: as published]
    #[arg(long, value_name = "BASES")]
    pub window: Option<u64>,
    /// Motifs of transcription factors (MEME, HOMER), where the network reads any [default: those of the sample genome]
    #[arg(long, alias = "motifs", value_name = "FILE")]
    pub tf_motifs: Option<PathBuf>,
    /// HOCOMOCO's table of the factors that motifs belong to (columns "Model" and "Transcription factor")
    #[arg(long, value_name = "FILE", requires = "tf_motifs")]
    pub tf_names: Option<PathBuf>,
    /// Store weights in half precision; the figures printed are those of the weights stored
    #[arg(long)]
    pub half: bool,
    /// How genes are parted [default: chromosomes; file-order for bin tables]
    #[arg(long, value_enum)]
    pub split: Option<SplitKind>,
    /// Parts to learn from, to stop by and to judge on (80/10/10, 60/20/20, 6601/6601/6600)
    #[arg(long, value_name = "A/B/C", value_parser = clap::value_parser!(Shares))]
    pub shares: Option<Shares>,
    /// Chromosomes to judge on, never learnt from; the last one where none is given
    #[arg(long, value_delimiter = ',', value_name = "CHROM,...")]
    pub test: Vec<String>,
    /// Initial weights, order of genes: the same seed gives the same weights
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Passes over the training genes, at most
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Stop after so many passes without a better validation figure; 0 never stops early
    #[arg(long)]
    pub patience: Option<usize>,
    /// Genes a step
    #[arg(long)]
    pub batch: Option<usize>,
    /// adam, sgd or rmsprop
    #[arg(long, value_enum)]
    pub optimiser: Option<OptimiserKind>,
    /// Learning rate
    #[arg(long)]
    pub rate: Option<f64>,
    /// The rate of step t is rate / (1 + DECAY t)
    #[arg(long, value_name = "DECAY")]
    pub rate_decay: Option<f64>,
    /// Longest global norm of a gradient; 0 for any
    #[arg(long, value_name = "NORM")]
    pub clip: Option<f64>,
    /// Coefficient of the squares of all weights
    #[arg(long)]
    pub l2: Option<f64>,
    /// Coefficient of the network's own penalty (DeepCORE: last layers and attention)
    #[arg(long)]
    pub penalty: Option<f64>,
    /// Share of values dropped where the network has dropout
    #[arg(long)]
    pub dropout: Option<f64>,
    /// Keep a mean of the weights over the steps, of which a step keeps this share; 0 for the weights themselves
    #[arg(long, value_name = "SHARE")]
    pub averaging: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum View {
    Sequence,
    Marks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SplitKind {
    /// Whole chromosomes are held out
    Chromosomes,
    /// Genes with overlapping windows stay together
    Components,
    /// As the genes stand in the file
    FileOrder,
    /// At random
    Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OptimiserKind {
    Adam,
    Sgd,
    Rmsprop,
}

/// The unit a mark has in every sample; `None` where no track says.
fn unit_of(session: &Session, samples: &[SampleId], mark: &str) -> Result<Option<SignalUnit>, Failure> {
    let mut units = samples.iter().filter_map(|s| session.tracks[session.signal_for(*s, mark)?.0].unit);
    let first = units.next();
    match units.find(|unit| Some(*unit) != first).zip(first) {
        Some((other, first)) => Err(Failure::Failed(anyhow!("{mark} is {first} in one sample and {other} in another"))),
        None => Ok(first),
    }
}

/// Where a network that is fitted here comes from, for its manifest.
pub(in crate::cli) fn source(seed: u64) -> String {
    format!("trained by cislens {} with seed {seed}", env!("CARGO_PKG_VERSION"))
}

/// Share of the genes of the training chromosomes that say when to stop.
const VALIDATION: f64 = 0.1;

impl Recipe {
    /// How genes are parted.
    pub fn plan(&self, session: &Session) -> Result<SplitPlan, Failure> {
        // Each gene of a bin table is a chromosome of its own.
        let default = if session.genome.is_gene_relative { SplitKind::FileOrder } else { SplitKind::Chromosomes };
        let kind = self.split.unwrap_or(default);
        let shares = self.shares.unwrap_or_default();
        if kind != SplitKind::Chromosomes && !self.test.is_empty() {
            return Err(Failure::Usage("--test names chromosomes: it goes with --split chromosomes".to_owned()));
        }
        Ok(match kind {
            SplitKind::Chromosomes if self.shares.is_some() => {
                return Err(Failure::Usage("--shares goes with --split components, file-order or random".to_owned()));
            }
            SplitKind::Chromosomes => SplitPlan::Chromosomes {
                test: match (&self.test[..], session.genome.chroms.iter().last()) {
                    ([], Some((last, _))) => vec![last.to_string()],
                    (named, _) => named.to_vec(),
                },
                validation: Validation::Share(VALIDATION),
            },
            SplitKind::Components => SplitPlan::Components(shares),
            SplitKind::FileOrder => SplitPlan::FileOrder(shares),
            SplitKind::Random => SplitPlan::Random(shares),
        })
    }

    /// How to fit.
    pub fn options(&self, architecture: &str) -> Result<FitOptions, Failure> {
        let default = if self.published { FitOptions::published(architecture) } else { FitOptions::of(architecture) };
        let rule = match self.optimiser {
            Some(OptimiserKind::Adam) => Rule::Adam { epsilon: 1e-8, is_uncorrected: false },
            Some(OptimiserKind::Sgd) => Rule::Sgd,
            Some(OptimiserKind::Rmsprop) => Rule::RmsProp,
            None => default.descent.rule,
        };
        let options = FitOptions {
            seed: self.seed,
            epochs: self.epochs.unwrap_or(default.epochs),
            patience: match self.patience {
                Some(0) => None,
                Some(patience) => Some(patience),
                None => default.patience,
            },
            batch_size: self.batch.unwrap_or(default.batch_size),
            descent: Descent {
                rule,
                rate: self.rate.unwrap_or(default.descent.rate),
                decay: self.rate_decay.unwrap_or(default.descent.decay),
                clip: match self.clip {
                    Some(0.0) => None,
                    Some(norm) => Some(Clip::Norm(norm)),
                    None => default.descent.clip,
                },
                l2: self.l2.unwrap_or(default.descent.l2),
            },
            penalty: self.penalty.unwrap_or(default.penalty),
            dropout: self.dropout.unwrap_or(default.dropout),
            averaging: self.averaging.unwrap_or(default.averaging),
            is_half: self.half,
            ..default
        };
        options.check().map_err(Failure::Usage)?;
        Ok(options)
    }

    /// The published manifest, turned to this session: its assembly and unit of signals, genes read 5' to 3'.
    pub fn manifest(&self, name: &str, session: &Session, samples: &[SampleId]) -> Result<Manifest, Failure> {
        let architecture = architecture(name).map_err(|e| Failure::Usage(e.to_string()))?;
        let mut manifest = match &self.preset {
            Some(name) => architecture.preset(name).ok_or_else(|| Failure::Usage(format!("no preset \"{name}\"")))?,
            None => architecture.default_manifest(),
        };
        if !self.published {
            manifest.input.bin_statistic = BinStatistic::Mean;
            manifest.input.transform = Transform::Log1p;
            if manifest.output.signal.is_none() {
                manifest.orientation = Orientation::Gene;
            }
        }
        if session.genome.is_gene_relative {
            // A bin's number stands at each of its bases.
            manifest.input.bin_statistic = BinStatistic::Mean;
            manifest.orientation = Orientation::Genome;
        }
        self.adapt(&mut manifest, session, samples)?;
        Ok(manifest)
    }

    /// Turns a manifest to this session and to what was asked for.
    pub fn adapt(&self, manifest: &mut Manifest, session: &Session, samples: &[SampleId]) -> Result<(), Failure> {
        let names = || samples.iter().map(|s| session.samples[s.0].name.clone());
        manifest.source = source(self.seed);
        manifest.assembly = (!session.genome.name.is_empty()).then(|| session.genome.name.clone());
        manifest.samples = names().collect();
        match self.without {
            Some(View::Sequence) => manifest.input.sequence = None,
            Some(View::Marks) => manifest.input.marks.clear(),
            None => {}
        }
        if !self.marks.is_empty() {
            if manifest.input.marks.is_empty() {
                return Err(Failure::Usage(format!("--marks: {} reads none", manifest.architecture)));
            }
            // Published marks in their order, then others.
            let published = |mark: &String| manifest.input.marks.iter().position(|m| m == mark).unwrap_or(usize::MAX);
            let mut marks = self.marks.clone();
            marks.sort_by_key(published);
            manifest.input.marks = marks;
            manifest.check().map_err(|e| Failure::Usage(format!("--marks: {e}")))?;
        }
        if let Some(length) = self.window {
            manifest.set_window_length(length);
            manifest.check().map_err(|e| Failure::Usage(format!("--window {length}: {e}")))?;
        }
        if !manifest.input.tfs.is_empty() {
            // The factors of the publication are those of its motif file; here they are those with a motif and a measurement.
            let motifs = match &self.tf_motifs {
                Some(path) => read_tf_motifs(path, self.tf_names.as_deref())?,
                None => bundled_motifs(),
            };
            manifest.input.tfs = TfSpec::of_samples(&motifs, session, samples)?;
        }
        if session.genome.is_gene_relative
            && let Some((_, gene)) = session.genome.genes.iter().next()
            && let Some(length) = session.genome.chroms.len_of(&gene.region.chrom)
        {
            // A table holds so much around each TSS and no more.
            if self.window.is_none() && manifest.window.length > length {
                manifest.set_window_length(length / manifest.input.bin_size.max(1) * manifest.input.bin_size.max(1));
            }
            if manifest.window.length == length && manifest.window.tts.is_none() {
                manifest.window.tss_index = gene.tss(session.genome.tss);
            }
        }
        self.take_units(manifest, session, samples)?;
        for sample in samples {
            if let Some(reason) = missing_input(session, *sample, manifest) {
                return Err(Failure::Usage(reason));
            }
        }
        Ok(())
    }

    /// Says of each mark, and of the signal that is predicted, what kind of numbers the samples have: most marks' kind for all, and its
    /// own for each other mark. A fraction is read as it is, for its logarithm says nothing more.
    fn take_units(&self, manifest: &mut Manifest, session: &Session, samples: &[SampleId]) -> Result<(), Failure> {
        if let Some(target) = &mut manifest.output.signal
            && let Some(unit) = unit_of(session, samples, &target.mark)?
        {
            target.unit = unit;
            if manifest.output.kind == OutputKind::Regression {
                manifest.output.unit = format!("ln({}+{})", unit, manifest.output.pseudocount);
            }
        }
        let input = &mut manifest.input;
        input.of_mark.clear();
        let units = input.marks.iter().map(|mark| unit_of(session, samples, mark)).collect::<Result<Vec<_>, _>>()?;
        let count = |unit: SignalUnit| units.iter().flatten().filter(|u| **u == unit).count();
        // Of units that are as frequent the first.
        let Some(most) = units.iter().flatten().copied().rev().max_by_key(|unit| count(*unit)) else { return Ok(()) };
        let of_unit = |unit, transform| if unit == SignalUnit::Fraction && !self.published { Transform::None } else { transform };
        let transform = input.transform;
        input.signal = most;
        input.transform = of_unit(most, transform);
        for (mark, unit) in input.marks.iter().zip(&units) {
            if let Some(signal) = unit.filter(|unit| *unit != most) {
                let transform = of_unit(signal, transform);
                input.of_mark.insert(mark.clone(), MarkSpec { signal, transform });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::missing_input;
    use clap::Parser;
    use std::path::Path;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        recipe: Recipe,
    }

    #[test]
    fn each_mark_has_its_own_unit_and_transform() {
        let session = Session::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml")).unwrap();
        let sample = SampleId(0);
        let manifest =
            |line: &str| Line::parse_from(line.split(' ')).recipe.manifest("isegnet", &session, &[sample]).ok().unwrap();
        let mut joint = manifest("train --marks 5mC,H3K4me3,DNase");
        assert_eq!(joint.input.marks, ["DNase", "H3K4me3", "5mC"], "published marks come first, in their order");
        assert_eq!((joint.input.signal, joint.input.transform), (SignalUnit::Rpm, Transform::Log1p));
        let own = MarkSpec { signal: SignalUnit::Fraction, transform: Transform::None };
        assert_eq!(joint.input.of_mark, [("5mC".to_owned(), own)].into());
        assert_eq!([joint.input.value(1, 3.0), joint.input.value(2, 0.5)], [4f32.ln(), 0.5]);
        assert_eq!(missing_input(&session, sample, &joint), None);
        let written = toml::to_string(&joint).unwrap();
        assert_eq!(toml::from_str::<Manifest>(&written).unwrap(), joint, "{written}");
        // Another unit than a mark's own is refused, and no other mark's.
        joint.input.of_mark.clear();
        assert!(missing_input(&session, sample, &joint).is_some_and(|reason| reason.contains("5mC is fraction")));
        let alone = manifest("train --marks 5mC");
        assert_eq!((alone.input.signal, alone.input.transform), (SignalUnit::Fraction, Transform::None));
        assert!(alone.input.of_mark.is_empty());
        let mut unknown = alone.clone();
        unknown.input.of_mark.insert("H3K9ac".to_owned(), own);
        assert!(unknown.check().unwrap_err().to_string().contains("\"H3K9ac\" is none of the marks"));
    }
}
