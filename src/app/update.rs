//! What each action does to the state.

use super::landmarks::landmarks;
use crate::attribution::MutagenesisView;
use crate::input::{self, Action, Key, Keymap, Ran};
use crate::scene::{Geometry, Scene};
use crate::session::TrackKind;
use crate::state::{Asks, EditPrompt, Match, Mode, Pending, Prompt, RowId, State};
use crate::theme::{THEMES, Theme};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::backend::crossterm::EventHandler;

/// Takes in a key.
pub(super) fn update(state: &mut State, keymap: &Keymap, key: &KeyEvent) {
    let action = Key::of(key).and_then(|key| keymap.action(&key));
    state.notice = None;
    match &mut state.mode {
        Mode::Browse => browse(state, keymap, key, action),
        Mode::Prompt(_) => edit_prompt(state, keymap, key),
        Mode::Table(_) => walk_table(state, keymap, key, action),
        Mode::Methods(chosen) => match (key.code, action) {
            (KeyCode::Enter | KeyCode::Char(' '), _) => {
                let chosen = *chosen;
                state.change("rows of methods", |state| state.toggle_method(chosen));
            }
            (_, Some(Action::Focus(step))) => state.choose_method(isize::from(step)),
            _ => state.mode = Mode::Browse,
        },
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

/// A key among the tracks: a letter that was waited for, a digit of a count, or an action.
fn browse(state: &mut State, keymap: &Keymap, key: &KeyEvent, action: Option<Action>) {
    let typed = match key.code {
        KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => Some(c),
        _ => None,
    };
    if let Some(pending) = state.pending.take() {
        return match (pending, typed.filter(|c| c.is_alphanumeric() || *c == '\'')) {
            (Pending::SetBookmark, Some(letter)) => state.set_bookmark(letter),
            (Pending::GoToBookmark, Some(letter)) => state.go_to_bookmark(letter),
            (_, None) => {}
        };
    }
    // 0 is a key of its own until a count was begun.
    if let Some(digit) = typed.and_then(|c| c.to_digit(10)).filter(|d| *d > 0 || state.count.is_some()) {
        /// More than any genome has genes.
        const MOST: u32 = 99_999;
        state.count = Some((state.count.unwrap_or(0) * 10 + digit).min(MOST));
        return;
    }
    let count = state.count.take();
    match action {
        Some(action) => perform(state, keymap, action, count),
        None if key.code == KeyCode::Esc => {}
        None => state.notice = Some(means_nothing(key, keymap)),
    }
}

/// What is said of a key that has no meaning.
pub(super) fn means_nothing(key: &KeyEvent, keymap: &Keymap) -> String {
    let name = Key::of(key).map_or_else(|| "this key".to_owned(), |key| key.to_string());
    let help = keymap.keys_of(Action::Help).first().cloned().unwrap_or_default();
    format!("{name} has no meaning here; {help} shows the keys")
}

/// Does an action, so that it can be taken back and repeated.
fn perform(state: &mut State, keymap: &Keymap, action: Action, count: Option<u32>) {
    let (action, count) = match (action, state.repeatable) {
        (Action::Repeat, Some((name, last))) => (input::action(name).unwrap_or(action), count.unwrap_or(last)),
        (action, _) => (action, count.unwrap_or(1)),
    };
    let info = input::ACTIONS.iter().find(|a| a.action == action);
    match action {
        Action::Undo => (0..count).for_each(|_| state.undo()),
        Action::Redo => (0..count).for_each(|_| state.redo()),
        Action::Repeat => state.notice = Some("nothing to repeat yet".to_owned()),
        Action::Command => open_prompt(state, keymap, Asks::Command),
        Action::Goto => open_prompt(state, keymap, Asks::Place),
        _ => state.change(info.map_or("change", |a| a.help), |state| act(state, action, count)),
    }
    if let Some(info) = info.filter(|a| ["move", "zoom", "go", "rows"].contains(&a.group) && is_repeatable(a.action)) {
        state.repeatable = Some((info.name, count));
    }
}

fn is_repeatable(action: Action) -> bool {
    matches!(
        action,
        Action::Pan(_)
            | Action::Zoom(_)
            | Action::Gene(_)
            | Action::Exon(_)
            | Action::ExonEnd(_)
            | Action::GeneEnd(_)
            | Action::Peak(_)
            | Action::Fit(_)
            | Action::Travel(_)
            | Action::Focus(_)
            | Action::RowHeight(_)
            | Action::MoveRow(_)
            | Action::HideRow
    )
}

fn open_prompt(state: &mut State, keymap: &Keymap, asks: Asks) {
    let mut prompt = Prompt::new(asks);
    prompt.offer(matches(state, keymap, asks, ""));
    state.mode = Mode::Prompt(prompt);
}

fn matches(state: &State, keymap: &Keymap, asks: Asks, text: &str) -> Vec<Match> {
    match asks {
        Asks::Place => state.places_like(text),
        Asks::Command => input::complete(state, keymap, text),
    }
}

/// Takes in pasted text: into the prompt, which it opens where there is none.
pub(super) fn paste(state: &mut State, keymap: &Keymap, text: &str) {
    if let Mode::Edit(prompt) = &mut state.mode {
        for c in text.trim().chars().filter(|c| !c.is_control()).take(10_000) {
            prompt.input.handle(tui_input::InputRequest::InsertChar(c));
        }
        return;
    }
    if !matches!(state.mode, Mode::Prompt(_)) {
        state.mode = Mode::Prompt(Prompt::default());
    }
    if let Mode::Prompt(prompt) = &mut state.mode {
        // A line copied from a table has tabs between its columns.
        for c in text.trim().chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).take(200) {
            prompt.input.handle(tui_input::InputRequest::InsertChar(c));
        }
    }
    refresh(state, keymap);
}

/// Looks for matches again after the text changed.
fn refresh(state: &mut State, keymap: &Keymap) {
    let Mode::Prompt(prompt) = &state.mode else { return };
    let found = matches(state, keymap, prompt.asks, prompt.input.value());
    if let Mode::Prompt(prompt) = &mut state.mode {
        prompt.offer(found);
    }
}

fn edit_prompt(state: &mut State, keymap: &Keymap, key: &KeyEvent) {
    let Mode::Prompt(prompt) = &mut state.mode else { return };
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let typed = state.typed.get(&prompt.asks).map_or(&[][..], Vec::as_slice);
    match key.code {
        KeyCode::Esc => state.mode = Mode::Browse,
        KeyCode::Char('c') if is_control => state.mode = Mode::Browse,
        KeyCode::Enter => enter(state, keymap),
        KeyCode::Up if prompt.selected.is_none() => {
            prompt.recall(typed, 1);
            refresh(state, keymap);
        }
        KeyCode::Down if prompt.recalled.is_some() && prompt.selected.is_none() => {
            prompt.recall(typed, -1);
            refresh(state, keymap);
        }
        KeyCode::Down | KeyCode::Tab => prompt.select(1),
        KeyCode::Up | KeyCode::BackTab => prompt.select(-1),
        _ => {
            if prompt.input.handle_event(&Event::Key(*key)).is_some_and(|changed| changed.value) {
                prompt.recalled = None;
                refresh(state, keymap);
            }
        }
    }
}

/// Does what the line of the prompt says. The prompt stays where that cannot be done: a slip is mended, not typed again.
fn enter(state: &mut State, keymap: &Keymap) {
    let Mode::Prompt(prompt) = &mut state.mode else { return };
    let (asks, line) = (prompt.asks, prompt.target());
    if asks == Asks::Command && prompt.selected.is_some() && input::wants_more(&line) {
        prompt.input = tui_input::Input::new(format!("{line} "));
        return refresh(state, keymap);
    }
    let before = std::mem::take(&mut state.mode);
    if asks == Asks::Command {
        let geometry = Geometry { n_columns: state.n_columns, char_columns: 1.0, max_lanes: 1 };
        state.axis_in_view = state.focused().and_then(|row| Scene::row(state, geometry, row).axis);
    }
    let done = match asks {
        Asks::Place => state.go_to(&line).map(|()| Ran::Done),
        Asks::Command => state.change(&format!(":{line}"), |state| input::run(state, &line)),
    };
    match done {
        Ok(ran) => {
            let lines = state.typed.entry(asks).or_default();
            lines.retain(|l| *l != line);
            lines.push(line);
            if let Ran::Means(action) = ran {
                perform(state, keymap, action, None);
            }
        }
        Err(error) => {
            state.mode = before;
            state.notice = Some(error);
        }
    }
}

/// A key in a table: typed into its filter, or walking and sorting its lines.
fn walk_table(state: &mut State, keymap: &Keymap, key: &KeyEvent, action: Option<Action>) {
    let Mode::Table(table) = &mut state.mode else { return };
    if table.is_filtering {
        let mut filter = table.filter.clone();
        match key.code {
            KeyCode::Esc | KeyCode::Enter => table.is_filtering = false,
            KeyCode::Backspace => {
                filter.pop();
                table.set_filter(filter);
            }
            KeyCode::Char(c) => table.set_filter(filter + &c.to_string()),
            _ => {}
        }
        return;
    }
    match key.code {
        KeyCode::Char('j') | KeyCode::Down => table.select(1),
        KeyCode::Char('k') | KeyCode::Up => table.select(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => table.select(20),
        KeyCode::PageUp => table.select(-20),
        KeyCode::Home => table.select(isize::MIN),
        KeyCode::End => table.select(isize::MAX),
        KeyCode::Char('s') => table.sort_by_next(),
        KeyCode::Char('/') => table.is_filtering = true,
        KeyCode::Char(c @ '1'..='9') => table.sort_by(c as usize - '1' as usize),
        KeyCode::Enter => {
            let target = table.chosen().map(|line| line.target.clone());
            state.mode = Mode::Browse;
            if let Some(Err(error)) = target.map(|target| state.go_to(&target)) {
                state.say(error);
            }
        }
        KeyCode::Esc => state.mode = Mode::Browse,
        // A key that opens a table or leaves the program closes this one.
        _ if matches!(action, Some(Action::Quit | Action::Features | Action::Regions | Action::Genes)) => {
            state.mode = Mode::Browse;
        }
        _ => state.notice = Some(format!("{}, Esc closes the table", means_nothing(key, keymap))),
    }
}

fn act(state: &mut State, action: Action, count: u32) {
    let n = count as i64;
    let times = |state: &mut State, act: &dyn Fn(&mut State)| (0..count).for_each(|_| act(state));
    match action {
        Action::Pan(percent) => state.pan(f64::from(percent) / 100.0 * f64::from(count)),
        Action::ChromEdge(is_start) => {
            let len = state.session.genome.chroms.len_of(&state.region.chrom).unwrap_or(0);
            state.centre_on(if is_start { 0 } else { len });
        }
        Action::Zoom(percent) => state.zoom((f64::from(percent) / 100.0).powi(count.min(64) as i32)),
        Action::ZoomToBases => state.zoom(0.0),
        Action::ZoomToWindow => state.show_window(),
        Action::Gene(step) => state.step_gene(i64::from(step) * n),
        Action::Exon(step) => times(state, &|state| state.step_exon(step > 0)),
        Action::ExonEnd(step) => times(state, &|state| state.step_exon_end(step > 0)),
        Action::GeneEnd(step) => times(state, &|state| state.step_gene_end(step > 0)),
        Action::Peak(step) => step_peak(state, i64::from(step) * n, false),
        Action::Fit(step) => step_peak(state, i64::from(step) * n, true),
        Action::SetBookmark => state.pending = Some(Pending::SetBookmark),
        Action::GoToBookmark => state.pending = Some(Pending::GoToBookmark),
        Action::Features => state.mode = Mode::Table(state.feature_table("")),
        Action::Regions => state.mode = Mode::Table(state.region_table()),
        Action::Genes => match state.walk.clone() {
            Some(walk) => state.mode = Mode::Table(state.walk_table(&walk)),
            None => {
                let none = || "no list of genes: :genes FILE, :genes error, :genes change SAMPLE".to_owned();
                state.notice = Some(state.list_progress().unwrap_or_else(none));
            }
        },
        Action::Translation => state.shows_translation = !state.shows_translation,
        Action::Copy => {
            state.wants_copied = Some(state.region.to_string());
            state.notice = Some(format!("copied: {}", state.region));
        }
        Action::Focus(step) => state.move_focus(isize::from(step) * count as isize),
        Action::FocusEdge(is_first) => state.move_focus(if is_first { isize::MIN } else { isize::MAX }),
        Action::RowHeight(lines) => state.resize_focused(i16::from(lines) * count.min(30) as i16),
        Action::MoveRow(step) => state.move_row(isize::from(step) * count as isize),
        Action::Pin => state.pin_focused(),
        Action::Scale => said(state, State::next_scale),
        Action::Style => said(state, State::next_style),
        Action::HideRow => times(state, &|state| state.hide_focused()),
        Action::ShowRows => state.show_all_rows(),
        Action::Travel(step) => times(state, &|state| state.travel(step < 0)),
        Action::SwitchSide => state.switch_side(),
        Action::CloseSide => state.close_side(),
        Action::Sample(step) => state.switch_sample(isize::from(step) * count as isize),
        Action::Model(step) => state.switch_model(isize::from(step) * count as isize),
        Action::MutagenesisView => next_mutagenesis_view(state),
        Action::Methods => state.mode = Mode::Methods(0),
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
        // Not changes themselves, or the loop's, which owns the terminal.
        Action::Undo | Action::Redo | Action::Repeat | Action::Command | Action::Goto | Action::Suspend => {}
    }
}

/// Does what may be refused, and says why.
fn said(state: &mut State, act: fn(&mut State) -> Result<(), String>) {
    if let Err(reason) = act(state) {
        state.notice = Some(reason);
    }
}

/// The `n`th peak, interval, gene or maximum of the focused row after the middle of the view; before it where negative.
fn step_peak(state: &mut State, n: i64, to_fit: bool) {
    let Some(row) = state.focused() else { return };
    if row == RowId::Variants {
        return state.step_variant(n);
    }
    if let RowId::Pattern(i) = row {
        if let Some(pattern) = state.patterns.get(i).cloned() {
            state.seek_pattern(pattern, n > 0, to_fit);
        }
        return;
    }
    if let RowId::Track(track) = row
        && state.session.tracks[track.0].kind == TrackKind::Signal
    {
        return state.seek_peak(track, n > 0, to_fit);
    }
    if let Some(found) = state.interval_beside(n) {
        return state.go_to_interval(found, to_fit);
    }
    let Some(marks) = landmarks(state, row) else {
        state.notice = Some(format!("row {} has no peaks to go through: focus one with j k", state.label(row)));
        return;
    };
    let from = state.region.centre();
    let nth = n.unsigned_abs().max(1) as usize - 1;
    let found = match n > 0 {
        true => marks.into_iter().filter(|(_, at)| *at > from).nth(nth),
        false => marks.into_iter().rev().filter(|(_, at)| *at < from).nth(nth),
    };
    match found {
        Some((region, at)) => state.go_to_interval(Some((region, at, String::new())), to_fit),
        None => state.notice = Some("no further maximum in the model's window; W B go to other genes".to_owned()),
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
