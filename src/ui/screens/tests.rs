//! Whole screens, every cell and its style, against files in `src/ui/screens`. `UPDATE_SCREENS=1 cargo test --lib screens` writes
//! them anew: look at what changed before it is committed.

use super::tests::{explained, screen_as_is};
use super::*;
use crate::session::{Formula, TrackId};
use crate::state::{Asks, GeneDisplay, Prompt, RowId, RowView, Scale, SignalStyle, toy};
use ratatui::buffer::{Buffer, Cell};
use std::fmt::Write;
use std::path::Path;

/// The text of a screen, then a letter a cell for its style, then what the letters mean.
fn picture(buffer: &Buffer) -> String {
    let style = |cell: &Cell| format!("{:?} on {:?} {:?}", cell.fg, cell.bg, cell.modifier);
    let mut legend: Vec<String> = Vec::new();
    let (mut text, mut styles) = (String::new(), String::new());
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            text.push_str(cell.symbol());
            let style = style(cell);
            let at = legend.iter().position(|s| *s == style).unwrap_or_else(|| {
                legend.push(style);
                legend.len() - 1
            });
            styles.push(char::from_u32(if at < 26 { 97 } else { 39 } + at as u32).unwrap());
        }
        // Blanks at the end of a line would be lost in an editor.
        text = format!("{}\n", text.trim_end_matches(' '));
        styles.push('\n');
    }
    let mut picture = format!("{text}---\n{styles}---\n");
    for (i, style) in legend.iter().enumerate() {
        writeln!(picture, "{} {style}", char::from_u32(if i < 26 { 97 } else { 39 } + i as u32).unwrap()).unwrap();
    }
    picture
}

#[track_caller]
fn assert_screen(name: &str, state: &mut State, (width, height): (u16, u16), depth: Depth) {
    state.n_columns = plot_columns(width);
    state.set_region(state.region.clone());
    let drawn = picture(&screen_as_is(state, width, height, depth));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/ui/screens/{name}-{width}x{height}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &drawn).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (i, (drawn, expected)) in drawn.lines().zip(expected.lines()).enumerate() {
        assert_eq!(drawn, expected, "{name} {width}x{height}, line {}", i + 1);
    }
    assert_eq!(drawn.lines().count(), expected.lines().count(), "{name} {width}x{height}");
}

/// Signals in every style and scale, arithmetic, an overlay, a pinned and a renamed row.
fn styled() -> State {
    let mut state = toy::state(None);
    state.n_columns = 64;
    toy::fill_signals(&mut state);
    let h3k4me3 = RowId::Track(TrackId(0));
    for (name, formula) in [("line", "H3K4me3 - 20"), ("points", "H3K4me3 / 2"), ("heat", "30 - H3K4me3"), ("bars", "H3K4me3")] {
        state.set_formula(name, Formula::parse(formula).unwrap()).unwrap();
    }
    let mut set = |label: &str, view: RowView| {
        state.row_views.insert(label.to_owned(), view);
    };
    set("line", RowView { style: SignalStyle::Line, is_symmetrical: true, ..RowView::default() });
    set("points", RowView { style: SignalStyle::Points, name: Some("half".to_owned()), ..RowView::default() });
    set("heat", RowView { style: SignalStyle::Heatmap, ..RowView::default() });
    set("bars", RowView { style: SignalStyle::Bars, scale: Scale::Fixed(0.0, 40.0), ..RowView::default() });
    state.view_of(h3k4me3).overlays = vec!["points".to_owned()];
    state.view_of(RowId::Track(TrackId(1))).is_pinned = true;
    state.focus = "bars".to_owned();
    state
}

#[test]
fn screens_of_tracks_and_of_a_model() {
    for size in [(80, 24), (110, 30), (160, 48)] {
        assert_screen("explained", &mut explained(), size, Depth::True);
    }
    assert_screen("explained-16-colours", &mut explained(), (80, 24), Depth::Ansi16);
    assert_screen("explained-no-colours", &mut explained(), (160, 48), Depth::Mono);
}

#[test]
fn screens_of_every_style_of_a_signal() {
    for size in [(80, 40), (160, 48)] {
        let mut state = styled();
        state.n_columns = plot_columns(size.0);
        toy::fill_signals(&mut state);
        assert_screen("styles", &mut state, size, Depth::True);
    }
}

#[test]
fn screens_of_genes_regions_patterns_and_frames() {
    let mut state = toy::state(None);
    state.note_region("a region");
    state.set_region(crate::genome::Region::new("chr1", 15_000, 65_000));
    state.view_of(RowId::Genes).genes = GeneDisplay::Packed;
    assert_screen("packed", &mut state, (160, 24), Depth::True);
    state.set_region(crate::genome::Region::new("chr1", 22_000, 24_000));
    assert_screen("inside-a-gene", &mut state, (80, 24), Depth::True);
    let n = plot_columns(80) as u64;
    let region = crate::genome::Region::new("chr1", 20_000, 20_000 + n);
    state.set_region(region.clone());
    let bases: Vec<u8> = b"ATGGATAAGTGACTCATAACC".iter().copied().cycle().take(n as usize).collect();
    let pattern = crate::genome::Pattern::parse("TGASTCA").unwrap();
    let found = pattern.find(&bases).into_iter().map(|(i, strand)| (region.start + i as u64, strand)).collect();
    state.occurrences.insert(pattern.to_string(), (region.clone(), Ok(std::sync::Arc::new(found))));
    state.patterns.push(pattern);
    state.sequence = Some((region, Ok(bases)));
    state.shows_translation = true;
    assert_screen("bases", &mut state, (80, 24), Depth::True);
}

#[test]
fn screens_of_panels() {
    let mut state = toy::state(None);
    for (name, mode) in [
        ("goto", Mode::Prompt(Prompt { matches: state.places_like("a"), ..Prompt::new(Asks::Place) })),
        ("table", Mode::Table(state.feature_table(""))),
        ("messages", Mode::Messages(0)),
    ] {
        state.mode = mode;
        assert_screen(name, &mut state, (80, 24), Depth::True);
    }
}
