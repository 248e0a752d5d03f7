//! `cislens predict`: predictions for genes or arrays.

use super::Failure;
use super::batch::for_each;
use super::input::{InputArgs, InputReader, Inputs, open};
use super::output::{Output, Table, place, provenance, push_output};
use crate::genome::Window;
use crate::jobs::{Prediction, measured_signal, predict_input};
use crate::models::{Model, OutputKind};
use crate::tracks::{Array, NpzRows, TrackError};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct PredictArgs {
    /// Folder of a model, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// File to write: arrays (.npz, in the model's orientation) or one line a gene (.tsv)
    #[arg(long, value_name = "F")]
    out: PathBuf,
}

pub(super) fn run(args: &PredictArgs) -> Result<(), Failure> {
    let mut output = Output::open(&args.out)?;
    let (model, inputs) = open(&args.input, &args.model)?;
    let manifest = model.manifest();
    let mut windows = Vec::new();
    let done = for_each(
        inputs.len(),
        args.input.threads,
        || inputs.reader(),
        |reader, i, _| {
            let input = inputs.read(reader, i, manifest)?;
            let prediction = predict_input(&*model, &input).map_err(|e| e.to_string())?;
            let measured = match (&inputs, reader) {
                (Inputs::Genes(genes), InputReader::Genes(readers)) => {
                    measured_signal(manifest, genes.sample, &input.window, readers)
                }
                _ => None,
            };
            Ok((input.window, Prediction { measured, ..prediction }))
        },
        |i, (window, prediction)| {
            match &mut output {
                Output::Npz(rows) => push_arrays(rows, &*model, &prediction)?,
                Output::Tsv(table) => push_line(table, &*model, &inputs, i, (&window, &prediction)),
            }
            windows.push(window);
            Ok(())
        },
    )?;
    done.say(|i| inputs.name(i))?;
    output.finish(&inputs, (&done.kept, &windows), Vec::new(), &provenance("predict", manifest, &inputs))?;
    say!("{}: {} predictions of {}", args.out.display(), done.kept.len(), manifest.name);
    Ok(())
}

/// The output and the network's attention: `attention` over bins, or `alpha` over the bins of each mark and `beta` over marks.
fn push_arrays(rows: &mut NpzRows, model: &dyn Model, prediction: &Prediction) -> Result<(), TrackError> {
    push_output(rows, model, prediction.score)?;
    match (&prediction.attention[..], &prediction.mark_attention[..]) {
        ([], _) => Ok(()),
        ([weights], []) => rows.push("attention", &Array::f32(&[weights.len()], weights.clone())),
        (alpha, beta) => {
            rows.push("alpha", &Array::f32(&[alpha.len(), alpha[0].len()], alpha.concat()))?;
            if beta.is_empty() {
                return Ok(());
            }
            rows.push("beta", &Array::f32(&[beta.len()], beta.to_vec()))
        }
    }
}

fn push_line(table: &mut Table, model: &dyn Model, inputs: &Inputs, i: usize, (window, prediction): (&Window, &Prediction)) {
    let manifest = model.manifest();
    let mut fields = place(inputs, i, window);
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    match model.published_output(prediction.score)[..] {
        [output] => add("output", (output as f32).to_string()),
        // Several outputs of a classifier say what its logit says.
        _ => add("output", (prediction.score as f32).to_string()),
    }
    if manifest.output.kind == OutputKind::Binary {
        add("probability", (prediction.output as f32).to_string());
    }
    if let Inputs::Genes(genes) = inputs {
        let session = &genes.session;
        let gene = session.genome.genes.get(genes.genes[i]);
        let unit = session.samples.get(genes.sample.0).map_or("", |s| s.unit.as_str());
        let (name, measured) = match &manifest.output.signal {
            Some(target) => (format!("measured_{}", target.mark), prediction.measured),
            None if unit.is_empty() => ("measured".to_owned(), session.expression(genes.sample, gene)),
            None => (format!("measured_{unit}"), session.expression(genes.sample, gene)),
        };
        add(&name, measured.map_or_else(|| "NA".to_owned(), |v| v.to_string()));
        let len = session.genome.chroms.len_of(window.chrom()).unwrap_or(0);
        add("off_chromosome", window.bases_off(len).to_string());
        for (mark, missing) in manifest.input.marks.iter().zip(&prediction.missing) {
            add(&format!("missing_{mark}"), missing.to_string());
        }
    }
    add("input_hash", prediction.input_hash.clone());
    table.push(fields);
}
