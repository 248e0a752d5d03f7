//! Settings of the user: `config.toml` in the settings folder, and `cislens config`.

use super::Failure;
use crate::tracks::read_text;
use anyhow::Context;
use clap::Args;
use etcetera::BaseStrategy;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    /// Print every setting with its default, as a file to begin with
    #[arg(long)]
    print: bool,
}

/// What the user set; what is not set is found out or has its default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub theme: Option<String>,
    pub color: Option<super::view::ColorChoice>,
    pub glyphs: Option<super::view::Glyphs>,
    pub mouse: Option<bool>,
    pub cache: Option<super::view::KeptIn>,
    pub keep_last: Option<bool>,
}

/// Every setting: name, default as it is written, help.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("theme", "\"dark\"", "dark, light, contrast, colorblind, monochrome, print, or the path of a theme file"),
    ("color", "\"auto\"", "auto (found out from NO_COLOR, COLORTERM, TERM), truecolor, 256, 16, none"),
    ("glyphs", "\"auto\"", "auto (found out from the locale and TERM), unicode, ascii (for fonts without blocks)"),
    ("mouse", "true", "wheel, drag and hover; false leaves the mouse to the terminal (Shift selects text either way)"),
    ("cache", "\"disk\"", "where results are kept: disk or memory"),
    ("keep_last", "true", "keep the session on leaving, for cislens --last"),
];

/// The settings file's path.
fn path() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("cislens").join("config.toml"))
}

/// Where the session is kept that was left last.
pub(super) fn last_session() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    let folder = folders.state_dir().unwrap_or_else(|| folders.data_dir()).join("cislens");
    Some(folder.join("last.toml"))
}

/// Reads the settings file, where there is one.
pub(super) fn read() -> Result<Settings, Failure> {
    let Some(path) = path().filter(|path| path.exists()) else { return Ok(Settings::default()) };
    let text = read_text(&path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

/// Every setting as a comment with its default.
fn template() -> String {
    let head = "# Settings of cislens. Take the # from a line to set it; arguments come before settings.\n".to_owned();
    SETTINGS.iter().fold(head, |text, (name, default, help)| text + &format!("\n# {help}\n# {name} = {default}\n"))
}

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    if args.print {
        say!("{}", template().trim_end());
        return Ok(());
    }
    let settings = read()?;
    match path() {
        Some(path) if path.exists() => say!("{}: {settings:?}", path.display()),
        Some(path) => say!("{} is not there; cislens config --print > {0} begins one", path.display()),
        None => say!("there is no settings folder here"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_sets_nothing_and_uncommented_it_is_valid() {
        assert_eq!(toml::from_str::<Settings>(&template()).unwrap(), Settings::default());
        let is_setting = |line: &&str| SETTINGS.iter().any(|(name, ..)| line.starts_with(&format!("# {name} = ")));
        let text = template();
        let set: Vec<&str> = text.lines().filter(is_setting).map(|line| &line[2..]).collect();
        assert_eq!(set.len(), SETTINGS.len());
        let settings: Settings = toml::from_str(&set.join("\n")).unwrap();
        assert_eq!((settings.theme.as_deref(), settings.mouse), (Some("dark"), Some(true)));
        assert!(toml::from_str::<Settings>("them = 'dark'").is_err());
    }
}
