//! `cislens attribute`: explanations for genes or arrays.

use super::batch::for_each;
use super::input::{InputArgs, Inputs, open};
use super::output::{Output, Table, place, provenance, push_output};
use super::{Failure, interrupt};
use crate::attribution::{self, Attribution, METHODS, Method, Options, Run};
use crate::genome::{BASES, Window};
use crate::models::{Input, Manifest, Model};
use crate::tracks::{Array, NpzRows, TrackError, Values};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct AttributeArgs {
    /// How to explain, as cislens list methods prints
    method: String,
    /// Folder of a model, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// File to write: arrays (.npz, in the model's orientation) or sums, one line a gene (.tsv)
    #[arg(long, value_name = "F")]
    out: PathBuf,
    /// Integrated gradients: nodes of the path [default: 81]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Occlusion: bases blanked at once where the model reads marks base by base [default: 50]
    #[arg(long, value_name = "BASES")]
    block: Option<usize>,
}

pub(super) fn run(args: &AttributeArgs) -> Result<(), Failure> {
    let method = find_method(&args.method)?;
    let options = options(args, method)?;
    let mut output = Output::open(&args.out)?;
    let (model, inputs) = open(&args.input, &args.model)?;
    let manifest = model.manifest();
    if let Some(reason) = method.obstacle(&*model) {
        return Err(Failure::Usage(format!("{} says nothing about model {}: {reason}", method.name(), manifest.name)));
    }
    let (mut windows, mut settings) = (Vec::new(), String::new());
    let done = for_each(
        inputs.len(),
        args.input.threads,
        || inputs.reader(),
        |reader, i, report| {
            let input = inputs.read(reader, i, manifest)?;
            let is_current = || !interrupt::is_interrupted();
            let mut partial = |part: &Attribution| report(part.done as f64 / part.total.max(1) as f64);
            let mut run = Run::new(&is_current, &mut partial);
            let result = method.attribute(&*model, &input, &options, &mut run).map_err(|e| e.to_string())?;
            Ok((input, result))
        },
        |i, (input, result)| {
            match &mut output {
                Output::Npz(rows) => push_arrays(rows, &*model, &input, &result)?,
                Output::Tsv(table) => push_line(table, manifest, &inputs, i, (&input.window, &result)),
            }
            settings = result.settings;
            windows.push(input.window);
            Ok(())
        },
    )?;
    done.say(|i| inputs.name(i))?;
    let made = format!("{}; {}: {settings}", provenance("attribute", manifest, &inputs), method.name());
    output.finish(&inputs, &done.kept, &windows, &made)?;
    println!("{}: {} of {} inputs of {}", args.out.display(), method.name(), done.kept.len(), manifest.name);
    Ok(())
}

fn find_method(name: &str) -> Result<&'static dyn Method, Failure> {
    attribution::method(name).ok_or_else(|| {
        let names: Vec<&str> = METHODS.iter().map(|m| m.name()).collect();
        Failure::Usage(format!("no method \"{name}\"; there are {}", names.join(", ")))
    })
}

/// Settings of another method are refused: they would change nothing.
fn options(args: &AttributeArgs, method: &dyn Method) -> Result<Options, Failure> {
    let mut options = method.defaults();
    for (option, value, owner) in [("--steps", args.steps, "integrated-gradients"), ("--block", args.block, "occlusion")] {
        match value {
            Some(0) => return Err(Failure::Usage(format!("{option} 0: at least 1"))),
            Some(_) if method.name() != owner => return Err(Failure::Usage(format!("{option} is for {owner}"))),
            Some(n) if option == "--steps" => options.n_steps = n,
            Some(n) => options.block = n,
            None => {}
        }
    }
    Ok(options)
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
    match result.delta {
        Some(delta) => rows.push("delta", &Array { shape: Vec::new(), values: Values::F64(vec![delta]) }),
        None => Ok(()),
    }
}

fn push_line(table: &mut Table, manifest: &Manifest, inputs: &Inputs, i: usize, (window, result): (&Window, &Attribution)) {
    let mut fields = place(inputs, i, window);
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
