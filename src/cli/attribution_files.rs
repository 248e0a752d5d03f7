//! Files of attributions: arrays and tables (one row an input), values along the genome, seqlets.

use super::Failure;
use super::attribute::said;
use super::input::Inputs;
use super::output::{Output, Table, place, push_output};
use crate::attribution::{Attribution, MutagenesisView, worth_of_bases};
use crate::genome::{BASES, ChromSizes, Window};
use crate::models::{Input, Manifest, Model};
use crate::motifs::{CalledSeqlet, Collection, call_seqlets};
use crate::tracks::{Array, NpzRows, SignalInterval, TrackError, Values, clean_text, write_bigwig, write_whole};
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What of a result is written to files of values a base.
pub(super) struct FileSettings {
    /// How four values a base become one.
    pub view: MutagenesisView,
    /// `dna` or a mark; `None` for DNA where it is explained, else all marks.
    pub of: Option<String>,
    /// Motifs that seqlets are compared with.
    pub motifs: Option<PathBuf>,
}

/// A file under way.
pub(super) struct AttributionFile {
    path: PathBuf,
    settings: FileSettings,
    kind: Kind,
    /// Names of what pairs are of, the same for every input.
    units: Vec<String>,
}

enum Kind {
    /// Arrays or a table.
    Rows(Output),
    /// Values along the genome, and whether the file is a bigWig.
    Values(GenomeValues, bool),
    Seqlets {
        lines: Vec<(Arc<str>, i64, String)>,
        motifs: Collection,
    },
}

/// Bases of a stretch whose sums are kept together.
const STRETCH: u64 = 4096;

type SumAndCount = (f32, u32);

/// Sums and counts of values at bases, for those that any window covers.
#[derive(Default)]
struct GenomeValues {
    stretches: BTreeMap<(Arc<str>, u64), Vec<SumAndCount>>,
}

impl AttributionFile {
    /// By the ending of the name; that it can be written shows before the work begins.
    pub(super) fn open(path: &Path, settings: FileSettings) -> Result<Self, Failure> {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let kind = match ending.as_str() {
            "bw" | "bigwig" => Kind::Values(GenomeValues::default(), true),
            "bedgraph" | "bg" => Kind::Values(GenomeValues::default(), false),
            "bed" => {
                let motifs = Collection::open(settings.motifs.as_deref())?;
                Kind::Seqlets { lines: Vec::new(), motifs }
            }
            "npz" | "tsv" => Kind::Rows(Output::open(path)?),
            _ => {
                let text = format!("--out {}: it ends in .npz, .tsv, .bw, .bedgraph or .bed", path.display());
                return Err(Failure::Usage(text));
            }
        };
        NpzRows::new(path)?; // the folder can be written to
        Ok(Self { path: path.to_owned(), settings, kind, units: Vec::new() })
    }

    /// Whether it can hold what the inputs give.
    pub(super) fn check(&self, inputs: &Inputs, manifest: &Manifest) -> Result<(), Failure> {
        if !matches!(self.kind, Kind::Rows(_)) && matches!(inputs, Inputs::Arrays(_)) {
            return Err(Failure::Usage(format!("--out {}: plain arrays have no place on a genome", self.path.display())));
        }
        match &self.settings.of {
            Some(of) if of != "dna" && !manifest.input.marks.contains(of) => {
                Err(Failure::Usage(format!("--of {of}: none of dna, {}", manifest.input.marks.join(", "))))
            }
            _ => Ok(()),
        }
    }

    /// Takes in the result of an input.
    pub(super) fn push(
        &mut self,
        inputs: &Inputs,
        i: usize,
        model: &dyn Model,
        input: &Input,
        result: &Attribution,
    ) -> Result<(), Failure> {
        let manifest = model.manifest();
        match &mut self.kind {
            Kind::Rows(Output::Npz(rows)) => {
                if let (Some(pairs), true) = (&result.pairs, self.units.is_empty()) {
                    self.units.clone_from(&pairs.units);
                }
                Ok(push_arrays(rows, model, input, result)?)
            }
            Kind::Rows(Output::Tsv(table)) => {
                push_line(table, manifest, inputs, i, (&input.window, result));
                Ok(())
            }
            Kind::Values(values, _) => {
                let of_bases = values_of_bases(manifest, input, result, &self.settings)?;
                let Inputs::Genes(genes) = inputs else { return Ok(()) };
                values.add(&input.window, &of_bases, &genes.session.genome.chroms);
                Ok(())
            }
            Kind::Seqlets { lines, motifs } => {
                let of_bases = values_of_bases(manifest, input, result, &self.settings)?;
                let sequence =
                    input.sequence.as_ref().ok_or_else(|| anyhow!("seqlets are of DNA, which the model does not read"))?;
                let called = call_seqlets(&input.window, sequence, &of_bases, motifs, &|| true).unwrap_or_default();
                for CalledSeqlet { region, seqlet, motif } in called {
                    let (motif, q) = motif.unwrap_or_else(|| (".".to_owned(), 1.0));
                    let score = (-10.0 * seqlet.p_value.max(1e-300).log10()).clamp(0.0, 1000.0);
                    let line = format!(
                        "{}\t{}\t{}\t{}\t{score:.0}\t{}\t{}\t{:.3e}\t{q:.3e}\t{}\n",
                        region.chrom,
                        region.start,
                        region.end,
                        clean_text(&motif),
                        input.window.strand(),
                        seqlet.attribution as f32,
                        seqlet.p_value,
                        clean_text(&inputs.name(i)),
                    );
                    lines.push((region.chrom.clone(), region.start as i64, line));
                }
                Ok(())
            }
        }
    }

    /// Writes everything: `windows` are the places of the inputs `kept`, `provenance` what made the results.
    pub(super) fn finish(self, inputs: &Inputs, kept: &[usize], windows: &[Window], provenance: &str) -> Result<(), Failure> {
        let path = &self.path;
        let write = |path: &Path, text: &str| {
            write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))
        };
        let what = format!("{}; {}", clean_text(provenance), self.settings.said());
        match self.kind {
            Kind::Rows(output) => {
                let named = if self.units.is_empty() { Vec::new() } else { vec![("units", Array::text(self.units))] };
                output.finish(inputs, (kept, windows), named, provenance)
            }
            Kind::Values(values, is_bigwig) => {
                let Inputs::Genes(genes) = inputs else { return Ok(()) };
                let signal = values.intervals();
                if is_bigwig {
                    write_bigwig(path, &genes.session.genome.chroms, &signal, &[])?;
                    // A bigWig has no place for words.
                    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                    return Ok(write(&path.with_file_name(format!("{name}.txt")), &format!("{what}\n"))?);
                }
                let mut text = format!("# {what}\n");
                for (chrom, intervals) in &signal {
                    for i in intervals {
                        text += &format!("{chrom}\t{}\t{}\t{}\n", i.start, i.end, i.value);
                    }
                }
                Ok(write(path, &text)?)
            }
            Kind::Seqlets { mut lines, .. } => {
                lines.sort_by(|a, b| (&a.0, a.1, &a.2).cmp(&(&b.0, b.1, &b.2)));
                let head = "#chrom\tstart\tend\tmotif\tscore\tstrand\tattribution\tp_value\tq_value\tgene\n";
                let body: String = lines.into_iter().map(|(_, _, line)| line).collect();
                Ok(write(path, &format!("# {what}\n{head}{body}"))?)
            }
        }
    }
}

impl FileSettings {
    fn said(&self) -> String {
        let of = self.of.as_ref().map_or_else(String::new, |of| format!(" of {of}"));
        format!("view {}{of}; windows that overlap are averaged", self.view.name())
    }
}

/// One value a base of the window, in the network's direction: what is drawn and written of a result.
fn values_of_bases(
    manifest: &Manifest,
    input: &Input,
    result: &Attribution,
    settings: &FileSettings,
) -> Result<Vec<f32>, Failure> {
    let length = input.window.len() as usize;
    let spread = |values: Vec<f32>| -> Vec<f32> {
        let n = values.len().max(1);
        (0..length).map(|base| values.get(base * n / length).copied().unwrap_or(f32::NAN)).collect()
    };
    let wants = |name: &str| settings.of.as_deref().is_none_or(|of| of == name);
    if let Some(sequence) = result.sequence.as_ref().filter(|_| wants("dna")) {
        let reference = input.sequence.as_deref().unwrap_or_default();
        return Ok(worth_of_bases(settings.view.values(sequence, reference), result.method, &input.window));
    }
    if let Some(marks) = result.marks.as_ref().filter(|_| settings.of.as_deref() != Some("dna")) {
        let names = &manifest.input.marks;
        let chosen: Vec<usize> = (0..names.len()).filter(|&i| wants(&names[i])).collect();
        let k = names.len().max(1);
        let values: Vec<f32> = marks.chunks_exact(k).map(|row| chosen.iter().map(|&i| row[i]).sum()).collect();
        let is_by_base = manifest.input.bin_size == 1;
        return Ok(spread(if is_by_base { worth_of_bases(values, result.method, &input.window) } else { values }));
    }
    match (&result.profile, &settings.of) {
        (Some(profile), None) => Ok(spread(profile.clone())),
        (_, Some(of)) => Err(Failure::Usage(format!("--of {of}: {} says nothing about it", result.method))),
        (None, None) => Err(Failure::Usage(format!("{} gives no value a base", result.method))),
    }
}

impl GenomeValues {
    fn add(&mut self, window: &Window, values: &[f32], chroms: &ChromSizes) {
        let len = chroms.len_of(window.chrom()).unwrap_or(0);
        for (index, &value) in values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let position = window.position(index as u64);
            if (0..len as i64).contains(&position) {
                let position = position as u64;
                let stretch = self.stretches.entry((window.chrom().clone(), position / STRETCH));
                let at = &mut stretch.or_insert_with(|| vec![(0.0, 0); STRETCH as usize])[(position % STRETCH) as usize];
                *at = (at.0 + value, at.1 + 1);
            }
        }
    }

    /// Means as intervals of equal neighbours.
    fn intervals(&self) -> Vec<(Arc<str>, Vec<SignalInterval>)> {
        let mut all: Vec<(Arc<str>, Vec<SignalInterval>)> = Vec::new();
        for ((chrom, stretch), values) in &self.stretches {
            if all.last().is_none_or(|(last, _)| last != chrom) {
                all.push((chrom.clone(), Vec::new()));
            }
            let Some((_, intervals)) = all.last_mut() else { continue };
            for (i, (sum, n)) in values.iter().enumerate().filter(|(_, (_, n))| *n > 0) {
                let (start, value) = (stretch * STRETCH + i as u64, sum / *n as f32);
                match intervals.last_mut() {
                    Some(last) if last.end == start && last.value.to_bits() == value.to_bits() => last.end += 1,
                    _ => intervals.push(SignalInterval { start, end: start + 1, value }),
                }
            }
        }
        all
    }
}

/// `sequence` in A,C,G,T; marks as they were read: `marks` by base, `x` by bin.
fn push_arrays(rows: &mut NpzRows, model: &dyn Model, input: &Input, result: &Attribution) -> Result<(), TrackError> {
    if let Some(sequence) = &result.sequence {
        rows.push("sequence", &Array::f32(&[sequence.len(), BASES.len()], sequence.concat()))?;
    }
    if let Some(marks) = &result.marks {
        let name = if model.manifest().input.bin_size == 1 { "marks" } else { "x" };
        rows.push(name, &Array::f32(&[input.positions(), input.n_marks()], marks.clone()))?;
    }
    for (name, values) in [("expression", &result.expression), ("motif_scores", &result.motif_scores)] {
        if let Some(values) = values {
            rows.push(name, &Array::f32(&[values.len()], values.clone()))?;
        }
    }
    if let Some(profile) = &result.profile {
        rows.push("profile", &Array::f32(&[profile.len()], profile.clone()))?;
    }
    if let Some(pairs) = &result.pairs {
        rows.push("pairs", &Array::f32(&[pairs.units.len(), pairs.units.len()], pairs.values.clone()))?;
    }
    push_output(rows, model, result.score)?;
    let numbers = [("delta", result.delta), ("gap", result.gap), ("standard_error", result.standard_error)];
    for (name, number) in numbers {
        if let Some(number) = number {
            rows.push(name, &Array { shape: Vec::new(), values: Values::F64(vec![number]) })?;
        }
    }
    Ok(())
}

fn push_line(table: &mut Table, manifest: &Manifest, inputs: &Inputs, i: usize, (window, result): (&Window, &Attribution)) {
    let mut fields = place(inputs, i, window);
    fields.push(("input_hash".to_owned(), result.input_hash.clone()));
    fields.push(("settings".to_owned(), said(result)));
    let mut add = |name: &str, value: f64| fields.push((name.to_owned(), (value as f32).to_string()));
    add("output", result.score);
    if let (Some(delta), Some(gap)) = (result.delta, result.gap) {
        add("delta", delta);
        add("gap", gap);
    }
    if let Some(error) = result.standard_error {
        add("standard_error", error);
    }
    let sum = |values: &mut dyn Iterator<Item = f32>| values.filter(|v| v.is_finite()).map(f64::from).sum::<f64>();
    if let Some(sequence) = &result.sequence {
        add("DNA", sum(&mut sequence.iter().flatten().copied()));
    }
    if let Some(values) = &result.marks {
        let k = manifest.input.marks.len();
        for (channel, mark) in manifest.input.marks.iter().enumerate() {
            add(mark, sum(&mut values.iter().skip(channel).step_by(k).copied()));
        }
    }
    for (name, values) in [("TF_expression", &result.expression), ("motif_scores", &result.motif_scores)] {
        if let Some(values) = values {
            add(name, sum(&mut values.iter().copied()));
        }
    }
    if let Some(profile) = &result.profile {
        add("profile", sum(&mut profile.iter().copied()));
    }
    table.push(fields);
}
