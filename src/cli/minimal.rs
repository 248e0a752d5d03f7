//! `cislens minimal-change`: the smallest change of the input that turns genes, as lists of edits.

use super::evaluate::Table;
use super::input::{InputArgs, Inputs, open};
use super::kept::{Keeping, for_each_kept};
use super::output::provenance;
use super::{Failure, interrupt};
use crate::attribution::Run;
use crate::regulation::minimal_change::{Found, Search, minimal_change};
use crate::session::Readers;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct MinimalArgs {
    /// Folder of a model, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// What the genes are to be turned to: low, high, a value of F, or the value of another sample by its name
    #[arg(long, value_name = "low|high|F|SAMPLE", allow_hyphen_values = true)]
    to: String,
    /// What may be changed: marks (bins are blanked, or become the other sample's) or bases [default: marks where it reads any]
    #[arg(long, value_name = "marks|bases")]
    by: Option<String>,
    /// Most bins or bases that are changed
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    most: u64,
    /// Table to write (.tsv): a line an edit, as render --edit and the browser read them
    #[arg(long, value_name = "F.tsv")]
    out: PathBuf,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    resume: bool,
}

pub(super) fn run(args: &MinimalArgs) -> Result<(), Failure> {
    if args.out.extension().is_none_or(|e| e != "tsv") {
        return Err(Failure::Usage(format!("--out {}: it ends in .tsv", args.out.display())));
    }
    let (model, inputs) = open(&args.input, &args.model)?;
    let Inputs::Genes(genes) = &inputs else { return Err(Failure::Usage("a change is of genes of a session".to_owned())) };
    let (session, manifest) = (&genes.session, model.manifest());
    let text = format!("{} {}", args.to, args.by.as_deref().unwrap_or_default());
    let search = Search::parse(&text, session, manifest).map_err(|reason| Failure::Usage(format!("--to {text}: {reason}")))?;
    let search = Search { most: args.most as usize, ..search };
    let means = format!("{:?}", search.means).to_lowercase();
    let made = provenance("minimal-change", manifest, &inputs);
    let made_by = format!("{made}; smallest change found greedily: to {} by {means}, {} at most", args.to, search.most);
    let keeping = Keeping { out: &args.out, key: format!("{made_by}; {}", inputs.key()), resume: args.resume };
    let work = |readers: &mut Readers, i: usize| {
        let window = manifest.window_of(session.genome.genes.get(genes.genes[i]), session.genome.tss);
        let is_current = || !interrupt::is_interrupted();
        let mut ignore = |_: &crate::attribution::Attribution| ();
        let run = Run::new(&is_current, &mut ignore);
        minimal_change(&*model, readers, genes.sample, &window, &search, &run, &mut |_, _| ()).map_err(|e| e.to_string())
    };
    let (results, journal) = for_each_kept(
        genes.genes.len(),
        args.input.threads,
        &keeping,
        || Readers::new(session.clone()),
        |readers, i, report| {
            let found = work(readers, i);
            report(1.0);
            found
        },
        |i| inputs.name(i),
    )?;
    let columns = ["gene_id", "gene", "before", "after", "reached", "units", "edit"].map(str::to_owned).to_vec();
    let rows = results.iter().flat_map(|(i, found)| rows(&inputs, *i, found)).collect();
    Table { provenance: made_by, columns, rows }.write(&args.out)?;
    journal.remove();
    let is_there = |found: &Found| found.is_reached && found.edits.is_empty();
    if let [(_, found)] = &results[..] {
        found.edits.iter().for_each(|edit| say!("{edit}"));
        match found {
            found if is_there(found) => say!("F {:.4} is there already: {}", found.before, found.goal),
            Found { before, after, goal, is_reached, .. } => {
                say!("F {before:.4} before, {after:.4} after: {goal}{}", if *is_reached { "" } else { " is not reached" });
            }
        }
    }
    let there = results.iter().filter(|(_, found)| is_there(found)).count();
    let turned = results.iter().filter(|(_, found)| found.is_reached).count() - there;
    let already = if there == 0 { String::new() } else { format!(", {there} there already") };
    say!("{}: {turned} of {} genes turned{already}", args.out.display(), results.len());
    Ok(())
}

/// A line an edit; one without for a gene that needs none.
fn rows(inputs: &Inputs, i: usize, found: &Found) -> Vec<Vec<String>> {
    let Inputs::Genes(genes) = inputs else { return Vec::new() };
    let gene = genes.session.genome.genes.get(genes.genes[i]);
    let number = |x: f64| (x as f32).to_string();
    let row = |edit: &str| {
        let numbers = [number(found.before), number(found.after), found.is_reached.to_string(), found.n_units.to_string()];
        [gene.id.clone(), gene.name.clone()].into_iter().chain(numbers).chain([edit.to_owned()]).collect()
    };
    if found.edits.is_empty() { vec![row("")] } else { found.edits.iter().map(|edit| row(edit)).collect() }
}
