//! What `cislens render` is asked for: options, or a figure file that holds the same by the same names.

use super::super::Failure;
use crate::attribution::METHODS;
use crate::export::{DOUBLE_MM, DPI, PictureFormat, SINGLE_MM, WIDTHS_MM};
use crate::jobs::Analysis;
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The first key of a figure file: the version of its form.
const VERSION_KEY: &str = "figure";
const VERSION: i64 = 1;

#[derive(Args, Debug)]
pub(in crate::cli) struct RenderArgs {
    #[command(flatten)]
    pub figure: FigureArgs,
    /// The figure to write (.svg, .pdf or .png); with --each the folder of figures
    #[arg(short, long, required_unless_present_any = ["preview", "save"])]
    pub out: Option<PathBuf>,
    /// Also write the values drawn: .tsv, .npz, or a file a row as .bw, .bedGraph or .bed; may be repeated
    #[arg(long, value_name = "F")]
    pub data: Vec<PathBuf>,
    /// Remember the figure in a file that cislens render remakes it from
    #[arg(long, value_name = "FIGURE.toml")]
    pub save: Option<PathBuf>,
    /// Show the figure in the terminal
    #[arg(long)]
    pub preview: bool,
    /// One figure for each gene or BED line of a file, into the folder --out; those already there are kept
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with_all = ["preview", "save", "data", "locus", "loci"])]
    pub each: Option<PathBuf>,
    /// Format of the figures of --each: svg, pdf or png
    #[arg(long, value_name = "F", default_value = "svg", requires = "each")]
    pub format: String,
    /// Threads of --each; as many as the machine has if not given
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub threads: usize,
}

/// What a figure shows and how: the options of the command and the keys of a figure file.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::cli) struct FigureArgs {
    /// A session.toml, files to show, or a figure file; the sample data where none is given
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
    /// What to draw: a gene, chr1:1,001-2,000 or chr1; where the session opens if not given
    #[arg(short, long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locus: Option<String>,
    /// Several loci as panels: A,B,C or a file of genes or BED lines
    #[arg(long, value_name = "FILE|A,B,C", conflicts_with = "locus")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loci: Option<String>,
    /// Panels side by side
    #[arg(long, value_name = "N", requires = "loci")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// A part to show larger below, base by base with mutagenesis as letters
    #[arg(long, value_name = "LOCUS", conflicts_with = "loci")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoom: Option<String>,
    /// Change bases (alleles of the forward strand) or signals ("blank H3K4me3 chr1:1-500", see README) and show the model's answer
    /// below the one without; may be repeated
    #[arg(long, value_name = "EDIT", conflicts_with_all = ["loci", "zoom"])]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edit: Vec<String>,
    /// The same, in one panel as the browser shows it; may be repeated
    #[arg(long, value_name = "EDIT", conflicts_with_all = ["loci", "zoom"])]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// What kind of figure
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    #[serde(skip_serializing_if = "is_default")]
    pub kind: Kind,
    /// Width of the page: single (85 mm), double (174 mm, if not given) or a number of mm
    #[arg(long, value_name = "MM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<String>,
    /// Dots to the inch of a PNG [default: 300]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpi: Option<f64>,
    /// Colours: print, light, colorblind, dark, or a theme file [default: print]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// The sample to show
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// The model to ask
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A model, a sample or a method to show beside, with the difference
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Let models start the command that model.toml names (docs/external.md)
    #[arg(long)]
    #[serde(skip)]
    pub allow_command: bool,
    /// Let the model read the DNA of another assembly than its own
    #[arg(long)]
    #[serde(skip_serializing_if = "is_default")]
    pub assume_assembly: bool,
    /// The gene to explain; the nearest one if not given
    #[arg(long, conflicts_with = "loci")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gene: Option<String>,
    /// Methods to draw (`cislens list methods`), significant-bins of the attention, or none; ig, occlusion and significant-bins, with
    /// ism for views of 500 bp or less, if not given
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyses: Option<Vec<AnalysisChoice>>,
    /// Mutagenesis as well, however wide the view
    #[arg(long)]
    #[serde(skip_serializing_if = "is_default")]
    pub ism: bool,
    /// The seqlets of the mutagenesis as well, with the motifs they resemble
    #[arg(long)]
    #[serde(skip_serializing_if = "is_default")]
    pub seqlets: bool,
    /// What the model attends to together over samples, as rows
    #[arg(long)]
    #[serde(skip_serializing_if = "is_default")]
    pub cores: bool,
    /// Every sample's rows of marks, a line each (A,B,C; all marks where none is named)
    #[arg(long, value_name = "MARKS", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// Sort signal rows, the highest first: value, a mark, expression, sample or file
    #[arg(long, value_name = "BY", conflicts_with_all = ["loci", "zoom", "edit"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Leave a row out, by its label; may be repeated
    #[arg(long, value_name = "LABEL")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hide: Vec<String>,
    /// Make a row higher (lower) than usual; may be repeated
    #[arg(long, value_name = "LABEL=N", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Rows and how they are drawn, as the [view] and [[row]] of a session file in one line of TOML: what the browser writes under
    /// its figures
    #[arg(long, value_name = "TOML")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Rows from the top, by their labels; others follow
    #[arg(long, value_delimiter = ',', value_name = "LABELS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// Scale of a row; may be repeated
    #[arg(long, value_name = "LABEL=LOW:HIGH", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<String>,
    /// Point a stretch out, with a name if given; may be repeated
    #[arg(long, value_name = "LOCUS[=NAME]")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub highlight: Vec<String>,
    /// Letter of the panel, or of the first of several
    #[arg(long, value_name = "A")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter: Option<char>,
    /// Leave out the lines that say what made the figure; its metadata says it all the same
    #[arg(long)]
    #[serde(skip_serializing_if = "is_default")]
    pub bare: bool,
}

/// Kinds of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Kind {
    /// Rows along the genome, as on the screen
    #[default]
    Tracks,
    /// What the model reads, marks by bins, with its attention below
    Heatmap,
    /// Mean signals around the TSS of many genes (--loci, or all of the session)
    Profile,
    /// What the model's first filters over DNA look for, in the windows of genes (--loci, or the first 100)
    Filters,
    /// Predicted against measured, ROC and precision-recall curves of the genes the model has not seen (or --loci)
    Predicted,
    /// The weight the model gives each mark of a gene, over samples (--data F.tsv writes them too)
    Betas,
    /// The attention to a gene's bins over samples, with the elements attended to together (--data too)
    Cores,
    /// What transcription factors are worth to the model around a gene (or --loci), over samples (--data too)
    Tfs,
}

/// A method by its name or alias, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::cli) struct AnalysisChoice(Option<Analysis>);

impl AnalysisChoice {
    pub(super) fn analysis(self) -> Option<Analysis> {
        self.0
    }
}

impl FromStr for AnalysisChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        if text == Analysis::SignificantBins.method() {
            return Ok(Self(Some(Analysis::SignificantBins)));
        }
        let names = || METHODS.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
        Analysis::of_method(text)
            .map(|analysis| Self(Some(analysis)))
            .ok_or_else(|| format!("none of none, significant-bins, {}", names()))
    }
}

impl TryFrom<String> for AnalysisChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<AnalysisChoice> for String {
    fn from(choice: AnalysisChoice) -> Self {
        choice.0.map_or("none", Analysis::method).to_owned()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl FigureArgs {
    /// The figure of a figure file, where the only file named is one.
    pub(super) fn or_of_figure_file(self) -> Result<Self, Failure> {
        let [path] = &self.files[..] else { return Ok(self) };
        let is_toml = path.extension().is_some_and(|e| e == "toml");
        // What cannot be read is for the session to refuse.
        let Some(text) = is_toml.then(|| std::fs::read_to_string(path).ok()).flatten() else { return Ok(self) };
        let Ok(mut table) = text.parse::<toml::Table>() else { return Ok(self) };
        let Some(version) = table.remove(VERSION_KEY) else { return Ok(self) };
        let name = path.display();
        if version.as_integer() != Some(VERSION) {
            return Err(anyhow!("{name}: {VERSION_KEY} = {version}, this program reads {VERSION}").into());
        }
        if self != (Self { files: self.files.clone(), allow_command: self.allow_command, ..Self::default() }) {
            return Err(Failure::Usage(format!("{name} says what the figure is: no other options but --out, --data, --preview")));
        }
        let allow_command = self.allow_command;
        let mut figure: Self = toml::Value::Table(table).try_into().with_context(|| name.to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        // A file cannot allow what the user has to.
        figure.allow_command = allow_command;
        for file in &mut figure.files {
            *file = folder.join(&*file);
        }
        if let Some(loci) = &mut figure.loci {
            let file = folder.join(&*loci);
            if file.is_file() {
                *loci = file.display().to_string();
            }
        }
        Ok(figure)
    }

    /// The figure as a file. Paths of sessions are as they were given.
    pub(super) fn to_file(&self) -> Result<String, Failure> {
        let table = toml::to_string(self).context("the figure as TOML")?;
        Ok(format!("# cislens render FIGURE.toml --out F remakes this figure.\n{VERSION_KEY} = {VERSION}\n{table}"))
    }

    pub(super) fn width_mm(&self) -> Result<f64, Failure> {
        let mm = match self.width.as_deref() {
            None | Some("double") => return Ok(DOUBLE_MM),
            Some("single") => return Ok(SINGLE_MM),
            Some(text) => text.trim_end_matches("mm").trim().parse::<f64>().ok().filter(|mm| WIDTHS_MM.contains(mm)),
        };
        let (least, most) = (WIDTHS_MM.start(), WIDTHS_MM.end());
        mm.ok_or_else(|| {
            let given = self.width.as_deref().unwrap_or_default();
            Failure::Usage(format!("--width {given}: a figure can be single, double, or {least} to {most} mm wide"))
        })
    }

    pub(super) fn dpi(&self) -> Result<f64, Failure> {
        let dpi = self.dpi.unwrap_or(300.0);
        let (least, most) = (DPI.start(), DPI.end());
        if DPI.contains(&dpi) { Ok(dpi) } else { Err(Failure::Usage(format!("--dpi {dpi}: it can be {least} to {most}"))) }
    }

    pub(super) fn theme(&self) -> &str {
        self.theme.as_deref().unwrap_or("print")
    }
}

/// What can be told to be wrong with a file to be written before anything is read.
pub(super) fn check_out(out: &Path) -> Result<(), Failure> {
    if PictureFormat::of(out).is_none() {
        return Err(Failure::Usage(format!("--out {}: figures are written as .svg, .pdf or .png", out.display())));
    }
    check_folder(out)
}

pub(super) fn check_folder(out: &Path) -> Result<(), Failure> {
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if out.is_dir() {
        return Err(Failure::Failed(anyhow!("{}: this is a folder", out.display())));
    }
    if !folder.is_dir() {
        return Err(Failure::Failed(anyhow!("{}: there is no such folder", folder.display())));
    }
    Ok(())
}
