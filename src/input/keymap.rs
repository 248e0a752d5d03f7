//! `keymap.toml`: which key means which action.

use super::{ACTIONS, Action, action};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;
use std::fmt;

/// A key with its modifiers, as `keymap.toml` writes it: `W`, `ctrl-o`, `left`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

const NAMED: &[(&str, KeyCode)] = &[
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("tab", KeyCode::Tab),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
];

impl Key {
    /// The key of a terminal event; `None` for keys that have no name here.
    pub fn of(event: &KeyEvent) -> Option<Self> {
        let named = NAMED.iter().find(|(_, code)| *code == event.code).map(|(name, _)| (*name).to_owned());
        let (name, is_char) = match (named, event.code) {
            (Some(name), _) => (name, false),
            (None, KeyCode::Char(c)) => (c.to_string(), true),
            _ => return None,
        };
        let mut text = String::new();
        for (modifier, prefix) in [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            // A shifted letter is its capital: the modifier says nothing more.
            if event.modifiers.contains(modifier) && !(is_char && modifier == KeyModifiers::SHIFT) {
                text.push_str(prefix);
            }
        }
        Some(Self(text + &name))
    }

    /// Reads a key's name; the reason where it is none.
    fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        for prefix in ["ctrl-", "alt-", "shift-"] {
            rest = rest.strip_prefix(prefix).unwrap_or(rest);
        }
        let is_char = rest.chars().count() == 1 && !rest.chars().any(char::is_control);
        match is_char || NAMED.iter().any(|(name, _)| *name == rest) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("\"{text}\" is no key")),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a keymap could not be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    /// Not TOML of `key = "action"`.
    #[error("{0}")]
    Toml(String),
    /// A key or action that does not exist.
    #[error("{0}")]
    Entry(String),
}

/// Which key means which action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    keys: BTreeMap<Key, Action>,
}

impl Keymap {
    /// The keys that come with the program.
    pub fn built_in() -> Self {
        let mut keymap = Self { keys: BTreeMap::new() };
        keymap.merge(include_str!("../../assets/keymap.toml")).expect("the built-in keymap is valid, a test reads it");
        keymap
    }

    /// Reads a user's file over this keymap; `""` takes a key away. Nothing changes where the file has an error.
    pub fn merge(&mut self, text: &str) -> Result<(), KeymapError> {
        let entries: BTreeMap<String, String> = toml::from_str(text).map_err(|e| KeymapError::Toml(e.to_string()))?;
        let mut keys = self.keys.clone();
        for (key, name) in entries {
            let key = Key::parse(&key).map_err(KeymapError::Entry)?;
            if name.is_empty() {
                keys.remove(&key);
                continue;
            }
            let Some(action) = action(&name) else {
                return Err(KeymapError::Entry(format!("key {key}: no action \"{name}\" (cislens list keys prints them)")));
            };
            keys.insert(key, action);
        }
        self.keys = keys;
        Ok(())
    }

    /// What a key means.
    pub fn action(&self, key: &Key) -> Option<Action> {
        self.keys.get(key).copied()
    }

    /// The keys of an action, shortest first.
    pub fn keys_of(&self, action: Action) -> Vec<String> {
        let mut keys: Vec<String> = self.keys.iter().filter(|(_, a)| **a == action).map(|(k, _)| k.to_string()).collect();
        keys.sort_by_key(|k| (k.len(), k.to_uppercase() == *k, k.clone()));
        keys
    }

    /// The help, made from the same tables as the keys: `(heading, [(keys, help)])`.
    pub fn help(&self) -> Vec<(&'static str, Vec<(String, &'static str)>)> {
        let mut groups: Vec<(&'static str, Vec<(String, &'static str)>)> = Vec::new();
        for info in ACTIONS {
            let keys = self.keys_of(info.action);
            if keys.is_empty() {
                continue;
            }
            if groups.last().is_none_or(|(group, _)| *group != info.group) {
                groups.push((info.group, Vec::new()));
            }
            if let Some((_, lines)) = groups.last_mut() {
                lines.push((keys.join(" "), info.help));
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        Keymap::built_in().action(&Key::of(&KeyEvent::new(code, modifiers))?)
    }

    #[test]
    fn every_action_has_a_key() {
        let keymap = Keymap::built_in();
        for info in ACTIONS {
            assert!(!keymap.keys_of(info.action).is_empty(), "{} has no key", info.name);
        }
    }

    #[test]
    fn keys_reach_their_actions() {
        assert_eq!(press(KeyCode::Char('W'), KeyModifiers::SHIFT), Some(Action::Gene(1)));
        assert_eq!(press(KeyCode::Char('w'), KeyModifiers::NONE), Some(Action::Exon(1)));
        assert_eq!(press(KeyCode::Char('o'), KeyModifiers::CONTROL), Some(Action::Travel(-1)));
        assert_eq!(press(KeyCode::Tab, KeyModifiers::NONE), Some(Action::Travel(1)));
        assert_eq!(press(KeyCode::Char(' '), KeyModifiers::NONE), Some(Action::Pan(100)));
        assert_eq!(press(KeyCode::F(1), KeyModifiers::NONE), None);
    }

    #[test]
    fn flow_control_and_the_tmux_prefix_are_never_bound() {
        for c in ['s', 'q', 'b'] {
            assert_eq!(press(KeyCode::Char(c), KeyModifiers::CONTROL), None, "ctrl-{c}");
        }
    }

    #[test]
    fn a_users_file_changes_only_what_it_names() {
        let mut keymap = Keymap::built_in();
        keymap.merge("n = 'next-gene'\nW = ''").unwrap();
        assert_eq!(keymap.keys_of(Action::Gene(1)), ["n"]);
        assert_eq!(keymap.keys_of(Action::Gene(-1)), ["B"]);
        let before = keymap.clone();
        assert!(keymap.merge("a = 'fly'").unwrap_err().to_string().contains("no action \"fly\""));
        assert!(keymap.merge("hyper-x = 'quit'").unwrap_err().to_string().contains("\"hyper-x\" is no key"));
        assert_eq!(keymap, before);
    }
}
