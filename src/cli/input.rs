//! Which inputs a command works on: genes of a session, or plain arrays.

use super::arrays::{ArrayInputs, read_arrays};
use super::device;
use super::opening::open_session;
use super::view::commands;
use super::{Failure, find_session};
use crate::genome::{GeneId, Locus};
use crate::models::{
    DeviceChoice, Input, Manifest, Model, TfMotifs, load_model_with_motifs, missing_input, read_manifest, samples_that_feed,
};
use crate::motifs::read_tf_motifs;
use crate::session::{Readers, SampleId, Session};
use crate::tracks::{clean_text, read_text_or_pipe};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names listed in a message.
const LISTED: usize = 10;

#[derive(Args, Debug)]
pub(super) struct InputArgs {
    /// Session with the genes; the sample data where none is given
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sequences", "arrays"])]
    session: Option<PathBuf>,
    /// Sample whose signals are read; may be left out where there is one
    #[arg(long, value_name = "NAME", conflicts_with_all = ["sequences", "arrays"])]
    pub(super) sample: Option<String>,
    /// Genes by name or id, one a line
    #[arg(long, value_name = "FILE", group = "which")]
    genes: Option<PathBuf>,
    /// One gene by name or id
    #[arg(long, value_name = "NAME", group = "which")]
    gene: Option<String>,
    /// Genes whose TSS lies in chr1:1,001-2,000
    #[arg(long, value_name = "LOCUS", group = "which")]
    locus: Option<String>,
    /// Every gene (every protein-coding one where the annotation tells)
    #[arg(long, group = "which")]
    all: bool,
    /// Plain input: one sequence a line
    #[arg(long, value_name = "F.txt", conflicts_with = "which")]
    sequences: Option<PathBuf>,
    /// Plain input: `marks` [n, length, k], or `x` [n, bins, k]; k in the order of model.toml
    #[arg(long, value_name = "F.npz", conflicts_with = "which")]
    arrays: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal. On the processor mutagenesis and paths take their exact short cuts
    #[arg(long, value_name = "D", default_value_t)]
    device: DeviceChoice,
    /// Motifs of the transcription factors a model reads (MEME, HOMER) instead of those beside it
    #[arg(long, value_name = "FILE", conflicts_with = "device")]
    tf_motifs: Option<PathBuf>,
    /// HOCOMOCO's table of the factors that motifs belong to (columns "Model" and "Transcription factor")
    #[arg(long, value_name = "FILE", requires = "tf_motifs")]
    tf_names: Option<PathBuf>,
    /// Let a model read the DNA of another assembly than the one it was trained on
    #[arg(long, conflicts_with_all = ["sequences", "arrays"])]
    assume_assembly: bool,
    /// Let a model start the command that its model.toml names (docs/external.md)
    #[arg(long)]
    allow_command: bool,
    /// Threads; 0 for as many as the machine has. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) threads: usize,
}

/// Genes of a session in one sample.
pub(super) struct GeneInputs {
    pub session: Arc<Session>,
    pub sample: SampleId,
    pub genes: Vec<GeneId>,
}

/// What a command works on.
pub(super) enum Inputs {
    Genes(GeneInputs),
    Arrays(ArrayInputs),
}

/// What one thread reads inputs with.
pub(super) enum InputReader<'a> {
    Genes(Box<Readers>),
    Arrays(&'a ArrayInputs),
}

/// As [`open`], for commands that look at genes of a session: every one where none is named.
pub(super) fn open_or_all_genes(args: &InputArgs, model: &Path) -> Result<(Box<dyn Model>, Inputs), Failure> {
    let names_some = args.genes.is_some() || args.gene.is_some() || args.locus.is_some() || args.all;
    open_with(args, model, !names_some && args.sequences.is_none() && args.arrays.is_none())
}

/// Opens the model and what it is to read.
pub(super) fn open(args: &InputArgs, model: &Path) -> Result<(Box<dyn Model>, Inputs), Failure> {
    open_with(args, model, false)
}

fn open_with(args: &InputArgs, model: &Path, means_all: bool) -> Result<(Box<dyn Model>, Inputs), Failure> {
    if args.sequences.is_some() || args.arrays.is_some() {
        let model = load(model, args)?;
        let arrays = read_arrays(args.sequences.as_deref(), args.arrays.as_deref(), model.manifest())?;
        return Ok((model, Inputs::Arrays(arrays)));
    }
    if args.genes.is_none() && args.gene.is_none() && args.locus.is_none() && !args.all && !means_all {
        let text = "which input? --genes FILE, --gene NAME, --locus L or --all of a --session; or --sequences and --arrays";
        return Err(Failure::Usage(text.to_owned()));
    }
    let mut session = open_session(&find_session(args.session.as_ref())?)?;
    session.genome.is_assembly_assumed |= args.assume_assembly;
    for warning in &session.warnings {
        eprintln!("cislens: {}", clean_text(warning));
    }
    let folder = find_model(model, &session)?;
    let mut manifest = read_manifest(&folder)?;
    if let Some(path) = &args.tf_motifs {
        let motifs = read_tf_motifs(path, args.tf_names.as_deref())?;
        manifest.input.tfs.motifs = Some(Arc::new(TfMotifs::new(&motifs, &manifest.input.tfs.names)?));
    }
    let sample = find_sample(&session, args.sample.as_deref(), &manifest)?;
    let genes = find_genes(args, &session)?;
    Ok((load(&folder, args)?, Inputs::Genes(GeneInputs { session: Arc::new(session), sample, genes })))
}

/// A model, a session, and genes of it.
pub(super) type OpenedGenes = (Box<dyn Model>, Arc<Session>, Vec<GeneId>);

/// The model, the session, and genes of it to look at in several samples.
pub(super) fn open_genes(args: &InputArgs, model: &Path) -> Result<OpenedGenes, Failure> {
    if args.sequences.is_some() || args.arrays.is_some() {
        return Err(Failure::Usage("plain arrays have no samples: --session with genes".to_owned()));
    }
    if args.genes.is_none() && args.gene.is_none() && args.locus.is_none() && !args.all {
        return Err(Failure::Usage("which genes? --genes FILE, --gene NAME, --locus L or --all".to_owned()));
    }
    let session = open_session(&find_session(args.session.as_ref())?)?;
    for warning in &session.warnings {
        eprintln!("cislens: {}", clean_text(warning));
    }
    let model = load(&find_model(model, &session)?, args)?;
    let genes = find_genes(args, &session)?;
    Ok((model, Arc::new(session), genes))
}

/// The samples that `--sample` names, parted by commas; all that can feed the model where it names none.
pub(super) fn samples_that_fit(args: &InputArgs, session: &Session, manifest: &Manifest) -> Result<Vec<SampleId>, Failure> {
    let Some(names) = &args.sample else { return Ok(samples_that_feed(session, manifest)) };
    names.split(',').map(|name| find_sample(session, Some(name), manifest)).collect()
}

fn load(folder: &Path, args: &InputArgs) -> Result<Box<dyn Model>, Failure> {
    let Some(path) = &args.tf_motifs else {
        let device = device::open(args.device, &mut |why| eprintln!("cislens: {why}"))?;
        return Ok(device.model(folder, commands(args.allow_command))?);
    };
    let motifs = read_tf_motifs(path, args.tf_names.as_deref())?;
    Ok(load_model_with_motifs(folder, &motifs, &candle_core::Device::Cpu)?)
}

/// A model's folder, or a model of the session by its name or its folder's.
pub(super) fn find_model(model: &Path, session: &Session) -> Result<PathBuf, Failure> {
    if model.join("model.toml").is_file() {
        return Ok(model.to_owned());
    }
    let name = |folder: &PathBuf| read_manifest(folder).map(|m| m.name).unwrap_or_default();
    let found = session.models.iter().find(|folder| folder.ends_with(model) || name(folder).as_str() == model.as_os_str());
    found.cloned().ok_or_else(|| {
        let names: Vec<String> = session.models.iter().map(name).collect();
        let known = if names.is_empty() { "has none".to_owned() } else { format!("has {}", names.join(", ")) };
        Failure::Usage(format!(
            "no model \"{}\": neither a folder with model.toml nor of the session, which {known}",
            model.display()
        ))
    })
}

/// The sample, if it can feed the model.
fn find_sample(session: &Session, name: Option<&str>, manifest: &Manifest) -> Result<SampleId, Failure> {
    let names = || session.samples.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let id = match (name, session.samples.len()) {
        (Some(name), _) => {
            let found = session.samples.iter().position(|s| s.name == name);
            SampleId(found.ok_or_else(|| Failure::Usage(format!("no sample \"{name}\"; the session has {}", names())))?)
        }
        (None, 1) => SampleId(0),
        (None, _) => return Err(Failure::Usage(format!("which sample? --sample is one of {}", names()))),
    };
    match missing_input(session, id, manifest) {
        Some(reason) => Err(Failure::Usage(format!("model {}: {reason}", manifest.name))),
        None => Ok(id),
    }
}

fn find_genes(args: &InputArgs, session: &Session) -> Result<Vec<GeneId>, Failure> {
    let genes = &session.genome.genes;
    if genes.is_empty() {
        return Err(Failure::Usage("the session has no genes".to_owned()));
    }
    let find = |name: &str| genes.find(name);
    let unknown = |name: &str| Failure::Usage(format!("no gene \"{name}\" in the session"));
    if let Some(name) = &args.gene {
        return Ok(vec![find(name).ok_or_else(|| unknown(name))?]);
    }
    if let Some(path) = &args.genes {
        return listed_genes(path, session);
    }
    if let Some(text) = &args.locus {
        let locus = Locus::parse(text, &session.genome.chroms).map_err(|e| Failure::Usage(format!("--locus {text}: {e}")))?;
        let region = match locus {
            Locus::Region(region) => region,
            Locus::Name(name) => return Ok(vec![find(&name).ok_or_else(|| unknown(&name))?]),
            Locus::Position(chrom, position) => {
                let nearest = genes.nearest_tss(&chrom, position, session.genome.tss);
                return Ok(vec![nearest.ok_or_else(|| Failure::Usage(format!("--locus {text}: no gene on {chrom}")))?]);
            }
        };
        let inside: Vec<GeneId> = genes
            .iter()
            .filter(|(_, gene)| gene.region.chrom == region.chrom && region.contains(gene.tss(session.genome.tss)))
            .map(|(id, _)| id)
            .collect();
        return match inside.is_empty() {
            true => Err(Failure::Usage(format!("--locus {text}: no gene has its TSS in {region}"))),
            false => Ok(inside),
        };
    }
    let coding: Vec<GeneId> = genes.iter().filter(|(_, g)| g.biotype == "protein_coding").map(|(id, _)| id).collect();
    if coding.is_empty() {
        return Ok(genes.iter().map(|(id, _)| id).collect());
    }
    if coding.len() < genes.len() {
        eprintln!(
            "cislens: {} genes that are not protein-coding are left out (--genes FILE takes any)",
            genes.len() - coding.len()
        );
    }
    Ok(coding)
}

/// Genes of a file in its order, each once; names that are none are counted and listed.
pub(super) fn listed_genes(path: &Path, session: &Session) -> Result<Vec<GeneId>, Failure> {
    let text = read_text_or_pipe(path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
    let (mut found, mut seen, mut unknown) = (Vec::new(), BTreeSet::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let name = line.split(['\t', ',', ' ']).next().unwrap_or_default();
        match session.genome.genes.find(name) {
            Some(id) if seen.insert(id) => found.push(id),
            Some(_) => {}
            None => unknown.push(name),
        }
    }
    let more = if unknown.len() > LISTED { ", ..." } else { "" };
    let listed = unknown.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if found.is_empty() {
        let reason = if unknown.is_empty() {
            "no name in it".to_owned()
        } else {
            format!("no gene of the session in it ({listed}{more})")
        };
        return Err(anyhow::anyhow!("{}: {reason}", path.display()).into());
    }
    if !unknown.is_empty() {
        let n = unknown.len();
        eprintln!(
            "cislens: {}",
            clean_text(&format!("{}: {n} names are no gene of the session: {listed}{more}", path.display()))
        );
    }
    Ok(found)
}

impl Inputs {
    /// Number of inputs.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Genes(genes) => genes.genes.len(),
            Self::Arrays(arrays) => arrays.len(),
        }
    }

    /// Which inputs these are, in words that no other choice of inputs shares.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Genes(genes) => {
                let ids = genes.genes.iter().map(|id| genes.session.genome.genes.get(*id).id.as_str());
                format!("sample {} {}", genes.sample.0, ids.collect::<Vec<_>>().join(","))
            }
            Self::Arrays(arrays) => format!("arrays {}", arrays.hash()),
        }
    }

    /// What messages call an input.
    pub(super) fn name(&self, i: usize) -> String {
        match self {
            Self::Genes(g) => g.session.genome.genes.get(g.genes[i]).name.clone(),
            Self::Arrays(_) => format!("input {}", i + 1),
        }
    }

    /// A reader for one thread.
    pub(super) fn reader(&self) -> InputReader<'_> {
        match self {
            Self::Genes(genes) => InputReader::Genes(Box::new(Readers::new(genes.session.clone()))),
            Self::Arrays(arrays) => InputReader::Arrays(arrays),
        }
    }

    /// Reads one input of the network.
    pub(super) fn read(&self, reader: &mut InputReader<'_>, i: usize, manifest: &Manifest) -> Result<Input, String> {
        match (self, reader) {
            (Self::Genes(genes), InputReader::Genes(readers)) => {
                let gene = genes.session.genome.genes.get(genes.genes[i]);
                let window = manifest.window_of(gene, genes.session.genome.tss);
                let mut source = crate::models::SampleSource::new(readers, genes.sample, manifest);
                Input::assemble(manifest, &window, &mut source).map_err(|e| e.to_string())
            }
            (_, InputReader::Arrays(arrays)) => arrays.read(i, manifest).map_err(|e| e.to_string()),
            (Self::Arrays(_), InputReader::Genes(_)) => Err("a reader of another input".to_owned()),
        }
    }
}
