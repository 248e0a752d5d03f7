//! What each action does to the state.

use crate::attribution::MutagenesisView;
use crate::input::Action;
use crate::session::TrackKind;
use crate::state::{EditPrompt, Mode, Prompt, RowId, State};
use crate::theme::{THEMES, Theme};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::backend::crossterm::EventHandler;

/// Takes in a key; `action` is what the keymap says it means among the tracks.
pub(super) fn update(state: &mut State, key: &KeyEvent, action: Option<Action>) {
    state.notice = None;
    match &mut state.mode {
        Mode::Browse => {
            if let Some(action) = action {
                let name = crate::input::ACTIONS.iter().find(|a| a.action == action).map_or("change", |a| a.help);
                match action {
                    Action::Undo => state.undo(),
                    Action::Redo => state.redo(),
                    _ => state.change(name, |state| act(state, action)),
                }
            }
        }
        Mode::Goto(_) => edit_prompt(state, key),
        Mode::Select(_) => super::editing::select(state, key, action),
        Mode::Edit(_) => super::editing::type_edit(state, key),
        Mode::Edits(_) => super::editing::list(state, key, action),
        Mode::Help(scroll) | Mode::Messages(scroll) => match action {
            Some(Action::Focus(step)) => *scroll = scroll.saturating_add_signed(i16::from(step)),
            Some(Action::Pan(percent)) if percent.abs() == 100 => *scroll = scroll.saturating_add_signed(percent / 10),
            _ => state.mode = Mode::Browse,
        },
    }
}

/// Takes in pasted text: into the prompt, which it opens where there is none.
pub(super) fn paste(state: &mut State, text: &str) {
    if let Mode::Edit(prompt) = &mut state.mode {
        for c in text.trim().chars().filter(|c| !c.is_control()).take(10_000) {
            prompt.input.handle(tui_input::InputRequest::InsertChar(c));
        }
        return;
    }
    if !matches!(state.mode, Mode::Goto(_)) {
        state.mode = Mode::Goto(Prompt::default());
    }
    let genes = state.session.genome.genes.clone();
    if let Mode::Goto(prompt) = &mut state.mode {
        for c in text.trim().chars().filter(|c| !c.is_control()).take(200) {
            prompt.input.handle(tui_input::InputRequest::InsertChar(c));
        }
        prompt.refresh(&genes);
    }
}

fn edit_prompt(state: &mut State, key: &KeyEvent) {
    let genes = state.session.genome.genes.clone();
    let Mode::Goto(prompt) = &mut state.mode else { return };
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => state.mode = Mode::Browse,
        KeyCode::Char('c') if is_control => state.mode = Mode::Browse,
        KeyCode::Enter => {
            let target = prompt.target();
            match state.go_to(&target) {
                Ok(()) => state.mode = Mode::Browse,
                // The prompt stays, with what was typed: a slip is mended, not typed again.
                Err(error) => state.notice = Some(error),
            }
        }
        KeyCode::Down | KeyCode::Tab => prompt.select(1),
        KeyCode::Up | KeyCode::BackTab => prompt.select(-1),
        _ => {
            if prompt.input.handle_event(&Event::Key(*key)).is_some_and(|changed| changed.value) {
                prompt.refresh(&genes);
            }
        }
    }
}

fn act(state: &mut State, action: Action) {
    match action {
        Action::Pan(percent) => state.pan(f64::from(percent) / 100.0),
        Action::ChromEdge(is_start) => {
            let len = state.session.genome.chroms.len_of(&state.region.chrom).unwrap_or(0);
            state.centre_on(if is_start { 0 } else { len });
        }
        Action::Zoom(percent) => state.zoom(f64::from(percent) / 100.0),
        Action::ZoomToBases => state.zoom(0.0),
        Action::ZoomToWindow => state.show_window(),
        Action::Gene(step) => state.step_gene(i64::from(step)),
        Action::Exon(step) => state.step_exon(step > 0),
        Action::Peak(step) => step_peak(state, step > 0),
        Action::Focus(step) => state.move_focus(isize::from(step)),
        Action::RowHeight(lines) => state.resize_focused(i16::from(lines)),
        Action::HideRow => state.hide_focused(),
        Action::ShowRows => state.show_all_rows(),
        Action::Goto => state.mode = Mode::Goto(Prompt::default()),
        Action::Travel(step) => state.travel(step < 0),
        Action::Sample(step) => state.switch_sample(isize::from(step)),
        Action::Model(step) => state.switch_model(isize::from(step)),
        Action::MutagenesisView => next_mutagenesis_view(state),
        Action::Theme => next_theme(state),
        Action::Edit => state.mode = Mode::Edit(EditPrompt::default()),
        Action::Edits => state.mode = Mode::Edits(0),
        Action::Select => state.begin_selection(),
        Action::SelectPeak => state.select_peak(),
        Action::Figure => state.wants_figure = true,
        Action::Preview => state.wants_preview = true,
        Action::Messages => state.mode = Mode::Messages(u16::MAX),
        Action::Help => state.mode = Mode::Help(0),
        Action::Quit => state.is_quitting = true,
        Action::Undo | Action::Redo => {} // not changes themselves
        Action::Suspend => {}             // the loop's, which owns the terminal
    }
}

fn step_peak(state: &mut State, forward: bool) {
    match state.focused() {
        Some(RowId::Track(track)) if state.session.tracks[track.0].kind == TrackKind::Signal => state.seek_peak(track, forward),
        _ if state.step_feature(forward) => {}
        Some(row) => state.notice = Some(format!("row {} has no peaks to go through: focus one with j k", state.label(row))),
        None => {}
    }
}

fn next_mutagenesis_view(state: &mut State) {
    // Deltas have no value of their own at the base that is there, and their sum is no view of them.
    let views = &MutagenesisView::ALL[..3];
    let at = views.iter().position(|view| *view == state.mutagenesis_view).unwrap_or(0);
    state.mutagenesis_view = views[(at + 1) % views.len()];
    state.notice = Some(format!("ISM: {}", state.mutagenesis_view.about()));
}

fn next_theme(state: &mut State) {
    let at = THEMES.iter().position(|(name, _)| *name == state.theme.name).unwrap_or(0);
    let (name, _) = THEMES[(at + 1) % THEMES.len()];
    match Theme::named(name) {
        Ok(theme) => {
            state.theme = theme;
            state.notice = Some(format!("theme {name}"));
        }
        Err(error) => state.say(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
