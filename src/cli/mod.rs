//! The command line: arguments to the loop, or one answer and exit. Exit status: 0 done, 1 failed, 2 asked wrongly,
//! 130 interrupted.

/// As `println!`, but for a reader that has gone: files are written all the same.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::stdout::say(format_args!($($text)*)) };
}

mod arrays;
mod attribute;
mod attribution_files;
mod batch;
mod cache;
mod check;
mod config;
mod cores;
mod count;
mod cuda_program;
mod device;
mod differential;
mod disagreement;
mod enrich;
mod evaluate;
mod import;
mod init;
mod input;
mod interrupt;
mod journal;
mod kept;
mod liftover;
mod list;
mod motifs;
mod opening;
mod output;
mod pages;
mod predict;
mod render;
mod serve;
mod simulate;
mod minimal;
mod stdout;
mod train;
mod variants;
mod view;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// A terminal genome browser for what gene-regulation models see.
#[derive(Parser, Debug)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    view: view::ViewArgs,
}

/// Every command; help, completions and the manual are made from this table.
#[derive(Subcommand, Debug)]
enum Command {
    /// Open a session or files in the browser (what `cislens FILE...` does)
    View(view::ViewArgs),
    /// Write a figure of a locus, without a terminal
    Render(render::RenderArgs),
    /// Write a session file from a list of files
    Init(init::InitArgs),
    /// Find everything that is wrong with a session
    Check(check::CheckArgs),
    /// Make the sample genome with its truth
    Simulate(simulate::SimulateArgs),
    /// Read a published checkpoint into a model folder
    Import(import::ImportArgs),
    /// Count reads in bins or windows
    Count(count::CountArgs),
    /// Find a place, or the rows of a BED, in another assembly
    Liftover(liftover::LiftOverArgs),
    /// Fit a network to a sample
    Train(train::TrainArgs),
    /// Judge a model on genes, beside baselines and other models
    Evaluate(evaluate::EvaluateArgs),
    /// Predict for genes or arrays
    Predict(predict::PredictArgs),
    /// Explain predictions for genes or arrays
    Attribute(attribute::AttributeArgs),
    /// Score the variants of a VCF for every gene whose window holds them
    Variants(variants::VariantsArgs),
    /// Say why genes are predicted differently in two samples or by two models
    Differential(differential::DifferentialArgs),
    /// List genes and places by how far two models, samples or methods disagree
    Disagreement(disagreement::DisagreementArgs),
    /// Find the smallest change of the input that turns a gene
    MinimalChange(minimal::MinimalArgs),
    /// Find elements that a model attends to together over samples
    Cores(cores::CoresArgs),
    /// Compare the bins a model attends to with annotations, marks and expression
    Enrich(enrich::EnrichArgs),
    /// Say which motifs and transcription factors a model goes by
    Motifs(motifs::MotifsArgs),
    /// Say what results are kept on disk, or remove them
    Cache(cache::CacheArgs),
    /// Say what is set, or print every setting with its default
    Config(config::ConfigArgs),
    /// Write the completions of a shell to standard output
    Completions(pages::CompletionsArgs),
    /// Write the manual page to standard output (cislens man | man -l -)
    Man,
    /// Answer requests for a model on standard input (docs/external.md)
    Serve(serve::ServeArgs),
    /// Print what there is: models, methods, formats, themes, keys
    List(list::ListArgs),
}

/// Why a command gave up, with its exit status.
enum Failure {
    /// Asked wrongly: 2.
    Usage(String),
    /// Anything else: 1.
    Failed(anyhow::Error),
    /// Stopped by a signal: 130.
    Interrupted,
    /// The same, with something to say of what was kept.
    Stopped(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    // Before any thread: candle's small matrix products drown in thread start-up with more than one of its threads.
    // Our own pools do the parallel work.
    set_candle_threads();
    allow_many_files();
    silence_contained_panics();
    let matches = Cli::command().get_matches();
    if device::may_be_cuda(&matches) {
        cuda_program::hand_over();
    }
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    // The browser runs for hours with every network in turn, whose blocks are of no use to each other.
    if !matches!(cli.command, None | Some(Command::View(_))) {
        crate::models::keep_freed_blocks();
    }
    if keeps_on_disk(&cli) {
        opening::keep_genes();
    }
    let done = match cli.command {
        None => view::run(&cli.view),
        Some(Command::View(args)) => view::run(&args),
        Some(Command::Render(args)) => render::run(&args),
        Some(Command::Init(args)) => init::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Simulate(args)) => simulate::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Count(args)) => count::run(&args),
        Some(Command::Liftover(args)) => liftover::run(&args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Evaluate(args)) => evaluate::run(&args),
        Some(Command::Predict(args)) => predict::run(&args),
        Some(Command::Attribute(args)) => attribute::run(&args),
        Some(Command::Variants(args)) => variants::run(&args),
        Some(Command::Differential(args)) => differential::run(&args),
        Some(Command::Disagreement(args)) => disagreement::run(&args),
        Some(Command::MinimalChange(args)) => minimal::run(&args),
        Some(Command::Cores(args)) => cores::run(&args),
        Some(Command::Enrich(args)) => enrich::run(&args),
        Some(Command::Motifs(args)) => motifs::run(&args),
        Some(Command::Cache(args)) => cache::run(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::Completions(args)) => pages::completions(&args),
        Some(Command::Man) => pages::man(),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::List(args)) => list::run(&args),
    };
    // A command of an external model may hang, and would stay behind.
    crate::models::stop_commands();
    match done.and_then(|()| stdout::check()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            complain(&message);
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::from(1)
        }
        Err(Failure::Stopped(message)) => {
            eprintln!("cislens: {}", crate::tracks::clean_text(&message));
            ExitCode::from(130)
        }
        Err(Failure::Interrupted) => {
            eprintln!("cislens: interrupted, nothing written");
            ExitCode::from(130)
        }
    }
}

/// A library's panic that is caught is told as an error of the file, once.
fn silence_contained_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !crate::tracks::is_contained_panic() {
            print(info);
        }
    }));
}

/// Whether anything may be kept on disk for the next run.
fn keeps_on_disk(cli: &Cli) -> bool {
    let asked = match &cli.command {
        None => cli.view.cache,
        Some(Command::View(args)) => args.cache,
        Some(_) => None,
    };
    // Settings that cannot be read are an error wherever they are needed.
    let set = || config::read().ok().and_then(|settings| settings.cache);
    asked.or_else(set) != Some(view::KeptIn::Memory)
}

/// Says on stderr why nothing was done; some reasons are lists.
fn complain(message: &str) {
    for (i, line) in message.lines().enumerate() {
        eprintln!("{}{}", if i == 0 { "cislens: " } else { "" }, crate::tracks::clean_text(line));
    }
}

/// That a table or page can be written, before long work.
fn check_out(option: &str, path: &std::path::Path, ending: &str) -> Result<(), Failure> {
    if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case(ending)) {
        return Err(Failure::Usage(format!("{option} {}: it ends in .{ending}", path.display())));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    tempfile::tempfile_in(folder).map(|_| ()).map_err(|e| anyhow::anyhow!("{}: {e}", folder.display()).into())
}

#[expect(unsafe_code, reason = "the environment is changed before any thread exists")]
fn set_candle_threads() {
    // SAFETY: called first in `run`, before any other thread could read or write the environment.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
}

/// A session of hundreds of samples has as many files as tracks; systems let a program open 1,024 unless it asks for more.
fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    const WANTED: u64 = 10_240;
    let mut limits = getrlimit(Resource::Nofile);
    let allowed = limits.maximum.map_or(WANTED, |most| most.min(WANTED));
    if limits.current.is_some_and(|now| now < allowed) {
        limits.current = Some(allowed);
        // Where the system refuses, a row says that there are too many open files.
        let _ = setrlimit(Resource::Nofile, limits);
    }
}

/// The session to work on: the path given, else the sample data in the working folder or beside the program.
fn find_session(path: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = path {
        return Ok(if path.is_dir() { path.join("session.toml") } else { path.clone() });
    }
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|p| p.join("sample-data")));
    let candidates = [Some(PathBuf::from("sample-data")), beside];
    let found = candidates.into_iter().flatten().map(|folder| folder.join("session.toml")).find(|file| file.is_file());
    found.ok_or_else(|| {
        Failure::Usage(
            "no session given and no sample-data here: name a session.toml or files, or run cislens simulate".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_table_of_commands_is_sound() {
        Cli::command().debug_assert();
    }
}
