//! Commands typed after `:`. Each has a name, what it takes, a line of help, and a place in the palette.

use super::row_commands as on_row;
use super::{ACTIONS, Action, Keymap, action};
use crate::genome::Pattern;
use crate::state::{LISTS, Match, Mode, State, best_matches};
use crate::theme::{THEMES, Theme};
use std::path::Path;

/// A command.
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// What it takes, as in `scale row|group|LO HI`; empty where nothing.
    pub takes: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Does it, with what stands after the name.
    pub run: fn(&mut State, &str) -> Result<(), String>,
    /// What may stand after the name.
    pub choices: fn(&State) -> Vec<String>,
}

const fn command(
    name: &'static str,
    takes: &'static str,
    help: &'static str,
    run: fn(&mut State, &str) -> Result<(), String>,
    choices: fn(&State) -> Vec<String>,
) -> Command {
    Command { name, takes, help, run, choices }
}

fn none(_: &State) -> Vec<String> {
    Vec::new()
}

/// Every command, in the order of the palette.
pub const COMMANDS: &[Command] = &[
    command("goto", "PLACE", "go to a gene, a transcript, an exon or a place", |s, t| s.go_to(t), none),
    command("w", "[FILE]", "save the session with the view, bookmarks and regions", save, none),
    command("wq", "[FILE]", "save and leave", |s, t| save(s, t).and_then(|()| quit(s, "")), none),
    command("q", "", "leave", quit, none),
    command("ls", "", "chromosomes, as a table", |s, _| show_table(s, State::chromosome_table), none),
    command("note", "TEXT", "make the view a region of interest with a note", note, none),
    command("unnote", "", "take the regions of interest in view away", |s, _| s.forget_regions(), none),
    command("regions", "", "bookmarks and regions of interest, as a table", |s, _| show_table(s, State::region_table), none),
    command("search", "TEXT", "features whose name has this in it, as a table", search, none),
    command("find", "SEQUENCE", "find IUPAC letters on both strands, as a row", find, none),
    command("unfind", "[SEQUENCE]", "take the row of a sequence away, or all of them", unfind, patterns),
    command(
        "genes",
        "FILE [COLUMN|error] | change SAMPLE | error | difference | disagreement | attribution INPUT | all",
        "a list of genes to walk with W B, as a table",
        genes,
        gene_lists,
    ),
    command(
        "whatif",
        "EDIT",
        "change what the model reads: chr1:20,001 A>G, blank H3K4me3, ... (e shows all)",
        |s, t| s.add_edit(t),
        none,
    ),
    command(
        "minimal",
        "low|high|F|SAMPLE [by bases]",
        "the smallest change that turns the gene, as edits",
        |s, t| s.begin_minimal(t),
        minimal_targets,
    ),
    command("variants", "[FILE.vcf]", "what variants do to the genes in view, as a table; a file to score", variants, none),
    command(
        "compare",
        "[MODEL|SAMPLE|METHOD]",
        "another one beside that in view, with the difference; none: take it away",
        compare,
        State::comparisons,
    ),
    command(
        "cores",
        "",
        "what the model attends to together over samples, as rows; again: take them away",
        |s, _| s.toggle_cores(),
        none,
    ),
    command("betas", "", "the weight of each mark of the gene, over samples, as a table", |s, _| s.ask_betas(), none),
    command("trust", "", "how far the prediction can be trusted", trust, none),
    command(
        "scale",
        "row|group|samples|p99|LO HI|fix|log|linear|symmetrical",
        "the focused signal's scale",
        on_row::scale,
        on_row::scales,
    ),
    command("style", "NAME", "how the focused row is drawn", on_row::style, on_row::styles),
    command("statistic", "mean|max|min", "which value of a column is drawn", on_row::statistic, on_row::statistics),
    command("colour", "#RRGGBB|default", "the focused row's colour", on_row::colour, on_row::colours),
    command("rename", "[NAME]", "the focused row's name", on_row::rename, none),
    command("group", "[NAME]", "rows of one group share a scale", on_row::group, on_row::groups),
    command(
        "overlay",
        "[ROW]",
        "draw another signal over the focused one; none: take all away",
        on_row::overlay,
        on_row::signals,
    ),
    command("row", "NAME = FORMULA", "a row of arithmetic: log2((1+a)/(1+b)), a@S02 - a", on_row::row, none),
    command("unrow", "NAME", "take a row of arithmetic away", on_row::unrow, on_row::formulas),
    command(
        "matrix",
        "[MARK,MARK|off]",
        "every sample's rows of marks, a line each: sample by mark; none: all marks",
        |s, t| s.show_matrix(t),
        matrix_marks,
    ),
    command(
        "sort",
        "[value|MARK|expression|sample|file]",
        "signal rows by their mean in view or in what is selected, the highest first",
        |s, t| s.sort_rows(t),
        State::sort_keys,
    ),
    command("focus", "ROW", "focus a row, and show it", on_row::focus, on_row::rows),
    command("height", "LINES", "lines more or fewer than usual, for the focused row", on_row::height, none),
    command("sample", "NAME", "the sample in view", sample, |s| s.session.samples.iter().map(|s| s.name.clone()).collect()),
    command("model", "NAME", "the model in use", model, |s| s.models.iter().map(crate::state::ModelInfo::name).collect()),
    command("theme", "NAME", "colours", theme, |_| THEMES.iter().map(|(name, _)| (*name).to_owned()).collect()),
];

fn minimal_targets(state: &State) -> Vec<String> {
    let samples = state.session.samples.iter().map(|s| s.name.clone()).filter(|name| !name.is_empty());
    let ends: Vec<String> = ["low", "high"].map(str::to_owned).into_iter().chain(samples).collect();
    ends.iter().cloned().chain(ends.iter().take(2).map(|end| format!("{end} by bases"))).collect()
}

fn compare(state: &mut State, name: &str) -> Result<(), String> {
    if name.is_empty() {
        state.compared.with = None;
        return Ok(());
    }
    state.compare_with(name)?;
    state.focus = state.label(crate::state::RowId::Difference);
    Ok(())
}

fn variants(state: &mut State, file: &str) -> Result<(), String> {
    if !file.is_empty() {
        return state.use_variants(file);
    }
    state.mode = Mode::Table(state.variant_table()?);
    Ok(())
}

fn trust(state: &mut State, _: &str) -> Result<(), String> {
    state.mode = Mode::Table(state.trust_table()?);
    Ok(())
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It was done.
    Done,
    /// It names an action, which is the loop's to do.
    Means(Action),
}

/// Runs a typed line: a command, the name of an action, or a place to go to.
///
/// # Errors
/// The reason why it cannot be done, with what was meant where that is near.
pub fn run(state: &mut State, line: &str) -> Result<Ran, String> {
    let line = line.trim().trim_start_matches(':').trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if name.is_empty() {
        return Ok(Ran::Done);
    }
    if let Some(command) = COMMANDS.iter().find(|c| c.name == name) {
        if rest.trim().is_empty() && !command.takes.is_empty() && !command.takes.starts_with('[') {
            return Err(format!(":{name} takes {}", command.takes));
        }
        return (command.run)(state, rest.trim()).map(|()| Ran::Done);
    }
    if let Some(action) = action(line) {
        return Ok(Ran::Means(action));
    }
    state.go_to(line).map(|()| Ran::Done).map_err(|reason| {
        let names = || COMMANDS.iter().map(|c| c.name).chain(ACTIONS.iter().map(|a| a.name));
        match best_matches(names(), name, 1).first().and_then(|&i| names().nth(i)) {
            Some(near) => format!("no command \"{name}\" (did you mean {near}?), and {reason}"),
            None => format!("no command \"{name}\", and {reason}"),
        }
    })
}

/// What a line may become: commands and actions by name or help, or what a command takes.
pub fn complete(state: &State, keymap: &Keymap, text: &str) -> Vec<Match> {
    let text = text.trim_start().trim_start_matches(':');
    if let Some((name, rest)) = text.split_once(char::is_whitespace) {
        let Some(command) = COMMANDS.iter().find(|c| c.name == name) else { return Vec::new() };
        if command.name == "goto" {
            return state.places_like(rest).into_iter().map(|m| Match { text: format!("goto {}", m.text), ..m }).collect();
        }
        let choices = (command.choices)(state);
        let order = match rest.trim() {
            "" => (0..choices.len()).collect(),
            rest => best_matches(choices.iter().map(String::as_str), rest, choices.len()),
        };
        let about = |i: usize| if i == 0 { format!("{} {}", command.name, command.takes) } else { String::new() };
        return order
            .iter()
            .enumerate()
            .map(|(i, &at)| Match { text: format!("{name} {}", choices[at]), about: about(i) })
            .collect();
    }
    let of_command = |c: &Command| {
        let takes = if c.takes.is_empty() { String::new() } else { format!(" \u{b7} {}", c.takes) };
        Match { text: c.name.to_owned(), about: format!("{}{takes}", c.help) }
    };
    let of_action = |a: &super::ActionInfo| {
        let keys = keymap.keys_of(a.action);
        let key = keys.first().map_or_else(String::new, |k| format!("  [{k}]"));
        Match { text: a.name.to_owned(), about: format!("{}{key}", a.help) }
    };
    let all: Vec<Match> = COMMANDS.iter().map(of_command).chain(ACTIONS.iter().map(of_action)).collect();
    if text.is_empty() {
        return all;
    }
    let words: Vec<String> = all.iter().map(|m| format!("{} {}", m.text, m.about)).collect();
    let mut order = best_matches(words.iter().map(String::as_str), text, all.len());
    // What begins with what was typed is meant before what only has its letters.
    order.sort_by_key(|&i| !all[i].text.starts_with(text));
    order.into_iter().map(|i| all[i].clone()).collect()
}

/// Whether a chosen line still wants something after its name.
pub fn wants_more(line: &str) -> bool {
    COMMANDS.iter().any(|c| c.name == line && !c.takes.is_empty() && !c.takes.starts_with('['))
}

fn save(state: &mut State, path: &str) -> Result<(), String> {
    state.save((!path.is_empty()).then(|| Path::new(path)))
}

fn quit(state: &mut State, _: &str) -> Result<(), String> {
    state.is_quitting = true;
    Ok(())
}

fn show_table(state: &mut State, table: fn(&State) -> crate::state::Table) -> Result<(), String> {
    state.mode = Mode::Table(table(state));
    Ok(())
}

fn note(state: &mut State, text: &str) -> Result<(), String> {
    state.note_region(text);
    Ok(())
}

fn search(state: &mut State, text: &str) -> Result<(), String> {
    state.mode = Mode::Table(state.feature_table(text));
    Ok(())
}

fn find(state: &mut State, text: &str) -> Result<(), String> {
    if state.session.genome.fasta.is_none() {
        return Err("the session has no reference sequence to search".to_owned());
    }
    let pattern = Pattern::parse(text).map_err(|e| e.to_string())?;
    state.focus = pattern.to_string();
    if !state.patterns.contains(&pattern) {
        state.patterns.push(pattern);
    }
    Ok(())
}

fn matrix_marks(state: &State) -> Vec<String> {
    state.marks_over_samples().into_iter().chain(["off".to_owned()]).collect()
}

fn patterns(state: &State) -> Vec<String> {
    state.patterns.iter().map(ToString::to_string).collect()
}

fn unfind(state: &mut State, text: &str) -> Result<(), String> {
    let before = state.patterns.len();
    state.patterns.retain(|p| !(text.is_empty() || p.to_string().eq_ignore_ascii_case(text)));
    if state.patterns.len() == before { Err(format!("no row of a sequence \"{text}\"")) } else { Ok(()) }
}

fn gene_lists(state: &State) -> Vec<String> {
    let samples = state.session.samples.iter().enumerate().filter(|(i, s)| *i != state.sample.0 && s.expression.is_some());
    let changes = samples.map(|(_, s)| format!("change {}", s.name));
    ["all"].into_iter().chain(LISTS).map(str::to_owned).chain(changes).collect()
}

fn genes(state: &mut State, text: &str) -> Result<(), String> {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if text == "all" {
        state.walk = None;
        state.end_list();
        state.notice = Some("W B walk every gene".to_owned());
        return Ok(());
    }
    if LISTS.contains(&first) {
        return state.begin_list(text);
    }
    state.end_list();
    let walk = match first {
        "change" => state.walk_by_change(rest.trim())?,
        file => state.read_walk(Path::new(file), Some(rest.trim()).filter(|by| !by.is_empty()))?,
    };
    state.mode = Mode::Table(state.walk_table(&walk));
    state.walk = Some(walk);
    Ok(())
}

fn sample(state: &mut State, name: &str) -> Result<(), String> {
    let samples = &state.session.samples;
    let known =
        || samples.iter().map(|s| s.name.as_str()).take(20).chain((samples.len() > 20).then_some("...")).collect::<Vec<_>>();
    let unknown = || format!("no sample \"{name}\"; there are {}: {}", samples.len(), known().join(", "));
    let at = samples.iter().position(|s| s.name == name).ok_or_else(unknown)?;
    state.sample = crate::session::SampleId(at);
    Ok(())
}

fn model(state: &mut State, name: &str) -> Result<(), String> {
    let names: Vec<String> = state.models.iter().map(crate::state::ModelInfo::name).collect();
    let at =
        names.iter().position(|n| n == name).ok_or_else(|| format!("no model \"{name}\"; there are {}", names.join(", ")))?;
    state.model = Some(at);
    Ok(())
}

fn theme(state: &mut State, name: &str) -> Result<(), String> {
    state.theme = Theme::named(name).map_err(|e| e.to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::toy;
    use std::collections::HashSet;

    #[test]
    fn names_of_commands_and_actions_are_distinct() {
        let names: Vec<&str> = COMMANDS.iter().map(|c| c.name).chain(ACTIONS.iter().map(|a| a.name)).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn a_line_is_a_command_an_action_or_a_place() {
        let mut state = toy::state(None);
        assert_eq!(run(&mut state, "theme light"), Ok(Ran::Done));
        assert_eq!(state.theme.name, "light");
        assert_eq!(run(&mut state, ":next-gene"), Ok(Ran::Means(Action::Gene(1))));
        assert_eq!(run(&mut state, "chr1:40k-50k"), Ok(Ran::Done));
        assert_eq!(state.region.to_string(), "chr1:40,000-50,000");
        assert_eq!(run(&mut state, "+10k"), Ok(Ran::Done));
        assert_eq!(state.region.to_string(), "chr1:50,000-60,000");
        let wrong = run(&mut state, "thene dark").unwrap_err();
        assert!(wrong.contains("no command \"thene\""), "{wrong}");
        assert_eq!(run(&mut state, "theme"), Err(":theme takes NAME".to_owned()));
    }

    #[test]
    fn everything_is_in_the_palette_and_arguments_are_completed() {
        let state = toy::state(None);
        let keymap = Keymap::built_in();
        assert_eq!(complete(&state, &keymap, "").len(), COMMANDS.len() + ACTIONS.len());
        assert_eq!(complete(&state, &keymap, "theme col")[0].text, "theme colorblind");
        assert_eq!(complete(&state, &keymap, "nextg")[0].text, "next-gene");
        let lower = complete(&state, &keymap, "row-l");
        assert_eq!((lower[0].text.as_str(), lower[0].about.contains("[(]")), ("row-lower", true));
        assert_eq!(complete(&state, &keymap, "goto alp")[0].text, "goto ALPHA");
    }
}
