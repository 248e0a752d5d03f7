//! Keys in, state out.

use super::*;
use crate::state::toy;

/// Presses keys as `keymap.toml` writes them, one a word; a word that is no key is typed letter by letter.
fn press(state: &mut State, keys: &str) {
    let keymap = Keymap::built_in();
    for word in keys.split(' ') {
        for event in events(word) {
            update(state, &keymap, &event);
        }
    }
}

fn events(word: &str) -> Vec<KeyEvent> {
    let named = [
        ("enter", KeyCode::Enter),
        ("esc", KeyCode::Esc),
        ("tab", KeyCode::Tab),
        ("down", KeyCode::Down),
        ("up", KeyCode::Up),
        ("home", KeyCode::Home),
        ("end", KeyCode::End),
    ];
    if let Some((_, code)) = named.iter().find(|(name, _)| *name == word) {
        return vec![KeyEvent::new(*code, KeyModifiers::NONE)];
    }
    if let Some(letter) = word.strip_prefix("ctrl-").and_then(|w| w.chars().next()) {
        return vec![KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)];
    }
    let word = if word == "space" { " " } else { word };
    word.chars().map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)).collect()
}

fn after(keys: &str) -> State {
    let mut state = toy::state(None);
    press(&mut state, keys);
    state
}

fn gene(state: &State) -> &str {
    state.current_gene().map_or("", |g| g.name.as_str())
}

#[test]
fn genes_are_walked_in_order_and_stay_at_the_ends() {
    for (keys, expected) in
        [("W", "BETA"), ("W W", "GAMMA"), ("W W W", "DELTA"), ("W W W W W", "DELTA"), ("W B", "ALPHA"), ("B", "ALPHA")]
    {
        let state = after(keys);
        assert_eq!(gene(&state), expected, "{keys}");
        let tss = state.current_gene().unwrap().tss(state.session.genome.tss);
        assert_eq!(state.region.centre(), tss, "{keys}: the TSS is in the middle");
    }
}

#[test]
fn panning_moves_and_zooming_keeps_the_middle() {
    let start = toy::state(None).region;
    assert_eq!(after("l").region.start, start.start + start.len() / 10);
    assert_eq!(after("L h").region.start, start.start + start.len() / 2 - start.len() / 10);
    assert_eq!(after("l h").region, start);
    let zoomed = after("z").region;
    assert_eq!((zoomed.len(), zoomed.centre()), (start.len() / 2, start.centre()));
    assert_eq!(after("z o").region, start);
}

#[test]
fn the_view_never_leaves_the_chromosome() {
    let mut state = toy::state(None);
    for keys in ["h", "L", "o", "z", "H", "end", "home", "Z", "l", "W", "o o o o o o o o"] {
        for _ in 0..30 {
            press(&mut state, keys);
            let len = state.session.genome.chroms.len_of(&state.region.chrom).unwrap();
            assert!(state.region.end <= len && !state.region.is_empty(), "{keys}: {}", state.region);
            assert!(state.region.len() >= (state.n_columns as u64).min(len), "{keys}: {}", state.region);
        }
    }
}

#[test]
fn letters_are_one_base_a_column() {
    let state = after("Z");
    assert_eq!(state.region.len(), state.n_columns as u64);
    assert!(state.shows_bases());
}

#[test]
fn the_model_follows_the_view() {
    let state = after("g chr1:59,000-62,000 enter");
    assert_eq!(gene(&state), "GAMMA");
    assert_eq!(state.region.to_string(), "chr1:59,000-62,000");
    assert_eq!(gene(&after("g chr2:1-5,000 enter")), "DELTA");
}

#[test]
fn goto_completes_genes_and_keeps_what_was_typed_wrong() {
    assert_eq!(gene(&after("g gam tab enter")), "GAMMA");
    assert_eq!(gene(&after("/ delta enter")), "DELTA");
    let state = after("g chr9:1-5 enter");
    assert!(matches!(&state.mode, Mode::Prompt(prompt) if prompt.input.value() == "chr9:1-5"));
    assert_eq!(state.notice.as_deref(), Some("no chromosome \"chr9\"; the genome has chr1, chr2"));
    let state = after("g gamm enter");
    assert_eq!(state.notice.as_deref(), Some("no gene or chromosome \"gamm\"; did you mean GAMMA?"));
    assert!(matches!(after("g x esc").mode, Mode::Browse));
}

#[test]
fn history_goes_back_to_where_a_jump_left() {
    let state = after("l W ctrl-o");
    assert_eq!((gene(&state), &state.region), ("ALPHA", &after("l").region));
    assert_eq!(gene(&after("W W ctrl-o ctrl-o tab")), "BETA");
}

#[test]
fn exons_are_walked_in_genome_order() {
    let state = after("w");
    assert_eq!(state.region.centre(), 25_500, "the next exon of ALPHA");
    assert_eq!(after("w w").region.centre(), 40_000, "the first of BETA, whatever its strand");
    assert_eq!(after("w w b").region.centre(), 25_500);
}

#[test]
fn ends_of_exons_and_genes_are_walked_in_genome_order() {
    let press_alt = |state: &mut State, letters: &str| {
        let modifiers = |c: char| if c.is_uppercase() { KeyModifiers::ALT | KeyModifiers::SHIFT } else { KeyModifiers::ALT };
        for c in letters.chars() {
            update(state, &Keymap::built_in(), &KeyEvent::new(KeyCode::Char(c), modifiers(c)));
        }
    };
    let after = |letters: &str| {
        let mut state = toy::state(None);
        press_alt(&mut state, letters);
        state
    };
    // ALPHA is 20,000 to 26,000 with exons of 500 bases at its ends; the view begins at its TSS. BETA ends at 47,000.
    assert_eq!(after("w").region.centre(), 20_499, "the last base of the first exon");
    assert_eq!(after("ww").region.centre(), 25_999);
    assert_eq!(after("www").region.centre(), 40_499, "of a gene on the other strand too");
    assert_eq!(after("wwwb").region.centre(), 25_999);
    assert_eq!(after("W").region.centre(), 25_999);
    assert_eq!(after("WWB").region.centre(), 25_999);
    assert_eq!(after("WW").region.centre(), 46_999, "along the genome, whatever the strand");
    assert_eq!(after("b").notice.as_deref(), Some("no further end of an exon on this chromosome"));
    let mut state = toy::state(None);
    press(&mut state, "2");
    press_alt(&mut state, "W");
    press(&mut state, ".");
    assert_eq!(state.notice.as_deref(), Some("no further end of a gene on this chromosome"), "60,999, and then none");
    assert_eq!(state.region.centre(), 60_999);
}

#[test]
fn rows_far_apart_are_a_key_apart() {
    let last = after("").rows().len() - 1;
    let at = |state: &State| state.rows().iter().position(|r| state.label(*r) == state.focus).unwrap();
    assert_eq!(at(&after("ctrl-d")), last, "ten rows down, or the last");
    assert_eq!(at(&after("ctrl-d ctrl-u")), 0);
    let mut state = after("j");
    for (code, expected) in [(KeyCode::End, last), (KeyCode::Home, 0)] {
        update(&mut state, &Keymap::built_in(), &KeyEvent::new(code, KeyModifiers::CONTROL));
        assert_eq!(at(&state), expected);
    }
}

#[test]
fn peaks_of_the_focused_row_are_walked() {
    let mut state = toy::state(None);
    state.focus = "EPD".to_owned();
    press(&mut state, "]");
    assert_eq!((state.region.centre(), state.notice.as_deref()), (47_019, Some("BETA_1")));
    press(&mut state, "[");
    assert_eq!(state.region.centre(), 19_981);
    state.focus = "genes".to_owned();
    press(&mut state, "]");
    assert_eq!((state.region.centre(), state.notice.as_deref()), (20_000, Some("ALPHA")), "genes by their TSS");
    press(&mut state, "2]");
    assert_eq!(state.notice.as_deref(), Some("GAMMA"));
    press(&mut state, "{");
    assert_eq!(state.region.to_string(), "chr1:38,951-48,050", "BETA with a flank of 15 %");
}

#[test]
fn rows_are_focused_hidden_resized_and_shown_again() {
    let state = after("j j");
    assert_eq!(state.focus, "H3K4me3");
    let state = after("j j x");
    assert!(!state.rows().iter().any(|r| state.label(*r) == "H3K4me3"));
    assert_eq!(state.focus, "5mC");
    assert_eq!(after("j j x X").rows().len(), after("").rows().len());
    let state = after("j ) ) (");
    assert_eq!(state.row_view(state.focused().unwrap()).extra_lines, 1);
    // What is hidden in one sample is hidden in the next.
    assert_eq!(after("j j x s").rows().len(), 2);
}

#[test]
fn samples_go_round() {
    assert_eq!(after("s").sample.0, 1);
    assert_eq!(after("s s").sample.0, 0);
    assert_eq!(after("a").sample.0, 1);
}

#[test]
fn every_theme_is_reached_and_the_round_closes() {
    let mut state = toy::state(None);
    let first = state.theme.name.clone();
    let mut seen = vec![first.clone()];
    for _ in 0..THEMES.len() {
        press(&mut state, "t");
        seen.push(state.theme.name.clone());
    }
    assert_eq!(seen.last(), Some(&first));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), THEMES.len());
}

#[test]
fn a_key_without_a_meaning_does_nothing() {
    let (before, state) = (toy::state(None), after("Y ! ~"));
    assert_eq!((before.region, before.gene, before.focus), (state.region, state.gene, state.focus));
    assert!(!state.is_quitting);
    assert_eq!(state.notice.as_deref(), Some("~ has no meaning here; ? shows the keys"));
    assert_eq!(after("esc").notice, None);
    assert_eq!(after("W").notice, None);
}

/// Keys that no keymap binds and no text has.
const UNBOUND: [KeyCode; 4] = [KeyCode::F(5), KeyCode::Insert, KeyCode::CapsLock, KeyCode::Menu];

#[test]
fn a_key_without_a_meaning_leaves_every_mode_as_it_is() {
    let mut with_edit = after(":");
    type_text(&mut with_edit, "whatif blank H3K4me3 chr1:20,001-20,500");
    press(&mut with_edit, "enter E");
    let modes = [after(""), after(":"), after("g"), after("F"), after("F /"), after("R"), after("V"), after("e"), with_edit];
    for mut state in modes {
        let kind = |state: &State| (std::mem::discriminant(&state.mode), state.edits.len(), state.region.clone());
        let before = kind(&state);
        for code in UNBOUND {
            update(&mut state, &Keymap::built_in(), &KeyEvent::new(code, KeyModifiers::NONE));
            assert_eq!(kind(&state), before, "{code:?} in {:?}", state.mode);
        }
    }
    // Letters that mean something among the tracks mean nothing in a table, and say so.
    let state = after("F d");
    assert!(matches!(state.mode, Mode::Table(_)));
    assert_eq!(state.notice.as_deref(), Some("d has no meaning here; ? shows the keys, Esc closes the table"));
    assert!(matches!(after("F q").mode, Mode::Browse) && !after("F q").is_quitting);
}

#[test]
fn pasted_text_opens_the_prompt_without_control_characters() {
    let mut state = toy::state(None);
    paste(&mut state, &Keymap::built_in(), "chr1:5,000\u{1b}[31m-6,000\n");
    assert!(matches!(&state.mode, Mode::Prompt(prompt) if prompt.input.value() == "chr1:5,000[31m-6,000"));
}

#[test]
fn a_search_for_a_peak_is_asked_by_half_the_axis() {
    let mut state = toy::state(None);
    toy::fill_signals(&mut state);
    state.focus = "H3K4me3".to_owned();
    press(&mut state, "]");
    let seek = state.seek.clone().unwrap();
    assert_eq!((seek.from, seek.forward), (state.region.centre(), true));
    let threshold = (state.n_columns - 1) as f32 / 2.0;
    assert_eq!(seek.sought, crate::jobs::Sought::Peak { track: crate::session::TrackId(0), threshold });
    assert_eq!(state.look().seek, Some(seek));
}

#[test]
fn help_scrolls_and_any_other_key_closes_it() {
    assert!(matches!(after("?").mode, Mode::Help(0)));
    assert!(matches!(after("? j j k").mode, Mode::Help(1)));
    assert!(matches!(after("? Y").mode, Mode::Browse));
    assert!(after("? q q").is_quitting);
}

#[test]
fn a_count_repeats_a_key_and_a_point_repeats_both() {
    assert_eq!(gene(&after("2W")), "GAMMA");
    assert_eq!(gene(&after("W W W 2B")), "BETA");
    assert_eq!(gene(&after("2W B .")), "ALPHA");
    assert_eq!(after("3z").region.len(), toy::state(None).region.len() / 8);
    let start = toy::state(None).region.start;
    assert_eq!(after("10l").region.start, start + 10_000, "0 goes on with a count");
    assert_eq!(after("10l .").region.start, start + 20_000);
    assert_eq!(after("3 esc W").count, None);
    assert_eq!(gene(&after("3 esc W")), "BETA", "Esc forgets the count");
    assert_eq!(after(".").notice.as_deref(), Some("nothing to repeat yet"));
}

#[test]
fn bookmarks_are_set_and_gone_back_to() {
    let state = after("m a W 'a");
    assert_eq!((gene(&state), &state.region), ("ALPHA", &toy::state(None).region));
    assert_eq!(gene(&after("m a 2W 'a ''")), "GAMMA", "'' goes back");
    assert!(after("'x").notice.unwrap().contains("no bookmark x"));
    // A letter that is a key means its bookmark, once.
    assert!(!after("m q").is_quitting);
}

#[test]
fn exons_transcripts_and_features_are_gone_to() {
    let state = after("g BETA:e1 enter");
    assert_eq!(
        (state.region.to_string().as_str(), gene(&state)),
        ("chr1:46,426-47,075", "BETA"),
        "the first exon of a minus gene"
    );
    assert!(after("g BETA:e3 enter").notice.unwrap().contains("BETA-201 has exons 1 to 2, not 3"));
    assert_eq!(after("g gamma-201 enter").region.to_string(), "chr1:59,851-61,150");
    assert_eq!(after("g beta_1 enter").region.centre(), 47_019);
    assert_eq!(after("g +5k enter").region.start, toy::state(None).region.start + 5_000);
}

#[test]
fn the_command_line_completes_recalls_and_keeps_what_was_typed_wrong() {
    let mut state = toy::state(None);
    press(&mut state, ":");
    assert!(matches!(&state.mode, Mode::Prompt(p) if p.matches.len() == input::COMMANDS.len() + input::ACTIONS.len()));
    press(&mut state, "ls enter");
    assert!(matches!(&state.mode, Mode::Table(table) if table.len() == 2));
    press(&mut state, "j enter");
    assert_eq!(&*state.region.chrom, "chr2");
    press(&mut state, ": up");
    assert!(matches!(&state.mode, Mode::Prompt(p) if p.input.value() == "ls"));
    press(&mut state, "esc : theme");
    press(&mut state, "tab enter");
    assert!(matches!(&state.mode, Mode::Prompt(p) if p.input.value() == "theme "), "what wants more is not run without it");
    press(&mut state, "light enter");
    assert_eq!(state.theme.name, "light");
    press(&mut state, "u");
    assert_eq!((state.theme.name.as_str(), state.notice.as_deref()), ("dark", Some("undone: :theme light")));
    press(&mut state, ": nonsense enter");
    assert!(matches!(&state.mode, Mode::Prompt(_)) && state.notice.unwrap().contains("no command"));
}

#[test]
fn a_sequence_gets_a_row_that_is_searched_along_the_chromosome() {
    let mut state = after(": find");
    type_text(&mut state, " TGASTCA");
    press(&mut state, "enter ]");
    assert_eq!(state.focus, "TGASTCA");
    let seek = state.look().seek.unwrap();
    assert_eq!(
        (seek.sought, seek.forward),
        (crate::jobs::Sought::Pattern(crate::genome::Pattern::parse("TGASTCA").unwrap()), true)
    );
    assert_eq!(state.look().patterns.len(), 1);
    press(&mut state, ": unfind enter");
    assert!(state.patterns.is_empty());
}

fn type_text(state: &mut State, text: &str) {
    for c in text.chars() {
        update(state, &Keymap::built_in(), &KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
}

#[test]
fn regions_of_interest_are_a_row_and_a_table() {
    let mut state = after(":");
    type_text(&mut state, "note odd promoter");
    press(&mut state, "enter");
    assert_eq!(state.regions[0].note, "odd promoter");
    assert!(state.rows().contains(&RowId::Regions));
    press(&mut state, "W R");
    assert!(matches!(&state.mode, Mode::Table(table) if table.chosen().unwrap().target == "chr1:15,001-25,000"));
    press(&mut state, "enter");
    assert_eq!(gene(&state), "ALPHA");
    press(&mut state, ": unnote enter");
    assert!(state.regions.is_empty());
}

#[test]
fn tables_are_sorted_filtered_and_left() {
    let mut state = after("F");
    let chosen = |state: &State| match &state.mode {
        Mode::Table(table) => table.chosen().map(|line| line.target.clone()),
        _ => None,
    };
    assert_eq!(chosen(&state).as_deref(), Some("chr1:19,952-20,011"));
    press(&mut state, "1 1");
    assert_eq!(chosen(&state).as_deref(), Some("chr1:46,990-47,049"), "by name, from the last");
    press(&mut state, "/ alph enter");
    assert_eq!(chosen(&state).as_deref(), Some("chr1:19,952-20,011"));
    press(&mut state, "esc");
    assert!(matches!(state.mode, Mode::Browse));
}

#[test]
fn scales_styles_and_the_order_of_rows_are_changed_by_keys_and_taken_back() {
    let labels = |state: &State| state.rows().iter().map(|r| state.label(*r)).collect::<Vec<_>>();
    let first = labels(&after(""));
    assert_eq!(first, ["genes", "EPD", "H3K4me3", "5mC"]);
    let state = after("j j K");
    assert_eq!(labels(&state), ["genes", "H3K4me3", "EPD", "5mC"]);
    assert_eq!(labels(&after("j j K u")), first);
    assert_eq!(labels(&after("3j p")), ["5mC", "genes", "EPD", "H3K4me3"], "a pinned row stands at the top");
    assert_eq!(labels(&after("j 5J s")), ["genes", "H3K4me3", "EPD"], "the order is kept over samples");
    let view = |keys: &str| {
        let state = after(keys);
        state.row_view(state.row_named("H3K4me3").unwrap())
    };
    assert_eq!(view("j j \\").scale, crate::state::Scale::Group);
    assert!(view("4\\").scale == crate::state::Scale::Row, "genes have no scale");
    assert_eq!(view("j j d").style, crate::state::SignalStyle::Bars);
    assert_eq!(view("j j d d u").style, crate::state::SignalStyle::Bars);
}

#[test]
fn the_current_scale_is_fixed_without_typing_numbers() {
    let mut state = toy::state(None);
    toy::fill_signals(&mut state);
    state.focus = "H3K4me3".to_owned();
    press(&mut state, ":");
    type_text(&mut state, "scale fix");
    press(&mut state, "enter");
    let top = (state.n_columns - 1) as f32;
    let view = state.row_view(state.focused().unwrap());
    assert!(
        matches!(view.scale, crate::state::Scale::Fixed(lo, hi) if lo == 0.0 && hi >= top && hi < top * 1.2),
        "{:?}",
        view.scale
    );
}
