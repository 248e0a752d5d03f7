//! Keys of what if: selecting a stretch, typing an edit, the list of edits.

use crate::input::Action;
use crate::state::{EditPrompt, Mode, State};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::backend::crossterm::EventHandler;

/// Columns that the end of a selection moves by with a wide step.
const WIDE_STEP: i64 = 10;

/// Moves the end of a selection; Enter keeps it, Esc gives it up, typing an edit means it.
pub(super) fn select(state: &mut State, key: &KeyEvent, action: Option<Action>) {
    match (key.code, action) {
        (KeyCode::Esc, _) | (_, Some(Action::Quit)) => {
            (state.mode, state.selection) = (Mode::Browse, None);
            state.notice = Some("nothing selected".to_owned());
        }
        (KeyCode::Enter, _) | (_, Some(Action::Select)) => state.keep_selection(),
        (_, Some(Action::Edit)) => {
            state.keep_selection();
            state.mode = Mode::Edit(EditPrompt::default());
        }
        (_, Some(Action::Pan(percent))) => {
            let columns = if percent.abs() <= 10 { 1 } else { WIDE_STEP };
            state.move_selection(columns * i64::from(percent.signum()));
        }
        (KeyCode::Char('o'), _) => {
            if let Mode::Select(selecting) = &mut state.mode {
                std::mem::swap(&mut selecting.fixed, &mut selecting.moving);
            }
        }
        (_, Some(Action::Zoom(percent))) => state.zoom(f64::from(percent) / 100.0),
        _ => state.notice = Some("h l H L move the end, o the other end, Enter keeps, e edits, Esc leaves".to_owned()),
    }
}

/// Types an edit; what is not understood stays in the line.
pub(super) fn type_edit(state: &mut State, key: &KeyEvent) {
    let Mode::Edit(prompt) = &mut state.mode else { return };
    match key.code {
        KeyCode::Esc => state.mode = Mode::Browse,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => state.mode = Mode::Browse,
        KeyCode::Enter => {
            let text = prompt.input.value().to_owned();
            match state.add_edit(&text) {
                Ok(()) => state.mode = Mode::Browse,
                Err(reason) => state.notice = Some(reason),
            }
        }
        _ => {
            prompt.input.handle_event(&Event::Key(*key));
        }
    }
}

/// The list of edits: one is chosen, gone to, taken away.
pub(super) fn list(state: &mut State, key: &KeyEvent, action: Option<Action>) {
    let Mode::Edits(chosen) = state.mode else { return };
    let last = state.edits.len().saturating_sub(1);
    match (key.code, action) {
        (_, Some(Action::Focus(step))) => state.mode = Mode::Edits(chosen.saturating_add_signed(isize::from(step)).min(last)),
        (KeyCode::Char('d') | KeyCode::Delete, _) => {
            state.remove_edit(chosen);
            state.mode = Mode::Edits(chosen.min(last.saturating_sub(1)));
        }
        (KeyCode::Enter, _) => {
            if let Some(edit) = state.edits.get(chosen).cloned() {
                let place = edit.region.start + edit.region.len() / 2;
                let result = state.go_to(&format!("{}:{}", edit.region.chrom, place + 1));
                state.notice = result.err().or_else(|| Some(edit.to_string()));
            }
            state.mode = Mode::Browse;
        }
        (_, Some(Action::Edit)) => state.mode = Mode::Edit(EditPrompt::default()),
        (_, Some(Action::Undo)) => state.undo(),
        (_, Some(Action::Redo)) => state.redo(),
        (KeyCode::Esc, _) | (_, Some(Action::Edits | Action::Quit)) => state.mode = Mode::Browse,
        _ => state.notice = Some("j k choose, Enter goes there, d takes away, e adds, Esc closes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::input::Keymap;
    use crate::models::test_manifest;
    use crate::state::{Mode, State, toy};
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn press(state: &mut State, code: KeyCode, modifiers: KeyModifiers) {
        crate::app::update::update(state, &Keymap::built_in(), &KeyEvent::new(code, modifiers));
    }

    fn keys(state: &mut State, text: &str) {
        text.chars().for_each(|c| press(state, KeyCode::Char(c), KeyModifiers::NONE));
    }

    fn typed(state: &mut State, text: &str) {
        keys(state, &format!("e{text}"));
        press(state, KeyCode::Enter, KeyModifiers::NONE);
    }

    fn state() -> State {
        toy::state(Some(Ok(test_manifest(10_000, 1, &["H3K4me3"], None))))
    }

    fn edits(state: &State) -> Vec<String> {
        state.edits.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_edit_is_typed_listed_taken_back_and_done_again() {
        let mut state = state();
        let before = state.subject().unwrap();
        typed(&mut state, "blank H3K4me3 chr1:20,001-20,500");
        assert!(matches!(state.mode, Mode::Browse), "{:?}", state.notice);
        typed(&mut state, "chr1:20,001 A>G");
        assert_eq!(edits(&state), ["blank H3K4me3 chr1:20,001-20,500", "chr1:20,001 A>G"]);
        let notice = state.notice.clone().unwrap();
        assert!(notice.contains("changes nothing here, toy reads no DNA"), "{notice}");
        let subject = state.subject().unwrap();
        assert_eq!(subject.edits.len(), 1, "only what the model reads is asked");
        assert_ne!(subject, before);
        keys(&mut state, "u");
        assert_eq!(edits(&state).len(), 1);
        keys(&mut state, "u");
        assert_eq!(state.subject().unwrap(), before);
        press(&mut state, KeyCode::Char('r'), KeyModifiers::CONTROL);
        assert_eq!(state.subject().unwrap(), subject);
        press(&mut state, KeyCode::Char('r'), KeyModifiers::CONTROL);
        keys(&mut state, "Ejd");
        assert_eq!(edits(&state), ["blank H3K4me3 chr1:20,001-20,500"]);
        keys(&mut state, "u");
        assert_eq!(edits(&state).len(), 2, "what was taken away comes back");
    }

    #[test]
    fn edits_are_saved_with_the_session_and_come_back() {
        let mut state = state();
        for text in ["blank H3K4me3 chr1:20,001-20,500", "insert ACGT before chr1:7", "chr1:20,001 AC>G", "paint 5mC chr1:1-9 1"]
        {
            typed(&mut state, text);
        }
        let saved = state.saved();
        let file: crate::session::SessionFile = toml::from_str(&saved.put_into("version = 1\n").unwrap()).unwrap();
        let mut session = toy::session();
        session.source = std::sync::Arc::new(file);
        let again = State::new(std::sync::Arc::new(session), state.models.clone(), state.theme.clone());
        assert_eq!(again.edits, state.edits);
        let mut wrong = toy::session();
        let text = "version = 2\n[view]\nedits = ['fly']\n";
        wrong.source = std::sync::Arc::new(toml::from_str(text).unwrap());
        let told = State::new(std::sync::Arc::new(wrong), Vec::new(), state.theme);
        assert!(told.edits.is_empty() && told.messages.iter().any(|m| m.contains("fly")), "{:?}", told.messages);
    }

    #[test]
    fn a_slip_stays_in_the_line_and_the_same_bases_are_not_changed_twice() {
        let mut state = state();
        typed(&mut state, "blank H9 chr1:1-5");
        assert!(matches!(&state.mode, Mode::Edit(prompt) if prompt.input.value() == "blank H9 chr1:1-5"));
        assert!(state.notice.as_ref().is_some_and(|n| n.contains("no mark \"H9\"")));
        press(&mut state, KeyCode::Esc, KeyModifiers::NONE);
        typed(&mut state, "delete chr1:20,001-20,010");
        typed(&mut state, "chr1:20,005 A>G");
        assert_eq!(edits(&state).len(), 1);
        assert!(state.notice.as_ref().is_some_and(|n| n.contains("take it back first")), "{:?}", state.notice);
        press(&mut state, KeyCode::Esc, KeyModifiers::NONE);
        typed(&mut state, "chr1:20,020 A>G");
        typed(&mut state, "chr1:20,020 A>T");
        assert_eq!(edits(&state), ["delete chr1:20,001-20,010", "chr1:20,020 A>T"], "of the same bases the later counts");
    }

    #[test]
    fn what_is_selected_is_what_an_edit_means() {
        let mut state = state();
        state.set_region(crate::genome::Region::new("chr1", 20_000, 21_000));
        state.n_columns = 100;
        keys(&mut state, "VlllhL");
        press(&mut state, KeyCode::Enter, KeyModifiers::NONE);
        // The middle base, and 2 + 10 columns of 10 bases to its right.
        assert_eq!(state.selected().unwrap().to_string(), "chr1:20,501-20,621");
        typed(&mut state, "scale H3K4me3 2");
        assert_eq!(edits(&state), ["scale H3K4me3 chr1:20,501-20,621 2"]);
        keys(&mut state, "V");
        press(&mut state, KeyCode::Esc, KeyModifiers::NONE);
        assert_eq!(state.selected(), None);
        typed(&mut state, "blank H3K4me3");
        assert_eq!(edits(&state)[1], "blank H3K4me3 chr1:15,001-25,000", "else the window");
        toy::fill_signals(&mut state);
        state.focus = "EPD".to_owned();
        keys(&mut state, "i");
        assert_eq!(state.selected().unwrap().to_string(), "chr1:19,952-20,011", "the interval");
        state.focus = "H3K4me3".to_owned();
        keys(&mut state, "i");
        assert_eq!(state.selected().unwrap().to_string(), "chr1:20,501-21,000", "the half above half the highest");
    }
}
