//! Shell completions and the manual page, from the table of commands.

use super::{Cli, Failure};
use crate::input::{ACTIONS, COMMANDS, Keymap};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::fmt::Write as _;
use std::io::Write as _;

#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell: its completion file is written to standard output
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cislens", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(())
}

/// The manual page: the program, its commands with their options, keys, and what is typed after `:`.
pub(super) fn man() -> Result<(), Failure> {
    std::io::stdout().write_all(&page()?)?;
    Ok(())
}

fn page() -> Result<Vec<u8>, Failure> {
    let command = Cli::command();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let mut of_sub = Vec::new();
        let man = clap_mangen::Man::new(sub.clone());
        man.render_synopsis_section(&mut of_sub)?;
        man.render_options_section(&mut of_sub)?;
        let of_sub = String::from_utf8_lossy(&of_sub).replace(".SH ", ".SS ");
        writeln!(text, ".SH \"{}\"\n{}", format!("cislens {}", sub.get_name()).to_uppercase(), of_sub.trim_end())?;
    }
    let keymap = Keymap::built_in();
    let mut lists = String::from(".SH KEYS\n");
    for info in ACTIONS {
        let _ = writeln!(lists, ".TP\n{}\n{}", escaped(&keymap.keys_of(info.action).join(" ")), escaped(info.help));
    }
    lists.push_str(".SH COMMANDS OF THE BROWSER\n");
    for command in COMMANDS {
        let _ = writeln!(lists, ".TP\n{}\n{}", escaped(&format!(":{} {}", command.name, command.takes)), escaped(command.help));
    }
    text.extend(lists.into_bytes());
    Ok(text)
}

/// Text that roff takes as it is.
fn escaped(text: &str) -> String {
    let text = text.trim().replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_command_key_and_option() {
        let Ok(page) = page() else { panic!("the page is made") };
        let page = String::from_utf8(page).unwrap();
        for sub in Cli::command().get_subcommands() {
            assert!(page.contains(&format!("CISLENS {}", sub.get_name().to_uppercase())), "{}", sub.get_name());
        }
        assert!(
            ACTIONS.iter().all(|a| page.contains(&escaped(a.help))) && COMMANDS.iter().all(|c| page.contains(&escaped(c.help)))
        );
        assert!(page.contains("\\-\\-locus"));
    }

    #[test]
    fn every_shell_is_completed() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cislens", &mut text);
            assert!(String::from_utf8(text).unwrap().contains("attribute"), "{shell}");
        }
    }
}
