//! `cislens list`: what there is, from the lists the program itself reads.

use super::Failure;
use crate::attribution::{METHODS, NOT_OFFERED};
use crate::input::{ACTIONS, Keymap};
use crate::models::{EXTERNAL, MODELS};
use crate::motifs::MOTIF_FORMATS;
use crate::regulation::{cores, significance};
use crate::theme::{THEMES, Theme};
use crate::tracks::{FORMATS, Kind};
use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// What to list
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Architectures of networks, with the published versions of each
    Models,
    /// Ways to explain a prediction
    Methods,
    /// Files that open as tracks
    Formats,
    /// Colours
    Themes,
    /// Keys and what they do
    Keys,
    /// Ways to call significant bins (enrich) and COREs (cores)
    Procedures,
}

pub(super) fn run(args: &ListArgs) -> Result<(), Failure> {
    let lines = match args.what {
        What::Models => models(),
        What::Methods => methods(),
        What::Formats => formats(),
        What::Themes => themes()?,
        What::Keys => keys(),
        What::Procedures => procedures(),
    };
    for line in lines {
        say!("{}", line.trim_end());
    }
    Ok(())
}

fn models() -> Vec<String> {
    let line = |a: &crate::models::Architecture| {
        let presets: Vec<&str> = a.presets.iter().map(|p| p.name).collect();
        format!("{:18} {} [{}]", a.name, a.about, presets.join(", "))
    };
    let mut lines: Vec<String> = MODELS.iter().map(line).collect();
    // No network of ours: a line of model.toml, not of the list.
    lines.push(format!(
        "{EXTERNAL:18} External: a command that answers predictions, and gradients where it can (docs/external.md)"
    ));
    lines
}

fn procedures() -> Vec<String> {
    let bins = significance::PROCEDURES.iter().map(|p| format!("  {:12} {}", p.name, p.about));
    let cores = cores::PROCEDURES.iter().map(|p| format!("  {:12} {}", p.name, p.about));
    let heading = |text: &str| [text.to_owned()];
    heading("significant bins (cislens enrich):")
        .into_iter()
        .chain(bins)
        .chain(heading("COREs (cislens cores):"))
        .chain(cores)
        .collect()
}

fn methods() -> Vec<String> {
    let line = |m: &&dyn crate::attribution::Method| {
        let alias = m.alias().map_or_else(String::new, |alias| format!(" (alias {alias})"));
        format!("{:24} {}{alias}", m.name(), m.about())
    };
    let not_offered = NOT_OFFERED.iter().map(|m| format!("  {}: {}", m.name, m.reason));
    let heading = "not offered, of those in the review of Talukder et al. 2021:".to_owned();
    METHODS.iter().map(line).chain([heading]).chain(not_offered).collect()
}

fn formats() -> Vec<String> {
    let mut lines: Vec<String> = FORMATS
        .iter()
        .map(|format| {
            let kind = match format.kind {
                Kind::Signal => "signal",
                Kind::Features => "intervals",
                Kind::Genes => "genes",
                Kind::Sequence => "sequence",
            };
            let endings: Vec<String> = format.extensions.iter().map(|e| format!(".{e}")).collect();
            format!("{:12} {kind:10} {} [{}]", format.name, format.about, endings.join(" "))
        })
        .collect();
    for format in MOTIF_FORMATS {
        let endings: Vec<String> = format.extensions.iter().map(|e| format!(".{e}")).collect();
        lines.push(format!("{:12} {:10} {} [{}]", format.name, "motifs", format.about, endings.join(" ")));
    }
    // Tables are told by their content, not opened as tracks.
    lines.push(format!(
        "{:12} {:10} counts by gene, bin and mark (DeepChrome, AttentiveChrome, DeepDiff); needs --marks",
        "bins", "signal"
    ));
    lines.push(format!("{:12} {:10} a matrix, RSEM, Salmon, or any table of ids and values", "expression", "table"));
    lines
}

fn themes() -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for (name, _) in THEMES {
        Theme::named(name)?;
        lines.push((*name).to_owned());
    }
    Ok(lines)
}

fn keys() -> Vec<String> {
    let keymap = Keymap::built_in();
    let mut lines = Vec::new();
    let mut group = "";
    for info in ACTIONS {
        if info.group != group {
            group = info.group;
            lines.push(format!("[{group}]"));
        }
        lines.push(format!("{:18} {:16} {}", info.name, keymap.keys_of(info.action).join(" "), info.help));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_its_line() {
        let starts_with = |lines: &[String], name: &str| lines.iter().any(|line| line.split(' ').next() == Some(name));
        assert!(MODELS.iter().all(|m| starts_with(&models(), m.name)));
        assert!(METHODS.iter().all(|m| starts_with(&methods(), m.name())));
        assert!(FORMATS.iter().all(|f| starts_with(&formats(), f.name)));
        assert!(MOTIF_FORMATS.iter().all(|f| starts_with(&formats(), f.name)));
        assert!(ACTIONS.iter().all(|a| starts_with(&keys(), a.name)));
        let Ok(themes) = themes() else { panic!("every theme can be read") };
        assert_eq!(themes.len(), THEMES.len());
    }
}
