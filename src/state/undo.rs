//! Changes of the view that can be taken back, and done again: one history for all of them.

use super::{Comparison, FormulaRow, RowView, State};
use crate::attribution::MutagenesisView;
use crate::genome::Pattern;
use crate::jobs::Analysis;
use crate::session::{Edit, SampleId};
use crate::theme::Theme;
use std::collections::HashMap;

/// Everything about a view that can be taken back: all but the place, which has its own way back ([`super::Places`]).
///
/// What is added here (and to [`State::view`] and [`State::restore`]) can be undone without another line.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    row_views: HashMap<String, RowView>,
    order: Vec<String>,
    matrix: Vec<String>,
    formulas: Vec<FormulaRow>,
    patterns: Vec<Pattern>,
    shows_translation: bool,
    sample: SampleId,
    model: Option<usize>,
    theme: Theme,
    mutagenesis_view: MutagenesisView,
    more_analyses: Vec<Analysis>,
    wants_seqlets: bool,
    wants_cores: bool,
    edits: Vec<Edit>,
    comparison: Option<Comparison>,
}

/// The view before a change, and what the change was.
#[derive(Clone, Debug)]
struct Change {
    name: String,
    view: View,
}

/// Changes behind and ahead of the current view.
#[derive(Clone, Debug, Default)]
pub struct History {
    done: Vec<Change>,
    undone: Vec<Change>,
}

impl History {
    const LIMIT: usize = 200;

    fn record(&mut self, name: &str, before: View) {
        self.done.push(Change { name: name.to_owned(), view: before });
        if self.done.len() > Self::LIMIT {
            self.done.remove(0);
        }
        self.undone.clear();
    }

    /// Takes a change from one side and leaves on the other what leads back.
    fn step(from: &mut Vec<Change>, to: &mut Vec<Change>, now: View) -> Option<(String, View)> {
        let Change { name, view } = from.pop()?;
        to.push(Change { name: name.clone(), view: now });
        Some((name, view))
    }
}

impl State {
    /// What can be taken back, as it is now.
    fn view(&self) -> View {
        View {
            row_views: self.row_views.clone(),
            order: self.order.clone(),
            matrix: self.matrix.clone(),
            formulas: self.formulas.clone(),
            patterns: self.patterns.clone(),
            shows_translation: self.shows_translation,
            sample: self.sample,
            model: self.model,
            theme: self.theme.clone(),
            mutagenesis_view: self.mutagenesis_view,
            more_analyses: self.more_analyses.clone(),
            wants_seqlets: self.wants_seqlets,
            wants_cores: self.wants_cores,
            edits: self.edits.clone(),
            comparison: self.compared.with,
        }
    }

    fn restore(&mut self, view: View) {
        let focused = self.focused();
        (self.more_analyses, self.wants_seqlets) = (view.more_analyses.clone(), view.wants_seqlets);
        self.wants_cores = view.wants_cores;
        self.compared.with = view.comparison;
        let View {
            row_views,
            order,
            matrix,
            formulas,
            patterns,
            shows_translation,
            sample,
            model,
            theme,
            mutagenesis_view,
            edits,
            ..
        } = view;
        self.row_views = row_views;
        self.order = order;
        self.matrix = matrix;
        self.formulas = formulas;
        self.patterns = patterns;
        self.shows_translation = shows_translation;
        self.sample = sample;
        self.model = model;
        self.theme = theme;
        self.mutagenesis_view = mutagenesis_view;
        self.edits = edits;
        self.keep_focus(focused);
    }

    /// Does something that can be taken back under this name, if it changes the view at all.
    pub fn change<T>(&mut self, name: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.view();
        let done = act(self);
        if self.view() != before {
            self.history.record(name, before);
        }
        done
    }

    /// Takes the last change back.
    pub fn undo(&mut self) {
        let now = self.view();
        match History::step(&mut self.history.done, &mut self.history.undone, now) {
            Some((name, view)) => {
                self.restore(view);
                self.notice = Some(format!("undone: {name}"));
            }
            None => self.notice = Some("nothing to undo".to_owned()),
        }
    }

    /// Does the change again that was taken back last.
    pub fn redo(&mut self) {
        let now = self.view();
        match History::step(&mut self.history.undone, &mut self.history.done, now) {
            Some((name, view)) => {
                self.restore(view);
                self.notice = Some(format!("done again: {name}"));
            }
            None => self.notice = Some("nothing to do again".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::state::toy;

    #[test]
    fn changes_come_back_in_order_and_a_new_one_forgets_what_was_undone() {
        let mut state = toy::state(None);
        let first = state.view();
        state.change("hide", |s| s.hide_focused());
        state.change("nothing", |s| s.say("only words"));
        state.change("sample", |s| s.switch_sample(1));
        state.change("cores", |s| s.wants_cores = true);
        state.undo();
        assert!(!state.wants_cores);
        state.redo();
        assert!(state.wants_cores);
        state.undo();
        let last = state.view();
        state.undo();
        assert_eq!((state.sample.0, state.notice.as_deref()), (0, Some("undone: sample")));
        state.undo();
        assert_eq!(state.view(), first);
        state.undo();
        assert_eq!(state.notice.as_deref(), Some("nothing to undo"));
        state.redo();
        state.redo();
        assert_eq!(state.view(), last);
        state.undo();
        state.change("resize", |s| s.resize_focused(1));
        state.redo();
        assert_eq!(state.notice.as_deref(), Some("nothing to do again"));
    }
}
