//! Commands that change rows: how they are drawn, named, grouped, ordered, and what they are made of.

use crate::session::Formula;
use crate::state::{GeneDisplay, Named, RowId, RowView, Scale, SignalStyle, State, Statistic};
use crate::theme::Rgb;

/// The focused row's settings, to be changed.
fn view(state: &mut State) -> Result<&mut RowView, String> {
    let row = state.focused().ok_or("there is no row")?;
    Ok(state.view_of(row))
}

/// `row`, `group`, `samples`, `p99`, `LO HI`, `fix` (what it is now), `log`, `linear`, `symmetrical`.
pub(super) fn scale(state: &mut State, text: &str) -> Result<(), String> {
    match text {
        "log" | "linear" => view(state)?.is_log = text == "log",
        "symmetrical" => view(state)?.is_symmetrical = true,
        "fix" => {
            let (lo, hi) = state.axis_in_view.ok_or("the focused row has no axis now")?;
            return state.set_scale(Scale::Fixed(lo, hi), None);
        }
        text => return state.set_scale(Scale::parse(text)?, Some((false, false))),
    }
    Ok(())
}

pub(super) fn scales(_: &State) -> Vec<String> {
    let turns = ["log", "linear", "symmetrical", "fix"];
    Scale::NAMES.iter().map(|(_, name)| *name).chain(turns).map(str::to_owned).collect()
}

pub(super) fn style(state: &mut State, text: &str) -> Result<(), String> {
    if state.focused() == Some(RowId::Genes) {
        view(state)?.genes = GeneDisplay::parse(text)?;
    } else {
        view(state)?.style = SignalStyle::parse(text)?;
    }
    Ok(())
}

pub(super) fn styles(state: &State) -> Vec<String> {
    let names = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
    match state.focused() {
        Some(RowId::Genes) => names(GeneDisplay::ALL.iter().map(|(_, name, _)| *name).collect()),
        _ => names(SignalStyle::ALL.iter().map(|(_, name, _)| *name).collect()),
    }
}

pub(super) fn statistic(state: &mut State, text: &str) -> Result<(), String> {
    let statistic = Statistic::parse(text)?;
    let view = view(state)?;
    view.statistic = statistic;
    if view.style == SignalStyle::Whiskers {
        view.style = SignalStyle::Bars; // whiskers show the mean and the maximum
    }
    Ok(())
}

pub(super) fn statistics(_: &State) -> Vec<String> {
    Statistic::ALL.iter().map(|(_, name, _)| (*name).to_owned()).collect()
}

pub(super) fn colour(state: &mut State, text: &str) -> Result<(), String> {
    view(state)?.colour = match text {
        "default" => None,
        text => Some(Rgb::parse(text).ok_or_else(|| format!("\"{text}\" is no colour like #ff8800, nor default"))?),
    };
    Ok(())
}

pub(super) fn colours(_: &State) -> Vec<String> {
    ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "default"].map(str::to_owned).into()
}

pub(super) fn rename(state: &mut State, text: &str) -> Result<(), String> {
    view(state)?.name = (!text.is_empty()).then(|| crate::tracks::clean_text(text).to_string());
    Ok(())
}

pub(super) fn group(state: &mut State, text: &str) -> Result<(), String> {
    view(state)?.group = (!text.is_empty()).then(|| text.to_owned());
    Ok(())
}

pub(super) fn groups(state: &State) -> Vec<String> {
    let mut groups: Vec<String> = state.rows().into_iter().filter_map(|row| state.group(row)).collect();
    groups.sort();
    groups.dedup();
    groups
}

pub(super) fn overlay(state: &mut State, text: &str) -> Result<(), String> {
    if text.is_empty() {
        view(state)?.overlays.clear();
        return Ok(());
    }
    let row = state.row_named(text).filter(|row| state.group(*row).is_some());
    let row = row.ok_or_else(|| format!("no signal row \"{text}\"; there are {}", signals(state).join(", ")))?;
    let focused = state.focused().filter(|row| state.group(*row).is_some()).ok_or("the focused row shows no signal")?;
    if row == focused {
        return Err("a row is not drawn over itself".to_owned());
    }
    let view = state.view_of(focused);
    if !view.overlays.iter().any(|o| o == text) {
        view.overlays.push(text.to_owned());
    }
    Ok(())
}

pub(super) fn signals(state: &State) -> Vec<String> {
    state.rows().into_iter().filter(|row| state.group(*row).is_some()).map(|row| state.label(row)).collect()
}

/// `NAME = FORMULA`.
pub(super) fn row(state: &mut State, text: &str) -> Result<(), String> {
    let (label, formula) = text.split_once('=').ok_or("a row is NAME = FORMULA, as ratio = log2((1+H3K4me3)/(1+H3K27me3))")?;
    let label = label.trim();
    if label.is_empty() || label.chars().any(char::is_control) {
        return Err("a row needs a name: NAME = FORMULA".to_owned());
    }
    state.set_formula(label, Formula::parse(formula.trim()).map_err(|e| e.to_string())?)
}

pub(super) fn unrow(state: &mut State, label: &str) -> Result<(), String> {
    let before = state.formulas.len();
    state.formulas.retain(|f| f.label != label);
    if state.formulas.len() == before { Err(format!("no row of arithmetic \"{label}\"")) } else { Ok(()) }
}

pub(super) fn formulas(state: &State) -> Vec<String> {
    state.formulas.iter().map(|f| f.label.clone()).collect()
}

pub(super) fn focus(state: &mut State, text: &str) -> Result<(), String> {
    let row = state.row_named(text).ok_or_else(|| format!("no row \"{text}\""))?;
    let label = state.label(row);
    state.view_of(row).is_hidden = false;
    state.focus = label;
    Ok(())
}

pub(super) fn rows(state: &State) -> Vec<String> {
    let hidden = state.row_views.iter().filter(|(_, v)| v.is_hidden).map(|(label, _)| label.clone());
    state.rows().into_iter().map(|row| state.label(row)).chain(hidden).collect()
}

pub(super) fn height(state: &mut State, text: &str) -> Result<(), String> {
    let lines: i16 = text.parse().map_err(|_| format!("\"{text}\" is no number of lines more or fewer"))?;
    view(state)?.extra_lines = lines.clamp(-6, 20);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Ran, run};
    use crate::state::toy;

    fn after(lines: &[&str]) -> (State, RowView) {
        let mut state = toy::state(None);
        state.focus = "H3K4me3".to_owned();
        for line in lines {
            assert_eq!(run(&mut state, line), Ok(Ran::Done), "{line}");
        }
        let view = state.row_view(state.row_named("H3K4me3").unwrap());
        (state, view)
    }

    #[test]
    fn rows_are_changed_by_what_is_typed() {
        let (_, view) = after(&[
            "scale 0 40",
            "style line",
            "statistic max",
            "colour #ff8000",
            "rename promoter mark",
            "group mine",
            "height 3",
        ]);
        assert_eq!((view.scale, view.style, view.statistic), (Scale::Fixed(0.0, 40.0), SignalStyle::Line, Statistic::Max));
        assert_eq!(
            (view.colour, view.name.as_deref(), view.group.as_deref()),
            (Some(Rgb(255, 128, 0)), Some("promoter mark"), Some("mine"))
        );
        assert_eq!(view.extra_lines, 3);
        assert!(after(&["scale log"]).1.is_log && !after(&["scale log", "scale linear"]).1.is_log);
        assert_eq!(after(&["overlay 5mC"]).1.overlays, ["5mC"]);
        assert_eq!(after(&["focus genes", "style packed"]).0.row_view(RowId::Genes).genes, GeneDisplay::Packed);
    }

    #[test]
    fn a_row_of_arithmetic_is_typed_and_taken_away() {
        let (state, _) = after(&["row ratio = log2((1+H3K4me3)/(1+5mC))"]);
        assert_eq!((state.formulas.len(), state.focus.as_str()), (1, "ratio"));
        assert!(after(&["row r = H3K4me3 * 2", "unrow r"]).0.formulas.is_empty());
    }

    #[test]
    fn what_cannot_be_says_why() {
        let mut state = toy::state(None);
        state.focus = "H3K4me3".to_owned();
        for (line, reason) in [
            ("scale 5 1", "is no scale"),
            ("scale 1", "is no scale"),
            ("scale nan 1", "is no scale"),
            ("style fancy", "none of whiskers, bars"),
            ("colour red", "no colour like"),
            ("overlay EPD", "no signal row \"EPD\"; there are H3K4me3, 5mC"),
            ("overlay H3K4me3", "over itself"),
            ("row x", "NAME = FORMULA"),
            ("row x = 1 +", "a value is missing"),
            ("row 5mC = H3K4me3", "already"),
            ("height much", "no number of lines"),
            ("focus nowhere", "no row"),
        ] {
            let error = run(&mut state, line).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
