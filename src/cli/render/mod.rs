//! `cislens render`: figures without a terminal.

mod args;
mod betas;
mod choices;
mod compose;
mod cores;
mod each;
mod filters;
mod loci;
mod page;
mod predicted;
mod tfs;

pub(super) use args::RenderArgs;

use super::Failure;
use crate::export::{self, Protocol, ValueFormat};
use crate::tracks::{TrackError, clean_text, write_whole};
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a figure that is only shown is called in the command it names.
const UNWRITTEN: &str = "figure.svg";

pub(super) fn run(args: &RenderArgs) -> Result<(), Failure> {
    let figure = args.figure.clone().or_of_figure_file()?;
    figure.width_mm()?;
    figure.dpi()?;
    if let (Some(list), Some(folder)) = (&args.each, &args.out) {
        return each::run(&figure, list, folder, &args.format, args.threads);
    }
    if let Some(out) = &args.out {
        args::check_out(out)?;
    }
    for path in args.data.iter().chain(&args.save) {
        args::check_folder(path)?;
    }
    if let Some(path) = args.data.iter().find(|path| ValueFormat::of(path).is_none()) {
        let name = path.display();
        return Err(Failure::Usage(format!("--data {name}: values are written as .tsv, .npz, .bw, .bedGraph or .bed")));
    }
    let out = args.out.as_deref().unwrap_or(Path::new(UNWRITTEN));
    let made = compose::compose(&figure, out, true)?;
    for message in &made.messages {
        eprintln!("cislens: {}", clean_text(message));
    }
    if args.preview {
        let protocol = Protocol::detect(|name| std::env::var(name).ok());
        let ground = made.options.theme.colour("background");
        let text = export::preview(&made.svg, protocol, (crate::app::terminal_columns(), u16::MAX), ground)?;
        std::io::stdout().write_all(text.as_bytes()).context("the terminal")?;
    }
    if let Some(out) = &args.out {
        export::write(out, &made.svg, &made.options)?;
        let size = std::fs::metadata(out).map_or(0, |m| m.len().div_ceil(1_000));
        let rows = if made.scenes.is_empty() { String::new() } else { format!(", {} rows", made.n_rows()) };
        say!("{}: {}{rows}, {size} kB", out.display(), clean_text(&made.places));
    }
    let is_table = |path: &&PathBuf| path.extension().is_some_and(|e| e == "tsv");
    if let (Some(table), [path]) = (&made.table, &args.data[..])
        && is_table(&path)
    {
        write_whole(path, |out| out.write_all(table.as_bytes()).map_err(|e| TrackError::io(path, e)))?;
        say!("{}: values", path.display());
    } else if let (Some(path), true) = (args.data.first(), made.scenes.is_empty()) {
        return Err(Failure::Usage(format!("--data {}: this kind of figure has no values along the genome", path.display())));
    }
    for path in args.data.iter().filter(|_| made.table.is_none()) {
        let made_by = export::made_by(&made.scenes[0], &made.provenance);
        for file in export::write_values(path, &made.scenes, &made.chroms, &made_by)? {
            say!("{}: values", file.display());
        }
    }
    if let Some(path) = &args.save {
        let text = figure.to_file()?;
        write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?;
        say!("{}: remakes the figure", path.display());
    }
    Ok(())
}
