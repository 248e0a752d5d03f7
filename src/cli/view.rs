//! `cislens view`: the browser.

use super::opening::{open_session, watched};
use super::{Failure, cache, config, device, find_session};
use crate::app::{self, Display, Ending, Opened};
use crate::input::Keymap;
use crate::jobs::Caches;
use crate::models::{Commands, DeviceChoice, read_manifest, stop_commands};
use crate::session::{SampleId, open_paths};
use crate::state::{ModelInfo, State};
use crate::theme::Theme;
use crate::ui::{Depth, is_ascii_only};
use anyhow::Context;
use clap::{Args, ValueEnum};
use etcetera::BaseStrategy;
use serde::Deserialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Clone, Debug)]
pub(super) struct ViewArgs {
    /// A session.toml, or files to show; the sample data where none is given
    files: Vec<PathBuf>,
    /// Where to open: a gene, chr1:1,001-2,000 or chr1
    #[arg(short, long)]
    locus: Option<String>,
    /// The sample to show first
    #[arg(long)]
    sample: Option<String>,
    /// The model to use first
    #[arg(long)]
    model: Option<String>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "D", default_value_t)]
    device: DeviceChoice,
    /// Let models start the command that model.toml names (docs/external.md)
    #[arg(long)]
    allow_command: bool,
    /// Let a model read the DNA of another assembly than its own
    #[arg(long)]
    assume_assembly: bool,
    /// Open the session as it was left last
    #[arg(long, conflicts_with = "files")]
    last: bool,
    /// Colours: dark, light, contrast, colorblind, monochrome, print, or a theme file
    #[arg(long)]
    theme: Option<String>,
    /// How many colours the terminal shows; found out where not said
    #[arg(long, value_enum)]
    color: Option<ColorChoice>,
    /// Where results are kept: on disk too, so that they are there the next time, or in memory only
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(super) cache: Option<KeptIn>,
    /// Characters: unicode, or ascii for fonts without blocks; found out where not said
    #[arg(long, value_enum)]
    glyphs: Option<Glyphs>,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
    /// Write a log to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ColorChoice {
    Auto,
    Truecolor,
    #[value(name = "256")]
    #[serde(rename = "256")]
    Ansi256,
    #[value(name = "16")]
    #[serde(rename = "16")]
    Ansi16,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Glyphs {
    Auto,
    Unicode,
    Ascii,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeptIn {
    Disk,
    Memory,
}

pub(super) fn run(args: &ViewArgs) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("the browser needs a terminal; cislens render writes a figure without one".to_owned()));
    }
    start_log(args.log.as_deref())?;
    let settings = config::read()?;
    let files = match args.last {
        true => vec![
            config::last_session()
                .filter(|path| path.is_file())
                .ok_or_else(|| Failure::Usage("no session was left yet".to_owned()))?,
        ],
        false => args.files.clone(),
    };
    let theme = args.theme.as_deref().or(settings.theme.as_deref()).unwrap_or("dark");
    let theme = read_theme(theme)?;
    let (keymap, slip) = read_keymap();
    let variable = |name: &str| std::env::var(name).ok();
    let depth = match args.color.or(settings.color) {
        Some(ColorChoice::Truecolor) => Depth::True,
        Some(ColorChoice::Ansi256) => Depth::Ansi256,
        Some(ColorChoice::Ansi16) => Depth::Ansi16,
        Some(ColorChoice::None) => Depth::Mono,
        None | Some(ColorChoice::Auto) => Depth::detect(variable),
    };
    let is_ascii = match args.glyphs.or(settings.glyphs) {
        Some(Glyphs::Unicode) => false,
        Some(Glyphs::Ascii) => true,
        None | Some(Glyphs::Auto) => is_ascii_only(variable),
    };
    let display = Display { depth, is_ascii, has_mouse: !args.no_mouse && settings.mouse.unwrap_or(true) };
    let what = match files.as_slice() {
        [] => find_session(None)?.display().to_string(),
        files => files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    let (shown, args) = (theme.clone(), args.clone());
    let open = move || {
        let mut opened = open(&args, &settings, files, theme)?;
        slip.into_iter().for_each(|slip| opened.state.say(slip));
        Ok::<_, Failure>(opened)
    };
    app::install_panic_hook();
    let ending = app::run(open, &what, shown, keymap, display).context("the terminal")?;
    match ending? {
        Ending::Quit => Ok(()),
        Ending::Signal(number) => {
            stop_commands();
            std::process::exit(128 + number)
        }
    }
}

/// What the browser begins with, as the command line and the settings say.
fn open(args: &ViewArgs, settings: &config::Settings, files: Vec<PathBuf>, theme: Theme) -> Result<Opened, Failure> {
    let mut state = open_state(&files, args.sample.as_deref(), args.model.as_deref(), theme, args.assume_assembly)?;
    if let Some(locus) = &args.locus {
        state.go_to(locus).map_err(|e| Failure::Usage(format!("--locus {locus}: {e}")))?;
    }
    let last = config::last_session().filter(|_| settings.keep_last.unwrap_or(true));
    let last = last.filter(|path| path.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok()));
    // The first time there is something to learn.
    if last.as_ref().is_some_and(|path| !path.exists()) && state.notice.is_none() {
        state.notice =
            Some("welcome: W next gene, h l pan, z o zoom, g go to a place, : commands, ? all keys, q leave".to_owned());
    }
    let commands = commands(args.allow_command);
    let device = device::open(args.device, &mut |why| state.say(why))?;
    let load = move |folder: &Path| device.model(folder, commands).map_err(|e| e.to_string());
    let kept_in = args.cache.or(settings.cache).unwrap_or(KeptIn::Disk);
    let store = (kept_in == KeptIn::Disk).then(|| cache::store(cache::BUDGET_BYTES));
    let store = store.and_then(|store| store.map_err(|e| state.say(format!("results are not kept on disk: {e}"))).ok());
    Ok(Opened { state, files, load: Arc::new(load), caches: Caches { store, ..Caches::default() }, last })
}

/// Whether models may start commands: only where the command line says so.
pub(super) fn commands(is_allowed: bool) -> Commands {
    if is_allowed { Commands::Allowed } else { Commands::Refused }
}

/// The state of a session or files, at a sample and model by name; models read another assembly's DNA where that is assumed.
pub(super) fn open_state(
    files: &[PathBuf],
    sample: Option<&str>,
    model: Option<&str>,
    theme: Theme,
    assumes_assembly: bool,
) -> Result<State, Failure> {
    let mut session = match files {
        [] => open_session(&find_session(None)?)?,
        files => watched(|| open_paths(files))?,
    };
    session.genome.is_assembly_assumed |= assumes_assembly;
    let info =
        |folder: &PathBuf| ModelInfo { folder: folder.clone(), manifest: read_manifest(folder).map_err(|e| e.to_string()) };
    let models: Vec<ModelInfo> = session.models.iter().map(info).collect();
    let mut state = State::new(Arc::new(session), models, theme);
    if let Some(name) = sample {
        let samples = &state.session.samples;
        let found = samples.iter().position(|s| s.name == name);
        let known = || samples.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
        state.sample = SampleId(found.ok_or_else(|| Failure::Usage(format!("no sample \"{name}\"; there are {}", known())))?);
    }
    if let Some(name) = model {
        let names: Vec<String> = state.models.iter().map(ModelInfo::name).collect();
        let found = state.models.iter().position(|m| m.name() == name || m.folder.ends_with(name));
        state.model = Some(found.ok_or_else(|| Failure::Usage(format!("no model \"{name}\"; there are {}", names.join(", "))))?);
    }
    Ok(state)
}

/// A theme by its name, or of a file.
pub(super) fn read_theme(name: &str) -> Result<Theme, Failure> {
    if !name.ends_with(".toml") {
        return Theme::named(name).map_err(|e| Failure::Usage(e.to_string()));
    }
    let text = std::fs::read_to_string(name).with_context(|| name.to_owned())?;
    Ok(Theme::parse(name, &text)?)
}

/// The built-in keys with the user's own over them, and what is wrong with the user's file.
fn read_keymap() -> (Keymap, Option<String>) {
    let mut keymap = Keymap::built_in();
    let Ok(folders) = etcetera::choose_base_strategy() else { return (keymap, None) };
    let path = folders.config_dir().join("cislens").join("keymap.toml");
    let Ok(text) = std::fs::read_to_string(&path) else { return (keymap, None) };
    let slip = keymap.merge(&text).err().map(|error| format!("{}: {error}", path.display()));
    (keymap, slip)
}

fn start_log(path: Option<&Path>) -> Result<(), Failure> {
    if let Some(path) = path {
        let file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
        let filter = tracing_subscriber::EnvFilter::new("cislens=debug");
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Arc::new(file)).init();
    }
    Ok(())
}
